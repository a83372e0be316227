"""The door: where HTTP connections arrive, plain or over TLS on one port.

From other machines plain ones come in too: the application sends them to https.
"""

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

from uvicorn.server import ServerState

from collector.listening import Listener, cut, speaks_tls
from collector.web.connection import REQUEST_S, Asker, Connection, configured
from collector.web.places import Places
from config.addresses import Address, is_loopback

_HANDSHAKE_S = 10.0
# Of whom nothing is heard for so long, though something was sent, is gone.
_UNHEARD_MS = 60_000
# What an answer that is under way has to end within, when the collector stops.
_LEAVE_S = 2.0


class Door:
    """The HTTP door of one collector; `context` is what TLS is served with: it has to be set, and may be changed.

    Args:
        application: what answers, as ASGI.
    """

    def __init__(self, address: Address, application: Any) -> None:
        self.address = address
        self.context: ssl.SSLContext | None = None
        self.places = Places()
        self._config = configured(application)
        self._state = ServerState()
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(address, "web.listen", self._arrive)
        self._arriving: dict[asyncio.Task[None], socket.socket] = {}

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    @property
    def requests(self) -> int:
        """How many were answered."""
        return self._state.total_requests

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the port is taken, or not ours to take.
        """
        await self._listener.start()

    async def close(self) -> None:
        """Listen no more, and end who is here."""
        self._listener.close()
        for connection in self._arriving.values():
            cut(connection)
        await asyncio.gather(*self._arriving, return_exceptions=True)
        for each in list(self._state.connections):
            each.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_LEAVE_S)
        for each in list(self._state.connections):
            if isinstance(each, Connection):
                each.abort()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)

    def end_strangers(self) -> None:
        """End all connections from other machines: who may come in has changed."""
        for each in list(self._state.connections):
            if isinstance(each, Connection) and not each.asker.is_local:
                each.abort()

    def _arrive(self, connection: socket.socket, peer: Address) -> None:
        is_local = is_loopback(peer.host) and is_loopback(connection.getsockname()[0])
        asker = Asker(peer.host, is_local)
        if not self.places.take(*asker):
            connection.close()
            return
        task = self._loop.create_task(self._receive(connection, asker))
        self._arriving[task] = connection
        task.add_done_callback(self._arriving.pop)

    async def _receive(self, connection: socket.socket, asker: Asker) -> None:
        """Find out how somebody speaks, and let uvicorn speak to them."""
        leave = partial(self.places.leave, *asker)
        try:
            async with asyncio.timeout(REQUEST_S):
                is_tls = await speaks_tls(connection)
        except OSError:
            leave()
            connection.close()
            return
        security: dict[str, Any] = {}
        if is_tls:
            security = {
                "ssl": self.context,
                "ssl_handshake_timeout": _HANDSHAKE_S,
                "ssl_shutdown_timeout": _LEAVE_S,
            }
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)
        made: list[Connection] = []

        def protocol() -> Connection:
            made.append(Connection(self._config, self._state, asker, leave))
            return made[0]

        try:
            await self._loop.connect_accepted_socket(protocol, connection, **security)
        except OSError:  # not TLS as it has to be, too slow at it, or gone
            if not (made and made[0].is_open):
                leave()

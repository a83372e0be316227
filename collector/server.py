"""The server: where devices connect; it makes a session of each connection that finds a place."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from collector.admission import Admission, Place
from collector.certificate import Certificate, unusable
from collector.entrance import Caller
from collector.errors import TrustError
from collector.listening import Listener, cut, speaks_tls
from collector.session import Session
from config.addresses import Address, is_loopback
from service import tls
from wire.conversation import GREETING_S


class Secured(NamedTuple):
    """What TLS is served with: the context, and the SHA-256 of the certificate in it."""

    context: ssl.SSLContext
    fingerprint: bytes


def secured_by(certificate: Certificate) -> Secured:
    """Return what serves TLS with the collector's certificate.

    Raises:
        TrustError: it has not its key with it.
    """
    try:
        return Secured(tls.server_context(certificate.file), certificate.fingerprint)
    except OSError as error:
        raise TrustError(unusable(certificate.file, error)) from None


class Server:
    """What devices connect to, at one address.

    Args:
        new_session: makes the session of a caller who has a place at the door.
    """

    def __init__(
        self,
        address: Address,
        new_session: Callable[[Caller], Session],
        admission: Admission,
        secured: Secured,
    ) -> None:
        self.address = address
        self._new_session = new_session
        self._admission = admission
        self._secured = secured
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(address, "devices.listen", self._arrive)
        self._arriving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on every address that the name stands for.

        Raises:
            ListenError: the port is taken, or not ours to take.
        """
        await self._listener.start()

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where the address says 0."""
        return self._listener.port

    async def close(self) -> None:
        """Listen no more, and end who is not let in yet; sessions go on."""
        self._listener.close()
        for place in self._admission.places:
            place.evict()
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _arrive(self, connection: socket.socket, peer: Address) -> None:
        place = self._admission.arrive(peer.host, self._loop.time())
        if place is None:
            connection.close()
            return
        # Nothing is cancelled: asyncio may have the connection already, and a session on it.
        place.evict = partial(cut, connection)
        task = self._loop.create_task(self._receive(connection, peer, place))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _receive(self, connection: socket.socket, peer: Address, place: Place) -> None:
        """Find out how somebody speaks, and begin a session that does."""
        try:
            async with asyncio.timeout(GREETING_S):
                is_tls = await speaks_tls(connection)
        except OSError:
            self._admission.leave(place, self._loop.time())
            connection.close()
            return
        is_local = is_loopback(peer.host) and is_loopback(connection.getsockname()[0])
        fingerprint = self._secured.fingerprint if is_tls else None
        caller = Caller(peer, is_local, fingerprint, place)
        await self._hand_over(connection, caller)

    async def _hand_over(self, connection: socket.socket, caller: Caller) -> None:
        """Give a connection to asyncio, which closes it from now on, and begin a session on it."""
        security: dict[str, Any] = {}
        if caller.fingerprint is not None:
            left_s = caller.place.since_s + GREETING_S - self._loop.time()
            security = {"ssl": self._secured.context, "ssl_handshake_timeout": max(left_s, 0.01)}
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._new_session(caller), connection, **security
            )
        except OSError:  # not TLS as it has to be, too slow at it, or gone
            self._admission.leave(caller.place, self._loop.time())

"""The server: listens for devices and makes a session of each connection."""

import asyncio
import errno
from collections.abc import Callable

from collector.errors import ListenError
from collector.port_owner import port_owner
from collector.session import Session
from config.addresses import Address


class Server:
    """One listening socket."""

    def __init__(self, address: Address, new_session: Callable[[], Session]) -> None:
        self.address = address
        self._new_session = new_session
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the port is taken, or not ours to take.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._new_session, *self.address, backlog=256)
        except OSError as error:
            raise ListenError(_told(self.address, error)) from None

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where the address says 0."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more; sessions go on."""
        if self._server is not None:
            self._server.close()
            self._server = None


def _told(address: Address, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return (
            f"cannot listen on {address}: not permitted. Set devices.listen to a port from 1024 on"
        )
    if error.errno != errno.EADDRINUSE:
        return f"cannot listen on {address}: {error.strerror or error}"
    owner = port_owner(address.port) or "another program"
    return (
        f"cannot listen on {address}: {owner} has this port. "
        "End that program, or set devices.listen to another port"
    )

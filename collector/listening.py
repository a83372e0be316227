"""Listening: the sockets of one address, who arrives there, and whether that is TLS.

It accepts by itself, not by asyncio's server: who is to be sent away must not cost a TLS handshake,
and one port takes TLS and plain connections: what comes first tells which it is.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog

from collector.errors import ListenError
from collector.port_owner import port_owner
from config.addresses import Address, listening

_log = structlog.get_logger()

Arrive = Callable[[socket.socket, Address], None]

_BACKLOG = 1024
# One wake-up takes this many at most, so that those who are here have their turn.
_A_WAKE_UP = 16
# How long nobody is accepted where the system has no more to give.
_REST_S = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# A record of TLS (RFC 8446, section 5.1) begins so, and then with no zero, as a greeting would.
_TLS = b"\x16\x03"
_TLS_BYTES = 3


class Listener:
    """The listening sockets of one address.

    Args:
        setting: the key of the YAML that the address stands under.
        arrive: gets each connection, which is its own to close from then on, and where it comes from.
    """

    def __init__(self, address: Address, setting: str, arrive: Arrive) -> None:
        self.address = address
        self._setting = setting
        self._arrive = arrive
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []

    async def start(self) -> None:
        """Listen on every address that the name stands for.

        Raises:
            ListenError: the port is taken, or not ours to take.
        """
        try:
            for address in listening(self.address):
                found = await self._loop.getaddrinfo(*address, type=socket.SOCK_STREAM)
                for family, *_, socket_address in dict.fromkeys(found):
                    self._sockets.append(_listening(family, socket_address))
        except OSError as error:
            self.close()
            raise ListenError(self._told(error)) from None
        for each in self._sockets:
            self._loop.add_reader(each, self._accept, each)

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where the address says 0."""
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Listen no more."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_A_WAKE_UP):
            try:
                connection, (host, port, *_) = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(listener, error)
                return  # else the peer has given up already
            connection.setblocking(False)
            self._arrive(connection, Address(host, port))

    def _rest(self, listener: socket.socket, error: OSError) -> None:
        _log.error("cannot_accept", detail=error.strerror, again_in_s=_REST_S)
        self._loop.remove_reader(listener)
        self._loop.call_later(_REST_S, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        if listener in self._sockets:
            self._loop.add_reader(listener, self._accept, listener)

    def _told(self, error: OSError) -> str:
        address, setting = self.address, self._setting
        if error.errno == errno.EACCES:
            return (
                f"cannot listen on {address}: not permitted. Set {setting} to a port from 1024 on"
            )
        if error.errno != errno.EADDRINUSE:
            return f"cannot listen on {address}: {error.strerror or error}"
        owner = port_owner(address.port) or "another program"
        return (
            f"cannot listen on {address}: {owner} has this port. "
            f"End that program, or set {setting} to another port"
        )


async def speaks_tls(connection: socket.socket) -> bool:
    """Look at what comes first, and leave it there.

    Raises:
        OSError: nothing comes any more.
    """
    loop = asyncio.get_running_loop()
    # The kernel wakes us when so much is there, not for each byte of who sends one at a time.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _TLS_BYTES)
    readable = loop.create_future()
    loop.add_reader(connection, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    head = connection.recv(_TLS_BYTES, socket.MSG_PEEK)
    if not head:
        raise ConnectionResetError
    return head[:2] == _TLS and head[2:] != b"\0"


def cut(connection: socket.socket) -> None:
    """End a connection; whoever reads from it notices, and closes it."""
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

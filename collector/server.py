"""The server: listens for devices, and makes a session of each connection that finds a place.

One port takes TLS and plain connections: what comes first tells which it is. It accepts by itself,
not by asyncio's server, since who is to be sent away must not cost a TLS handshake.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import structlog

from collector.admission import Admission, Place
from collector.certificate import Certificate, unusable
from collector.entrance import Caller
from collector.errors import ListenError, TrustError
from collector.port_owner import port_owner
from collector.session import Session
from config.addresses import Address, is_loopback, listening
from service import tls
from wire.conversation import GREETING_S

_log = structlog.get_logger()

_BACKLOG = 1024
# One wake-up takes this many at most, so that those who are here have their turn.
_A_WAKE_UP = 16
# How long nobody is accepted where the system has no more to give.
_REST_S = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# A record of TLS (RFC 8446, section 5.1) begins so, and then with no zero, as a greeting would.
_TLS = b"\x16\x03"
_TLS_BYTES = 3


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
    """The listening sockets of one address.

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
        self._listeners: list[socket.socket] = []
        self._arriving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on every address that the name stands for.

        Raises:
            ListenError: the port is taken, or not ours to take.
        """
        try:
            for address in listening(self.address):
                found = await self._loop.getaddrinfo(*address, type=socket.SOCK_STREAM)
                for family, *_, socket_address in dict.fromkeys(found):
                    self._listeners.append(_listener(family, socket_address))
        except OSError as error:
            await self.close()
            raise ListenError(_told(self.address, error)) from None
        for listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where the address says 0."""
        return int(self._listeners[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and end who is not let in yet; sessions go on."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for place in self._admission.places:
            place.evict()
        await asyncio.gather(*self._arriving, return_exceptions=True)

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
            place = self._admission.arrive(host, self._loop.time())
            if place is None:
                connection.close()
                continue
            self._begin(connection, Address(host, port), place)

    def _rest(self, listener: socket.socket, error: OSError) -> None:
        _log.error("cannot_accept", detail=error.strerror, again_in_s=_REST_S)
        self._loop.remove_reader(listener)
        self._loop.call_later(_REST_S, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _begin(self, connection: socket.socket, peer: Address, place: Place) -> None:
        connection.setblocking(False)
        # Nothing is cancelled: asyncio may have the connection already, and a session on it.
        place.evict = partial(_cut, connection)
        task = self._loop.create_task(self._receive(connection, peer, place))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _receive(self, connection: socket.socket, peer: Address, place: Place) -> None:
        """Find out how somebody speaks, and begin a session that does."""
        try:
            async with asyncio.timeout(GREETING_S):
                is_tls = await self._speaks_tls(connection)
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

    async def _speaks_tls(self, connection: socket.socket) -> bool:
        """Look at what comes first, and leave it there.

        Raises:
            ConnectionResetError: nothing comes any more.
        """
        # The kernel wakes us when so much is there, not for each byte of who sends one at a time.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _TLS_BYTES)
        readable = self._loop.create_future()
        self._loop.add_reader(connection, _set, readable)
        try:
            await readable
        finally:
            self._loop.remove_reader(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        head = connection.recv(_TLS_BYTES, socket.MSG_PEEK)
        if not head:
            raise ConnectionResetError
        return head[:2] == _TLS and head[2:] != b"\0"


def _cut(connection: socket.socket) -> None:
    """End a connection; whoever reads from it notices, and closes it."""
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _listener(family: int, address: tuple[object, ...]) -> socket.socket:
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

"""Driver `lines:8887`: a port of this machine that takes lines, so that any script is a sensor.

    echo 'level 0.83' | nc -u -w0 127.0.0.1 8887

The same port over TCP and UDP, unless `tcp` or `udp` says false; on 127.0.0.1 alone. `parse`, `pattern`:
see `line`. Every program of this machine may send here, whoever runs it. A TCP connection may stay;
one that says nothing for a quarter of an hour is closed, and so is the one that was silent for longest
where there are more than 16.
"""

import errno
import selectors
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from config.problems import shown
from device.clock import boottime_ns
from device.sensors import OptionProblem, SensorError, line
from device.sensors.heard import Splitter
from device.sensors.hearing import HearingAdapter, stale_after
from device.sensors.options import Option, check, completed

_ADDRESS = "127.0.0.1"
_PORT = Option("port", (int,), 1024, 65_535)
_OPTIONS = (
    _PORT,
    Option("tcp", (bool,), default=True),
    Option("udp", (bool,), default=True),
    *line.OPTIONS,
    # Scripts that cron starts come by every five minutes or so.
    stale_after(600.0),
)
_NO_ADDRESS = (
    f"there is no option `address`: lines are taken on {_ADDRESS} alone, since nobody proves who sends "
    "them. What another machine measures comes from a device of its own"
)
_MAX_CONNECTIONS = 16
_IDLE_NS = 900 * 10**9
_LOOK_EVERY_S = 60.0
_DATAGRAM_BYTES = 65_536
_CHUNK_BYTES = 4096


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching the network what can be checked so."""
    others = {name: value for name, value in options.items() if name != "address"}
    found = check("lines", others, _OPTIONS) or line.problems(options)
    if "address" in options:
        found.append(OptionProblem("address", _NO_ADDRESS))
    if (argument is None) == ("port" not in options):
        found.append(OptionProblem(None, "write the port once: `lines:8887`, or the option `port`"))
    if argument is not None and _port(argument) is None:
        found.append(OptionProblem(None, f"`{shown(argument)}` is no port from 1024 to 65535"))
    if options.get("tcp") is False and options.get("udp") is False:
        found.append(OptionProblem("udp", "with neither `tcp` nor `udp` nothing could come"))
    return found


def make(argument: str | None, options: Mapping[str, Any]) -> "Lines":
    """Build the adapter."""
    chosen = completed(options, _OPTIONS)
    return Lines(chosen["port"] or _port(argument or "") or 0, chosen)


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if _PORT.least <= int(text) <= _PORT.most else None


@dataclass
class _Peer:
    """One connection: the line it is in, and when it last said something."""

    heard_ns: int
    splitter: Splitter = field(default_factory=Splitter)


class Lines(HearingAdapter):
    """Listens to one port."""

    def __init__(self, port: int, options: Mapping[str, Any]) -> None:
        super().__init__("lines", options, _LOOK_EVERY_S)
        self._port = port
        self._kinds = [
            kind
            for kind, name in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp"))
            if options[name]
        ]
        self._peers: dict[socket.socket, _Peer] = {}
        self._waiting: selectors.BaseSelector | None = None

    def _take(self, selector: selectors.BaseSelector, taken: ExitStack) -> None:
        self._waiting = selector
        for kind in self._kinds:
            opened = taken.enter_context(socket.socket(socket.AF_INET, kind))
            opened.setblocking(False)
            self._bind(opened, kind)
            hear = self._accept if kind is socket.SOCK_STREAM else self._take_datagram
            selector.register(opened, selectors.EVENT_READ, hear)
        taken.callback(self._close_peers)

    def _bind(self, opened: socket.socket, kind: socket.SocketKind) -> None:
        try:
            if kind is socket.SOCK_STREAM:  # a port that was just given back may be taken again
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((_ADDRESS, self._port))
            if kind is socket.SOCK_STREAM:
                opened.listen(_MAX_CONNECTIONS)
        except OSError as error:
            raise SensorError(self._unbound(error, kind)) from error

    def _unbound(self, error: OSError, kind: socket.SocketKind) -> str:
        protocol = "tcp" if kind is socket.SOCK_STREAM else "udp"
        if error.errno != errno.EADDRINUSE:
            return f"cannot listen on {_ADDRESS}:{self._port} ({protocol}): {error.strerror}"
        return (
            f"port {self._port} ({protocol}) is in use: choose another, or end the program that "
            f"`sudo ss -lntup sport = :{self._port}` names"
        )

    def _take_datagram(self, opened: socket.socket) -> None:
        try:
            data = opened.recv(_DATAGRAM_BYTES)
        except OSError:  # gone again, or an error of one sender
            return
        splitter = Splitter()
        self._hear(splitter.feed(data) + splitter.end(), boottime_ns())

    def _accept(self, opened: socket.socket) -> None:
        try:
            peer, _ = opened.accept()
        except OSError:  # gone again
            return
        while len(self._peers) >= _MAX_CONNECTIONS:
            self._close_peer(min(self._peers, key=lambda each: self._peers[each].heard_ns))
        peer.setblocking(False)
        self._peers[peer] = _Peer(boottime_ns())
        self._selector_in_use().register(peer, selectors.EVENT_READ, self._take_bytes)

    def _take_bytes(self, connection: socket.socket) -> None:
        peer = self._peers.get(connection)
        if peer is None:  # closed in this same turn, to make room
            return
        try:
            data = connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.heard_ns = boottime_ns()
        lines = peer.splitter.feed(data) if data else peer.splitter.end()
        self._hear(lines, peer.heard_ns)
        if not data:
            self._close_peer(connection)

    def _look(self) -> None:
        silent_since_ns = boottime_ns() - _IDLE_NS
        for connection in [
            connection
            for connection, peer in self._peers.items()
            if peer.heard_ns < silent_since_ns
        ]:
            self._close_peer(connection)

    def _close_peer(self, connection: socket.socket) -> None:
        del self._peers[connection]
        self._selector_in_use().unregister(connection)
        connection.close()

    def _close_peers(self) -> None:
        for connection in list(self._peers):
            self._close_peer(connection)
        self._waiting = None

    def _selector_in_use(self) -> selectors.BaseSelector:
        assert self._waiting is not None, "only called while something is registered"
        return self._waiting

"""Connections in memory, between programs of a `kit.fakeloop.FakeLoop`: what is on its way is at hand.

What one end writes waits at the other for a few milliseconds before it is handed over, longer where the
end is `halted`. A connection that is cut leaves at the collector's end some of what was on its way: a
session that is dead and does not know, until that arrives.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from device import datagrams
from kit.fakeloop import FakeLoop, Program, this_program

# As asyncio has them: from when on a transport asks for a pause, and until when.
_HIGH_BYTES, _LOW_BYTES = 64 * 1024, 16 * 1024
# How long what is sent is on its way.
_LATENCY_S = 0.003
_SOCKET = SimpleNamespace(setsockopt=lambda *_: None)


class Rest(NamedTuple):
    """What of all that is on its way still arrives where a connection is cut: a share, and how late."""

    share: float = 1.0
    after_s: float = 0.0


class End(asyncio.Transport):
    """One end of a connection: a transport. `coming` is what is on its way to it.

    `has_end`: behind that comes the end of the stream. `is_halted`: what comes is held back.
    """

    def __init__(self, loop: FakeLoop, program: Program) -> None:
        super().__init__()
        self.program = program
        self.coming = bytearray()
        self.has_end = False
        self.is_halted = False
        self.is_gone = False
        self.peer: End
        self.protocol: Any = None
        self.spoil: Callable[[bytes], bytes] | None = None
        self._loop = loop
        self._context: Context = program.context()
        self._is_lost = False
        self._is_reading = True
        self._is_full = False

    def open(self, protocol: asyncio.BaseProtocol) -> None:
        """Let a protocol have it."""
        self.protocol = protocol
        protocol.connection_made(self)

    # What protocols call ------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send."""
        if self.is_gone or self.peer.is_gone:
            return
        if self.spoil is not None:
            data, self.spoil = self.spoil(data), None
        self.peer.coming += data
        self.peer.flow_soon()
        if len(self.peer.coming) > _HIGH_BYTES and not self._is_full:
            self._is_full = True
            self.protocol.pause_writing()

    def close(self) -> None:
        """Say the end, behind what was written."""
        if not self.is_gone:
            self.peer.has_end = True
            self.peer.flow_soon()
            self.drop()
            self._soon(self.lose)

    abort = close

    def is_closing(self) -> bool:
        """Whether it is closed or lost."""
        return self.is_gone

    def pause_reading(self) -> None:
        """Take nothing for now."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Take what comes."""
        self._is_reading = True
        self._soon(self._flow)

    def set_write_buffer_limits(self, high: int) -> None:
        """Other limits are of no use here: what is under way is what the test wants."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is asked of a socket."""
        return {"peername": ("127.0.0.1", 8888), "socket": _SOCKET}.get(name, default)

    # What the network does ----------------------------------------------------------------------

    def flow_soon(self) -> None:
        """Hand over what comes, once it is there."""
        self._loop.call_later(_LATENCY_S, self._flow, context=self._context)

    def halt(self, is_halted: bool) -> None:
        """Hold back what comes, or hand it over again."""
        self.is_halted = is_halted
        self._soon(self._flow)

    def keep(self, rest: Rest) -> None:
        """Get nothing more than this."""
        del self.coming[int(len(self.coming) * rest.share) :]
        self.is_halted = True
        self._loop.call_later(rest.after_s, self.halt, False, context=self._context)

    def hand_over(self, share: float) -> None:
        """Hand over a part of what is on its way, although it is halted."""
        self._soon(self._take, int(len(self.coming) * share))

    def drop(self) -> None:
        """From now on nothing reaches it, and nothing leaves it."""
        self.is_gone = True
        self.coming.clear()

    def lose(self, error: Exception | None = None) -> None:
        """Let the protocol know that the connection is gone."""
        self.drop()
        if self.protocol is not None and not self._is_lost:
            self._is_lost = True
            self._context.copy().run(self.protocol.connection_lost, error)

    def cut(self) -> None:
        """Lose it by a reset."""
        self.drop()
        self._soon(self.lose, ConnectionResetError("reset"))

    def _soon(self, act: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon(act, *arguments, context=self._context)

    def _flow(self) -> None:
        if not self.is_halted and self._is_reading:
            self._take(len(self.coming))

    def _take(self, count: int) -> None:
        if self.is_gone or self.protocol is None:
            return
        data = bytes(self.coming[:count])
        del self.coming[:count]
        if data:
            self.protocol.data_received(data)
        if self.peer._is_full and len(self.coming) < _LOW_BYTES:
            self.peer._is_full = False
            self.peer._soon(self.peer._resume)
        if self.has_end and not self.coming and not self.is_gone:
            self.lose()

    def _resume(self) -> None:
        if not self.is_gone:
            self.protocol.resume_writing()


class Listener:
    """Where connections arrive."""

    sockets = (SimpleNamespace(getsockname=lambda: ("127.0.0.1", 8888)),)

    def __init__(self, program: Program, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self.program = program
        self.factory = factory
        self.is_open = True

    def close(self) -> None:
        """Take no more."""
        self.is_open = False


class Air:
    """Where datagrams are: as a rule each arrives at once, unless they are `halted`.

    `ever` are all that were ever sent, as somebody may have recorded them; `coming` are on their way. To
    the collector it is a port (see collector.datagrams).
    """

    drops = 0
    socket = SimpleNamespace(close=lambda: None)

    def __init__(self) -> None:
        self.ever: list[bytes] = []
        self.coming: list[bytes] = []
        self.is_halted = False
        self.wake: Callable[[], object] | None = None
        self._there: deque[bytes] = deque()

    def patcher(self) -> Any:
        """Let devices send into it."""
        return patch.object(datagrams._Channel, "_connected", self._connected)

    def _connected(self) -> SimpleNamespace:
        return SimpleNamespace(send=partial(self._send, this_program()))

    def _send(self, program: Program, datagram: bytes) -> None:
        if not program.is_online:
            raise OSError(101, "Network is unreachable")
        self.ever.append(datagram)
        self.coming.append(datagram)
        if not self.is_halted:
            self.arrive(self.coming)
            self.coming = []

    def arrive(self, datagrams: Sequence[bytes]) -> None:
        """Let some arrive; where nobody listens, they are gone."""
        if self.wake is not None:
            self._there += datagrams
            self.wake()

    def receive(self) -> Any:
        """What the collector reads next (it calls this)."""
        return (self._there.popleft(), "127.0.0.1") if self._there else None

    def bereave(self) -> None:
        """The collector is gone, with what had arrived and was not read."""
        self.wake = None
        self._there.clear()


class Network:
    """All connections; `orphans` are collector's ends whose device is gone, with what it has sent."""

    def __init__(self) -> None:
        self.air = Air()
        self.listener: Listener | None = None
        self.ends: list[End] = []
        self.orphans: list[End] = []

    def listen(self, factory: Callable[[], asyncio.BaseProtocol]) -> Listener:
        """Let the program that runs now be the one that listens."""
        self.listener = Listener(this_program(), factory)
        return self.listener

    def connect(
        self, loop: FakeLoop, factory: Callable[[], asyncio.BaseProtocol]
    ) -> tuple[End, asyncio.BaseProtocol]:
        """Connect the program that runs now, or raise as asyncio would."""
        program, listener = this_program(), self.listener
        if listener is None or not listener.is_open or not program.is_online:
            raise ConnectionRefusedError(111, "refused")
        near, far = End(loop, program), End(loop, listener.program)
        near.peer, far.peer = far, near
        self.ends = [*(end for end in self.ends if not end.is_gone), near]
        protocol = factory()
        near.open(protocol)
        loop.call_soon(lambda: far.open(listener.factory()), context=listener.program.context())
        far.flow_soon()
        return near, protocol

    def of(self, program: Program) -> End | None:
        """The device's end of the connection that a program has now."""
        ends = [end for end in self.ends if end.program is program and not end.is_gone]
        return ends[-1] if ends else None

    def orphan(self, near: End, rest: Rest, says_end: bool) -> None:
        """Take a connection from its device; some of what it has sent may still arrive."""
        far = near.peer
        near.drop()
        if not far.is_gone:
            far.has_end |= says_end
            far.keep(rest)
            self.orphans = [*(end for end in self.orphans if not end.is_gone), far]

    def bereave(self, program: Program, rest: Rest) -> list[End]:
        """Take all connections from the collector, a program; return its ends.

        Some of what it has sent may still arrive.
        """
        ends = [end for end in self.ends if not end.is_gone and end.peer.program is program]
        for near in ends:
            if not near.peer.is_gone:
                near.has_end = True
                near.keep(rest)
        self.listener = None
        self.air.bereave()
        found = [end.peer for end in ends] + [end for end in self.orphans if not end.is_gone]
        for far in found:
            far.drop()
        self.orphans = []
        return found

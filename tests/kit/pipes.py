"""The parts of a proxied session: its two ends, and the pipe of each direction between them.

A pipe is a queue in which everything waits until it is due, so that a delay costs no rate and order is
kept. When a fault strikes is for the session to say (`kit.faultproxy`).
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from kit.linkfaults import Plan, Way

if TYPE_CHECKING:
    from kit.faultproxy import Session

# What one direction holds: at 20 MB/s enough for a delay of 0.4 s each way.
_HELD_BYTES = 8 * 1024 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)


class Pipe:
    """One direction: a queue of what was read, each with the moment it is due.

    None in the queue: the source was reset. Empty bytes: the source has said its end.
    """

    def __init__(
        self, session: "Session", way: Way, source: "End", sink: "End", plan: Plan
    ) -> None:
        self.is_halted = False
        self.when_flushed: Callable[[], None] | None = None
        self._session = session
        self._way = way
        self._source = source
        self._sink = sink
        self._delay_s = plan.delay_s.get(way, 0.0)
        self._piece_bytes = plan.piece_bytes
        self._queue: deque[tuple[float, memoryview | None]] = deque()
        self._held_bytes = 0
        self._timer: asyncio.Handle | None = None

    def put(self, data: bytes | None) -> None:
        """Take what the source said."""
        if self._session.is_swallowing:
            return
        due_s = self._session.loop.time() + self._delay_s
        self._queue.append((due_s, None if data is None else memoryview(data)))
        self._held_bytes += len(data or b"")
        self.flow()

    def swallow(self, *, says_end: bool) -> None:
        """Hand nothing on from now on; read, so that the source notices nothing."""
        self._queue.clear()
        self._source.resume_reading()
        if says_end:
            self._sink.say_end()

    def flow(self) -> None:
        """Hand on what is due, and read more if there is room."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._timer is None and self._may_hand_on():
            self._hand_on()
        if self.when_flushed is not None and not self._sink.is_full:
            act, self.when_flushed = self.when_flushed, None
            act()
        if self._session.is_swallowing:
            return
        if self.is_halted or self._held_bytes > _HELD_BYTES or not self._sink.is_open:
            self._source.pause_reading()
        else:
            self._source.resume_reading()

    def _may_hand_on(self) -> bool:
        return (
            bool(self._queue) and self._sink.is_open and not self._sink.is_full
            and not self.is_halted and not self._session.is_swallowing
        )  # fmt: skip

    def _hand_on(self) -> None:
        loop = self._session.loop
        due_s, data = self._queue[0]
        if due_s > loop.time():
            self._timer = loop.call_at(due_s, self.flow)
            return
        self._queue.popleft()
        if data is None:
            self._sink.reset()
            return
        if not data:
            self._sink.say_end()
            return
        if self._piece_bytes and len(data) > self._piece_bytes:
            self._queue.appendleft((due_s, data[self._piece_bytes :]))
            data = data[: self._piece_bytes]
            self._timer = loop.call_soon(self.flow)  # the next piece goes out by itself
        passed = self._session.passing(self._way, bytes(data))
        if len(passed) < len(data):
            self._queue.appendleft((due_s, data[len(passed) :]))
        self._held_bytes -= len(passed)
        self._sink.transport.write(passed)


class End(asyncio.Protocol):
    """One socket of a session."""

    def __init__(self, session: "Session") -> None:
        self.transport: asyncio.Transport
        self.is_open = False
        self.is_full = False
        self.has_heard_end = False
        self._has_said_end = False
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this."""
        self.transport = cast(asyncio.Transport, transport)
        # Full: as soon as the kernel does not take all of it. Nodelay is asyncio's own default.
        self.transport.set_write_buffer_limits(0)
        self.is_open = True
        self._session.opened(self)

    def data_received(self, data: bytes) -> None:
        """Asyncio calls this."""
        self._session.pipe_from(self).put(data)

    def eof_received(self) -> bool:
        """Asyncio calls this; the answer is whether the other direction stays open."""
        self.has_heard_end = True
        self._session.pipe_from(self).put(b"")
        # One that has not been told the end yet may still be sent to.
        return not (self._has_said_end or self._session.is_swallowing)

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio calls this."""
        self.is_open = self.is_full = False
        self._session.lost(self, error)

    def pause_writing(self) -> None:
        """Asyncio calls this."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Asyncio calls this."""
        self.is_full = False
        self._session.pipe_to(self).flow()

    def pause_reading(self) -> None:
        """Read no more, so that the peer has to wait."""
        if self.is_open:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.is_open:
            self.transport.resume_reading()

    def say_end(self) -> None:
        """FIN, behind what was written."""
        if not self.is_open or self.transport.is_closing():
            return
        self._has_said_end = True
        if self.has_heard_end:
            self.transport.close()
        else:
            self.transport.write_eof()

    def reset(self) -> None:
        """RST; what the kernel has not sent yet is lost."""
        if self.is_open:
            sock = self.transport.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()

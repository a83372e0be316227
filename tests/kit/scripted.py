"""A collector without a store, in the test's own event loop: it does what the test tells it to.

Speaks through wire.receiver on a real socket, so what a device sends is checked as the real
collector would check it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar, cast

from kit.waiting import until
from wire import frames
from wire.bodies import Ack, Bye, End, Gap, Hold, Mark, Marks
from wire.conversation import Event, State
from wire.frames import Body
from wire.greetings import Hello
from wire.receiver import Arrived, Receiver

_T = TypeVar("_T")


class ScriptedCollector:
    """Lets devices in, keeps marks and acknowledges, unless told otherwise.

    Attributes:
        marks: epoch -> mark; what a test writes here counts as committed.
        stored: the batches that moved a mark.
        gaps: the gaps that moved a mark.
        ends: epoch -> its END, where all of the epoch was there when it came.
        rejects: (epoch, seq) of batches that are refused for good, until their gap has come.
        sessions: all connections, the newest last.
        acknowledges, acknowledges_ends: whether batches and gaps, and ENDs, are answered.
        fingerprint: what READY says which collector it is.
    """

    def __init__(self) -> None:
        self.port = 0
        self.marks: dict[bytes, int] = {}
        self.stored: list[Arrived] = []
        self.gaps: list[Gap] = []
        self.ends: dict[bytes, End] = {}
        self.rejects: set[tuple[bytes, int]] = set()
        self.sessions: list[ScriptedSession] = []
        self.greets = True
        self.answers_hold = True
        self.acknowledges = True
        self.acknowledges_ends = True
        self.says_first: bytes | None = None
        self.fingerprint: bytes | None = None

    @property
    def session(self) -> "ScriptedSession":
        """The newest connection."""
        return self.sessions[-1]

    @property
    def readings(self) -> int:
        """How many readings are stored."""
        return sum(arrived.header.readings for arrived in self.stored)

    def take(self, arrived: Arrived) -> None:
        """Commit a batch, if it is the next one of its epoch."""
        epoch, seq, _ = arrived.header.place
        if seq == self.marks.get(epoch, 0) + 1:
            self.marks[epoch] = seq
            self.stored.append(arrived)

    def take_gap(self, gap: Gap) -> None:
        """Commit what of a gap lies above the mark of its epoch."""
        if gap.first_seq <= self.marks.get(gap.epoch, 0) + 1 <= gap.last_seq:
            self.marks[gap.epoch] = gap.last_seq
            self.gaps.append(gap)

    def take_end(self, end: End) -> bool:
        """Commit the end of an epoch; say whether all of it is there."""
        whole = end.last_seq in (None, self.marks.get(end.epoch, 0))
        if whole:
            self.ends[end.epoch] = end
        return whole


class ScriptedSession(asyncio.Protocol):
    """One connection; `events` is all that the device did."""

    def __init__(self, collector: ScriptedCollector) -> None:
        self.events: list[Event] = []
        self.began_s = asyncio.get_running_loop().time()
        self.is_over = False
        self.receiver = Receiver(self.began_s)
        self.transport: asyncio.Transport
        self._collector = collector

    def heard(self, kind: type[_T]) -> list[_T]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def send(self, *bodies: Body) -> None:
        """Say frames, whether it is their time or not, in one packet."""
        self.transport.write(b"".join(frames.encode(body) for body in bodies))

    def bye(self, reason: str, detail: str = "", retry_after_s: float = 0.0) -> None:
        """Say BYE and close."""
        self.send(Bye(reason, retry_after_s, detail))
        self.transport.close()

    def acknowledge(self) -> None:
        """Acknowledge what is committed of every epoch."""
        self.send(*(Ack(epoch, mark) for epoch, mark in self._collector.marks.items()))

    def cut(self) -> None:
        """End the connection without a word."""
        if not self.is_over:  # asyncio 3.11 cannot abort what is closed
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this."""
        self.transport = cast(asyncio.Transport, transport)
        self._collector.sessions.append(self)
        if self._collector.says_first is not None:
            self.transport.write(self._collector.says_first)

    def data_received(self, data: bytes) -> None:
        """Asyncio calls this."""
        if self._collector.says_first is not None:
            return
        now_s = asyncio.get_running_loop().time()
        for event in self.receiver.receive(data, now_s):
            self.events.append(event)
            self._answer(event)
        self.transport.writelines(self.receiver.outgoing(now_s))

    def connection_lost(self, _error: Exception | None) -> None:
        """Asyncio calls this."""
        self.is_over = True
        self.events += self.receiver.receive_end()

    def _answer(self, event: Event) -> None:
        if self.receiver.state is State.CLOSED:
            return  # what came behind it has ended the session already
        collector = self._collector
        match event:
            case Hello() if collector.greets:
                self.receiver.ready("telegauge-collector test", collector.fingerprint)
            case Hold() if collector.answers_hold:
                epochs = [held.epoch for held in event.epochs]
                marks = [Mark(epoch, collector.marks.get(epoch, 0)) for epoch in epochs]
                self.receiver.marks(Marks(marks))
            case Arrived():
                self._take(event)
            case Gap():
                collector.take_gap(event)
                self._acknowledge(event.epoch)
            case End() if collector.take_end(event) and collector.acknowledges_ends:
                self.receiver.ack(event.epoch, collector.marks.get(event.epoch, 0), ended=True)

    def _take(self, arrived: Arrived) -> None:
        epoch, seq, _ = arrived.header.place
        if (epoch, seq) in self._collector.rejects:
            self.receiver.reject(epoch, seq, "refused by the test")
            return
        self._collector.take(arrived)
        self._acknowledge(epoch)

    def _acknowledge(self, epoch: bytes) -> None:
        if self._collector.acknowledges:
            self.receiver.ack(epoch, self._collector.marks.get(epoch, 0))


@asynccontextmanager
async def scripted_collector(port: int = 0) -> AsyncIterator[ScriptedCollector]:
    """A scripted collector that listens on 127.0.0.1; `port` 0: any."""
    collector = ScriptedCollector()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ScriptedSession(collector), "127.0.0.1", port)
    collector.port = server.sockets[0].getsockname()[1]
    try:
        yield collector
    finally:
        await ended(server)
        for session in collector.sessions:
            session.cut()
        await until(lambda: all(session.is_over for session in collector.sessions))


async def ended(server: asyncio.Server) -> None:
    """Stop listening, once nobody connects any more.

    What is just being accepted must reach its protocol first: asyncio 3.11 drops it otherwise.
    """
    for _ in range(5):
        await asyncio.sleep(0)
    server.close()

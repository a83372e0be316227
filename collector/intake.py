"""The intake of a session: what a device brings goes to the writer, and comes back as answers.

Batches go as they came, in one piece as far as they came together; what is acknowledged is on disk.
How much may wait is for the session to say, by reading no more.

A rejected batch stops its epoch until the device has put a GAP in its place. What the writer had of
that epoch by then leaves a hole behind the batch, which the device mends by itself: no fault. An END
closes its epoch for good, so it waits until everything before it is answered: were it to overtake a
REJECT or a hole, what the device is going to send again would be recorded as missing.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from collector.datagrams import Datagrams
from collector.measuring import Measured
from collector.space import FreeSpace
from collector.store import REQUEST_BYTES, Holding, Rejected, Revoked, Stored, Writer
from collector.trust import REVOKED, REVOKED_RETRY_S
from service.stream import ConversationStream
from wire.bodies import ByeReason, Describe, End, Gap, Hold, Mark, Marks, OpenDatagrams
from wire.conversation import Event, State
from wire.receiver import Arrived, Receiver

_T = TypeVar("_T")

DISK_FULL_RETRY_S = 60.0
DISK_FULL = "the collector's disk has too little room; keep the readings, and come again"
_NEVER = 0  # stands for the seq of a hole: no GAP of this session mends it


class Intake:
    """What one device brings in one session; `pending_bytes` is what waits for the writer."""

    def __init__(
        self,
        device: str,
        stream: ConversationStream,
        receiver: Receiver,
        writer: Writer,
        space: FreeSpace,
        datagrams: Datagrams,
    ) -> None:
        self.pending_bytes = 0
        self._device = device
        self._stream = stream
        self._receiver = receiver
        self._writer = writer
        self._space = space
        self._datagrams = datagrams
        self._is_shut = False
        # What was measured before HOLD has told the boots in their order.
        self._is_held = False
        self._measured: Measured | None = None
        self._arrived: list[Arrived] = []
        self._asked = self._answered = 0
        self._ends: deque[tuple[int, End, Callable[[int | None], None]]] = deque()
        self._refused: dict[bytes, int] = {}

    def take(self, event: Event) -> None:
        """Take what the device said; what is not for the store is left alone."""
        match event:
            case Arrived():
                self._arrived.append(event)
            case Describe():
                self._writer.describe(self._device, event, self._answer(_nothing))
            case Hold():
                holding = Holding(event.epochs, event.lost)
                self._writer.hold(self._device, holding, self._answer(self._tell_marks))
                self._is_held = True
                if self._measured is not None:
                    self.measured(self._measured)
            case Gap() | End():
                self.settled()
                if not self._is_shut:
                    self._take_in_turn(event)
            case OpenDatagrams():
                answer = self._answer(partial(self._give_key, event))
                self._writer.open_datagrams(self._device, event, answer)

    def measured(self, measured: Measured) -> None:
        """Take what was measured of the device's clock: to the writer before any batch."""
        if self._is_held:
            self._writer.measured(self._device, measured, _nothing)
        else:
            self._measured = measured

    def report(self) -> None:
        """Say what came of the datagrams, if there is a key for any."""
        report = self._datagrams.report(self._device)
        if report is not None and self._is_open:
            self._receiver.report(report)
            self._stream.flush()

    def settled(self) -> None:
        """Hand what has arrived to the writer, in one piece, if there is room on the disk."""
        if not self._arrived:
            return
        batches, self._arrived = self._arrived, []
        if self._space.is_low():
            self._is_shut = True  # what follows would only make a gap of what was not taken
            self._stream.close(ByeReason.DISK_FULL, DISK_FULL, DISK_FULL_RETRY_S)
            return
        size_bytes = sum(len(arrived.sealed) for arrived in batches)
        self._writer.store(self._device, batches, self._in_turn(self._tell_stored, size_bytes))

    def _take_in_turn(self, event: Gap | End) -> None:
        if isinstance(event, Gap):
            done = self._in_turn(partial(self._tell_gap, event), REQUEST_BYTES)
            self._writer.record_gap(self._device, event, done)
        else:
            # What came of it goes to the writer before the END does, and nothing comes after.
            self._datagrams.close(self._device, event.epoch)
            answer = self._answer(partial(self._tell_end, event))
            self._ends.append((self._asked, event, answer))
            self._hand_over_ends()

    def _hand_over_ends(self) -> None:
        while self._ends and self._ends[0][0] <= self._answered:
            _, end, done = self._ends.popleft()
            if end.epoch in self._refused:
                done(None)  # the device says it again behind its GAP
            else:
                self._writer.end(self._device, end, done)

    def _answer(
        self, act: Callable[[_T], None], size_bytes: int = REQUEST_BYTES
    ) -> Callable[[_T], None]:
        """Count a request as waiting; wrap what is done with the writer's answer."""
        self.pending_bytes += size_bytes

        def answered(result: _T | Revoked) -> None:
            self.pending_bytes -= size_bytes
            if isinstance(result, Revoked):
                self._stream.close(ByeReason.REVOKED, REVOKED, REVOKED_RETRY_S)
                return
            act(result)
            if self._is_open:
                self._stream.flush()

        return answered

    def _in_turn(self, act: Callable[[_T], None], size_bytes: int) -> Callable[[_T], None]:
        """Do the same for what an END must not overtake."""
        self._asked += 1

        def answered(result: _T) -> None:
            act(result)
            self._answered += 1
            self._hand_over_ends()

        return self._answer(answered, size_bytes)

    @property
    def _is_open(self) -> bool:
        return self._receiver.state is State.OPEN

    def _tell_marks(self, marks: dict[bytes, int]) -> None:
        if self._is_open:
            self._receiver.marks(Marks([Mark(epoch, mark) for epoch, mark in marks.items()]))

    def _tell_stored(self, stored: Stored) -> None:
        for rejected in stored.rejected:
            self._refuse(rejected)
        for epoch, mark in stored.marks.items():
            self._acknowledge(epoch, mark)
        if stored.hole is not None:
            self._tell_hole(stored.hole, "a batch came whose predecessor never did")

    def _tell_gap(self, gap: Gap, mark: int | None) -> None:
        if mark is None:
            self._tell_hole(gap.epoch, f"a gap from seq {gap.first_seq} leaves a hole before it")
            return
        self._acknowledge(gap.epoch, mark)
        if gap.first_seq <= self._refused.get(gap.epoch, _NEVER) <= gap.last_seq:
            del self._refused[gap.epoch]

    def _tell_end(self, end: End, mark: int | None) -> None:
        if mark is not None:
            self._acknowledge(end.epoch, mark, ended=True)

    def _give_key(self, wish: OpenDatagrams, is_new: bool) -> None:
        if not self._is_open:
            return
        if is_new:
            self._receiver.datagram_key(self._datagrams.open(self._device, wish))
        else:
            self._stream.close(ByeReason.PROTOCOL_ERROR, "a datagram epoch is to be a new one")

    def _tell_hole(self, epoch: bytes, detail: str) -> None:
        if epoch in self._refused:
            return
        self._refused[epoch] = _NEVER
        self._stream.close(ByeReason.HOLE, detail)

    def _refuse(self, rejected: Rejected) -> None:
        self._refused[rejected.epoch] = rejected.seq
        if self._is_open:
            self._receiver.reject(*rejected)

    def _acknowledge(self, epoch: bytes, mark: int, ended: bool = False) -> None:
        if self._is_open:
            self._receiver.ack(epoch, mark, ended)


def _nothing(_answer: object) -> None:
    """Do nothing with an answer that nobody waits for."""

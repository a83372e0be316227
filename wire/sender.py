"""The device's end of a session: says HELLO, then sends what the window has room for.

    device    HELLO  [AUTH]        DESCRIBE  HOLD         BATCH BATCH GAP ... END       BYE
    collector  [CHALLENGE]  READY                  MARKS             ACK  ACK      ACK

Its owner keeps what it sends until it is acknowledged; here nothing is kept but sizes. After READY
it describes and holds; after MARKS it goes on behind each mark. The first epoch it holds is the
present one; the others are backlog, which gets a part of the window only, so that what is read now
never waits for what was read last week.

After a REJECT the collector drops what follows of that epoch: all that was sent from the rejected
batch on counts as never sent. The owner puts a GAP in its place and goes on behind it.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from wire import frames
from wire.batches import Place
from wire.bodies import (
    Ack,
    Command,
    DatagramKey,
    Describe,
    End,
    Gap,
    Held,
    Hold,
    Key,
    Mark,
    Marks,
    Moment,
    OpenDatagrams,
    Reject,
    Report,
    Result,
)
from wire.conversation import Conversation, Event, State
from wire.errors import LocalProtocolError, PeerError
from wire.fields import MAX_TEXT
from wire.frames import MAX_FRAME_BYTES, Body, FrameType
from wire.greetings import Auth, Challenge, Hello, Ready
from wire.proofs import Exchange, auth_proof
from wire.readings import CONTROL_CHARACTERS, is_one_line

WINDOW_BYTES = 512 * 1024
BACKLOG_BYTES = 64 * 1024

# An entry of HOLD takes no more than this in a frame.
_HELD_BYTES = 256
_HELD_A_FRAME = MAX_FRAME_BYTES // _HELD_BYTES
_END = 2**63  # stands behind every seq of its epoch
_CONTROL = re.compile(f"[{CONTROL_CHARACTERS}]")


class Prover(NamedTuple):
    """What a device proves itself with: its key, a fresh nonce, and the certificate it has seen."""

    key: bytes
    nonce: bytes
    fingerprint: bytes


class Sender(Conversation):
    """Events it gives: `Ready`, `Marks`, `Ack`, `Reject`, `Command`, `DatagramKey`, `Report` and
    `Key` as they came, and `Closed`. One `Marks` has the marks of all frames of an answer.

    With a `prover` it says HELLO with its nonce, and READY may only follow its proof. `clock` gives
    what its PONGs say of the device's clocks.
    """

    def __init__(
        self,
        device: str,
        agent: str,
        now_s: float,
        prover: Prover | None = None,
        clock: Callable[[], Moment] | None = None,
    ) -> None:
        super().__init__(now_s, clock)
        self._device = device
        self._prover = prover
        self._has_proven = False
        self.unacknowledged_bytes = 0
        self._waits_for_marks = False
        self._marks: list[Mark] = []
        self._present = b""
        self._spoken_of: set[bytes] = set()
        self._sent: dict[bytes, _Sent] = {}
        nonce = prover.nonce if prover else None
        self._send(Hello(device, frames.VERSION, frames.VERSION, agent, nonce))

    def describe(self, description: Describe) -> None:
        """Say what this device has; at start and at each change. Many sensors go in several frames."""
        self._must_be(State.OPEN)
        if len(frames.encode(description)) <= MAX_FRAME_BYTES or len(description.sensors) < 2:
            self._send(description)
            return
        half = len(description.sensors) // 2
        for sensors in (description.sensors[:half], description.sensors[half:]):
            self.describe(Describe(sensors, description.label))

    def hold(self, epochs: Sequence[Held], lost: str | None = None) -> None:
        """Say which epochs this device still holds, the present one first; MARKS answers."""
        self._must_be(State.OPEN)
        if not epochs:
            raise LocalProtocolError("HOLD names the present epoch at least")
        self._waits_for_marks = True
        self._marks = []
        self._present = epochs[0].epoch
        self._spoken_of |= {held.epoch for held in epochs}
        for start in range(0, len(epochs), _HELD_A_FRAME):
            part = list(epochs[start : start + _HELD_A_FRAME])
            self._send(Hold(part, start + _HELD_A_FRAME < len(epochs), lost))

    @property
    def backlog_bytes(self) -> int:
        """How much of what is unacknowledged is of other epochs than the present one."""
        present = self._sent.get(self._present)
        return self.unacknowledged_bytes - (present.size_bytes if present else 0)

    def has_room(self, epoch: bytes, size_bytes: int) -> bool:
        """Say whether something of that size may be sent now; where nothing is out, it always may."""
        if self.state is not State.OPEN:
            return False
        if epoch != self._present and not _fits(self.backlog_bytes, size_bytes, BACKLOG_BYTES):
            return False
        return _fits(self.unacknowledged_bytes, size_bytes, WINDOW_BYTES)

    def batch(self, place: Place, sealed: bytes) -> None:
        """Send one batch.

        Raises:
            LocalProtocolError: the session is not open, or the window has no room.
        """
        if not self.has_room(place.epoch, len(sealed)):
            raise LocalProtocolError(f"no room for {len(sealed)} bytes in the window")
        self._note(place.epoch, place.seq, len(sealed))
        self._outgoing.append(frames.encode_batch(sealed))

    def gap(self, gap: Gap) -> None:
        """Say that batches will not come; acknowledged like a batch."""
        self._send_noted(gap.epoch, gap.last_seq, gap)

    def end(self, end: End) -> None:
        """Say that an epoch is over; acknowledged by an ACK that says `ended`."""
        self._send_noted(end.epoch, _END, end)

    def result(self, result: Result) -> None:
        """Answer a COMMAND; control characters, which the collector refuses, become spaces."""
        self._must_be(State.OPEN)
        values = {
            _printable(name): _printable(value) if isinstance(value, str) else value
            for name, value in result.values.items()
        }
        self._send(Result(result.id, result.ok, _printable(result.detail)[:MAX_TEXT], values))

    def open_datagrams(self, wish: OpenDatagrams) -> None:
        """Ask for the key of a datagram epoch; DATAGRAM_KEY answers."""
        self._must_be(State.OPEN)
        self._send(wish)

    def _send_noted(self, epoch: bytes, seq: int, body: Body) -> None:
        self._must_be(State.OPEN)
        frame = frames.encode(body)
        self._note(epoch, seq, len(frame))
        self._outgoing.append(frame)

    def _note(self, epoch: bytes, seq: int, size_bytes: int) -> None:
        if epoch not in self._sent:
            self._spoken_of.add(epoch)
            self._sent[epoch] = _Sent()
        self._sent[epoch].add(seq, size_bytes)
        self.unacknowledged_bytes += size_bytes

    def _take(self, kind: FrameType, body: Body) -> Event | None:
        match body:
            case Challenge() if self._prover and not self._has_proven:
                self._prove(self._prover, body)
                return None
            case Ready() if self.state is State.GREETING and self._has_proven is bool(self._prover):
                return self._take_ready(body)
            case Marks() if self._waits_for_marks:
                return self._gather(body)
            case Ack() if body.epoch in self._spoken_of:
                self._forget(body)
                return body
            case Reject() if body.epoch in self._sent and is_one_line(body.detail):
                self._take_back(body)
                return body
            case Command() | DatagramKey() | Report() | Key() if self.state is State.OPEN:
                return body
        raise PeerError(f"{kind.name} at this point")

    def _prove(self, prover: Prover, challenge: Challenge) -> None:
        self._has_proven = True
        exchange = Exchange(prover.nonce, challenge.nonce, prover.fingerprint)
        self._send(Auth(auth_proof(prover.key, exchange, self._device)))

    def _take_ready(self, ready: Ready) -> Event:
        if ready.version != frames.VERSION:
            raise PeerError(f"READY of version {ready.version}, offered: {frames.VERSION}")
        if not is_one_line(ready.collector):
            raise PeerError("a collector that holds control characters")
        self._open()
        return ready

    def _gather(self, part: Marks) -> Event | None:
        self._marks += part.marks
        if len(self._marks) > len(self._spoken_of):
            raise PeerError(f"MARKS of more than the {len(self._spoken_of)} epochs that are held")
        if part.more:
            return None
        self._waits_for_marks = False
        return Marks(self._marks)

    def _forget(self, ack: Ack) -> None:
        sent = self._sent.get(ack.epoch)
        if ack.ended and not (sent and sent.last_seq == _END):
            raise PeerError("ACK of an END that is not on its way")
        if sent:
            self.unacknowledged_bytes -= sent.acknowledged(_END if ack.ended else ack.mark)

    def _take_back(self, reject: Reject) -> None:
        sent = self._sent[reject.epoch]
        if reject.seq not in sent:
            raise PeerError(f"REJECT of seq {reject.seq}, which is not on its way")
        self.unacknowledged_bytes -= sent.taken_back(reject.seq)


class _Sent:
    """What of one epoch is on its way: seqs, ascending, and how many bytes each took."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._frames: deque[tuple[int, int]] = deque()

    @property
    def last_seq(self) -> int:
        return self._frames[-1][0] if self._frames else 0

    def __contains__(self, seq: int) -> bool:
        return any(each == seq for each, _ in self._frames)

    def add(self, seq: int, size_bytes: int) -> None:
        self._frames.append((seq, size_bytes))
        self.size_bytes += size_bytes

    def acknowledged(self, mark: int) -> int:
        """Forget all up to a mark; return how many bytes that were."""
        before = self.size_bytes
        while self._frames and self._frames[0][0] <= mark:
            self.size_bytes -= self._frames.popleft()[1]
        return before - self.size_bytes

    def taken_back(self, first_seq: int) -> int:
        """Forget all from a seq on; return how many bytes that were."""
        before = self.size_bytes
        while self._frames and self._frames[-1][0] >= first_seq:
            self.size_bytes -= self._frames.pop()[1]
        return before - self.size_bytes


def _fits(out_bytes: int, size_bytes: int, limit_bytes: int) -> bool:
    return not out_bytes or out_bytes + size_bytes <= limit_bytes


def _printable(text: str) -> str:
    return _CONTROL.sub(" ", text)

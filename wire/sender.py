"""The device's end of a session: says HELLO, then sends what the window has room for.

    device    HELLO            DESCRIBE  HOLD         BATCH BATCH GAP ...       BYE
    collector        READY                     MARKS            ACK      ACK

Its owner keeps the batches until they are acknowledged, here nothing is kept but their sizes. After
READY it describes and holds; after MARKS it goes on behind each mark.
"""

from collections import deque
from collections.abc import Sequence

from wire import frames
from wire.batches import Place
from wire.conversation import Conversation, Event, State
from wire.errors import LocalProtocolError, PeerError
from wire.frames import (
    MAX_FRAME_BYTES,
    Ack,
    Body,
    Describe,
    FrameType,
    Gap,
    Held,
    Hello,
    Hold,
    Marks,
    Ready,
)

WINDOW_BYTES = 512 * 1024


class Sender(Conversation):
    """Events it gives: `Ready`, `Marks`, `Ack` as they came, and `Closed`."""

    def __init__(self, device: str, agent: str, now_s: float) -> None:
        super().__init__(now_s)
        self._waits_for_marks = False
        self._spoken_of: set[bytes] = set()
        self._sent: dict[bytes, deque[tuple[int, int]]] = {}
        self.unacknowledged_bytes = 0
        self._send(Hello(device, frames.VERSION, frames.VERSION, agent))

    def describe(self, description: Describe) -> None:
        """Say what this device has; at start and at each change. Many sensors go in several frames."""
        self._must_be(State.OPEN)
        if len(frames.encode(description)) <= MAX_FRAME_BYTES or len(description.sensors) < 2:
            self._send(description)
            return
        half = len(description.sensors) // 2
        for sensors in (description.sensors[:half], description.sensors[half:]):
            self.describe(Describe(sensors, description.label))

    def hold(self, epochs: Sequence[Held]) -> None:
        """Say which epochs this device still holds; MARKS answers."""
        self._must_be(State.OPEN)
        self._waits_for_marks = True
        self._spoken_of |= {held.epoch for held in epochs}
        self._send(Hold(list(epochs)))

    def has_room(self, size_bytes: int) -> bool:
        """Say whether a batch of that size may be sent now; one batch always may."""
        if self.state is not State.OPEN:
            return False
        return not self.unacknowledged_bytes or (
            self.unacknowledged_bytes + size_bytes <= WINDOW_BYTES
        )

    def batch(self, place: Place, sealed: bytes) -> None:
        """Send one batch.

        Raises:
            LocalProtocolError: the session is not open, or the window has no room.
        """
        if not self.has_room(len(sealed)):
            raise LocalProtocolError(f"no room for {len(sealed)} bytes in the window")
        self._spoken_of.add(place.epoch)
        self._sent.setdefault(place.epoch, deque()).append((place.seq, len(sealed)))
        self.unacknowledged_bytes += len(sealed)
        self._outgoing.append(frames.encode_batch(sealed))

    def gap(self, gap: Gap) -> None:
        """Say that batches will not come; acknowledged like a batch."""
        self._must_be(State.OPEN)
        self._spoken_of.add(gap.epoch)
        self._send(gap)

    def _take(self, kind: FrameType, body: Body) -> Event:
        match body:
            case Ready() if self.state is State.GREETING:
                return self._take_ready(body)
            case Marks() if self._waits_for_marks:
                self._waits_for_marks = False
                return body
            case Ack() if body.epoch in self._spoken_of:
                self._forget(body)
                return body
        raise PeerError(f"{kind.name} at this point")

    def _take_ready(self, ready: Ready) -> Event:
        if ready.version != frames.VERSION:
            raise PeerError(f"READY of version {ready.version}, offered: {frames.VERSION}")
        self._open()
        return ready

    def _forget(self, ack: Ack) -> None:
        sent = self._sent.get(ack.epoch)
        while sent and sent[0][0] <= ack.mark:
            self.unacknowledged_bytes -= sent.popleft()[1]

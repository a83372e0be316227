"""What both ends of a session do alike: frames in, frames out, keep-alive, and the end.

Theory of operation. A conversation does no I/O. Its owner gives it what arrived (`receive`,
`receive_end`) and the time (`tick`), always with `now_s` of a monotonic clock; it takes `outgoing`
bytes to the socket, and asks `next_deadline_s` when to call `tick` at the latest. What the peer did
comes back as events. Bytes from a peer never raise: what the contract does not allow becomes a BYE
to send and a `Closed` event, the last one a conversation gives.

    state      entered by          left by
    greeting   the start           READY, or GREETING_S without it
    open       READY               BYE of either end, a fault, silence, the end of the stream
    closed     anything above      never

Each end sends some frame at least every PING_AFTER_S. SILENCE_S without a whole frame from the peer
end the session, and so does a frame that is not whole FRAME_S after it began; except while the owner
has stopped reading: who does not read hears nothing. Before READY nothing is said but greetings.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from wire import frames
from wire.bodies import Bye, ByeReason, Moment, Ping, Pong
from wire.errors import LocalProtocolError, PeerError
from wire.fields import MAX_TEXT
from wire.frames import Body, FrameReader, FrameType
from wire.readings import is_one_line

GREETING_S = 5.0
PING_AFTER_S = 5.0
SILENCE_S = 15.0
FRAME_S = 10.0


class State(Enum):
    """Where a conversation stands."""

    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"


class Closed(NamedTuple):
    """The session is over; `by_peer` says whose decision that was."""

    reason: str
    detail: str = ""
    retry_after_s: float = 0.0
    by_peer: bool = False


Event: TypeAlias = object


class Conversation:
    """One end of one session; `wire.sender` and `wire.receiver` say what each end may say.

    `clock` gives what a PONG says of this end's clocks; None: it says nothing.
    """

    def __init__(self, now_s: float, clock: Callable[[], Moment] | None = None) -> None:
        self.state = State.GREETING
        self._clock = clock
        self._reader = FrameReader()
        self._outgoing: list[bytes] = []
        self._reading = True
        self._began_s = self._heard_s = self._sent_s = now_s
        self._frame_began_s: float | None = None

    def receive(self, data: bytes, now_s: float) -> list[Event]:
        """Take bytes from the peer; return what they mean."""
        if self.state is State.CLOSED:
            return []
        events: list[Event] = []
        try:
            found = self._reader.feed(data)
            self._time_frame(bool(found), now_s)
            for kind, body in found:
                self._heard_s = now_s
                self._collect(events, kind, body)
        except PeerError as error:
            events.append(self.bye(ByeReason.PROTOCOL_ERROR, str(error)))
        return events

    def receive_end(self, why: str = "") -> list[Event]:
        """Take the end of the peer's stream, or the loss of the connection and why."""
        if self.state is State.CLOSED:
            return []
        self.state = State.CLOSED
        if self._reader.begun:
            why = f"{why} in the middle of a frame".strip()
        return [Closed("connection_lost", why, by_peer=True)]

    def tick(self, now_s: float) -> list[Event]:
        """Do what is due by now: say PING, or give up."""
        if self.state is State.GREETING and now_s >= self._began_s + GREETING_S:
            return [self.bye(ByeReason.SILENCE, f"no greeting within {GREETING_S:g} s")]
        if self.state is not State.OPEN:
            return []
        if self._reading and now_s >= self._heard_s + SILENCE_S:
            return [self.bye(ByeReason.SILENCE, f"no frame within {SILENCE_S:g} s")]
        if self._frame_due_s() <= now_s:
            return [self.bye(ByeReason.SILENCE, f"a frame is not whole after {FRAME_S:g} s")]
        if now_s >= self._sent_s + PING_AFTER_S and not self._outgoing:
            self._send(Ping())
        return []

    def next_deadline_s(self) -> float:
        """Return when `tick` has something to do, if nothing happens before."""
        if self.state is State.GREETING:
            return self._began_s + GREETING_S
        quiet_s = self._heard_s + SILENCE_S if self._reading else float("inf")
        return min(self._sent_s + PING_AFTER_S, quiet_s, self._frame_due_s())

    def outgoing(self, now_s: float) -> Sequence[bytes]:
        """Hand over what is to be written to the socket now; the owner must write it."""
        data, self._outgoing = self._outgoing, []
        if data:
            self._sent_s = now_s
        return data

    def set_reading(self, reading: bool, now_s: float) -> None:
        """Note that the owner has stopped reading the socket, or reads again."""
        self._reading = reading
        self._heard_s = now_s
        self._time_frame(True, now_s)

    def bye(self, reason: str, detail: str = "", retry_after_s: float = 0.0) -> Closed:
        """End the session from this side: queue BYE, and return the event to act on."""
        detail = detail[:MAX_TEXT]
        if self.state is not State.CLOSED:
            self._send(Bye(reason, retry_after_s, detail))
            self.state = State.CLOSED
        return Closed(reason, detail, retry_after_s)

    def _time_frame(self, is_another: bool, now_s: float) -> None:
        if not self._reader.begun:
            self._frame_began_s = None
        elif is_another or self._frame_began_s is None:
            self._frame_began_s = now_s

    def _frame_due_s(self) -> float:
        if self._frame_began_s is None or not self._reading:
            return float("inf")
        return self._frame_began_s + FRAME_S

    def _collect(self, events: list[Event], kind: FrameType, data: bytes) -> None:
        if self.state is State.CLOSED:
            return
        if kind is FrameType.BATCH:
            events.append(self._take_batch(data))
            return
        body = frames.decode(kind, data)
        if self.state is State.GREETING and isinstance(body, Ping | Pong):
            raise PeerError(f"{kind.name} before READY")
        if isinstance(body, Ping):
            self._send(self._answer(body))
        elif isinstance(body, Bye):
            if not (is_one_line(body.reason) and is_one_line(body.detail)):
                raise PeerError("a BYE that holds control characters")
            self.state = State.CLOSED
            events.append(Closed(body.reason, body.detail, body.retry_after_s, by_peer=True))
        elif isinstance(body, Pong):
            if body.token:  # it answers a question; the others only say that the peer lives
                events.append(body)
        elif (event := self._take(kind, body)) is not None:
            events.append(event)

    def _answer(self, ping: Ping) -> Pong:
        """Answer a PING: with this end's clocks, where it is more than a sign of life."""
        return Pong(ping.token, self._clock() if self._clock and ping.token else None)

    def _take_batch(self, sealed: bytes) -> Event:
        raise PeerError(f"BATCH of {len(sealed)} bytes: this end takes none")

    def _take(self, kind: FrameType, body: Body) -> Event | None:
        """Say what a frame means at this point, None where more has to come, or raise PeerError."""
        raise NotImplementedError

    def _open(self) -> None:
        self.state = State.OPEN
        self._reader.limit_bytes = frames.MAX_FRAME_BYTES

    def _send(self, body: Body) -> None:
        self._outgoing.append(frames.encode(body))

    def _must_be(self, state: State) -> None:
        if self.state is not state:
            raise LocalProtocolError(f"the session is {self.state.value}, not {state.value}")

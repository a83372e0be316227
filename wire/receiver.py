"""The collector's end of a session: takes HELLO, batches and gaps, answers READY, MARKS and ACK.

It checks each batch as a whole (size, checksum, header), never its readings, and rejects one that is
damaged. Its owner commits what arrived and then says `ack`; until then nothing is promised.

Behind a rejected batch everything of its epoch is dropped, until a GAP takes the batch's place: a
batch must not be stored whose predecessor is missing and not yet accounted for.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from wire import frames
from wire.batches import Header, Place, open_header, place_of
from wire.bodies import (
    Ack,
    ByeReason,
    Command,
    DatagramKey,
    Describe,
    End,
    Gap,
    Held,
    Hold,
    Key,
    Marks,
    OpenDatagrams,
    Ping,
    Reject,
    Report,
    Result,
)
from wire.conversation import Closed, Conversation, Event, State
from wire.errors import BatchError, LocalProtocolError, PeerError
from wire.fields import MAX_TEXT
from wire.frames import MAX_FRAME_BYTES, Body, FrameType
from wire.greetings import Auth, Challenge, Hello, Join, Joined, Ready
from wire.readings import is_device_name, is_one_line, is_sensor_name, is_unit

# A device that restarts every five minutes without ever reaching its collector fills this in a year.
MAX_HELD_EPOCHS = 100_000
MAX_REJECTED_EPOCHS = 16
# Why a session ended that was none: another program connected, by mistake.
NOT_A_DEVICE = "not_a_device"

# An entry of MARKS takes no more than this in a frame.
_MARK_BYTES = 64
_MARKS_A_FRAME = MAX_FRAME_BYTES // _MARK_BYTES
_HTTP = (b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"DELE", b"CONN", b"PATC", b"TRAC")
_HTTP_TEXT = b"This port takes readings from telegauge-device; it has no page.\n"
_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_HTTP_TEXT)
) + _HTTP_TEXT


class Arrived(NamedTuple):
    """A batch that is whole and may be committed as it is."""

    header: Header
    sealed: bytes


class Dropped(NamedTuple):
    """What came to nothing: a batch that was rejected, or anything behind one.

    `seq` is None for an END; `detail` says why a batch was rejected, empty for what came behind it.
    """

    epoch: bytes
    seq: int | None
    detail: str = ""


class Receiver(Conversation):
    """Events it gives: `Hello`, `Join`, `Auth`, `Describe`, `Hold`, `Gap`, `End`, `Result` and
    `OpenDatagrams` as they came, `Arrived`, `Closed`, and `Dropped` for what came to nothing. One
    `Hold` has the epochs of all its frames.
    """

    def __init__(self, now_s: float) -> None:
        super().__init__(now_s)
        self._held: list[Held] = []
        self._rejected: dict[bytes, int] = {}
        self._greeted = self._is_challenged = False
        self._heard_anything = False

    def receive(self, data: bytes, now_s: float) -> list[Event]:
        """Take bytes from the peer; a browser is told where it is."""
        if not self._heard_anything:
            self._heard_anything = True
            if data.startswith(_HTTP):
                self._outgoing.append(_HTTP_ANSWER)
                return [self._not_ours("speaks HTTP")]
        return super().receive(data, now_s)

    def challenge(self, nonce: bytes) -> None:
        """Ask whoever said HELLO or JOIN for a proof; the event `Auth` answers."""
        self._must_not_be_waiting()
        self._is_challenged = True
        self._send(Challenge(nonce))

    def joined(self, device: str, key: bytes) -> None:
        """Tell who has joined its name and key; its session comes later."""
        self._must_not_be_waiting()
        self._send(Joined(device, key))

    def key(self, key: bytes) -> None:
        """Give the device another key, which it uses from its next session on."""
        self._must_be(State.OPEN)
        self._send(Key(key))

    def ready(self, collector: str, fingerprint: bytes | None = None) -> None:
        """Let the device in."""
        self._must_not_be_waiting()
        self._open()
        self._send(Ready(frames.VERSION, collector, fingerprint))

    def marks(self, marks: Marks) -> None:
        """Answer HOLD; many marks go in several frames."""
        self._must_be(State.OPEN)
        rest = marks.marks
        while len(rest) > _MARKS_A_FRAME:
            self._send(Marks(rest[:_MARKS_A_FRAME], more=True))
            rest = rest[_MARKS_A_FRAME:]
        self._send(Marks(rest))

    def ack(self, epoch: bytes, mark: int, ended: bool = False) -> None:
        """Promise that everything of `epoch` up to `mark` is committed to the store."""
        self._must_be(State.OPEN)
        self._send(Ack(epoch, mark, ended))

    def reject(self, epoch: bytes, seq: int, detail: str) -> None:
        """Say that a batch can never be stored; what follows it is dropped until its GAP comes.

        Where an earlier batch of the epoch is rejected already, that says enough.
        """
        self._must_be(State.OPEN)
        if seq < self._rejected.get(epoch, seq + 1):
            self._rejected[epoch] = seq
            self._send(Reject(epoch, seq, detail[:MAX_TEXT]))

    def command(self, command: Command) -> None:
        """Ask the device for something; RESULT answers, or nothing does.

        Raises:
            LocalProtocolError: the session is not open, or no frame can say this.
        """
        self._must_be(State.OPEN)
        try:
            msgspec.convert(msgspec.to_builtins(command), Command)
        except msgspec.ValidationError as error:
            raise LocalProtocolError(f"COMMAND cannot say this: {error}") from None
        self._send(command)

    def datagram_key(self, key: DatagramKey) -> None:
        """Answer OPEN_DATAGRAMS."""
        self._must_be(State.OPEN)
        self._send(key)

    def report(self, report: Report) -> None:
        """Say what came of the datagrams."""
        self._must_be(State.OPEN)
        self._send(report)

    def ping(self, token: int) -> None:
        """Ask for a sign of life; the event `Pong` of the same token answers."""
        self._must_be(State.OPEN)
        self._send(Ping(token))

    def _take_batch(self, sealed: bytes) -> Event:
        if self.state is not State.OPEN:
            raise PeerError("BATCH before READY")
        try:
            header = open_header(sealed)
        except BatchError as error:
            return self._refuse(place_of(sealed), str(error))
        if header.place.epoch in self._rejected:
            return Dropped(header.place.epoch, header.place.seq)
        return Arrived(header, sealed)

    def _refuse(self, place: Place, detail: str) -> Event:
        if place.epoch in self._rejected:
            return Dropped(place.epoch, place.seq)
        if len(self._rejected) >= MAX_REJECTED_EPOCHS:
            raise PeerError(f"{MAX_REJECTED_EPOCHS} epochs wait for a GAP, and one more: {detail}")
        self.reject(place.epoch, place.seq, detail)
        return Dropped(place.epoch, place.seq, detail)

    def _take(self, kind: FrameType, body: Body) -> Event | None:
        if isinstance(body, Hello | Join) and not self._greeted:
            self._greeted = True
            return self._take_greeting(body)
        if isinstance(body, Auth) and self._is_challenged:
            self._is_challenged = False
            return body
        if self.state is not State.OPEN:
            raise PeerError(f"{kind.name} at this point")
        match body:
            case Hold() if is_one_line(body.lost or ""):
                return self._gather(body)
            case Gap() if _is_possible(body):
                return self._take_gap(body)
            case End() if is_one_line(body.reason):
                return Dropped(body.epoch, None) if body.epoch in self._rejected else body
            case Describe():
                _check_description(body)
            case Result():
                _check_words([body.detail, *body.values, *map(str, body.values.values())])
            case OpenDatagrams():
                pass
            case _:
                raise PeerError(f"{kind.name} at this point")
        return body

    def _gather(self, part: Hold) -> Event | None:
        self._held += part.epochs
        if len(self._held) > MAX_HELD_EPOCHS:
            raise PeerError(f"HOLD of more than {MAX_HELD_EPOCHS} epochs")
        if part.more:
            return None
        held, self._held = self._held, []
        return Hold(held, lost=part.lost)

    def _take_gap(self, gap: Gap) -> Event:
        rejected = self._rejected.get(gap.epoch)
        if rejected is None:
            return gap
        if not gap.first_seq <= rejected <= gap.last_seq:
            return Dropped(gap.epoch, gap.first_seq)
        del self._rejected[gap.epoch]
        return gap

    def _take_greeting(self, hello: Hello | Join) -> Event:
        if isinstance(hello, Hello) and not is_device_name(hello.device):
            raise PeerError(f"{hello.device[:80]!r} cannot name a device")
        if not is_one_line(hello.agent):
            raise PeerError("an agent that holds control characters")
        if not hello.lowest_version <= frames.VERSION <= hello.highest_version:
            return self.bye(
                ByeReason.UNSUPPORTED_VERSION,
                f"versions {hello.lowest_version} to {hello.highest_version} were offered, "
                f"this collector speaks {frames.VERSION}",
                retry_after_s=60.0,
            )
        return hello

    def _must_not_be_waiting(self) -> None:
        self._must_be(State.GREETING)
        if not self._greeted or self._is_challenged:
            raise LocalProtocolError("HELLO, JOIN or the proof that was asked for has yet to come")

    def _not_ours(self, what: str) -> Event:
        self.state = State.CLOSED
        return Closed(NOT_A_DEVICE, f"the peer {what}")


def _is_possible(gap: Gap) -> bool:
    if gap.first_ns is not None and gap.last_ns is not None and gap.first_ns > gap.last_ns:
        return False
    return gap.first_seq <= gap.last_seq and is_one_line(gap.reason)


def _check_description(description: Describe) -> None:
    """Refuse names that cannot be, and words as `_check_words` does."""
    for sensor in description.sensors:
        for name in (sensor.name, *(channel.name for channel in sensor.channels)):
            if not is_sensor_name(name):
                raise PeerError(f"{name[:80]!r} cannot name a sensor or channel")
        units = [channel.unit for channel in sensor.channels]
        if not all(map(is_unit, units)):
            raise PeerError(f"units of {sensor.name} are not all printable and short")
    _check_words(_words(description))


def _check_words(words: Iterable[str]) -> None:
    """Refuse words that could forge what a terminal shows."""
    for word in words:
        if not is_one_line(word):
            raise PeerError(f"words that hold control characters: {word[:80]!r}")


def _words(description: Describe) -> list[str]:
    words = [description.label]
    for sensor in description.sensors:
        words += [sensor.driver, sensor.label]
        for channel in sensor.channels:
            words += [channel.quantity, channel.label]
    return [word for word in words if word]

"""The collector's end of a session: takes HELLO, batches and gaps, answers READY, MARKS and ACK.

It checks each batch as a whole (size, checksum, header), never its readings. Its owner commits what
arrived and then says `ack`; until then nothing is promised.
"""

from typing import NamedTuple

from wire import frames
from wire.batches import Header, open_header
from wire.conversation import Closed, Conversation, Event, State
from wire.errors import PeerError
from wire.frames import (
    Ack,
    Body,
    ByeReason,
    Describe,
    FrameType,
    Gap,
    Hello,
    Hold,
    Marks,
    Ready,
)
from wire.readings import is_device_name, is_one_line, is_sensor_name, is_unit

_HTTP = (b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"DELE", b"CONN", b"PATC", b"TRAC")
_TLS = b"\x16\x03"
_HTTP_TEXT = b"This port takes readings from telegauge-device; it has no page.\n"
_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_HTTP_TEXT)
) + _HTTP_TEXT


class Arrived(NamedTuple):
    """A batch that is whole and may be committed as it is."""

    header: Header
    sealed: bytes


class Receiver(Conversation):
    """Events it gives: `Hello`, `Describe`, `Hold`, `Gap` as they came, `Arrived`, and `Closed`."""

    def __init__(self, now_s: float) -> None:
        super().__init__(now_s)
        self._greeted = False
        self._heard_anything = False

    def receive(self, data: bytes, now_s: float) -> list[Event]:
        """Take bytes from the peer; a browser is told where it is."""
        if not self._heard_anything:
            self._heard_anything = True
            if data.startswith(_HTTP):
                self._outgoing.append(_HTTP_ANSWER)
                return [self._not_ours("speaks HTTP")]
            if data.startswith(_TLS):
                return [self._not_ours("speaks TLS")]
        return super().receive(data, now_s)

    def ready(self, collector: str) -> None:
        """Let the device in."""
        self._must_be(State.GREETING)
        self._open()
        self._send(Ready(frames.VERSION, collector))

    def marks(self, marks: Marks) -> None:
        """Answer HOLD."""
        self._must_be(State.OPEN)
        self._send(marks)

    def ack(self, epoch: bytes, mark: int) -> None:
        """Promise that everything of `epoch` up to `mark` is committed to the store."""
        self._must_be(State.OPEN)
        self._send(Ack(epoch, mark))

    def _take_batch(self, sealed: bytes) -> Event:
        if self.state is not State.OPEN:
            raise PeerError("BATCH before READY")
        return Arrived(open_header(sealed), sealed)

    def _take(self, kind: FrameType, body: Body) -> Event:
        match body:
            case Hello() if not self._greeted:
                self._greeted = True
                return self._take_hello(body)
            case Describe() if self.state is State.OPEN:
                _check_description(body)
                return body
            case Hold() if self.state is State.OPEN:
                return body
            case Gap() if self.state is State.OPEN and _is_possible(body):
                return body
        raise PeerError(f"{kind.name} at this point")

    def _take_hello(self, hello: Hello) -> Event:
        if not is_device_name(hello.device):
            raise PeerError(f"{hello.device[:80]!r} cannot name a device")
        if not hello.lowest_version <= frames.VERSION <= hello.highest_version:
            return self.bye(
                ByeReason.UNSUPPORTED_VERSION,
                f"versions {hello.lowest_version} to {hello.highest_version} were offered, "
                f"this collector speaks {frames.VERSION}",
                retry_after_s=60.0,
            )
        return hello

    def _not_ours(self, what: str) -> Event:
        self.state = State.CLOSED
        return Closed("not_a_device", f"the peer {what}")


def _is_possible(gap: Gap) -> bool:
    return gap.first_seq <= gap.last_seq and is_one_line(gap.reason)


def _check_description(description: Describe) -> None:
    """Refuse names that cannot be, and words that could forge what a terminal shows."""
    for sensor in description.sensors:
        for name in (sensor.name, *(channel.name for channel in sensor.channels)):
            if not is_sensor_name(name):
                raise PeerError(f"{name[:80]!r} cannot name a sensor or channel")
        units = [channel.unit for channel in sensor.channels]
        if not all(map(is_unit, units)):
            raise PeerError(f"units of {sensor.name} are not all printable and short")
    if not all(map(is_one_line, _words(description))):
        raise PeerError("a label, driver or quantity holds control characters")


def _words(description: Describe) -> list[str]:
    words = [description.label]
    for sensor in description.sensors:
        words += [sensor.driver, sensor.label]
        for channel in sensor.channels:
            words += [channel.quantity, channel.label]
    return [word for word in words if word]

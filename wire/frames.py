"""Frames: what travels on TCP. A head of five bytes, then a body.

    u32 length of the body, little-endian | u8 type | body

The body of BATCH is a sealed batch (wire.batches); every other body is one MessagePack map with the
fields of the Struct below. Unknown fields are ignored, so that a later version may add some; an
unknown type, a length over the limit or a body of another shape ends the session.
"""

import struct
from enum import IntEnum
from typing import Annotated

import msgspec

from wire.errors import PeerError

VERSION = 1
HEAD_BYTES = 5
# A stranger can make us hold this much; it fits a HELLO with room for what will join it.
MAX_GREETING_BYTES = 1024
MAX_FRAME_BYTES = 256 * 1024

_HEAD = struct.Struct("<IB")


class FrameType(IntEnum):
    """The byte behind the length. Numbers left out here are given in PROTOCOL.md."""

    HELLO = 1
    READY = 4
    DESCRIBE = 5
    HOLD = 6
    MARKS = 7
    BATCH = 8
    GAP = 9
    ACK = 11
    PING = 16
    PONG = 17
    BYE = 18


class ByeReason:
    """Why an end says BYE: the word that travels, and that logs and status show."""

    STOPPING = "stopping"
    REPLACED = "replaced"
    HOLE = "hole"
    PROTOCOL_ERROR = "protocol_error"
    UNSUPPORTED_VERSION = "unsupported_version"
    NOT_ACCEPTED = "not_accepted"
    SILENCE = "silence"
    OVERLOADED = "overloaded"


_Epoch = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Name = Annotated[str, msgspec.Meta(max_length=64)]
_Unit = Annotated[str, msgspec.Meta(max_length=16)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]


class Hello(msgspec.Struct, frozen=True):
    """HELLO, device: who I am, and the versions of this contract I speak."""

    device: _Name
    lowest_version: Annotated[int, msgspec.Meta(ge=0, le=255)]
    highest_version: Annotated[int, msgspec.Meta(ge=0, le=255)]
    agent: _Text = ""


class Ready(msgspec.Struct, frozen=True):
    """READY, collector: you are in; we speak `version`."""

    version: int
    collector: _Text = ""


class ChannelDescription(msgspec.Struct, frozen=True):
    """What is fixed about one series of a device."""

    name: _Name
    unit: _Unit = ""
    quantity: _Name = ""
    decimals: Annotated[int, msgspec.Meta(ge=0, le=17)] | None = None
    label: _Text | None = None


class SensorDescription(msgspec.Struct, frozen=True):
    """What is fixed about one sensor; `interval_s` is how often it is read."""

    name: _Name
    driver: _Text
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=1e9)]
    channels: list[ChannelDescription]
    event_driven: bool = False
    label: _Text | None = None


class Describe(msgspec.Struct, frozen=True):
    """DESCRIBE, device: all its sensors, at start and at each change."""

    sensors: list[SensorDescription]
    label: _Text | None = None


class Held(msgspec.Struct, frozen=True):
    """One epoch of which the device still holds batches, from `lowest_seq` on."""

    epoch: _Epoch
    boot_id: _Epoch
    lowest_seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class Hold(msgspec.Struct, frozen=True):
    """HOLD, device: every epoch it holds."""

    epochs: list[Held]


class Mark(msgspec.Struct, frozen=True):
    """The highest seq of an epoch that is committed; 0 for an epoch never heard of."""

    epoch: _Epoch
    mark: _Number


class Marks(msgspec.Struct, frozen=True):
    """MARKS, collector: the answer to HOLD, an entry for each epoch it names."""

    marks: list[Mark]


class Gap(msgspec.Struct, frozen=True):
    """GAP, device: the batches `first_seq` to `last_seq` will not come, and why.

    `readings` is how many were in them, None where nobody knows.
    """

    epoch: _Epoch
    first_seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    last_seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    reason: _Name
    readings: _Number | None = None


class Ack(msgspec.Struct, frozen=True):
    """ACK, collector: every batch of `epoch` up to `mark` is committed to the store."""

    epoch: _Epoch
    mark: _Number


class Ping(msgspec.Struct, frozen=True):
    """PING, either end: answer with a PONG of the same token."""

    token: _Number = 0


class Pong(msgspec.Struct, frozen=True):
    """PONG, either end: the answer to a PING."""

    token: _Number = 0


class Bye(msgspec.Struct, frozen=True):
    """BYE, either end: I close now. `retry_after_s`: not again before; `detail`: for people."""

    reason: _Name
    retry_after_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 0.0
    detail: _Text = ""


Body = Hello | Ready | Describe | Hold | Marks | Gap | Ack | Ping | Pong | Bye

BODIES: dict[FrameType, type[Body]] = {
    FrameType.HELLO: Hello,
    FrameType.READY: Ready,
    FrameType.DESCRIBE: Describe,
    FrameType.HOLD: Hold,
    FrameType.MARKS: Marks,
    FrameType.GAP: Gap,
    FrameType.ACK: Ack,
    FrameType.PING: Ping,
    FrameType.PONG: Pong,
    FrameType.BYE: Bye,
}

_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(body) for kind, body in BODIES.items()}
_types = {body: kind for kind, body in BODIES.items()}
_KINDS = {int(kind): kind for kind in FrameType}


def encode(body: Body) -> bytes:
    """Return a whole frame for any body but a batch."""
    data = _encoder.encode(body)
    return _HEAD.pack(len(data), _types[type(body)]) + data


def encode_batch(sealed: bytes) -> bytes:
    """Return a whole BATCH frame."""
    return _HEAD.pack(len(sealed), FrameType.BATCH) + sealed


def decode(kind: FrameType, data: bytes) -> Body:
    """Read the body of any frame but a batch.

    Raises:
        PeerError: the body is not what a frame of this type holds.
    """
    try:
        return _decoders[kind].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError(f"body of {kind.name} is not valid: {error}") from None


class FrameReader:
    """Cuts a stream of bytes into frames, whatever pieces it comes in.

    `limit_bytes` is the longest body accepted: a security limit, checked before anything is kept.
    """

    def __init__(self, limit_bytes: int = MAX_GREETING_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._rest: bytes | bytearray = b""

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended yet."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[tuple[FrameType, bytes]]:
        """Take what the socket gave; return the frames that are whole by now, in order.

        Raises:
            PeerError: the next frame is too long or of a type nobody knows.
        """
        held = self._joined(data)
        start, found = 0, []
        while len(held) - start >= HEAD_BYTES:
            length, number = _HEAD.unpack_from(held, start)
            if length > self.limit_bytes:
                raise PeerError(f"frame of {length} bytes, limit {self.limit_bytes}")
            if number not in _KINDS:
                raise PeerError(f"frame of type {number}, which nobody knows")
            end = start + HEAD_BYTES + length
            if len(held) < end:
                break
            found.append((_KINDS[number], bytes(held[start + HEAD_BYTES : end])))
            start = end
        self._rest = held[start:] if start else held
        return found

    def _joined(self, data: bytes) -> bytes | bytearray:
        if not self._rest:
            return data
        # A bytearray grows in place: a peer that sends byte by byte costs no copy of all before.
        rest = self._rest if isinstance(self._rest, bytearray) else bytearray(self._rest)
        rest += data
        return rest

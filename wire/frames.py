"""Frames: what travels on TCP. A head of five bytes, then a body.

    u32 length of the body, little-endian | u8 type | body

The body of BATCH is a sealed batch (wire.batches); every other body is a Struct of wire.greetings or
wire.bodies. An unknown type, a length over the limit or a body of another shape ends the session.
"""

import struct
from enum import IntEnum
from typing import TypeAlias

import msgspec

from wire import bodies, greetings
from wire.errors import PeerError

VERSION = 1
HEAD_BYTES = 5
# A stranger can make us hold this much; the longest HELLO and JOIN fit.
MAX_GREETING_BYTES = 1024
MAX_FRAME_BYTES = 256 * 1024

_HEAD = struct.Struct("<IB")


class FrameType(IntEnum):
    """The byte behind the length. Numbers left out here are given in PROTOCOL.md."""

    HELLO = 1
    CHALLENGE = 2
    AUTH = 3
    READY = 4
    DESCRIBE = 5
    HOLD = 6
    MARKS = 7
    BATCH = 8
    GAP = 9
    END = 10
    ACK = 11
    REJECT = 12
    COMMAND = 13
    RESULT = 14
    PING = 16
    PONG = 17
    BYE = 18
    OPEN_DATAGRAMS = 19
    DATAGRAM_KEY = 20
    REPORT = 21
    JOIN = 22
    JOINED = 23
    KEY = 24


Body: TypeAlias = (
    greetings.Hello | greetings.Join | greetings.Challenge | greetings.Auth | greetings.Ready
    | greetings.Joined | bodies.Describe | bodies.Hold | bodies.Marks | bodies.Gap | bodies.End
    | bodies.Ack | bodies.Reject | bodies.Command | bodies.Result | bodies.OpenDatagrams
    | bodies.DatagramKey | bodies.Report | bodies.Key | bodies.Ping | bodies.Pong | bodies.Bye
)  # fmt: skip

BODIES: dict[FrameType, type[Body]] = {
    FrameType.HELLO: greetings.Hello,
    FrameType.CHALLENGE: greetings.Challenge,
    FrameType.AUTH: greetings.Auth,
    FrameType.READY: greetings.Ready,
    FrameType.DESCRIBE: bodies.Describe,
    FrameType.HOLD: bodies.Hold,
    FrameType.MARKS: bodies.Marks,
    FrameType.GAP: bodies.Gap,
    FrameType.END: bodies.End,
    FrameType.ACK: bodies.Ack,
    FrameType.REJECT: bodies.Reject,
    FrameType.COMMAND: bodies.Command,
    FrameType.RESULT: bodies.Result,
    FrameType.PING: bodies.Ping,
    FrameType.PONG: bodies.Pong,
    FrameType.BYE: bodies.Bye,
    FrameType.OPEN_DATAGRAMS: bodies.OpenDatagrams,
    FrameType.DATAGRAM_KEY: bodies.DatagramKey,
    FrameType.REPORT: bodies.Report,
    FrameType.JOIN: greetings.Join,
    FrameType.JOINED: greetings.Joined,
    FrameType.KEY: bodies.Key,
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

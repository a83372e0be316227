"""Valid inputs of every decoder, in the parts that they are made of, and parts to put in between."""

import base64
import struct
import zlib
from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from kit.wireworks import EPOCH, HELD, MOMENT, damaged, sealed_batch
from wire import blocks, frames
from wire.batches import CHECKSUM_BYTES, HEADER_BYTES, MAX_INFLATED_BYTES
from wire.blocks import OpenBody, Point
from wire.bodies import (
    Ack,
    Bye,
    ChannelDescription,
    Command,
    DatagramKey,
    Describe,
    End,
    Gap,
    Hold,
    Key,
    Mark,
    Marks,
    OpenDatagrams,
    Ping,
    Pong,
    Reject,
    Report,
    Result,
    SensorDescription,
)
from wire.datagrams import DatagramHead, seal_datagram
from wire.frames import BODIES, HEAD_BYTES
from wire.greetings import Auth, Challenge, Hello, Join, Joined, Ready
from wire.tokens import PREFIX, Token, encode_token

Parts: TypeAlias = tuple[bytes, ...]

# 32 bytes: a key, a nonce, a proof, a fingerprint.
SECRET = bytes(range(32))
TOKEN = Token(SECRET, bytes(16), (("192.168.1.2", 8888), ("collector.local", 8888)))
# The kinds of frames that have a body, by the number that a sample begins with.
KINDS = sorted(BODIES)

DEVICE_SAYS: tuple[frames.Body | bytes, ...] = (
    Hello("greenhouse", 1, 1, "telegauge-device 1", SECRET),
    Auth(SECRET),
    Describe(
        [SensorDescription("air", "bme280", 10.0, [ChannelDescription("temperature", "degC")])]
    ),
    Hold([HELD], more=True),
    Hold([HELD], lost="power_cut"),
    sealed_batch(1, [20.0, 21.0]),
    damaged(sealed_batch(2)),
    sealed_batch(3),
    Gap(EPOCH, 2, 2, "rejected", 1, 10**9, 2 * 10**9),
    End(EPOCH, "stopped", 3, 4),
    End(EPOCH, "power_cut", until=MOMENT),
    OpenDatagrams(bytes(16), MOMENT, 10**9),
    Result(1, True, "done", {"air.temperature": 20.5, "unit": "degC", "none": None}),
    Ping(),
    Pong(1),
    Bye("stopping", 1.5, "until tomorrow"),
)
NEWCOMER_SAYS: tuple[frames.Body, ...] = (
    Join(bytes(8), SECRET, 1, 1, "telegauge-device 1"),
    Auth(SECRET),
    Bye("stopping"),
)
COLLECTOR_SAYS: tuple[frames.Body, ...] = (
    Challenge(SECRET),
    Ready(1, "telegauge-collector 1"),
    Marks([], more=True),
    Marks([Mark(EPOCH, 0)]),
    Ack(EPOCH, 1),
    Reject(EPOCH, 2, "checksum does not match"),
    Command(1, "identify", ["led", "5"], 10.0),
    DatagramKey(EPOCH, 7, SECRET),
    Report(EPOCH, 10, 9, 1),
    Key(SECRET),
    Ack(EPOCH, 3, ended=True),
    Ping(2),
    Pong(1),
    Bye("stopping", 1.5, "until tomorrow"),
)
WELCOME: tuple[frames.Body, ...] = (Challenge(SECRET), Joined("greenhouse", SECRET))

# Bodies of the right shape that say what cannot be.
FLAWED: tuple[frames.Body | bytes, ...] = (
    Hello("Not a name", 1, 1),
    Hello("greenhouse", 2, 255),
    Hello("greenhouse", 1, 1, "two\nlines"),
    Join(bytes(8), SECRET, 0, 0),
    Describe([SensorDescription("Air", "bme280", 1.0, [])]),
    Describe([SensorDescription("air", "bme280", 1.0, [ChannelDescription("t", "\x1b[2J")])]),
    Describe([], "\u2028"),
    Hold([], lost="two\nlines"),
    Gap(EPOCH, 3, 2, "spool_full"),
    Gap(EPOCH, 1, 1, "spool_full", 1, 2, 1),
    End(EPOCH, "two\nlines"),
    Result(1, True, "", {"\x1b[2J": "x"}),
    Ready(2),
    Marks([Mark(bytes([number] * 16), 1) for number in range(9)], more=True),
    Ack(bytes(16), 1),
    Ack(EPOCH, 2**63 - 1, ended=True),
    Reject(EPOCH, 9),
    Joined("Not a name", SECRET),
)
# More than a collector lets wait for a GAP each.
DAMAGED = tuple(damaged(sealed_batch(1, epoch=bytes([number] * 16))) for number in range(20))

# MessagePack that is not what anybody waits for; much of it says that far more follows.
BOMBS: tuple[bytes, ...] = (
    b"\x91" * 5000 + b"\xc0",  # arrays in arrays
    b"\x81\xa0" * 5000 + b"\xc0",  # maps in maps
    b"\x91" * 5000,
    b"\xdd\xff\xff\xff\xff",  # an array of 2**32 - 1 values
    b"\xdd\x00\x0f\xff\xff" + b"\xc0" * 100,
    b"\xdf\xff\xff\xff\xff",  # a map
    b"\xdb\xff\xff\xff\xff" + b"x" * 100,  # a text
    b"\xc6\xff\xff\xff\xff" + b"x" * 100,  # bytes
    b"\xc9\xff\xff\xff\xff\x01" + b"x" * 100,  # an extension
    b"\xd6\xff\xff\xff\xff\xff",  # the extension that is a time
    b"\xcf" + b"\xff" * 8,  # 2**64 - 1
    b"\xd3\x80" + bytes(7),  # -2**63
    b"\xcb\x7f\xf8" + bytes(6),  # NaN
    b"\xcb\x7f\xf0" + bytes(6),  # infinity
    b"\xcb\x80" + bytes(7),  # -0.0
    b"\xa2\xc3\x28",  # UTF-8 that is none
    b"\xa3\xed\xa0\x80",  # a surrogate
    b"\xa4\xf4\x90\x80\x80",  # behind the last character
    b"\xa6\x1b[2J\r\n",
    b"\xd9\xff" + b"\xf0\x9f\x98\x80" * 63 + b"xxx",
    b"\xc1",  # the byte that MessagePack has not given away
    b"\xc0",
    b"\xc3",
    b"\x80",
    b"\x90",
)


def frame(body: frames.Body | bytes) -> bytes:
    """The frame of a body, or of a sealed batch."""
    return frames.encode_batch(body) if isinstance(body, bytes) else frames.encode(body)


def streams(*said: tuple[frames.Body | bytes, ...]) -> tuple[Parts, ...]:
    """What was said, as streams of frames."""
    return tuple(tuple(map(frame, each)) for each in said)


def _bombed(body: frames.Body) -> Iterator[bytes]:
    """The body as MessagePack, with something else in place of each of its fields in turn."""
    whole = msgspec.to_builtins(body, builtin_types=(bytes,))
    for name in whole:
        changed = ({**whole, name: msgspec.Raw(bomb)} for bomb in BOMBS)
        yield from map(msgspec.msgpack.encode, changed)
    yield from BOMBS


def _numbered(framed: bytes) -> bytes:
    return bytes([KINDS.index(frames.FrameType(framed[4]))]) + framed[HEAD_BYTES:]


def _body() -> Parts:
    body = OpenBody()
    for number in range(3):
        point = Point("temperature", "degC", 20.0 + number, number)
        body.add("air", number * 10**9, [point, Point("humidity", "%", 55.0, 0)])
    body.add("soil", 10**9, [Point("moisture", "%", float("nan"), 129)])
    found = blocks.decode(body.encoded())
    return bytes([0x90 + len(found)]), *map(msgspec.msgpack.encode, found)


SAID = (*DEVICE_SAYS, *NEWCOMER_SAYS, *COLLECTOR_SAYS, *WELCOME)

_BODIES = [each for each in SAID if not isinstance(each, bytes)]
_BOMBED_FRAMES = tuple(
    struct.pack("<IB", len(bombed), frame(body)[4]) + bombed
    for body in _BODIES
    for bombed in _bombed(body)
)
_LARGE_BATCH = sealed_batch(2, [float(number) for number in range(100)])
_ZIP_BOMB = zlib.compress(bytes(2 * MAX_INFLATED_BYTES))
_TOKEN = encode_token(*TOKEN)
_TOKEN_BYTES = base64.urlsafe_b64decode(_TOKEN[len(PREFIX) :] + "===")

# Mostly what may be said, so that a stream does not end at the first of them.
FRAMES = (
    *[*map(frame, SAID)] * 30,
    *[*map(frame, FLAWED)] * 10,
    *_BOMBED_FRAMES,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    bytes(HEAD_BYTES),
)
NUMBERED_BODIES = tuple(
    (_numbered(each),) for each in (*[*map(frame, _BODIES)] * 60, *_BOMBED_FRAMES)
)
BATCHES = tuple(
    (batch[:HEADER_BYTES], batch[HEADER_BYTES:-CHECKSUM_BYTES], batch[-CHECKSUM_BYTES:])
    for batch in (sealed_batch(2), _LARGE_BATCH)
)
UNCHECKED_BATCHES = (
    *(batch[:-1] for batch in BATCHES),
    (_LARGE_BATCH[:HEADER_BYTES], _ZIP_BOMB),
)
_FLAWED_BLOCKS = map(
    msgspec.msgpack.encode,
    (
        ["Air", bytes(8), [["humidity", "%", bytes(8), None]]],
        ["air", bytes(8), []],
        ["air", b"", [["humidity", "%", b"", None]]],
        ["air", bytes(7), [["humidity", "%", bytes(7), None]]],
        ["air", bytes(8), [["Humidity", "%", bytes(8), None]]],
        ["air", bytes(8), [["humidity", "\x1b[2J", bytes(8), None]]],
        ["air", bytes(8), [["humidity", "%", bytes(16), None]]],
        ["air", bytes(8), [["humidity", "%", bytes(8), bytes(2)]]],
    ),
)
BLOCKS = (*[_body()] * 8, *((b"\x91", flawed) for flawed in _FLAWED_BLOCKS))
DATAGRAM = seal_datagram(
    DatagramHead(7, 2), sealed_batch(2), ChaCha20Poly1305(b"somebody else's key, of 32 bytes")
)
TOKENS = ((_TOKEN.encode(),), (b"sudo telegauge-device join ", _TOKEN.encode(), b"\n"))
# What a token says, but for its checksum: who and what, and each address.
TOKEN_PARTS = (_TOKEN_BYTES[:48], _TOKEN_BYTES[48:62], _TOKEN_BYTES[62:-4])
REQUESTS = (
    (b'{"ask":"status"', b',"x":1.5', b',"y":["a",null,{"b":true}]', b"}", b"\n"),
    (b'{"ask":"unheard of"', b"}\n"),
)
JSON_BOMBS = (
    b"[" * 5000,
    b'{"":' * 5000,
    b',"z":' + b"[" * 900 + b"]" * 900,
    b',"ask":' + b"[" * 900 + b"]" * 900,
    b',"z":' + b"9" * 5000,
    b',"z":1e308,"a":-1e999',
    b',"z":"\\ud800"',
    b',"ask":"\\u0000\\u001b[2J\\n"',
    b',"z":"\xed\xa0\x80"',
    b"\0",
    b"x" * 65536,
)

"""Every decoder that sees a stranger's bytes, as something that takes any bytes whatever.

A target lets the errors pass that its decoder documents, and lets everything else out, as it does what
should not be true of what was decoded. It says whether the bytes were taken.
"""

import asyncio
import base64
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from collector.clock import OWN, Dating, Known
from collector.store import BatchRow
from collector.store.parts import parts_of, readings_of
from kit import hearing, samples
from kit.hearing import pieces
from kit.mutations import inputs
from kit.samples import KINDS, Parts
from kit.wireworks import EPOCH, resealed, sealed_batch
from service.control import ControlServer
from wire import batches, blocks, frames
from wire.batches import (
    CHECKSUM_BYTES,
    HEADER_BYTES,
    MAX_READINGS,
    MAX_SEALED_BYTES,
    open_header,
)
from wire.datagrams import (
    MAX_BATCH_BYTES,
    MAX_SEQ,
    DatagramError,
    DatagramHead,
    DropReason,
    ReplayWindow,
    check_batch,
    open_datagram,
    parse_head,
    seal_datagram,
)
from wire.errors import BatchError, PeerError
from wire.frames import BODIES, HEAD_BYTES, MAX_FRAME_BYTES, FrameReader, FrameType
from wire.readings import is_one_line
from wire.tokens import PREFIX, TokenError, decode_token, encode_token, find_token

_P = ParamSpec("_P")
_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)

CIPHER = ChaCha20Poly1305(bytes(32))
DROP_REASONS = {word for name, word in vars(DropReason).items() if name.isupper()}
# A reply of the control socket: a float may be written longer than it was asked.
REPLY_FACTOR, REPLY_BYTES = 4, 1024
_LINE_BYTES = 1024 * 1024


def _attempt(
    documented: type[_E], decode: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T | _E:
    """Return what was decoded, or the documented error; any other one comes out."""
    try:
        return decode(*args, **kwargs)
    except documented as error:
        return error


# Frames and their bodies --------------------------------------------------------------------------


def read_frames(data: bytes) -> bool:
    """A stream is cut into the same frames, or refused, whatever pieces it comes in."""
    whole, refused = _frames_of(iter([data]))
    found, refused_again = _frames_of(pieces(data))
    assert refused == refused_again
    assert found == whole or refused
    for kind, body in found:
        if kind in BODIES:
            _attempt(PeerError, frames.decode, kind, body)
    return not refused


def _frames_of(stream: Iterator[bytes]) -> tuple[list[tuple[FrameType, bytes]], str]:
    reader = FrameReader(MAX_FRAME_BYTES)
    found = []
    try:
        for piece in stream:
            found += reader.feed(piece)
            assert len(reader._rest) < MAX_FRAME_BYTES + HEAD_BYTES
    except PeerError as error:
        return found, str(error)
    return found, ""


def decode_body(data: bytes) -> bool:
    """The body of a frame, whose type the first byte chooses; what is taken can be said again."""
    kind = KINDS[data[0] % len(KINDS)] if data else FrameType.PING
    body = _attempt(PeerError, frames.decode, kind, data[1:])
    if isinstance(body, PeerError):
        assert is_one_line(str(body))
        return False
    said = frames.encode(body)
    assert frames.encode(frames.decode(kind, said[HEAD_BYTES:])) == said
    return True


# Batches ------------------------------------------------------------------------------------------


def open_batch(data: bytes) -> bool:
    """A sealed batch as it came."""
    _attempt(BatchError, batches.place_of, data)
    _attempt(BatchError, batches.open_body, data)
    run = _attempt(BatchError, list, batches.split(data))
    assert isinstance(run, BatchError) or b"".join(run) == data
    header = _attempt(BatchError, open_header, data)
    if isinstance(header, BatchError):
        return False
    assert header.place == batches.place_of(data)
    assert run == [data]
    return True


def query_batch(data: bytes) -> bool:
    """A stored batch: its size and checksum fit, whatever else it says."""
    return _query(well_sealed(data))


def query_body(data: bytes) -> bool:
    """A stored batch whose header is honest, deflated, with any body."""
    found = _attempt(BatchError, blocks.decode, data)
    readings = 1 if isinstance(found, BatchError) else blocks.count(found)
    head = bytearray(sealed_batch()[:HEADER_BYTES])
    struct.pack_into("<BH", head, 1, 1, min(max(readings, 1), MAX_READINGS))
    struct.pack_into("<qqqq", head, 56, 0, 0, 1 - 2**63, 2**63 - 1)
    return _query(well_sealed(bytes(head) + zlib.compress(data, 1)))


def well_sealed(data: bytes) -> bytes:
    """The bytes as a batch of a known version, whose size and checksum fit."""
    data = data[: MAX_SEALED_BYTES - CHECKSUM_BYTES].ljust(HEADER_BYTES, b"\0")
    data = bytes([1, data[1] & 3]) + data[2:] + bytes(CHECKSUM_BYTES)
    return resealed(data, 4, struct.pack("<I", len(data)))


def _query(sealed: bytes) -> bool:
    """Read a batch as the collector does, which stores what has a good header."""
    header = _attempt(BatchError, open_header, sealed)
    if isinstance(header, BatchError):
        return False
    offset_ns = header.clock.offset_ns
    dating = OWN if header.clock.synchronised else Dating(Known.DERIVED, offset_ns)
    row = BatchRow(1, "greenhouse", header.last_ns + offset_ns, sealed, dating)
    found = list(parts_of(row))
    if None in found:
        assert found == [None]
        return False
    sizes = {len(part.times_ns) for part in found if part}
    assert sum(len(part.times_ns) for part in found if part) == header.readings <= MAX_READINGS
    assert 0 not in sizes
    for reading in readings_of(row, "*"):
        assert reading.time_ns is not None
        assert header.first_ns <= reading.time_ns - offset_ns <= header.last_ns
        assert is_one_line(reading.series + reading.unit)
    return True


# Datagrams ----------------------------------------------------------------------------------------


def open_strangers_datagram(data: bytes) -> bool:
    """A datagram of somebody who has no key."""
    head = _attempt(DatagramError, parse_head, data)
    if isinstance(head, DatagramError):
        assert head.reason in DROP_REASONS
        return False
    ReplayWindow().is_new(head.seq)
    opened = _attempt(DatagramError, open_datagram, data, head, CIPHER)
    assert isinstance(opened, DatagramError), "a forged datagram was taken"
    assert opened.reason == DropReason.BAD_TAG
    return False


def open_devices_datagram(data: bytes) -> bool:
    """A datagram of somebody who has the key and seals whatever he likes."""
    sealed = data[:MAX_BATCH_BYTES]
    return _open_sealed(sealed) | _open_sealed(well_sealed(sealed)[:MAX_BATCH_BYTES])


def _open_sealed(sealed: bytes) -> bool:
    wanted = DatagramHead(7, int.from_bytes(sealed[24:32], "little"))
    datagram = seal_datagram(wanted, sealed, CIPHER)
    head = _attempt(DatagramError, parse_head, datagram)
    if isinstance(head, DatagramError):
        assert not 1 <= wanted.seq <= MAX_SEQ
        return False
    window = ReplayWindow()
    assert head == wanted
    assert window.is_new(head.seq)
    assert open_datagram(datagram, head, CIPHER) == sealed
    window.take(head.seq)
    assert not window.is_new(head.seq)
    header = _attempt(DatagramError, check_batch, sealed, EPOCH, head.seq)
    if isinstance(header, DatagramError):
        assert header.reason == DropReason.BAD_BATCH
        return False
    assert header.place[:2] == (EPOCH, head.seq)
    return True


# Tokens -------------------------------------------------------------------------------------------


def read_token(data: bytes) -> bool:
    """What somebody pasted."""
    text = data.decode("utf-8", "surrogateescape")
    found = _attempt(TokenError, find_token, text)
    assert isinstance(found, TokenError) or found in text
    token = _attempt(TokenError, decode_token, text)
    if isinstance(token, TokenError):
        return False
    assert encode_token(*token) == text
    return True


def read_checked_token(data: bytes) -> bool:
    """A token whose checksum fits, whatever it says."""
    checked = data + struct.pack("<I", zlib.crc32(data))
    text = PREFIX + base64.urlsafe_b64encode(checked).decode().rstrip("=")
    token = _attempt(TokenError, decode_token, text)
    if isinstance(token, TokenError):
        return False
    assert encode_token(*token) == text
    assert find_token(f"sudo telegauge-device join {text}\n") == text
    return True


# The control socket -------------------------------------------------------------------------------


def ask_control(data: bytes) -> bool:
    """What one connection to the control socket sends; it is answered in a line."""
    return asyncio.run(_ask_control(data))


async def _ask_control(data: bytes) -> bool:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "control"
        server = ControlServer(path, {"status": _echo})
        await server.start()
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES)
            with suppress(ConnectionError):  # more came than is read: the reply says so
                writer.write(data)
                writer.write_eof()
            reply = await reader.readline()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            await server.close()
    assert faults == []
    assert reply.endswith(b"\n")
    assert len(reply) <= REPLY_FACTOR * len(data) + REPLY_BYTES
    answer: dict[str, Any] = msgspec.json.decode(reply)
    assert set(answer) == {"ok", "answer" if answer["ok"] else "error"}
    return bool(answer["ok"])


async def _echo(arguments: Mapping[str, Any]) -> object:
    return arguments


# All of them --------------------------------------------------------------------------------------


class Target(NamedTuple):
    """A decoder, and what it takes.

    Attributes:
        streams: valid inputs, each in the parts that it is made of.
        spare: further parts to put in between.
        quick: how many inputs the quick form of the test makes; 20,000 in all.
    """

    name: str
    run: Callable[[bytes], bool]
    streams: tuple[Parts, ...]
    spare: tuple[bytes, ...] = ()
    quick: int = 1900

    def inputs(self, seed: int) -> Iterator[bytes]:
        """Give inputs without end, made of the valid ones."""
        return inputs(self.streams, self.spare, seed)


_RECEIVED = samples.streams(samples.DEVICE_SAYS, samples.NEWCOMER_SAYS)
_SENT = samples.streams(samples.COLLECTOR_SAYS, samples.WELCOME)
_UNASKED = samples.streams((samples.DEVICE_SAYS[0], *samples.DEVICE_SAYS[2:]))
_BEHIND_READY = samples.streams(samples.DEVICE_SAYS[2:], samples.DEVICE_SAYS[2:], samples.DAMAGED)
_BEHIND_CHALLENGE = samples.streams(samples.COLLECTOR_SAYS[1:])
_BEHIND_MARKS = samples.streams(samples.COLLECTOR_SAYS[4:])

TARGETS = (
    Target("frames", read_frames, (*_RECEIVED, *_SENT), samples.FRAMES),
    Target("body", decode_body, samples.NUMBERED_BODIES),
    Target("receiver", hearing.hear_plain, _UNASKED, samples.FRAMES, 800),
    Target("receiver that asks", hearing.hear_asking, _RECEIVED, samples.FRAMES, 800),
    Target("receiver behind READY", hearing.hear_let_in, _BEHIND_READY, samples.FRAMES, 800),
    Target("sender", hearing.send_plain, _BEHIND_CHALLENGE, samples.FRAMES, 800),
    Target("sender that proves", hearing.send_proving, _SENT[:1], samples.FRAMES, 800),
    Target("sender behind MARKS", hearing.send_let_in, _BEHIND_MARKS, samples.FRAMES, 800),
    Target("joiner", hearing.join, _SENT[1:], samples.FRAMES, 800),
    Target("batch", open_batch, samples.BATCHES, samples.BOMBS),
    Target("stored batch", query_batch, samples.UNCHECKED_BATCHES, samples.BOMBS, 1000),
    Target("stored body", query_body, samples.BLOCKS, samples.BOMBS, 1000),
    Target("datagram", open_strangers_datagram, ((samples.DATAGRAM,),)),
    Target(
        "sealed datagram",
        open_devices_datagram,
        (*samples.BATCHES, *samples.UNCHECKED_BATCHES),
        quick=800,
    ),
    Target("token", read_token, samples.TOKENS),
    Target("checked token", read_checked_token, (samples.TOKEN_PARTS,)),
    Target("control", ask_control, samples.REQUESTS, samples.JSON_BOMBS, 200),
)

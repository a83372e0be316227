"""Sealed batches: the bytes that are spooled, sent, committed and stored without re-encoding.

A sealed batch is a header of 88 bytes, a body of blocks (see wire.blocks), and a CRC-32 of all
before it. Little-endian. PROTOCOL.md has the same table with an example in hex.

    offset  type   field
         0  u8     version, 1
         1  u8     flags: 1 = the body is deflated (RFC 1950), 2 = the kernel called its clock
                   synchronised when the clock pair was taken
         2  u16    readings, 1 to 1000
         4  u32    size of the whole sealed batch in bytes, so that batches can stand end to end
         8  16 B   epoch
        24  u64    seq, from 1
        32  u64    before: readings of the epoch before this batch, so that gaps count exactly
        40  16 B   boot id
        56  i64    clock pair: CLOCK_BOOTTIME, ns
        64  i64    clock pair: wall clock at that moment, ns since 1970
        72  i64    first, and
        80  i64    last time of its readings: CLOCK_BOOTTIME, ns
        88  ...    body
       end  u32    CRC-32 (RFC 1952) of everything before it
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import NamedTuple

from wire import blocks
from wire.errors import BatchError

_inflating: ModuleType = zlib
with suppress(ImportError):  # collectors have it where there is one: it inflates in half the time
    from isal import isal_zlib as _inflating

VERSION = 1
MAX_READINGS = 1000
MAX_BODY_BYTES = 64 * 1024
MAX_INFLATED_BYTES = 1024 * 1024
HEADER_BYTES = 88
CHECKSUM_BYTES = 4
MAX_SEALED_BYTES = HEADER_BYTES + MAX_BODY_BYTES + CHECKSUM_BYTES
_LEAST_SEALED_BYTES = HEADER_BYTES + CHECKSUM_BYTES

_DEFLATED = 1
SYNCHRONISED = 2
_HEADER = struct.Struct("<BBHI16sQQ16sqqqq")
_SIZE = _CHECKSUM = struct.Struct("<I")
_DEFLATE_FROM_BYTES = 256
# What CRC-32 makes of anything with its own checksum behind it.
_RESIDUE = 0x2144DF1C
# How a named tuple makes itself, for a third of the time: this is done for every batch that comes.
_new = tuple.__new__
_MAX_NUMBER = 2**63 - 1  # SQLite's integers are signed


class ClockPair(NamedTuple):
    """What the two clocks of a device showed at one moment, in nanoseconds."""

    boot_ns: int
    wall_ns: int
    synchronised: bool

    @property
    def offset_ns(self) -> int:
        """What turns a CLOCK_BOOTTIME of that boot into UTC."""
        return self.wall_ns - self.boot_ns


class Place(NamedTuple):
    """Where a batch stands in its epoch; `before` counts the epoch's readings before it."""

    epoch: bytes
    seq: int
    before: int


class Header(NamedTuple):
    """What a collector must know of a batch to keep it; times are CLOCK_BOOTTIME, ns."""

    readings: int
    size_bytes: int
    place: Place
    boot_id: bytes
    clock: ClockPair
    first_ns: int
    last_ns: int


def seal(body: blocks.OpenBody, place: Place, boot_id: bytes, clock: ClockPair) -> bytes:
    """Fix an open body as the batch at `place`: from here on its bytes never change."""
    flags = SYNCHRONISED if clock.synchronised else 0
    data = body.encoded()
    if len(data) >= _DEFLATE_FROM_BYTES:
        deflated = zlib.compress(data, 1)
        if len(deflated) < len(data):
            data, flags = deflated, flags | _DEFLATED
    size_bytes = HEADER_BYTES + len(data) + CHECKSUM_BYTES
    sealed = (
        _HEADER.pack(
            VERSION, flags, body.readings, size_bytes, *place,
            boot_id, clock.boot_ns, clock.wall_ns, body.first_ns, body.last_ns,
        )
        + data
    )  # fmt: skip
    return sealed + _CHECKSUM.pack(zlib.crc32(sealed))


def open_header(sealed: bytes) -> Header:
    """Check one sealed batch as a whole, without looking into its body.

    Raises:
        BatchError: size, checksum, or a number that cannot be.
    """
    header = _unpack(sealed)
    if header.size_bytes != len(sealed):
        raise BatchError(f"batch of {len(sealed)} bytes says it has {header.size_bytes}")
    if not is_whole(sealed):
        raise BatchError("checksum does not match")
    return header


def place_of(sealed: bytes) -> Place:
    """Return the place that a damaged batch names.

    Raises:
        BatchError: it does not even name one.
    """
    if len(sealed) < HEADER_BYTES:
        raise BatchError(f"{len(sealed)} bytes are less than a header")
    _, _, _, _, epoch, seq, before, *_ = _HEADER.unpack_from(sealed)
    if not 1 <= seq <= _MAX_NUMBER:
        raise BatchError(f"damaged batch of seq {seq}")
    return Place(epoch, seq, before)


def open_body(sealed: bytes) -> list[blocks.Block]:
    """Return the blocks of a sealed batch.

    Raises:
        BatchError: the body cannot be read, or holds more or less than the header says.
    """
    return open_batch(sealed)[1]


def open_batch(sealed: bytes) -> tuple[Header, list[blocks.Block]]:
    """Return the header and the blocks of a sealed batch, each checked against the other.

    Raises:
        BatchError: as with `open_header` and `open_body`.
    """
    header = open_header(sealed)
    found = blocks.decode(body_of(sealed))
    if blocks.count(found) != header.readings:
        raise BatchError(f"{blocks.count(found)} readings, the header says {header.readings}")
    first_ns, last_ns = blocks.span_ns(found)
    if first_ns < header.first_ns or last_ns > header.last_ns:
        raise BatchError("times are outside of what the header says")
    return header, found


def is_whole(sealed: bytes) -> bool:
    """Say whether the checksum of a sealed batch matches: what was checked before needs no more."""
    return zlib.crc32(sealed) == _RESIDUE


def body_of(sealed: bytes) -> bytes:
    """Return the body of a whole batch, inflated; nothing in it is checked.

    Raises:
        BatchError: it does not inflate.
    """
    body = sealed[HEADER_BYTES:-CHECKSUM_BYTES]
    return _inflate(body) if sealed[1] & _DEFLATED else body


def split(run: bytes) -> Iterator[bytes]:
    """Give the sealed batches that stand end to end in `run`.

    Raises:
        BatchError: what is left does not hold a whole batch.
    """
    start = 0
    while start < len(run):
        size_bytes = _size_at(run, start)
        yield run[start : start + size_bytes]
        start += size_bytes


def _size_at(run: bytes, start: int) -> int:
    """Return the size of the batch that begins there; the rest of its header is not looked at."""
    left = len(run) - start
    if left < _LEAST_SEALED_BYTES:
        raise BatchError(f"{left} bytes are less than a header and a checksum")
    (size_bytes,) = _SIZE.unpack_from(run, start + 4)
    if not _LEAST_SEALED_BYTES <= size_bytes <= min(left, MAX_SEALED_BYTES):
        raise BatchError(f"batch of {size_bytes} bytes, {left} are left")
    return int(size_bytes)


def _unpack(data: bytes) -> Header:
    if len(data) < _LEAST_SEALED_BYTES:
        raise BatchError(f"{len(data)} bytes are less than a header and a checksum")
    (
        version, flags, readings, size_bytes, epoch, seq, before,
        boot_id, boot_ns, wall_ns, first_ns, last_ns,
    ) = _HEADER.unpack_from(data)  # fmt: skip
    if version != VERSION or flags > _DEFLATED | SYNCHRONISED:
        raise BatchError(f"batch version {version}, flags {flags}; known: version 1, flags 0 to 3")
    if not 1 <= readings <= MAX_READINGS:
        raise BatchError(f"{readings} readings, accepted: 1 to {MAX_READINGS}")
    if not _LEAST_SEALED_BYTES <= size_bytes <= MAX_SEALED_BYTES:
        raise BatchError(f"batch of {size_bytes} bytes, limit {MAX_SEALED_BYTES}")
    if not 1 <= seq <= _MAX_NUMBER or before > _MAX_NUMBER:
        raise BatchError(f"seq {seq}, {before} readings before it")
    if first_ns > last_ns:
        raise BatchError("last time is before the first")
    offset_ns = wall_ns - boot_ns
    if first_ns + offset_ns < -_MAX_NUMBER or last_ns + offset_ns > _MAX_NUMBER:
        raise BatchError("times are outside of what nanoseconds since 1970 can say")
    place = _new(Place, (epoch, seq, before))
    clock = _new(ClockPair, (boot_ns, wall_ns, flags >= SYNCHRONISED))
    return _new(Header, (readings, size_bytes, place, boot_id, clock, first_ns, last_ns))


def _inflate(body: bytes) -> bytes:
    inflater = _inflating.decompressobj()
    try:
        data: bytes = inflater.decompress(body, MAX_INFLATED_BYTES)
    except (zlib.error, _inflating.error) as error:
        raise BatchError(f"body does not inflate: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise BatchError(f"body is cut short, or inflates to over {MAX_INFLATED_BYTES} bytes")
    return data

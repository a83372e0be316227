"""Rollups: summaries of one series, of buckets of one width, as bytes and back. Pure.

    version   1 byte: 1
    count     varint: how many buckets, at least 1
    width     varint: of a bucket, twice its minutes, or twice its ns and 1 if it is no whole minutes
    flags     1 byte: 1 starts, 2 bads, 4 columns; 8, 16 and 32 are those of `bucket_floats`
    form      1 byte, see there
    starts    sized integer column, in widths; without the flag zigzag: the first, the others follow
    bads      sized integer column; without the flag there are none
    spans     of buckets whose count is not 0, or with `columns` counts of all and spans of these
    floats    of buckets whose count is not 0, see `bucket_floats`
    CRC32     4 bytes

Of each bucket the spans are how many readings have a value, how long after its start the first of
these is and how long after that the last. With `columns` these are three sized integer columns. Else
none has a count of 0, and there are: unit in ns (varint), the spans of most buckets (three varints,
the latter two in units), how many buckets have others (varint), and of each of those how many go
before it behind the last such one, and its spans (four varints).
"""

import math
from collections.abc import Sequence

import numpy as np

from collector.store import bucket_floats, integers
from collector.store.blobs import (
    ChunkError,
    Cursor,
    closed,
    opened,
    sized,
    varint,
    zigzag,
)
from collector.store.buckets import (
    HOUR_NS,
    MINUTE_NS,
    BucketNumbers,
    Buckets,
    are_summable,
    by_width,
    chosen,
    empty,
    means,
    merged,
    summarised,
    summarised_all,
)
from collector.store.decimals import Integers

__all__ = [
    "HOUR_NS",
    "MINUTE_NS",
    "BucketNumbers",
    "Buckets",
    "ChunkError",
    "are_summable",
    "by_width",
    "chosen",
    "decode",
    "empty",
    "encode",
    "encode_all",
    "means",
    "merged",
    "summarised",
    "summarised_all",
]

VERSION = 1

_STARTS, _BADS, _COLUMNS = 1, 2, 4
# No blob holds more buckets: what reads one allocates by their number.
_MOST_BUCKETS = 2**17
# So many buckets may have other spans than the rest before these are columns.
_MOST_OTHERS = 4


def encode(buckets: Buckets, width_ns: int) -> bytes:
    """Return the blob of at least one bucket; all starts are multiples of the width."""
    if not 0 < len(buckets.starts_ns) <= _MOST_BUCKETS:
        raise ValueError(f"a blob holds 1 to {_MOST_BUCKETS} buckets")
    flags, spans = _spans(buckets, width_ns)
    some = buckets
    if np.count_nonzero(buckets.counts) < len(buckets.counts):
        some = chosen(buckets, buckets.counts != 0)
    flag, form, floats = bucket_floats.encode(some)
    return _blob(len(buckets.counts), width_ns, flags | flag, form, spans + floats)


def encode_all(alike: BucketNumbers, exponents: Sequence[int], width_ns: int) -> list[bytes]:
    """Return the blob of each of several series, whose buckets have the same spans."""
    count = len(alike.counts)
    flags, spans = _spans(alike, width_ns)
    floats = bucket_floats.encode_all(alike.numbers, alike.counts)
    return [
        _blob(count, width_ns, flags | flag, exponent, spans + body)
        for exponent, (flag, body) in zip(exponents, floats, strict=True)
    ]


def decode(data: bytes) -> Buckets:
    """Return the buckets of a blob; raises ChunkError."""
    cursor = Cursor(opened(VERSION, data, 1))
    count = cursor.count(_MOST_BUCKETS)
    width = cursor.varint()
    width_ns = width >> 1 if width & 1 else (width >> 1) * MINUTE_NS
    flags, form = cursor.byte(), cursor.byte()
    if flags & _STARTS:
        starts_ns = integers.decode(cursor.sized(), count)
    else:
        starts_ns = np.arange(count)
        starts_ns += np.int64(cursor.zigzag())
    starts_ns *= _signed(width_ns)
    bads = integers.decode(cursor.sized(), count) if flags & _BADS else np.zeros(count, np.int64)
    if not flags & _COLUMNS:
        return _with_values(cursor, starts_ns, bads, flags, form, None)
    counts = integers.decode(cursor.sized(), count)
    places = np.flatnonzero(counts)
    if len(places) == count:
        return _with_values(cursor, starts_ns, bads, flags, form, counts)
    found = empty(starts_ns)
    found.bads[:] = bads
    if not len(places):
        cursor.end()
        return found
    some = _with_values(cursor, starts_ns[places], bads[places], flags, form, counts[places])
    for column, its in zip(found[1:], some[1:], strict=True):
        column[places] = its
    return found


def _with_values(
    cursor: Cursor,
    starts_ns: Integers,
    bads: Integers,
    flags: int,
    form: int,
    known: Integers | None,
) -> Buckets:
    """Return buckets that have values each; `known`: how many, if that was said already."""
    counts, first_ns, last_ns = _decode_spans(cursor, starts_ns, known)
    floats = bucket_floats.decode(cursor, flags, form, counts)
    return Buckets(starts_ns, counts, bads, first_ns, last_ns, *floats)


def _blob(count: int, width_ns: int, flags: int, form: int, body: bytes) -> bytes:
    minutes, rest_ns = divmod(width_ns, MINUTE_NS)
    head = varint(count) + varint(width_ns << 1 | 1 if rest_ns else minutes << 1)
    return closed(VERSION, head + bytes((flags, form)) + body, 1)


def _spans(buckets: Buckets | BucketNumbers, width_ns: int) -> tuple[int, bytes]:
    """Return starts, bads and spans, and their flags."""
    slots = buckets.starts_ns // width_ns
    if np.count_nonzero(slots * width_ns != buckets.starts_ns):
        raise ValueError(f"a bucket does not start at a multiple of {width_ns} ns")
    flags, parts = 0, []
    if int(slots[-1]) - int(slots[0]) == len(slots) - 1:
        parts.append(zigzag(int(slots[0])))
    else:
        flags |= _STARTS
        parts.append(sized(integers.encode(slots, (1,))))
    if np.count_nonzero(buckets.bads):
        flags |= _BADS
        parts.append(sized(integers.encode(buckets.bads, (0,))))
    flag, spans = _encode_spans(buckets)
    return flags | flag, b"".join(parts) + spans


def _encode_spans(buckets: Buckets | BucketNumbers) -> tuple[int, bytes]:
    """Return the flag of their form, and the bytes."""
    delays_ns = buckets.first_ns - buckets.starts_ns
    lengths_ns = buckets.last_ns - buckets.first_ns
    spans = list(zip(buckets.counts.tolist(), delays_ns.tolist(), lengths_ns.tolist(), strict=True))
    usual = spans[len(spans) // 2]
    others = [place for place, each in enumerate(spans) if each != usual]
    rare = [spans[place] for place in others[: _MOST_OTHERS + 1]]
    is_odd = any(min(each) < 0 or not each[0] for each in [usual, *rare])
    if len(others) > _MOST_OTHERS or is_odd:
        has_value = buckets.counts != 0
        columns = (buckets.counts, delays_ns[has_value], lengths_ns[has_value])
        return _COLUMNS, b"".join(
            sized(integers.encode(column, (0, 1))) for column in columns if len(column)
        )
    unit_ns = math.gcd(*(time_ns for row in [usual, *rare] for time_ns in row[1:])) or 1
    numbers = [unit_ns, usual[0], usual[1] // unit_ns, usual[2] // unit_ns, len(others)]
    behind = 0
    for place, (count, delay_ns, length_ns) in zip(others, rare, strict=True):
        numbers += (place - behind, count, delay_ns // unit_ns, length_ns // unit_ns)
        behind = place + 1
    return 0, b"".join(map(varint, numbers))


def _decode_spans(
    cursor: Cursor, starts_ns: Integers, counts: Integers | None
) -> tuple[Integers, Integers, Integers]:
    """Return counts, firsts and lasts of the buckets with a value; `counts`: if they are known."""
    many = len(starts_ns)
    if counts is not None:
        first_ns, last_ns = (integers.decode(cursor.sized(), many) for _ in range(2))
        first_ns += starts_ns
        last_ns += first_ns
        return counts, first_ns, last_ns
    unit_ns = cursor.varint()
    count, delay_ns, length_ns = _span(cursor, unit_ns)
    counts = np.empty(many, np.int64)
    counts.fill(count)
    first_ns = starts_ns + delay_ns
    last_ns = first_ns + length_ns
    place = -1
    for _ in range(cursor.count(many)):
        place += cursor.varint() + 1
        if place >= many:
            raise ChunkError(f"a bucket lies behind the end of {many}")
        counts[place], delay_ns, length_ns = _span(cursor, unit_ns)
        first_ns[place] = first = _signed(int(starts_ns[place]) + delay_ns)
        last_ns[place] = _signed(first + length_ns)
    return counts, first_ns, last_ns


def _span(cursor: Cursor, unit_ns: int) -> tuple[int, int, int]:
    count, delay, length = cursor.varint(), cursor.varint(), cursor.varint()
    return _signed(count), _signed(delay * unit_ns), _signed(length * unit_ns)


def _signed(number: int) -> int:
    """Return a number modulo 2**64, as 64 bits with a sign say it."""
    return (number + 2**63) % 2**64 - 2**63

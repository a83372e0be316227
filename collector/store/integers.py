"""Integer columns: 64-bit numbers in as few bytes as they tell anything new. Pure.

    method   1 byte: bits 0-1 packing, bits 2-3 width, bit 4 order, bit 5 a factor follows
    origin   zigzag
    factor   varint, if said so
    base     zigzag, with order 1
    payload  the residuals

A number is origin + factor * unit. With order 0 the residuals are the units, with order 1 the
differences of the units (one fewer: the first unit is 0) less base. All is reckoned modulo 2**64, so
that any number survives. Packings:

    0 sparse  varint: how many are not 0; of each a varint, how many zeros go before it, and a zigzag
    1 plain   unsigned little-endian numbers of 1, 2, 4 or 8 bytes (width 0 to 3)
    2 zstd    the same by zstd, see `packings`
    3 pcodec  the same by pcodec, see `packings`, which takes differences by itself: order 0

A constant column, or one of equal steps, is sparse with nothing in it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.store import packings
from collector.store.blobs import ChunkError, Cursor, varint, zigzag

Integers = npt.NDArray[np.int64]

_SPARSE, _PLAIN, _ZSTD, _PCODEC = range(4)
_STEPS = 0x10
_FACTOR = 0x20
_EQUAL_STEPS = _SPARSE | _STEPS
_WIDTHS: tuple[np.dtype[np.unsignedinteger], ...] = (
    np.dtype("u1"),
    np.dtype("<u2"),
    np.dtype("<u4"),
    np.dtype("<u8"),
)
# About how many numbers an estimate looks at, and a guess; both are evenly strewn.
_SAMPLE = 256
_GLANCE = 32
# So many numbers show whether zstd finds what pcodec cannot: whatever repeats.
_TRIAL = 1024
# Residuals that are alike but for one in so many, and no more than so many, may be sparse.
_ONE_IN = 16
_MOST_SPARSE = 64
# Nothing is shorter than a sparse payload of so many bytes.
_SHORT = 10


class _Packed(NamedTuple):
    """Units, packed by a method; `base`: what was taken off the residuals, 0 but if sparse."""

    method: int
    base: int
    payload: bytes


def encode(numbers: Integers, orders: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """Return the column of at least one number; `orders`: of what differences to try."""
    return encode_all(numbers[np.newaxis], orders)[0]


def encode_all(rows: Integers, orders: tuple[int, ...] = (0, 1, 2)) -> list[bytes]:
    """Return the column of each row of a matrix: what can be is reckoned of all at once."""
    steps = _equal_steps(rows)
    firsts = rows[:, 0].tolist()
    found = [
        b"" if step is None else bytes((_EQUAL_STEPS,)) + zigzag(first) + zigzag(step) + b"\0"
        for first, step in zip(firsts, steps, strict=True)
    ]
    others = [place for place, step in enumerate(steps) if step is None]
    if not others:
        return found
    some = rows if len(others) == len(rows) else rows[others]
    lowest = np.minimum.reduce(some, axis=1)
    highest = np.maximum.reduce(some, axis=1).tolist()
    units = some - lowest[:, np.newaxis]
    spreads = [high - low for high, low in zip(highest, lowest.tolist(), strict=True)]
    factors = _factors(units, spreads)
    promised = _promised(units, orders)
    for place, low, row, spread, factor, (order, base) in zip(
        others, lowest.tolist(), units, spreads, factors, promised, strict=True
    ):
        packed = _shortest(row, spread // factor, order, base)
        found[place] = _joined(packed, firsts[place], low, factor)
    return found


def _joined(packed: _Packed, first: int, lowest: int, factor: int) -> bytes:
    method, base, payload = packed
    if method & _STEPS:
        origin, base_bytes = first, zigzag(base)
    else:
        origin, base_bytes = (lowest + factor * base + 2**63) % 2**64 - 2**63, b""
    if factor > 1:
        return bytes((method | _FACTOR,)) + zigzag(origin) + varint(factor) + base_bytes + payload
    return bytes((method,)) + zigzag(origin) + base_bytes + payload


def decode(data: bytes, count: int) -> Integers:
    """Return the `count` numbers of a column that takes all of `data`."""
    cursor = Cursor(data)
    method = cursor.byte()
    if method >= 2 * _FACTOR or count < 1:
        raise ChunkError(f"a column of {count} numbers cannot be packed by method {method}")
    origin = cursor.zigzag()
    factor = cursor.varint() if method & _FACTOR else 1
    if method & _STEPS:
        units = _summed(cursor, method, cursor.zigzag(), count)
    else:
        units = _unpacked(cursor, method, count)
    if factor != 1:
        units *= np.uint64(factor).view(np.int64)
    units += np.int64(origin)
    return units


def _equal_steps(rows: Integers) -> list[int | None]:
    """Return by how much each number of a row is more than the one before, None if not all are."""
    if rows.shape[1] == 1:
        return [0] * len(rows)
    glance = rows[:, : _GLANCE + 1]
    steps = glance[:, 1:] - glance[:, :-1]
    is_equal = ~np.logical_or.reduce(steps != steps[:, :1], axis=1)
    found: list[int | None] = [None] * len(rows)
    for place in np.flatnonzero(is_equal).tolist():
        row = rows[place]
        step = steps[place, 0]
        if len(row) <= _GLANCE + 1 or not np.count_nonzero(row[1:] - row[:-1] != step):
            found[place] = int(step)
    return found


def _factors(units: Integers, spreads: list[int]) -> list[int]:
    """Return what all units of a row are multiples of, and divide them by it."""
    factors: list[int] = np.gcd.reduce(units[:, :: units.shape[1] // _GLANCE + 1], axis=1).tolist()
    for place, factor in enumerate(factors):
        if factor == 1:
            continue
        factors[place] = int(np.gcd.reduce(units[place])) if spreads[place] < 2**63 else 1
        if factors[place] > 1:
            units[place] //= factors[place]
    return factors


def _promised(units: Integers, orders: tuple[int, ...]) -> list[tuple[int, np.int64 | None]]:
    """Return of each row the order whose residuals are the smallest in a sample, and the commonest.

    None: no residual is common by far.
    """
    count = units.shape[1]
    stride = count // (_SAMPLE if len(orders) > 1 else _GLANCE) + 1
    some, following = units[:, :-2:stride], units[:, 1:-1:stride]
    samples = np.empty((orders[-1] + 1, *some.shape), np.int64)
    samples[0] = some
    if len(samples) > 1:
        np.subtract(following, some, out=samples[1])
    if len(samples) > 2:
        np.subtract(units[:, 2::stride] - following, samples[1], out=samples[2])
    glances = np.sort(samples[:, :, :: some.shape[1] // _GLANCE + 1])
    medians = glances[:, :, glances.shape[2] // 2]
    alike = np.add.reduce(glances == medians[:, :, np.newaxis], axis=2)
    common = (alike * 4 >= glances.shape[2] * 3).tolist()
    best = [orders[0]] * len(units)
    if len(orders) > 1:
        samples -= medians[:, :, np.newaxis]
        sizes = np.abs(samples).astype(np.float32)
        sizes += np.float32(1)
        # The bits of a float, taken as a number, rise as its logarithm does: all but exactly, for less.
        bits = np.add.reduce(sizes.view(np.int32), axis=2, dtype=np.int64).T.tolist()
        best = [min(orders, key=its.__getitem__) for its in bits]
    return [
        (order, medians[order, place] if common[order][place] else None)
        for place, order in enumerate(best)
    ]


def _shortest(units: Integers, spread: int, order: int, base: np.int64 | None) -> _Packed:
    """Return units, of which the least is 0, in the shortest of the ways that promise something."""
    sparse = None if base is None else _sparse(units, order, base)
    if sparse is not None and len(sparse.payload) <= _SHORT:
        return sparse
    width = next(width for width in range(4) if spread >> (8 << width) == 0)
    plain = units.astype(_WIDTHS[width])
    best = _Packed(_PCODEC | width << 2, 0, packings.by_pcodec(plain, order))
    by_zstd = packings.by_zstd(plain[:_TRIAL])
    if len(by_zstd) * len(units) < len(best.payload) * min(_TRIAL, len(units)):
        if len(units) > _TRIAL:
            by_zstd = packings.by_zstd(plain)
        best = _Packed(_ZSTD | width << 2, 0, by_zstd)
    if sparse is not None and len(sparse.payload) < len(best.payload):
        return sparse
    if plain.nbytes <= len(best.payload):
        return _Packed(_PLAIN | width << 2, 0, plain.tobytes())
    return best


def _sparse(units: Integers, order: int, base: np.int64) -> _Packed | None:
    """Return residuals as those that differ from the rest, if few do."""
    residuals = units[1:] - units[:-1] if order else units
    places = np.flatnonzero(residuals != base)
    if order > 1 or len(places) > min(_MOST_SPARSE, len(residuals) // _ONE_IN + 1):
        return None
    payload = bytearray(varint(len(places)))
    behind = 0
    for place, number in zip(places.tolist(), (residuals[places] - base).tolist(), strict=True):
        payload += varint(place - behind) + zigzag(number)
        behind = place + 1
    return _Packed(_SPARSE | _STEPS * order, int(base), bytes(payload))


def _unpacked(cursor: Cursor, method: int, count: int) -> Integers:
    """Return residuals, without their base, as an array of their own."""
    packing, dtype = method & 3, _WIDTHS[method >> 2 & 3]
    if packing == _SPARSE:
        return _from_sparse(cursor, count)
    unpack = (packings.from_plain, packings.from_zstd, packings.from_pcodec)[packing - 1]
    return unpack(cursor.rest(), count, dtype).astype(np.int64)


def _from_sparse(cursor: Cursor, count: int) -> Integers:
    found = np.zeros(count, np.int64)
    place = -1
    for _ in range(cursor.count(count)):
        place += cursor.varint() + 1
        if place >= count:
            raise ChunkError(f"an entry lies behind the end of {count}")
        found[place] = cursor.zigzag()
    cursor.end()
    return found


def _summed(cursor: Cursor, method: int, base: int, count: int) -> Integers:
    """Return the units that residuals are the differences of."""
    if method & ~_FACTOR == _EQUAL_STEPS and cursor.is_at_zero():
        units = np.arange(count)
        units *= np.int64(base)
        return units
    residuals = _unpacked(cursor, method, count - 1)
    residuals += np.int64(base)
    units = np.zeros(count, np.int64)
    np.cumsum(residuals, out=units[1:])
    return units

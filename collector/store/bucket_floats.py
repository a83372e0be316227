"""Floats of buckets, as bytes and back. Pure.

Firsts, lasts, minima, maxima and totals, in this order. Form 0 to 9: whole numbers /
10**form; those that are not are exceptions, which go first as in a chunk. Then comes the origin
(zigzag), then residuals:

    firsts    first - last of the bucket before, or 0: origin is the first; with level first - origin
    lasts     last - first; with level last - origin
    minima    the smaller of first and last - minimum
    maxima    maximum - the greater of first and last
    totals    total - count * (first + last + minimum + maximum) // 4

With `apart` there are five integer columns, sized but for the last, else there is one in all. Of up
to 3 buckets there is no origin, but of each bucket as zigzags first, last - first, first - minimum,
maximum - first, total - count * first. Form 14: as they stand, little-endian. Form 15: five sized
columns of values as in a chunk.
"""

import numpy as np

from collector.store import codec, decimals, integers
from collector.store.blobs import ChunkError, Cursor, sized, zigzag
from collector.store.buckets import Buckets
from collector.store.decimals import Floats, Integers

LEVEL, APART, EXCEPTIONS = 8, 16, 32

_PLAIN, _VALUES = 14, 15
# Up to so few buckets are worth no statistics; from so many on each column is worth its own.
_FEW = 3
_MANY = 300
# Sums of a few whole numbers stay far below what a zigzag may be.
_LARGEST = 2**60


def encode(buckets: Buckets) -> tuple[int, int, bytes]:
    """Return the flags of their form, the form, and the bytes."""
    values = np.concatenate(buckets[5:])
    count = len(buckets.counts)
    if not count:
        return 0, 0, b""
    if count <= _FEW:
        return 0, *_encode_few(values, buckets.counts.tolist())
    decimal = decimals.scaled(values, stray_is_worth=len(values))
    if decimal is None:
        columns = (sized(codec.encode_values(column)) for column in buckets[5:])
        return 0, _VALUES, b"".join(columns)
    flags, head = 0, b""
    if len(decimal.exceptions):
        flags |= EXCEPTIONS
        head = codec.encode_exceptions(values, decimal.exceptions)
    levels, origins, several = _residuals(decimal.numbers.reshape(1, 5, count), buckets.counts)
    flags |= levels[0]
    head += zigzag(origins[0])
    residuals = several[0]
    if count < _MANY:
        return flags, decimal.exponent, head + integers.encode(residuals.reshape(-1), (0,))
    body = b"".join(sized(integers.encode(column)) for column in residuals[:4])
    return flags | APART, decimal.exponent, head + body + integers.encode(residuals[4])


def encode_all(numbers: Integers, counts: Integers) -> list[tuple[int, bytes]]:
    """Return the same of some buckets of several series, from their whole numbers; without forms.

    `numbers`: of each series five rows.
    """
    if numbers.shape[2] <= _FEW:
        return [(0, _few(each.ravel().tolist(), counts.tolist())) for each in numbers]
    kinds, origins, residuals = _residuals(numbers, counts)
    columns = integers.encode_all(residuals.reshape(len(numbers), -1), (0,))
    return [
        (kind, zigzag(origin) + column)
        for kind, origin, column in zip(kinds, origins, columns, strict=True)
    ]


def _encode_few(values: Floats, counts: list[int]) -> tuple[int, bytes]:
    """Return the form of a few buckets' floats, and the bytes."""
    few = decimals.scaled_few(values.tolist())
    if few is None or max(map(abs, few[1])) * max(counts) >= _LARGEST:
        return _PLAIN, values.astype("<f8").tobytes()
    exponent, numbers = few
    return exponent, _few(numbers, counts)


def _few(numbers: list[int], counts: list[int]) -> bytes:
    found = bytearray()
    for place, count in enumerate(counts):
        first, last, minimum, maximum, total = numbers[place :: len(counts)]
        found += zigzag(first) + zigzag(last - first) + zigzag(first - minimum)
        found += zigzag(maximum - first) + zigzag(total - count * first)
    return bytes(found)


def _decode_few(cursor: Cursor, form: int, counts: list[int]) -> list[Floats]:
    rows = []
    for count in counts:
        first, last, minimum, maximum, total = (cursor.zigzag() for _ in range(5))
        rows.append((first, first + last, first - minimum, first + maximum, total + count * first))
    cursor.end()
    power = 10.0**form
    return list(np.array([[number / power for number in row] for row in rows]).T)


def decode(cursor: Cursor, flags: int, form: int, counts: Integers) -> list[Floats]:
    """Return the five columns of buckets with so many values."""
    count = len(counts)
    if form == _PLAIN:
        data = cursor.rest()
        if len(data) != 5 * count * 8:
            raise ChunkError(f"floats of {count} buckets take {5 * count * 8} bytes")
        return list(np.frombuffer(data, "<f8").astype(np.float64).reshape(5, count))
    if form == _VALUES:
        found = [codec.decode_values(cursor.sized(), count) for _ in range(5)]
        cursor.end()
        return found
    if form > decimals.LARGEST_EXPONENT:
        raise ChunkError(f"floats of form {form} are not known here")
    if count <= _FEW:
        return _decode_few(cursor, form, counts.tolist())
    exceptions = codec.decode_exceptions(cursor, 5 * count) if flags & EXCEPTIONS else None
    origin = cursor.zigzag()
    if flags & APART:
        columns = np.empty((5, count), np.int64)
        for column in columns[:4]:
            column[:] = integers.decode(cursor.sized(), count)
        columns[4] = integers.decode(cursor.rest(), count)
    else:
        columns = integers.decode(cursor.rest(), 5 * count).reshape(5, count)
    _restore(columns, counts, flags, origin)
    values = decimals.restored(columns.reshape(-1), form)
    if exceptions is not None:
        where, bits = exceptions
        values.view(np.int64)[where] = bits
    return list(values.reshape(5, count))


def _residuals(numbers: Integers, counts: Integers) -> tuple[list[int], list[int], Integers]:
    """Return of each series the flag of the kind of residuals, their origin, and them."""
    firsts, lasts, minima, maxima, totals = numbers.swapaxes(0, 1)
    found = np.empty_like(numbers)
    ends = found[:, :2]
    ends[:, 0, 0] = 0
    np.subtract(firsts[:, 1:], lasts[:, :-1], out=ends[:, 0, 1:])
    np.subtract(lasts, firsts, out=ends[:, 1])
    middles = firsts[:, firsts.shape[1] // 2]
    level = numbers[:, :2] - middles[:, np.newaxis, np.newaxis]
    is_level = np.abs(level).sum(axis=(1, 2)) < np.abs(ends).sum(axis=(1, 2))
    np.copyto(ends, level, where=is_level[:, np.newaxis, np.newaxis])
    np.subtract(np.minimum(firsts, lasts), minima, out=found[:, 2])
    np.subtract(maxima, np.maximum(firsts, lasts), out=found[:, 3])
    np.subtract(totals, _expected(firsts, lasts, minima, maxima, counts), out=found[:, 4])
    origins = np.where(is_level, middles, firsts[:, 0])
    return (is_level * LEVEL).tolist(), origins.tolist(), found


def _restore(columns: Integers, counts: Integers, flags: int, origin: int) -> None:
    """Make numbers of residuals, in their place."""
    firsts, lasts, minima, maxima, totals = columns
    if flags & LEVEL:
        columns[:2] += origin
    else:
        firsts[1:] += lasts[:-1]
        firsts[0] = origin
        np.add.accumulate(firsts, out=firsts)
        lasts += firsts
    np.subtract(np.minimum(firsts, lasts), minima, out=minima)
    maxima += np.maximum(firsts, lasts)
    totals += _expected(firsts, lasts, minima, maxima, counts)


def _expected(
    firsts: Integers, lasts: Integers, minima: Integers, maxima: Integers, counts: Integers
) -> Integers:
    """Return what the totals are, had the ends and extremes the same weight."""
    found = firsts + lasts
    found += minima
    found += maxima
    found *= counts
    found >>= 2
    return found

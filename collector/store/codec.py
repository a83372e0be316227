"""Columns of a chunk: times, values and qualities to bytes and back. Pure.

    times   1 byte: 0 plain, 1 grid
            plain: an integer column
            grid: step (varint), slots (sized integer column), offsets (integer column): a time is
                  the first time + step * slot + offset, so that jitter does not add up
    values  1 byte: bits 0-3 form, bit 4 exceptions follow
            exceptions: how many (varint), where (sized integer column), bits (sized integer column)
            form 0 to 9: integer column of whole numbers, value = number / 10**form
            form 10: header, chunk head and page of pcodec for f64
            form 11: integer column of the bits

Exceptions are floats that the form does not give back to the bit. Integer columns are described in
`integers`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from collector.store import decimals, integers, packings
from collector.store.blobs import ChunkError, Cursor, sized, varint
from collector.store.decimals import Decimals, Floats, Integers

_PLAIN, _GRID = range(2)
_PCODEC, _BITS = 10, 11
_EXCEPTIONS = 0x10
_NONE = np.empty(0, np.int64)


def encode_times(times_ns: Integers) -> bytes:
    """Return times in rising order as bytes."""
    plain = bytes((_PLAIN,)) + integers.encode(times_ns, (1, 2))
    if len(plain) <= 24:
        return plain
    grid = _on_grid(times_ns)
    return plain if grid is None or len(plain) <= len(grid) else grid


def decode_times(data: bytes, count: int) -> Integers:
    """Return the times of bytes."""
    cursor = Cursor(data)
    form = cursor.byte()
    if form == _PLAIN:
        return integers.decode(cursor.rest(), count)
    if form != _GRID:
        raise ChunkError(f"times of form {form} are not known here")
    step = np.uint64(cursor.varint()).astype(np.int64)
    slots = integers.decode(cursor.sized(), count)
    offsets = integers.decode(cursor.rest(), count)
    slots *= step
    slots += offsets
    return slots


def encode_values(values: Floats) -> bytes:
    """Return values as bytes: any float comes back to the bit."""
    decimal = decimals.scaled(values)
    if decimal is not None:
        column = integers.encode(decimal.numbers)
        return _joined(values, decimal.exponent, decimal.exceptions, column)
    return _as_floats(values)


def encode_all(values: Sequence[Floats], some: Decimals) -> list[bytes]:
    """Return the same of several of one length; `some`: which are decimals throughout."""
    columns = integers.encode_all(some.numbers)
    plain = {
        row: bytes((exponent,)) + column
        for row, exponent, column in zip(some.rows, some.exponents, columns, strict=True)
    }
    return [plain.get(row) or encode_values(each) for row, each in enumerate(values)]


def decode_values(data: bytes, count: int) -> Floats:
    """Return the values of bytes."""
    cursor = Cursor(data)
    form = cursor.byte()
    exceptions = decode_exceptions(cursor, count) if form & _EXCEPTIONS else None
    values = _of_form(form & ~_EXCEPTIONS, cursor.rest(), count)
    if exceptions is not None:
        where, bits = exceptions
        values.view(np.int64)[where] = bits
    return values


def encode_exceptions(values: Floats, where: Integers) -> bytes:
    """Return the bits of values at some places, and these places, as bytes."""
    places = sized(integers.encode(where, (1,)))
    bits = sized(integers.encode(values.view(np.int64)[where], (0,)))
    return varint(len(where)) + places + bits


def decode_exceptions(cursor: Cursor, count: int) -> tuple[Integers, Integers]:
    """Return places among `count` values, and the bits that belong there."""
    many = cursor.count(count)
    where = integers.decode(cursor.sized(), many)
    bits = integers.decode(cursor.sized(), many)
    if where.min() < 0 or where.max() >= count:
        raise ChunkError(f"an exception lies outside of {count} values")
    return where, bits


def encode_small(numbers: npt.NDArray[np.uint8]) -> bytes:
    """Return bytes such as qualities as fewer bytes."""
    return integers.encode(numbers.astype(np.int64))


def decode_small(data: bytes, count: int) -> npt.NDArray[np.uint8]:
    """Return what `encode_small` was given."""
    return integers.decode(data, count).astype(np.uint8)


def _on_grid(times_ns: Integers) -> bytes | None:
    """Return times as places on a grid and what they are off it; None: there is none."""
    since_ns = times_ns - times_ns[0]
    if len(times_ns) < 3 or (since_ns < 0).any():
        return None
    step_ns = int(np.median(np.diff(since_ns)))
    if step_ns <= 0:
        return None
    slots = (since_ns + step_ns // 2) // step_ns
    offsets = times_ns - slots * step_ns
    head = bytes((_GRID,)) + varint(step_ns)
    return head + sized(integers.encode(slots, (1,))) + integers.encode(offsets, (0, 1))


def _as_floats(values: Floats) -> bytes:
    special = ~np.isfinite(values)
    exceptions = np.flatnonzero(special)
    plain = decimals.filled(values, special) if 0 < len(exceptions) < len(values) else values
    if plain is values:
        exceptions = _NONE
    found = [_joined(values, _BITS, exceptions, integers.encode(plain.view(np.int64)))]
    if np.isfinite(plain).all():
        column = packings.by_pcodec(plain, None)
        again = packings.from_pcodec(column, len(plain), plain.dtype)
        if (again.view(np.int64) == plain.view(np.int64)).all():
            found.append(_joined(values, _PCODEC, exceptions, column))
    return min(found, key=len)


def _joined(values: Floats, form: int, exceptions: Integers, column: bytes) -> bytes:
    if not len(exceptions):
        return bytes((form,)) + column
    return bytes((form | _EXCEPTIONS,)) + encode_exceptions(values, exceptions) + column


def _of_form(form: int, data: bytes, count: int) -> Floats:
    if form <= decimals.LARGEST_EXPONENT:
        return decimals.restored(integers.decode(data, count), form)
    if form == _PCODEC:
        return packings.from_pcodec(data, count, np.dtype(np.float64))
    if form == _BITS:
        return integers.decode(data, count).view(np.float64)
    raise ChunkError(f"values of form {form} are not known here")

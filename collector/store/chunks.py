"""Chunks: the readings of one series as compressed columns. Pure.

A chunk is a blob (see `blobs`) whose number of readings is kept beside it:

    version    1 byte: 1
    flags      1 byte: bit 0 times follow, bit 1 qualities follow, bit 2 runs follow
    times      sized, as `codec` has them; else they are kept elsewhere, common to a sensor's channels
    qualities  sized integer column; else all are 0, good
    runs       how many (varint), then of all of them how many readings, 0 synced or 1 derived, and
               error + 1 in ns or 0 for unknown (three sized integer columns); else there is one,
               synced, of error 0
    values     as `codec` has them, to the end
    CRC32      4 bytes

Times that are kept elsewhere are a blob of their own: version, times, CRC32. The parts are described
in `codec`, `integers` and `blobs`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import Known
from collector.store import codec, integers
from collector.store.blobs import ChunkError, Cursor, closed, opened, sized, varint
from collector.store.decimals import Decimals, Floats, Integers

__all__ = [
    "ChunkError",
    "Columns",
    "Run",
    "Trust",
    "decode",
    "decode_row",
    "decode_times",
    "decode_trust",
    "encode",
    "encode_all",
    "encode_times",
]

VERSION = 1

_TIMES, _QUALITIES, _RUNS = 1, 2, 4
_CRC_BYTES = 4
_KNOWN = (Known.SYNCED, Known.DERIVED)


class Run(NamedTuple):
    """So many readings on end whose times are known in the same way, right to `error_ns`."""

    readings: int
    known: Known
    error_ns: int | None


class Columns(NamedTuple):
    """Readings of one series, in order of time: parallel arrays; the runs cover all of them."""

    times_ns: Integers
    values: Floats
    qualities: npt.NDArray[np.uint8]
    runs: tuple[Run, ...]


class Trust(NamedTuple):
    """How far the readings of a chunk can be trusted, and its times as they are packed.

    `times`: None where they are kept elsewhere. `qualities`: None where all are good.
    """

    times: bytes | None
    qualities: npt.NDArray[np.uint8] | None
    runs: tuple[Run, ...]

    @property
    def has_derived(self) -> bool:
        """Whether a time was derived."""
        return any(run.known is Known.DERIVED for run in self.runs)

    def times_of(self, elsewhere: Integers | None) -> Integers:
        """Return the times of the readings; `elsewhere`: those that are kept there.

        Raises:
            ChunkError: they are damaged, or not those of so many readings.
        """
        readings = sum(run.readings for run in self.runs)
        found = elsewhere if self.times is None else codec.decode_times(self.times, readings)
        if found is None or len(found) != readings:
            raise ChunkError(f"the times of {readings} readings are not there")
        return found


def encode_times(times_ns: Integers) -> bytes:
    """Return the blob of times, which are in rising order."""
    return closed(VERSION, codec.encode_times(times_ns), len(times_ns))


def decode_times(data: bytes, readings: int) -> Integers:
    """Return the times of a blob; raises ChunkError."""
    return codec.decode_times(opened(VERSION, data, readings), readings)


def encode(columns: Columns, times: bytes | None) -> bytes:
    """Return the chunk of at least one reading; `times`: their blob, to be put inside."""
    return _chunk(columns, times, codec.encode_values(columns.values))


def encode_all(several: Sequence[Columns], times: bytes | None, some: Decimals) -> list[bytes]:
    """Return the chunks of series read at the same times; `some`: which are decimals throughout."""
    values = codec.encode_all([columns.values for columns in several], some)
    return [_chunk(columns, times, its) for columns, its in zip(several, values, strict=True)]


def decode(data: bytes, readings: int, times_ns: Integers | None = None) -> Columns:
    """Return the columns of a chunk; `times_ns`: those that are kept elsewhere.

    Raises:
        ChunkError: the bytes are damaged, or not those of so many readings.
    """
    cursor = Cursor(opened(VERSION, data, readings))
    trust = _trust(cursor, readings)
    qualities = np.zeros(readings, np.uint8) if trust.qualities is None else trust.qualities
    values = codec.decode_values(cursor.rest(), readings)
    return Columns(trust.times_of(times_ns), values, qualities, trust.runs)


def decode_trust(data: bytes, readings: int) -> Trust:
    """Return how far the readings of a chunk can be trusted; no time and no value is decoded.

    Raises:
        ChunkError: as with `decode`.
    """
    return _trust(Cursor(opened(VERSION, data, readings)), readings)


def _trust(cursor: Cursor, readings: int) -> Trust:
    flags = cursor.byte()
    if flags > _TIMES | _QUALITIES | _RUNS:
        raise ChunkError(f"flags {flags} are not known here")
    times = cursor.sized() if flags & _TIMES else None
    qualities = codec.decode_small(cursor.sized(), readings) if flags & _QUALITIES else None
    runs: tuple[Run, ...] = (Run(readings, Known.SYNCED, 0),)
    if flags & _RUNS:
        runs = _decode_runs(cursor, readings)
    return Trust(times, qualities, runs)


def _chunk(columns: Columns, times: bytes | None, values: bytes) -> bytes:
    count = len(columns.values)
    flags, parts = 0, []
    if times is not None:
        flags |= _TIMES
        parts.append(sized(times[1:-_CRC_BYTES]))
    if np.count_nonzero(columns.qualities):
        flags |= _QUALITIES
        parts.append(sized(codec.encode_small(columns.qualities)))
    if columns.runs != (Run(count, Known.SYNCED, 0),):
        flags |= _RUNS
        parts.append(_encode_runs(columns.runs))
    parts.append(values)
    return closed(VERSION, bytes((flags,)) + b"".join(parts), count)


def decode_row(data: bytes, readings: int, shared: bytes | None) -> Columns:
    """Return the columns of a chunk as its row has it; `shared`: the blob of times in common, if any.

    Raises:
        ChunkError: as with `decode`.
    """
    return decode(data, readings, None if shared is None else decode_times(shared, readings))


def _encode_runs(runs: tuple[Run, ...]) -> bytes:
    columns = (
        [run.readings for run in runs],
        [_KNOWN.index(run.known) for run in runs],
        [0 if run.error_ns is None else run.error_ns + 1 for run in runs],
    )
    packed = (sized(integers.encode(np.array(column, np.int64))) for column in columns)
    return varint(len(runs)) + b"".join(packed)


def _decode_runs(cursor: Cursor, readings: int) -> tuple[Run, ...]:
    count = cursor.count(readings)
    columns = cursor.sized(), cursor.sized(), cursor.sized()
    return _one_run(columns, readings) if count == 1 else _runs(columns, count, readings)


@lru_cache(256)  # mostly there is one, and it is that of other chunks too
def _one_run(columns: tuple[bytes, ...], readings: int) -> tuple[Run, ...]:
    return _runs(columns, 1, readings)


def _runs(columns: tuple[bytes, ...], count: int, readings: int) -> tuple[Run, ...]:
    lengths, known, errors_ns = (integers.decode(column, count).tolist() for column in columns)
    if min(lengths) < 1 or sum(lengths) != readings:
        raise ChunkError(f"the runs do not cover {readings} readings")
    if not {0, 1}.issuperset(known) or min(errors_ns) < 0:
        raise ChunkError("a run is of no known kind")
    return tuple(
        Run(length, _KNOWN[kind], error_ns - 1 if error_ns else None)
        for length, kind, error_ns in zip(lengths, known, errors_ns, strict=True)
    )

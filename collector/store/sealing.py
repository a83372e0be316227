"""Sealing: from batches as they were received to chunks and rollups. Pure; whoever calls it reads and writes the rows.

What the batches of one device hold is gathered by series, put in order of time and compressed. Channels
that were read at the same times share them, where times cost anything. Times are fixed here: what
a clock pair says later changes them no more.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from collector.store import chunks, rollups
from collector.store.chunks import Columns
from collector.store.decimals import Decimals, scaled_all
from collector.store.gathering import Gathered, Named, Undecodable
from collector.store.history import hours_of
from collector.store.parts import Times
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets
from collector.store.rows import BatchRow

# Times of a regular grid cost less than a row of their own would.
_SHARED_FROM_BYTES = 64
# Of so few minutes the hours are made as quickly as they are read.
_HOURS_FROM = 512


class Chunk(NamedTuple):
    """A chunk that is to be stored; `times` is the place of its times among the shared ones."""

    series: Named
    from_ns: int
    to_ns: int
    readings: int
    times: int | None
    data: bytes


class Rollup(NamedTuple):
    """A row of rollups that is to be stored; see schema.sql."""

    series: Named
    from_ns: int
    to_ns: int
    buckets: int
    minutes: bytes | None
    hours: bytes | None


class _Alike(NamedTuple):
    """Series read at the same times, and which of them are decimals throughout."""

    names: list[Named]
    columns: list[Columns]
    decimals: Decimals


class Sealed(NamedTuple):
    """What became of the batches of one device: all of them, or they stand among the undecodable."""

    shared_times: list[bytes]
    chunks: list[Chunk]
    rollups: list[Rollup]
    undecodable: list[Undecodable]


def seal(rows: Sequence[BatchRow]) -> Sealed:
    """Seal the rows of one device."""
    gathered = Gathered()
    for row in rows:
        gathered.take(row)
    alike = _alike(gathered.series())
    shared, made = _chunks_of(alike)
    summed = [row for its in alike for row in _rollups_of(its)]
    return Sealed(shared, made, summed, gathered.undecodable)


def chunks_of(series: Mapping[Named, Columns]) -> tuple[list[bytes], list[Chunk]]:
    """Return the chunks of the series of one device, and the times that several of them share."""
    return _chunks_of(_alike(series))


def rollup_of(name: Named, columns: Columns) -> Rollup:
    """Return the minutes and hours of readings."""
    times_ns, values = columns.times_ns, columns.values
    return rollup_row(name, rollups.by_width(times_ns, values, MINUTE_NS))


def rollup_row(name: Named, minutes: Buckets) -> Rollup:
    """Return the row of minutes, with their hours where those are quicker to read."""
    is_short = len(minutes.starts_ns) < _HOURS_FROM
    hours = None if is_short else rollups.encode(hours_of(minutes), HOUR_NS)
    return _row(name, minutes.starts_ns, rollups.encode(minutes, MINUTE_NS), hours)


def _row(name: Named, starts_ns: Times, minutes: bytes, hours: bytes | None) -> Rollup:
    first_ns, last_ns = int(starts_ns[0]), int(starts_ns[-1])
    return Rollup(name, first_ns - first_ns % HOUR_NS, last_ns, len(starts_ns), minutes, hours)


def _alike(series: Mapping[Named, Columns]) -> list[_Alike]:
    """Return the series by their times."""
    by_times: dict[bytes, list[Named]] = {}
    keys: dict[int, bytes] = {}
    for name, columns in series.items():
        times_ns = columns.times_ns
        key = keys.get(id(times_ns))
        if key is None:
            key = keys[id(times_ns)] = times_ns.tobytes()
        by_times.setdefault(key, []).append(name)
    found = []
    for names in by_times.values():
        its = [series[name] for name in names]
        decimals = scaled_all(np.array([columns.values for columns in its]))
        found.append(_Alike(names, its, decimals))
    return found


def _chunks_of(alike: Sequence[_Alike]) -> tuple[list[bytes], list[Chunk]]:
    shared: list[bytes] = []
    made: list[Chunk] = []
    for names, several, decimals in alike:
        times_ns = several[0].times_ns
        times: bytes | None = chunks.encode_times(times_ns)
        place = None
        if len(names) > 1 and times is not None and len(times) >= _SHARED_FROM_BYTES:
            place = len(shared)
            shared.append(times)
            times = None
        first_ns, last_ns = int(times_ns[0]), int(times_ns[-1])
        for name, data in zip(names, chunks.encode_all(several, times, decimals), strict=True):
            made.append(Chunk(name, first_ns, last_ns, len(times_ns), place, data))
    return shared, made


def _rollups_of(alike: _Alike) -> list[Rollup]:
    """Return the rows of series; what is summed up at once is short, and whole numbers."""
    names, several, decimals = alike
    times_ns = several[0].times_ns
    summable = np.flatnonzero(rollups.are_summable(decimals.numbers)).tolist()
    made: dict[int, Rollup] = {}
    if summable and (int(times_ns[-1]) - int(times_ns[0])) // MINUTE_NS + 2 < _HOURS_FROM:
        minutes = rollups.summarised_all(times_ns, decimals.numbers[summable], MINUTE_NS)
        exponents = [decimals.exponents[place] for place in summable]
        blobs = rollups.encode_all(minutes, exponents, MINUTE_NS)
        for place, blob in zip(summable, blobs, strict=True):
            row = decimals.rows[place]
            made[row] = _row(names[row], minutes.starts_ns, blob, None)
    return [
        made.get(row) or rollup_of(name, columns)
        for row, (name, columns) in enumerate(zip(names, several, strict=True))
    ]

"""Sealing: from batches as they were received to chunks and rollups. Pure; whoever calls it reads and writes the rows.

What the batches of one device hold is gathered by series, put in order of time and compressed. Channels
that were read at the same times share them, where times cost anything. Times are fixed here: what
a clock pair says later changes them no more.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collector.store import chunks, rollups
from collector.store.chunks import Columns
from collector.store.gathering import Gathered, Named, Undecodable
from collector.store.history import hours_of, starts_of
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


class Sealed(NamedTuple):
    """What became of the batches of one device: all of them, or they stand among the undecodable."""

    shared_times: list[bytes]
    chunks: list[Chunk]
    rollups: list[Rollup]
    undecodable: list[Undecodable]


def seal(rows: Sequence[BatchRow]) -> Sealed:
    """Seal the rows of one device."""
    gathered = Gathered()
    undecodable = [each for row in rows for each in gathered.take(row)]
    series = gathered.series()
    shared, made = chunks_of(series)
    rolled = [rollup_of(name, columns) for name, columns in series.items()]
    return Sealed(shared, made, rolled, undecodable)


def chunks_of(series: Mapping[Named, Columns]) -> tuple[list[bytes], list[Chunk]]:
    """Return the chunks of the series of one device, and the times that several of them share."""
    alike: dict[bytes, list[tuple[Named, Columns]]] = {}
    for name, columns in series.items():
        alike.setdefault(columns.times_ns.tobytes(), []).append((name, columns))
    shared: list[bytes] = []
    made: list[Chunk] = []
    for its in alike.values():
        times = chunks.encode_times(its[0][1].times_ns)
        place = None
        if len(its) > 1 and len(times) >= _SHARED_FROM_BYTES:
            place = len(shared)
            shared.append(times)
        for name, columns in its:
            data = chunks.encode(columns, times if place is None else None)
            first_ns, last_ns = int(columns.times_ns[0]), int(columns.times_ns[-1])
            made.append(Chunk(name, first_ns, last_ns, len(columns.times_ns), place, data))
    return shared, made


def rollup_of(name: Named, columns: Columns) -> Rollup:
    """Return the minutes and hours of readings."""
    times_ns, values = columns.times_ns, columns.values
    minutes = rollups.summarised(starts_of(times_ns, MINUTE_NS), times_ns, values)
    return rollup_row(name, minutes)


def rollup_row(name: Named, minutes: Buckets) -> Rollup:
    """Return the row of minutes, with their hours where those are quicker to read."""
    first_ns, last_ns = int(minutes.starts_ns[0]), int(minutes.starts_ns[-1])
    count = len(minutes.starts_ns)
    hours = None if count < _HOURS_FROM else rollups.encode(hours_of(minutes), HOUR_NS)
    return Rollup(
        name,
        first_ns - first_ns % HOUR_NS,
        last_ns,
        count,
        rollups.encode(minutes, MINUTE_NS),
        hours,
    )

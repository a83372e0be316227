"""History: the readings and rollups of series, from chunks and from batches not sealed yet, as one.

Each question sees one instant of the store, so that what is sealed meanwhile is neither missing nor
there twice.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from collector.clock import LARGEST_NS, OWN, Dating, Known
from collector.store import chunks, rollups
from collector.store.numbers import bounded
from collector.store.parts import (
    DatedReading,
    Part,
    Times,
    as_readings,
    chosen,
    datings_of,
    in_order,
    parts_of,
)
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets
from collector.store.rows import BatchRow
from wire.readings import series_name

# What `latest` looks at, newest first, before it gives a series up as silent.
_LATEST_ROWS = 20_000
_GLOB = frozenset("*?[")
_ALL = (
    "SELECT stored_series.id, device.name, sensor, channel, unit FROM stored_series"
    " JOIN device ON device.id = device"
)
_EXACTLY = f"{_ALL} WHERE device.name = ? AND sensor = ? AND channel = ?"
_ROLLUPS = (
    "SELECT minutes, hours FROM rollup WHERE series = ? AND to_ns > ? AND from_ns < ? ORDER BY id"
)


# A reading, and what the last ones are told by: of unknown times their bound, their boot and its clock.
Last = tuple[tuple[int, int, int], DatedReading]


class Key(NamedTuple):
    """A series in one unit."""

    series: str
    unit: str


class Range(NamedTuple):
    """The readings of each series in order of time, and how many batches or chunks could not be read.

    Those of unknown time are in their own order, where they may have been at the latest.
    """

    parts: list[Part]
    undecodable: int


class Extent(NamedTuple):
    """From when to when there are readings, both included; of rollups whole buckets."""

    first_ns: int
    last_ns: int


class StoredSeries(NamedTuple):
    """A series of which something is sealed."""

    id: int
    key: Key


def stored_series(database: sqlite3.Connection, pattern: str) -> list[StoredSeries]:
    """Return the sealed series whose whole name a shell glob matches."""
    device, _, rest = pattern.partition("/")
    sensor, _, channel = rest.partition(".")
    is_exact = not _GLOB & set(pattern)
    rows = database.execute(*((_EXACTLY, (device, sensor, channel)) if is_exact else (_ALL,)))
    found = [
        StoredSeries(row_id, Key(series_name(name, sensor, channel), unit))
        for row_id, name, sensor, channel, unit in rows
    ]
    return [each for each in found if fnmatchcase(each.key.series, pattern)]


@contextmanager
def snapshot(database: sqlite3.Connection) -> Iterator[None]:
    """Let all questions see the same instant."""
    database.execute("BEGIN")
    try:
        yield
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def sealed_parts(
    database: sqlite3.Connection, series: StoredSeries, start_ns: int, end_ns: int
) -> Iterator[Part | None]:
    """Give the readings of each chunk of a series that touches a range; None where it is damaged."""
    rows = database.execute(
        "SELECT chunk.readings, chunk.data, chunk_times.data FROM chunk"
        " LEFT JOIN chunk_times ON chunk_times.id = chunk.times"
        " WHERE series = ? AND to_ns >= ? AND from_ns < ? ORDER BY chunk.id",
        (series.id, start_ns, end_ns),
    )
    for readings, data, shared in rows:
        yield part_of(series.key, readings, data, shared)


def part_of(key: Key, readings: int, data: bytes, shared: bytes | None) -> Part | None:
    """Return what a chunk holds; None where it is damaged. `shared`: the times that it has in common."""
    try:
        columns = chunks.decode_row(data, readings, shared)
    except chunks.ChunkError:
        return None
    runs = ((run.readings, _dating(run)) for run in columns.runs)
    return Part(*key, columns.times_ns, columns.values, columns.qualities, datings_of(runs))


def window_end(
    database: sqlite3.Connection, pattern: str, start_ns: int, end_ns: int, max_readings: int
) -> int:
    """Return where to cut a range, so that up to there it has about so many sealed readings."""
    rows: list[tuple[int, int]] = []
    for series in stored_series(database, pattern):
        rows += database.execute(
            "SELECT from_ns, readings FROM chunk WHERE series = ? AND to_ns >= ? AND from_ns < ?",
            (series.id, start_ns, end_ns),
        )
    total = 0
    for from_ns, readings in sorted(rows):
        if total and total + readings > max_readings and from_ns > start_ns:
            return from_ns
        total += readings
    return end_ns


def sealed_extent(
    database: sqlite3.Connection, series: StoredSeries, start_ns: int, end_ns: int
) -> Extent | None:
    """Return from when to when a range has sealed readings of a series, or rollups of such."""
    rows = database.execute(
        "SELECT min(from_ns), max(to_ns) FROM chunk WHERE series = ?1 AND to_ns >= ?2 AND from_ns < ?3"
        " UNION ALL SELECT min(from_ns), min(max(to_ns), ?3) + ?4 FROM rollup"
        " WHERE series = ?1 AND to_ns >= ?5 AND from_ns < ?3",
        (
            series.id,
            start_ns,
            min(end_ns, LARGEST_NS - MINUTE_NS),
            MINUTE_NS - 1,
            max(start_ns, MINUTE_NS - LARGEST_NS) - MINUTE_NS + 1,
        ),
    )
    extents = [Extent(*row) for row in rows if row[0] is not None]
    return _whole(extents)


def extended(extent: Extent | None, part: Part) -> Extent | None:
    """Return an extent with the readings of a part; those of unknown time have none."""
    if part.boot:
        return extent
    its = Extent(int(part.times_ns.min()), int(part.times_ns.max()))
    return _whole([its] if extent is None else [extent, its])


def _whole(extents: list[Extent]) -> Extent | None:
    if not extents:
        return None
    first_ns, last_ns = zip(*extents, strict=True)
    return Extent(min(first_ns), max(last_ns))


def summed_up(part: Part, width_ns: int) -> Buckets:
    """Return the buckets of the readings of a part whose time is known."""
    ordered = in_order(part)
    is_known = np.array(
        [each.known is not Known.UNKNOWN for each in ordered.datings.tolist()], bool
    )
    times_ns, values = ordered.times_ns[is_known], ordered.values[is_known]
    return rollups.summarised(starts_of(times_ns, width_ns), times_ns, values)


def starts_of(times_ns: Times, width_ns: int) -> Times:
    """Return when the bucket begins that each time lies in."""
    return times_ns - times_ns % width_ns


def sealed_rollups(
    database: sqlite3.Connection, series: StoredSeries, start_ns: int, end_ns: int, width_ns: int
) -> Iterator[Buckets | None]:
    """Give the rows of rollups of a series that touch a range; None where one is damaged."""
    rows = database.execute(_ROLLUPS, (series.id, bounded(start_ns - width_ns), end_ns))
    for minutes, hours in rows:
        try:
            if width_ns == MINUTE_NS:
                if minutes is not None:
                    yield rollups.decode(minutes)
            elif hours is not None:
                yield rollups.decode(hours)
            else:
                yield hours_of(rollups.decode(minutes))
        except chunks.ChunkError:
            yield None


def hours_of(minutes: Buckets) -> Buckets:
    """Return what minutes come to by the hour."""
    return rollups.merged([minutes], coarser=lambda starts_ns: starts_of(starts_ns, HOUR_NS))


def latest_sealed(database: sqlite3.Connection, series: StoredSeries) -> Last | None:
    """Return the last reading of a series that is sealed."""
    row = database.execute(
        "SELECT chunk.readings, chunk.data, chunk_times.data FROM chunk"
        " LEFT JOIN chunk_times ON chunk_times.id = chunk.times"
        " WHERE series = ? ORDER BY to_ns DESC, chunk.id DESC LIMIT 1",
        (series.id,),
    ).fetchone()
    part = None if row is None else part_of(series.key, *row)
    if part is None:
        return None
    one = chosen(part, np.array([-1]))
    return (int(one.times_ns[0]), 0, 0), next(as_readings(one))


def latest_of(rows: Iterator[BatchRow], wanted: set[str], pattern: str) -> dict[str, Last]:
    """Return the last reading of each series in rows, which come newest first."""
    found: dict[str, Last] = {}
    for _, row in zip(range(_LATEST_ROWS), rows, strict=False):
        if all(name in found and _is_behind(found[name][0], row) for name in wanted):
            break
        for place, reading in _last_of(row, pattern):
            if reading.series not in found or found[reading.series][0] < place:
                found[reading.series] = place, reading
    return found


def touching(buckets: Buckets, start_ns: int, end_ns: int, width_ns: int) -> Buckets:
    """Return the buckets that touch a range."""
    starts_ns = buckets.starts_ns
    touches = (starts_ns > start_ns - width_ns) & (starts_ns < end_ns)
    return Buckets._make(each[touches] for each in buckets)


def _dating(run: chunks.Run) -> Dating:
    if run.known is Known.SYNCED and run.error_ns == 0:
        return OWN
    return Dating(run.known, None, run.error_ns)


def _last_of(row: BatchRow, pattern: str) -> Iterator[Last]:
    """Give the last reading of each part, and what readings are in order by."""
    for part in parts_of(row, pattern):
        if part is not None:
            last = int(np.argmax(part.times_ns))
            time_ns = int(part.times_ns[last])
            place = (row.to_ns, part.boot, time_ns) if part.boot else (time_ns, 0, 0)
            yield place, list(as_readings(part))[last]


def _is_behind(place: tuple[int, int, int], row: BatchRow) -> bool:
    """Say whether a reading is later than all of a row; of unknown times rows may have the same."""
    return place[0] > row.to_ns or (place[0] == row.to_ns and row.dating.known is not Known.UNKNOWN)

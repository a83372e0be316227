"""History: the readings and rollups of series, from chunks and from batches not sealed yet, as one.

Each question sees one instant of the store, so that what is sealed meanwhile is neither missing nor
there twice.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import translate
from typing import NamedTuple

import numpy as np

from collector.clock import LARGEST_NS, OWN, Dating, Known
from collector.store import chunks, rollups
from collector.store.numbers import bounded
from collector.store.parts import Part, Times, datings_of, in_order
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets
from wire.readings import series_name

# Of so many readings the times are remembered that several chunks have in common.
_MOST_TIMES = 2**18
_GLOB = frozenset("*?[")
_ALL = (
    "SELECT stored_series.id, device.name, sensor, channel, unit FROM stored_series"
    " JOIN device ON device.id = device"
)
_EXACTLY = f"{_ALL} WHERE device.name = ? AND sensor = ? AND channel = ?"
_ROLLUPS = (
    "SELECT minutes, hours FROM rollup WHERE series = ? AND to_ns > ? AND from_ns < ? ORDER BY id"
)
# Few chunks span more, and an index of their own knows these: of the others that touch a range none
# ends later than so behind it.
_LONG_NS = 86_400 * 10**9
_BEHIND = f"(?3 + {_LONG_NS})"
_TOUCHING = (
    "SELECT {0} AND from_ns < ?3"
    f" AND to_ns >= ?2 AND to_ns < {_BEHIND} UNION ALL SELECT {{0}} AND from_ns < ?3"
    f" AND to_ns >= max(?2, {_BEHIND}) AND to_ns - from_ns > {_LONG_NS}"
)
_CHUNKS = (
    "SELECT readings, times, data FROM chunk"  # noqa: S608 - ours
    f" WHERE id IN ({_TOUCHING.format('id FROM chunk WHERE series = ?1')}) ORDER BY id"
)
_OF_SEVERAL = "from_ns, readings FROM json_each(?1) CROSS JOIN chunk ON series = value"
# A window of few series ends within so many of their chunks.
_AHEAD = 64
_BEGINS = f"{_TOUCHING.format(_OF_SEVERAL)} ORDER BY from_ns"
_END = (
    "SELECT min((SELECT to_ns FROM chunk WHERE series = value AND from_ns < ?3"  # noqa: S608 - ours
    f" AND to_ns >= ?2 AND to_ns < {_BEHIND} ORDER BY to_ns LIMIT 1 OFFSET ?4)) FROM json_each(?1)"
)


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
    matches = re.compile(translate(pattern)).match
    return [
        StoredSeries(row_id, Key(name, unit))
        for row_id, device, sensor, channel, unit in rows
        if matches(name := series_name(device, sensor, channel))
    ]


class ChunkReader:
    """Decodes chunks of one snapshot; times that several have in common are read and decoded once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._times: dict[tuple[int, int], Times] = {}
        self._remembered = 0

    def columns(self, readings: int, times: int | None, data: bytes) -> chunks.Columns:
        """Return what a chunk holds; `times`: the row of those that it has in common.

        Raises:
            ChunkError: it is damaged.
        """
        return chunks.decode(data, readings, None if times is None else self.times(times, readings))

    def times(self, row_id: int, readings: int) -> Times:
        """Return times that chunks have in common.

        Raises:
            ChunkError: they are damaged, or gone.
        """
        known = self._times.get((row_id, readings))
        if known is not None:
            return known
        which = "SELECT data FROM chunk_times WHERE id = ?"
        row = self._database.execute(which, (row_id,)).fetchone()
        if row is None:
            raise chunks.ChunkError("its times are not there")
        if self._remembered > _MOST_TIMES:
            self._times.clear()
            self._remembered = 0
        its = self._times[row_id, readings] = chunks.decode_times(row[0], readings)
        self._remembered += readings
        return its


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
    database: sqlite3.Connection,
    reader: ChunkReader,
    series: StoredSeries,
    start_ns: int,
    end_ns: int,
) -> Iterator[Part | None]:
    """Give the readings of each chunk of a series that touches a range; None where it is damaged."""
    for row in database.execute(_CHUNKS, (series.id, start_ns, end_ns)):
        try:
            columns = reader.columns(*row)
        except chunks.ChunkError:
            yield None
            continue
        datings = datings_of((run.readings, dating_of(run)) for run in columns.runs)
        yield Part(*series.key, columns.times_ns, columns.values, columns.qualities, datings)


def window_end(
    database: sqlite3.Connection,
    several: Sequence[StoredSeries],
    start_ns: int,
    end_ns: int,
    max_readings: int,
) -> int:
    """Return where to cut a range, so that up to there it has about so many sealed readings."""
    ids = json.dumps([series.id for series in several])
    chunks_ahead = max(1, _AHEAD // max(1, len(several)))
    while True:  # not much further than needed: what is left may be all of a long range
        (look_ns,) = database.execute(_END, (ids, start_ns, end_ns, chunks_ahead)).fetchone()
        look_ns = end_ns if look_ns is None else min(look_ns + 1, end_ns)
        total = 0
        for from_ns, readings in database.execute(_BEGINS, (ids, start_ns, look_ns)):
            if total and total + readings > max_readings and from_ns > start_ns:
                return int(from_ns)
            total += readings
        if look_ns == end_ns:
            return end_ns
        chunks_ahead *= 2


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


def touching(buckets: Buckets, start_ns: int, end_ns: int, width_ns: int) -> Buckets:
    """Return the buckets that touch a range."""
    starts_ns = buckets.starts_ns
    touches = (starts_ns > start_ns - width_ns) & (starts_ns < end_ns)
    return Buckets._make(each[touches] for each in buckets)


def dating_of(run: chunks.Run) -> Dating:
    """Return how the readings of a run are dated."""
    if run.known is Known.SYNCED and run.error_ns == 0:
        return OWN
    return Dating(run.known, None, run.error_ns)

"""Merging: what is short of a series becomes one chunk, and one row of rollups. Reads; writes nothing.

Slow series, late readings and small batches leave short chunks, which cost more in heads than in readings.
The channels of a sensor are merged together, as long as they may have times in common.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from collector.store import chunks, rollups
from collector.store.chunk_rows import Merged
from collector.store.chunks import ChunkError, Columns
from collector.store.gathering import Named, joined
from collector.store.rollups import Buckets
from collector.store.rows import CHUNK
from collector.store.sealing import Rollup, chunks_of, rollup_row
from collector.store.unsealed import MAX_READINGS

# So many short ones of a series make it worth while.
ENOUGH = 8

_SHORT_CHUNKS = (
    "SELECT series, count(*), sum(readings) FROM chunk WHERE readings < 1800 AND series IN"
    " (SELECT id FROM stored_series WHERE device = ?) GROUP BY series HAVING count(*) >= ?"
)
_SHORT_ROLLUPS = (
    "SELECT series, count(*), 0 FROM rollup WHERE buckets < 2048 AND minutes IS NOT NULL AND series IN"
    " (SELECT id FROM stored_series WHERE device = ?) GROUP BY series HAVING count(*) >= ?"
)


class _Short(NamedTuple):
    """A series that has short ones, and how many readings they hold."""

    name: Named
    series_id: int
    has_chunks: bool
    has_rollups: bool
    readings: int


def merges(database: sqlite3.Connection, device_id: int, enough: int = ENOUGH) -> Iterator[Merged]:
    """Give what takes the place of short chunks and rollups of a device, some series at a time.

    A series counts that has `enough` of either.
    """
    for _, of_sensor in groupby(_short(database, device_id, enough), lambda each: each.name.sensor):
        for some in _in_parts(list(of_sensor)):
            merged = _merged(database, some)
            if merged.chunks or merged.rollups:
                yield merged


def _short(database: sqlite3.Connection, device_id: int, enough: int) -> list[_Short]:
    which = (device_id, enough)
    of_chunks = {row[0]: row[2] for row in database.execute(_SHORT_CHUNKS, which)}
    of_rollups = {row[0] for row in database.execute(_SHORT_ROLLUPS, which)}
    found = []
    for series_id in of_chunks.keys() | of_rollups:
        name = database.execute(
            "SELECT sensor, channel, unit FROM stored_series WHERE id = ?", (series_id,)
        ).fetchone()
        found.append(
            _Short(
                Named(*name),
                series_id,
                series_id in of_chunks,
                series_id in of_rollups,
                of_chunks.get(series_id, 0),
            )
        )
    return sorted(found)


def _in_parts(of_sensor: Sequence[_Short]) -> Iterator[list[_Short]]:
    """Give series of one sensor, as many at a time as memory is to hold."""
    some: list[_Short] = []
    for each in of_sensor:
        if some and sum(other.readings for other in some) + each.readings > MAX_READINGS:
            yield some
            some = []
        some.append(each)
    yield some


def _merged(database: sqlite3.Connection, some: Sequence[_Short]) -> Merged:
    chunk_ids: list[int] = []
    rollup_ids: list[int] = []
    columns: dict[Named, Columns] = {}
    rolled: list[Rollup] = []
    for short in some:
        its = dict(_short_chunks(database, short.series_id)) if short.has_chunks else {}
        if len(its) > 1:
            chunk_ids += its
            columns[short.name] = joined(list(its.values()))
        rows = dict(_short_rollups(database, short.series_id)) if short.has_rollups else {}
        if len(rows) > 1:
            rollup_ids += rows
            rolled.append(rollup_row(short.name, rollups.merged(list(rows.values()))))
    return Merged(chunk_ids, rollup_ids, *chunks_of(columns), rolled)


def _short_chunks(database: sqlite3.Connection, series_id: int) -> Iterator[tuple[int, Columns]]:
    """Give the short chunks of a series; a damaged one is left where it is."""
    rows = database.execute(
        f"SELECT chunk.id, {CHUNK} WHERE readings < 1800 AND series = ? ORDER BY chunk.id",
        (series_id,),
    )
    for row_id, readings, data, shared in rows:
        try:
            yield row_id, chunks.decode_row(data, readings, shared)
        except ChunkError:
            continue


def _short_rollups(database: sqlite3.Connection, series_id: int) -> Iterator[tuple[int, Buckets]]:
    """Give the minutes of short rows of a series; a damaged one is left where it is."""
    rows = database.execute(
        "SELECT id, minutes FROM rollup WHERE buckets < 2048 AND minutes IS NOT NULL"
        " AND series = ? ORDER BY id",
        (series_id,),
    )
    for row_id, minutes in rows:
        try:
            yield row_id, rollups.decode(minutes)
        except ChunkError:
            continue

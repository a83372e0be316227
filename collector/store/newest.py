"""The newest readings: the last one of each series, whether it is sealed or not.

What cannot be read is passed over, and told: what came before it is better than silence.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any, NamedTuple

from collector.clock import Known
from collector.store.chunks import ChunkError, Columns
from collector.store.history import ChunkReader, Key, StoredSeries, dating_of
from collector.store.parts import DatedReading, last_place, parts_of, reading_of
from collector.store.rows import BatchRow

# What is looked at of a device, newest first, before a series is given up as silent.
_MOST_ROWS = 20_000
# Reading and decoding in turns, row by row, would take a fifth longer.
_ROWS_AT_ONCE = 64
_NEWEST = (
    "SELECT series, readings, times, data FROM json_each(?) JOIN chunk ON chunk.id ="
    " (SELECT id FROM chunk WHERE series = json_each.value ORDER BY to_ns DESC, id DESC LIMIT 1)"
)
_NEWEST_FIRST = (
    "SELECT readings, times, data FROM chunk WHERE series = ? ORDER BY to_ns DESC, id DESC"
)
# What the last readings are told by: a time; of unknown ones their bound, their boot and its clock.
_Place = tuple[int, int, int]


class Newest(NamedTuple):
    """The last reading of each series that can be read, and what may have newer ones that cannot.

    `damaged` has series, in chunks, and `device/*` where it is a batch, which may hold any.
    """

    readings: dict[str, DatedReading]
    damaged: set[str]


class Search:
    """Looks for them in one snapshot, first in what is not sealed yet."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.damaged: set[str] = set()
        self._database = database
        self._chunks = ChunkReader(database)
        self._found: dict[str, tuple[_Place, DatedReading]] = {}

    def found(self, names: Set[str]) -> Newest:
        """Return what was found of these series."""
        its = {name: reading for name, (_, reading) in self._found.items() if name in names}
        return Newest(its, self.damaged)

    def look_into(self, rows: Iterator[BatchRow], wanted: Set[str], pattern: str) -> None:
        """Look into the batches of a device, which come newest first, for the series it has."""
        for _, row in zip(range(_MOST_ROWS), rows, strict=False):
            if all(name in self._found and self._is_later(name, row) for name in wanted):
                break
            for name, (place, reading) in self._last_of(row, pattern).items():
                self._take(name, place, reading)

    def look_at(self, sealed: Iterable[StoredSeries]) -> None:
        """Look at what is sealed of series."""
        keys = {series.id: series.key for series in sealed}
        found = self._database.execute(_NEWEST, (json.dumps(list(keys)),))
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for series_id, *row in rows:
                self._look_at(series_id, keys[series_id], row)

    def _look_at(self, series_id: int, key: Key, newest: Sequence[Any]) -> None:
        columns = self._decoded(newest)
        if columns is None:
            self.damaged.add(key.series)
            rows = self._database.execute(_NEWEST_FIRST, (series_id,))
            columns = next((its for row in rows if (its := self._decoded(row)) is not None), None)
        if columns is not None:
            time_ns, value = int(columns.times_ns[-1]), float(columns.values[-1])
            quality, dating = int(columns.qualities[-1]), dating_of(columns.runs[-1])
            reading = DatedReading(key.series, time_ns, value, quality, key.unit, dating)
            self._take(key.series, (time_ns, 0, 0), reading)

    def _take(self, name: str, place: _Place, reading: DatedReading) -> None:
        former = self._found.get(name)
        if former is None or former[0] < place:
            self._found[name] = place, reading

    def _is_later(self, name: str, row: BatchRow) -> bool:
        """Say whether what was found is later than all of a row; of unknown times rows may have the same."""
        last_ns = self._found[name][0][0]
        is_known = row.dating.known is not Known.UNKNOWN
        return last_ns > row.to_ns or (last_ns == row.to_ns and is_known)

    def _last_of(self, row: BatchRow, pattern: str) -> dict[str, tuple[_Place, DatedReading]]:
        """Return the last reading of each series in a row; of equal ones the one that stands last."""
        found: dict[str, tuple[_Place, DatedReading]] = {}
        for part in parts_of(row, pattern):
            if part is None:
                self.damaged.add(f"{row.device}/*")
                continue
            last = last_place(part)
            time_ns = int(part.times_ns[last])
            place = (row.to_ns, part.boot, time_ns) if part.boot else (time_ns, 0, 0)
            if part.series not in found or found[part.series][0] <= place:
                found[part.series] = place, reading_of(part, last)
        return found

    def _decoded(self, row: Sequence[Any]) -> Columns | None:
        try:
            return self._chunks.columns(*row)
        except ChunkError:
            return None

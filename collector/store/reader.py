"""The reader: what questions see of the store, on a connection of its own.

It works while a collector writes and while none runs. It gives rows; what they mean is for
collector.query to say.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from collector.errors import StoreError
from collector.store import history
from collector.store.database import open_for_reading
from collector.store.history import Key, Range
from collector.store.numbers import bounded
from collector.store.parts import DatedReading, Part, joined, parts_of, within
from collector.store.rollups import Buckets, merged
from collector.store.rows import (
    BATCH,
    BatchRow,
    DatagramRow,
    DeviceRow,
    GapRow,
    LossRow,
    SeriesRow,
    batch_row,
)
from wire.readings import series_name

_T = TypeVar("_T")

# What `after` returns at once: 16 MiB at most.
_AFTER_ROWS = 256


class Reader:
    """Questions to one store.

    Raises:
        StoreError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = open_for_reading(path)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def size_bytes(self) -> int:
        """Return what the store takes on disk, with what is not checkpointed yet."""
        return size_on_disk(self.path)

    def names(self) -> list[str]:
        """Return the names of all devices."""
        return [name for (name,) in self._database.execute("SELECT name FROM device ORDER BY name")]

    def devices(self, pattern: str = "*") -> list[DeviceRow]:
        """Return the devices whose series a pattern can match."""
        rows = self._database.execute(
            "SELECT id, name, label,"
            " (SELECT ifnull(sum(readings), 0) FROM epoch WHERE device = device.id),"
            " (SELECT max(heard_ns) FROM epoch WHERE device = device.id)"
            " FROM device ORDER BY name"
        )
        wanted, slash, _ = pattern.partition("/")
        if not slash or "[" in wanted:  # `*` matches a slash too, and so may `[...]`
            wanted = "*"
        found = [DeviceRow(*row) for row in rows]
        return [device for device in found if fnmatchcase(device.name, wanted)]

    def series(self, pattern: str = "*") -> list[SeriesRow]:
        """Return the described series whose whole name a shell glob matches."""
        rows = self._database.execute(
            "SELECT sensor, channel, device.name, unit, quantity, decimals, series.label, driver,"
            " interval_s FROM series JOIN device ON device.id = series.device"
            " ORDER BY device.name, series.id"
        )
        found = [SeriesRow(series_name(row[2], row[0], row[1]), *row[2:]) for row in rows]
        return [series for series in found if fnmatchcase(series.name, pattern)]

    def gaps(self, pattern: str, start_ns: int, end_ns: int) -> list[GapRow]:
        """Return what is missing of the devices whose name a shell glob matches, in order of time.

        Left out is what surely lies outside of `start_ns` up to before `end_ns`; where a gap begins
        or ends nobody knows, it may lie within.
        """
        rows = self._database.execute(
            "SELECT device.name, epoch.epoch, first_seq, last_seq,"
            " iif(last_seq IS NULL, NULL, gap.readings), from_ns, to_ns, reason, recorded_ns"
            " FROM gap JOIN device ON device.id = gap.device"
            " LEFT JOIN epoch ON epoch.id = gap.epoch"
            " WHERE ifnull(from_ns < ?, TRUE) AND ifnull(to_ns >= ?, TRUE)"
            " ORDER BY coalesce(from_ns, to_ns, recorded_ns), gap.id",
            (end_ns, start_ns),
        )
        return [GapRow(*row) for row in rows if fnmatchcase(row[0], pattern)]

    def losses(self, since_ns: int) -> dict[int, LossRow]:
        """Return the gaps of each device that has any, by its id; recent are those after `since_ns`."""
        # total(), since sum() fails on what a device may claim; the reason is that of the row
        # which has the max(): sqlite.org/lang_select.html#bareagg
        rows = self._database.execute(
            "SELECT device, count(*), sum(counted IS NULL), CAST(total(counted) AS INTEGER),"
            " sum(recent), sum(recent AND counted IS NULL),"
            " CAST(total(iif(recent, counted, NULL)) AS INTEGER), max(at_ns), reason"
            " FROM (SELECT device, iif(last_seq IS NULL, NULL, readings) AS counted, reason,"
            " ifnull(to_ns, recorded_ns) AS at_ns, ifnull(to_ns, recorded_ns) >= ? AS recent"
            " FROM gap) GROUP BY device",
            (since_ns,),
        )
        return {device: LossRow(*row) for device, *row in rows}

    def datagrams(self) -> dict[int, DatagramRow]:
        """Return what came of the datagrams of each device that ever sent any, by its id."""
        rows = self._database.execute(
            "SELECT device, sum(batches), CAST(total(mark - batches) AS INTEGER) FROM epoch"
            " WHERE datagrams = 1 GROUP BY device"
        )
        return {device: DatagramRow(*row) for device, *row in rows}

    def range(self, pattern: str, start_ns: int, end_ns: int) -> Range:
        """Return the readings of all series that match, from `start_ns` up to before `end_ns`.

        Also those whose time is unknown and may lie in that range.
        """
        found: dict[Key, list[Part]] = {}
        undecodable = 0
        for part in self._parts(pattern, start_ns, end_ns):
            if part is None:
                undecodable += 1
            else:
                found.setdefault(Key(*part[:2]), []).append(within(part, start_ns, end_ns))
        parts = [joined(each) for _, each in sorted(found.items())]
        return Range([part for part in parts if len(part.times_ns)], undecodable)

    def window_end(self, pattern: str, start_ns: int, end_ns: int, max_readings: int) -> int:
        """Return where to cut a range, so that up to there it has about so many readings.

        What is not sealed yet comes on top; that is little.
        """
        return history.window_end(self._database, pattern, start_ns, end_ns, max_readings)

    def rollups(
        self, pattern: str, start_ns: int, end_ns: int, width_ns: int
    ) -> dict[Key, Buckets]:
        """Return the minutes or hours of all series that match which touch a range.

        Whole buckets, also at the edges; of readings of unknown time nothing.
        """
        found: dict[Key, list[Buckets]] = {}
        first_ns = bounded(start_ns - start_ns % width_ns)
        last_ns = bounded(end_ns + -end_ns % width_ns)
        with history.snapshot(self._database):
            for series in history.stored_series(self._database, pattern):
                rows = history.sealed_rollups(self._database, series, start_ns, end_ns, width_ns)
                found[series.key] = [each for each in rows if each is not None]
            parts = self._unsealed(pattern, first_ns, last_ns)
        for part in parts:
            if part is not None and not part.boot:
                its = within(part, first_ns, last_ns)
                found.setdefault(Key(*part[:2]), []).append(history.summed_up(its, width_ns))
        whole = {key: merged(each) for key, each in sorted(found.items()) if each}
        return {
            key: history.touching(each, start_ns, end_ns, width_ns) for key, each in whole.items()
        }

    def extents(self, pattern: str, start_ns: int, end_ns: int) -> dict[Key, history.Extent | None]:
        """Return which series have anything in a range, and about from when to when.

        None where there are only readings of unknown time.
        """
        found: dict[Key, history.Extent | None] = {}
        with history.snapshot(self._database):
            for series in history.stored_series(self._database, pattern):
                extent = history.sealed_extent(self._database, series, start_ns, end_ns)
                if extent is not None:
                    found[series.key] = extent
            parts = self._unsealed(pattern, start_ns, end_ns)
        for part in parts:
            if part is not None and len(part.times_ns):
                key = Key(*part[:2])
                found[key] = history.extended(found.get(key), part)
        return dict(sorted(found.items()))

    def latest(self, pattern: str = "*") -> dict[str, DatedReading]:
        """Return the last reading of each series that matches and was described."""
        found: dict[str, history.Last] = {}
        described = self.series(pattern)
        with history.snapshot(self._database):
            for device in self.devices(pattern):
                wanted = {row.name for row in described if row.device == device.name}
                found |= history.latest_of(self._newest(device), wanted, pattern)
            for series in history.stored_series(self._database, pattern):
                name = series.key.series
                last = history.latest_sealed(self._database, series)
                if last is not None and (name not in found or found[name][0] < last[0]):
                    found[name] = last
        names = {row.name for row in described}
        return {name: reading for name, (_, reading) in found.items() if name in names}

    def after(self, row_id: int) -> list[BatchRow]:
        """Return the next rows committed after the one named, in the order of their commit.

        Whole, and not too many: a reader that lingers over an open question, such as a terminal
        that was stopped, would keep the collector from ever checkpointing.
        """
        rows = self._database.execute(
            f"SELECT {BATCH} WHERE batch.id > ? ORDER BY batch.id LIMIT ?",
            (row_id, _AFTER_ROWS),
        )
        return [batch_row(row) for row in rows]

    def last_row_id(self) -> int:
        """Return the id of the newest row that was committed, 0 where there never was one."""
        (row_id,) = self._database.execute(
            "SELECT max(ifnull((SELECT max(id) FROM batch), 0), sealed_row) FROM progress"
        ).fetchone()
        return int(row_id)

    def _parts(self, pattern: str, start_ns: int, end_ns: int) -> Iterator[Part | None]:
        with history.snapshot(self._database):
            for series in history.stored_series(self._database, pattern):
                yield from history.sealed_parts(self._database, series, start_ns, end_ns)
            yield from self._unsealed(pattern, start_ns, end_ns)

    def _unsealed(self, pattern: str, start_ns: int, end_ns: int) -> list[Part | None]:
        return [
            part
            for device in self.devices(pattern)
            for row in self._between(device, start_ns, end_ns)
            for part in parts_of(row, pattern)
        ]

    def _between(self, device: DeviceRow, start_ns: int, end_ns: int) -> Iterator[BatchRow]:
        """Give the rows of a device that may have readings from `start_ns` up to before `end_ns`."""
        rows = self._database.execute(
            f"SELECT {BATCH} WHERE device = ? AND to_ns >= ? AND from_ns < ?"
            " ORDER BY to_ns, batch.id",
            (device.id, start_ns, end_ns),
        )
        return map(batch_row, rows)

    def _newest(self, device: DeviceRow) -> Iterator[BatchRow]:
        """Give the rows of a device, those with the latest readings first."""
        rows = self._database.execute(
            f"SELECT {BATCH} WHERE device = ? ORDER BY to_ns DESC",
            (device.id,),
        )
        return map(batch_row, rows)


def devices_of(path: Path) -> list[DeviceRow]:
    """Return the devices of a store; none of one that is in trouble, which others say."""
    return _asked(path, Reader.devices)


def names_in(path: Path) -> list[str]:
    """Return the names of the devices of a store; none of one that is in trouble."""
    return _asked(path, Reader.names)


def size_on_disk(path: Path) -> int:
    """Return what a store takes on disk, with what is not checkpointed yet."""
    size_bytes = 0
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            size_bytes += file.stat().st_size
    return size_bytes


def _asked(path: Path, question: Callable[[Reader], list[_T]]) -> list[_T]:
    try:
        reader = Reader(path)
    except StoreError:
        return []
    try:
        return question(reader)
    except (sqlite3.Error, UnicodeDecodeError):
        return []
    finally:
        reader.close()

"""The reader: what questions see of the store, on a connection of its own.

It works while a collector writes and while none runs; what rows mean collector.query says.
"""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase, translate
from pathlib import Path

from collector.store import doubts, history
from collector.store.database import open_for_reading
from collector.store.history import ChunkReader, Key, Range
from collector.store.matching import Device, Matching, devices_of
from collector.store.newest import Newest, Search
from collector.store.numbers import bounded
from collector.store.parts import Part, joined, within
from collector.store.rollups import Buckets, merged
from collector.store.rows import (
    BATCH,
    NOWHERE,
    BatchRow,
    DatagramRow,
    DeviceRow,
    GapRow,
    LossRow,
    RowHead,
    SeriesRow,
    batch_row,
    rows_after,
    rows_between,
)
from collector.store.sizes import size_on_disk
from collector.store.unsealed_parts import unsealed_parts
from wire.readings import series_name

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
        self._matching = Matching(self._database)

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
        may_have = devices_of(pattern)
        return [DeviceRow(*row) for row in rows if fnmatchcase(row[1], may_have)]

    def series(self, pattern: str = "*") -> list[SeriesRow]:
        """Return the described series whose whole name a shell glob matches."""
        rows = self._database.execute(
            "SELECT sensor, channel, device.name, unit, quantity, decimals, series.label, driver,"
            " interval_s, max_interval_s FROM series JOIN device ON device.id = series.device"
            " ORDER BY device.name, series.id"
        )
        matches = re.compile(translate(pattern)).match
        return [
            SeriesRow(name, *row[2:])
            for row in rows
            if matches(name := series_name(row[2], row[0], row[1]))
        ]

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

    def range(
        self, pattern: str, start_ns: int, end_ns: int, whole: tuple[int, int] | None = None
    ) -> Range:
        """Return the readings that match and lie, or may lie, from `start_ns` up to before `end_ns`.

        `whole`: of which range this is a window. Then those of unknown time come in one of its windows: where
        they may have been at the latest, or in the last one; of `NOWHERE` in none.
        """
        found: dict[Key, list[Part]] = {}
        undecodable = 0
        for part in self._parts(pattern, start_ns, end_ns, whole):
            if part is None:
                undecodable += 1
            else:
                found.setdefault(Key(*part[:2]), []).append(within(part, start_ns, end_ns))
        until_ns = None if whole is not None and end_ns == whole[1] else end_ns
        parts = []
        for _, each in sorted(found.items()):
            part = joined(each)
            if whole is not None and any(its.boot for its in each):
                part = within(part, start_ns, until_ns)
            parts.append(part)
        return Range([part for part in parts if len(part.times_ns)], undecodable)

    def window_end(self, pattern: str, start_ns: int, end_ns: int, max_readings: int) -> int:
        """Return where to cut a range, so that up to there it has about so many readings.

        What is not sealed yet comes on top; that is little.
        """
        several = self._matching.stored(pattern)
        return history.window_end(self._database, several, start_ns, end_ns, max_readings)

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
            for series in self._matching.stored(pattern):
                rows = history.sealed_rollups(self._database, series, start_ns, end_ns, width_ns)
                found[series.key] = [each for each in rows if each is not None]
            parts = self._unsealed(pattern, first_ns, last_ns, NOWHERE)
        for part in parts:
            if part is not None:
                its = within(part, first_ns, last_ns)
                found.setdefault(Key(*part[:2]), []).append(history.summed_up(its, width_ns))
        whole = {key: merged(each) for key, each in sorted(found.items()) if each}
        return {
            key: history.touching(each, start_ns, end_ns, width_ns) for key, each in whole.items()
        }

    def doubts(
        self, pattern: str, start_ns: int, end_ns: int, starts: doubts.Starts
    ) -> dict[Key, doubts.Doubts]:
        """Return which readings that match are suspect in a range, and of which the times were derived.

        `starts` gives the buckets up to which that is told; of readings of unknown time nothing is.
        """
        found = doubts.Found(starts)
        with history.snapshot(self._database):
            reader = ChunkReader(self._database)
            for series in self._matching.stored(pattern):
                for its in doubts.sealed_doubts(self._database, reader, series, start_ns, end_ns):
                    found.add(series.key, its)
            for device in self._matching.devices(pattern):
                for key, its in doubts.unsealed_doubts(
                    self._database, device, pattern, start_ns, end_ns
                ):
                    found.add(key, its)
        return found.doubts()

    def doubts_end(self, pattern: str, start_ns: int, end_ns: int, max_chunks: int) -> int:
        """Return where to cut a range, so that up to there about so many chunks hold doubts."""
        several = self._matching.stored(pattern)
        return doubts.doubts_end(self._database, several, start_ns, end_ns, max_chunks)

    def extents(self, pattern: str, start_ns: int, end_ns: int) -> dict[Key, history.Extent | None]:
        """Return which series have anything in a range, and about from when to when.

        None where there are only readings of unknown time.
        """
        found: dict[Key, history.Extent | None] = {}
        with history.snapshot(self._database):
            for series in self._matching.stored(pattern):
                extent = history.sealed_extent(self._database, series, start_ns, end_ns)
                if extent is not None:
                    found[series.key] = extent
            parts = self._unsealed(pattern, start_ns, end_ns)
        for part in parts:
            if part is not None and len(part.times_ns):
                key = Key(*part[:2])
                found[key] = history.extended(found.get(key), part)
        return dict(sorted(found.items()))

    def latest(self, pattern: str = "*") -> Newest:
        """Return the last reading of each series that matches and was described."""
        wanted = self._matching.described(pattern)
        with history.snapshot(self._database):
            search = Search(self._database)
            for device in self._matching.devices(pattern):
                search.look_into(self._newest(device), wanted.get(device.name, set()), pattern)
            search.look_at(self._matching.stored(pattern))
        return search.found(set().union(*wanted.values()))

    def removed(self) -> dict[str, int]:
        """Return how many readings of each device are here no more, deleted or expired; none: 0."""
        rows = self._database.execute(
            "SELECT name, deleted + expired FROM removal JOIN device ON device.id = device"
        )
        return dict(rows.fetchall())

    def after(
        self, row_id: int, is_wanted: Callable[[RowHead], bool] = lambda _: True
    ) -> list[BatchRow]:
        """Return the next rows committed after the one named, in order; not wanted ones without batches.

        Not too many: a reader that lingers over an open question, such as a terminal that was
        stopped, would keep the collector from ever checkpointing.
        """
        with history.snapshot(self._database):
            return rows_after(self._database, row_id, _AFTER_ROWS, is_wanted)

    def last_row_id(self) -> int:
        """Return the id of the newest row that was committed, 0 where there never was one."""
        (row_id,) = self._database.execute(
            "SELECT max(ifnull((SELECT max(id) FROM batch), 0), sealed_row) FROM progress"
        ).fetchone()
        return int(row_id)

    def _parts(
        self, pattern: str, start_ns: int, end_ns: int, whole: tuple[int, int] | None = None
    ) -> Iterator[Part | None]:
        with history.snapshot(self._database):
            reader = ChunkReader(self._database)
            for series in self._matching.stored(pattern):
                yield from history.sealed_parts(self._database, reader, series, start_ns, end_ns)
            yield from self._unsealed(pattern, start_ns, end_ns, whole)

    def _unsealed(
        self, pattern: str, start_ns: int, end_ns: int, whole: tuple[int, int] | None = None
    ) -> list[Part | None]:
        found: list[Part | None] = []
        for device in self._matching.devices(pattern):
            rows = rows_between(self._database, device.id, (start_ns, end_ns), whole)
            found += unsealed_parts(device.name, rows, pattern)
        return found

    def _newest(self, device: Device) -> Iterator[BatchRow]:
        """Give the rows of a device, those with the latest readings first."""
        rows = self._database.execute(
            f"SELECT {BATCH} WHERE device = ? ORDER BY to_ns DESC, batch.id DESC",
            (device.id,),
        )
        return map(batch_row, rows)

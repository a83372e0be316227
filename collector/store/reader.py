"""The reader: what questions see of the store, on a connection of its own.

It works while a collector writes and while none runs. It gives rows; what they mean is for
collector.query to say.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from collector.clock import OWN, Dating
from collector.errors import StoreError
from collector.store.database import open_for_reading
from collector.store.dating import dating_of, is_sound
from wire.readings import series_name

_T = TypeVar("_T")

# What `after` returns at once: 16 MiB at most.
_AFTER_ROWS = 256
# Damage can make a number of it: then it is no batch, and counted as one that cannot be read.
_BATCH = (
    "batch.id, device.name, to_ns, CAST(sealed AS BLOB), boot, first_ns, last_ns, dated, offset_ns,"
    " error_ns, from_ns FROM batch JOIN device ON device.id = device"
)


class DeviceRow(NamedTuple):
    """A device as the store knows it; times are UTC, ns."""

    id: int
    name: str
    label: str | None
    readings: int
    heard_ns: int | None


class GapRow(NamedTuple):
    """What is missing of a device, and why; times are UTC, ns. None: nobody knows."""

    device: str
    epoch: bytes | None
    first_seq: int | None
    last_seq: int | None
    readings: int | None
    from_ns: int | None
    to_ns: int | None
    reason: str
    recorded_ns: int


class LossRow(NamedTuple):
    """All gaps of a device together; those of which nobody knows the readings are `uncounted`."""

    gaps: int
    uncounted_gaps: int
    lost_readings: int
    recent_gaps: int
    recent_uncounted_gaps: int
    recent_lost_readings: int
    latest_ns: int
    latest_reason: str


class DatagramRow(NamedTuple):
    """How many datagrams of a device came, and how many of those that are known of did not."""

    received: int
    missing: int


class SeriesRow(NamedTuple):
    """What a device said of one of its series."""

    name: str
    device: str
    unit: str
    quantity: str
    decimals: int | None
    label: str | None
    driver: str
    interval_s: float


class BatchRow(NamedTuple):
    """Sealed batches end to end, whose they are, and the last time in them (UTC, ns).

    `dating` says how their times are known, of readings of `boot` (its row); where that is unknown,
    `to_ns` is when they were read at the latest. `is_sound`: what the row says of times fits.
    """

    id: int
    device: str
    to_ns: int
    sealed: bytes
    dating: Dating = OWN
    boot: int = 0
    is_sound: bool = True


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

    def between(self, device: DeviceRow, start_ns: int, end_ns: int) -> Iterator[BatchRow]:
        """Give the rows of a device that may have readings from `start_ns` up to before `end_ns`."""
        rows = self._database.execute(
            f"SELECT {_BATCH} WHERE device = ? AND to_ns >= ? AND from_ns < ?"
            " ORDER BY to_ns, batch.id",
            (device.id, start_ns, end_ns),
        )
        return map(_batch_row, rows)

    def newest(self, device: DeviceRow) -> Iterator[BatchRow]:
        """Give the rows of a device, those with the latest readings first."""
        rows = self._database.execute(
            f"SELECT {_BATCH} WHERE device = ? ORDER BY to_ns DESC",
            (device.id,),
        )
        return map(_batch_row, rows)

    def after(self, row_id: int) -> list[BatchRow]:
        """Return the next rows committed after the one named, in the order of their commit.

        Whole, and not too many: a reader that lingers over an open question, such as a terminal
        that was stopped, would keep the collector from ever checkpointing.
        """
        rows = self._database.execute(
            f"SELECT {_BATCH} WHERE batch.id > ? ORDER BY batch.id LIMIT ?",
            (row_id, _AFTER_ROWS),
        )
        return [_batch_row(row) for row in rows]

    def last_row_id(self) -> int:
        """Return the id of the newest row, 0 where there is none."""
        (row_id,) = self._database.execute("SELECT max(id) FROM batch").fetchone()
        return row_id or 0


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


def _batch_row(row: tuple[Any, ...]) -> BatchRow:
    row_id, device, to_ns, sealed, boot, first_ns, last_ns, dated, offset_ns, error_ns, from_ns = (
        row
    )
    columns = (dated, offset_ns, error_ns, from_ns, to_ns)
    sound = is_sound(columns, first_ns, last_ns)
    return BatchRow(row_id, device, to_ns, sealed, dating_of(*columns), boot, sound)


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

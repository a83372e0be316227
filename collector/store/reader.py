"""The reader: what questions see of the store, on a connection of its own.

It works while a collector writes and while none runs. It gives rows; what they mean is for
collector.query to say.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from collector.store.database import open_for_reading
from wire.readings import series_name

# What `after` returns at once: 16 MiB at most.
_AFTER_ROWS = 256


class DeviceRow(NamedTuple):
    """A device as the store knows it; times are UTC, ns."""

    id: int
    name: str
    label: str | None
    readings: int
    heard_ns: int | None
    gaps: int


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
    """Sealed batches end to end, whose they are, and the last time in them (UTC, ns)."""

    id: int
    device: str
    to_ns: int
    sealed: bytes


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
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    def devices(self, pattern: str = "*") -> list[DeviceRow]:
        """Return the devices whose series a pattern can match."""
        rows = self._database.execute(
            "SELECT id, name, label,"
            " (SELECT ifnull(sum(readings), 0) FROM epoch WHERE device = device.id),"
            " (SELECT max(heard_ns) FROM epoch WHERE device = device.id),"
            " (SELECT count(*) FROM gap WHERE device = device.id) FROM device ORDER BY name"
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

    def between(self, device: DeviceRow, start_ns: int, end_ns: int) -> Iterator[BatchRow]:
        """Give the rows of a device that have readings from `start_ns` up to before `end_ns`."""
        rows = self._database.execute(
            "SELECT id, to_ns, sealed FROM batch WHERE device = ? AND to_ns >= ? AND from_ns < ?"
            " ORDER BY to_ns",
            (device.id, start_ns, end_ns),
        )
        return (BatchRow(row[0], device.name, *row[1:]) for row in rows)

    def newest(self, device: DeviceRow) -> Iterator[BatchRow]:
        """Give the rows of a device, those with the latest readings first."""
        rows = self._database.execute(
            "SELECT id, to_ns, sealed FROM batch WHERE device = ? ORDER BY to_ns DESC",
            (device.id,),
        )
        return (BatchRow(row[0], device.name, *row[1:]) for row in rows)

    def after(self, row_id: int) -> list[BatchRow]:
        """Return the next rows committed after the one named, in the order of their commit.

        Whole, and not too many: a reader that lingers over an open question, such as a terminal
        that was stopped, would keep the collector from ever checkpointing.
        """
        rows = self._database.execute(
            "SELECT batch.id, device.name, to_ns, sealed FROM batch"
            " JOIN device ON device.id = device WHERE batch.id > ? ORDER BY batch.id LIMIT ?",
            (row_id, _AFTER_ROWS),
        )
        return [BatchRow(*row) for row in rows]

    def last_row_id(self) -> int:
        """Return the id of the newest row, 0 where there is none."""
        (row_id,) = self._database.execute("SELECT max(id) FROM batch").fetchone()
        return row_id or 0

"""The rows that questions get: what the store knows of devices, series, gaps and batches."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from collector.clock import OWN, Dating
from collector.store.dating import NOT_AT_ALL, dating_of, is_sound
from collector.store.numbers import LARGEST

# What is selected of batches, for `batch_row`. Damage can make a number of one: then it is no batch, and counted as
# one that cannot be read.
BATCH = (
    "batch.id, device.name, to_ns, CAST(sealed AS BLOB), boot, first_ns, last_ns, dated, offset_ns,"
    " error_ns, from_ns FROM batch JOIN device ON device.id = device"
)

# What is selected of chunks, behind other columns: what they say they hold, and the times in common.
CHUNK = (
    "readings, chunk.data, chunk_times.data FROM chunk"
    " LEFT JOIN chunk_times ON chunk_times.id = chunk.times"
)

_BETWEEN = (
    f"SELECT {BATCH} WHERE device = ? AND to_ns >= ? AND from_ns < ? ORDER BY to_ns, batch.id"
)
# A reading of unknown time stands where it may have been at the latest, but behind all that its boot read
# before. So a row matters to a window if it ends there or later, or was read behind one that does; and
# if it ends before the end of the window, or was read before one that does.
_IN_WINDOW = (
    f"SELECT {BATCH} WHERE batch.id IN (WITH undated AS MATERIALIZED"  # noqa: S608 - ours
    " (SELECT id, boot, first_ns, last_ns, to_ns FROM batch"
    f" WHERE device = ?1 AND dated = {NOT_AT_ALL} AND to_ns >= ?4 AND from_ns < ?5),"
    " reach AS (SELECT boot, min(iif(to_ns >= ?2, first_ns, NULL)) AS from_ns,"
    " max(iif(to_ns < ?3 OR ?3 = ?5, last_ns, NULL)) AS until_ns FROM undated GROUP BY boot)"
    " SELECT id FROM undated JOIN reach USING (boot) WHERE (to_ns >= ?2 OR last_ns >= from_ns)"
    " AND (to_ns < ?3 OR ?3 = ?5 OR first_ns <= until_ns)"
    " UNION ALL SELECT id FROM batch"
    f" WHERE device = ?1 AND dated <> {NOT_AT_ALL} AND to_ns >= ?2 AND from_ns < ?3)"
    " ORDER BY to_ns, batch.id"
)

# Given as the whole of which a range is a window: readings of unknown time are left out of it.
NOWHERE = (LARGEST, -LARGEST)


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
    max_interval_s: float | None

    @property
    def longest_s(self) -> float:
        """How long nothing of it need come: readings that say nothing new may be left out."""
        return max(self.interval_s, self.max_interval_s or 0.0)


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


class RowHead(NamedTuple):
    """Which row there is, whose it is, how much it holds and up to when (UTC, ns)."""

    id: int
    device: str
    to_ns: int
    readings: int


def batch_row(row: tuple[Any, ...]) -> BatchRow:
    """Return the row of what was selected of a batch."""
    row_id, device, to_ns, sealed, boot, first_ns, last_ns, dated, offset_ns, error_ns, from_ns = (
        row
    )
    columns = (dated, offset_ns, error_ns, from_ns, to_ns)
    sound = is_sound(columns, first_ns, last_ns)
    return BatchRow(row_id, device, to_ns, sealed, dating_of(*columns), boot, sound)


def rows_after(
    database: sqlite3.Connection, row_id: int, limit: int, is_wanted: Callable[[RowHead], bool]
) -> list[BatchRow]:
    """Return the next rows behind one, in the order of their commit; of those that nobody wants no batches."""
    heads = database.execute(
        "SELECT batch.id, device.name, to_ns, readings FROM batch JOIN device ON device.id = device"
        " WHERE batch.id > ? ORDER BY batch.id LIMIT ?",
        (row_id, limit),
    ).fetchall()
    found = []
    for head in map(RowHead._make, heads):
        row = None
        if is_wanted(head):
            query = f"SELECT {BATCH} WHERE batch.id = ?"
            row = database.execute(query, (head.id,)).fetchone()
        found.append(batch_row(row) if row else BatchRow(head.id, head.device, head.to_ns, b""))
    return found


def rows_between(
    database: sqlite3.Connection,
    device_id: int,
    window: tuple[int, int],
    whole: tuple[int, int] | None,
) -> Iterator[BatchRow]:
    """Give the rows of a device that may have readings in a window.

    `whole`: the range of which it is one; then of unknown time those that decide what comes in it.
    """
    if whole is None or whole == window:
        return map(batch_row, database.execute(_BETWEEN, (device_id, *window)))
    return map(batch_row, database.execute(_IN_WINDOW, (device_id, *window, *whole)))

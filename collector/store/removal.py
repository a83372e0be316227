"""What a transaction takes away on purpose: what is deleted, and what is kept no longer.

Marks and epochs stay, else a batch that is sent again would come back. How many readings of a device
went is counted in the same transaction, so that what is left can still be held against what came.
What is to go must be there as it was read, else nothing is done, and whoever asked looks again: it may
have been merged meanwhile.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from collector.store.chunk_rows import ChunkRows
from collector.store.gathering import Named
from collector.store.sealing import Chunk, Rollup
from service.crashpoints import crash_point


class Owner(NamedTuple):
    """A series in one unit: its row, and whose it is."""

    series_id: int
    device_id: int
    name: Named


def owner_of(database: sqlite3.Connection, series_id: int) -> Owner:
    """Return whose a stored series is."""
    device_id, *name = database.execute(
        "SELECT device, sensor, channel, unit FROM stored_series WHERE id = ?", (series_id,)
    ).fetchone()
    return Owner(series_id, device_id, Named(*name))


class Cut(NamedTuple):
    """Which chunks and rollups of a series go, what takes their place, and how many readings go."""

    chunk_ids: list[int]
    rollup_ids: list[int]
    chunks: list[Chunk]
    rollups: list[Rollup]
    readings: int


class Removal:
    """What goes, as one writer sees it."""

    def __init__(self, database: sqlite3.Connection, chunk_rows: ChunkRows) -> None:
        self._database = database
        self._chunk_rows = chunk_rows

    def cut(self, owner: Owner, cut: Cut) -> bool:
        """Delete chunks and rollups of a series, and put in what is left; say whether it was done."""
        if not self._has("chunk", cut.chunk_ids) or not self._has("rollup", cut.rollup_ids):
            return False
        self._chunk_rows.delete_chunks(cut.chunk_ids)
        self._delete_rollups(cut.rollup_ids)
        crash_point("store_cutting")
        self._chunk_rows.insert(owner.device_id, (), cut.chunks, cut.rollups)
        self._count(owner.device_id, deleted=cut.readings)
        return True

    def expire_chunks(self, owner: Owner, chunk_ids: Sequence[int], readings: int) -> bool:
        """Delete chunks that are kept no longer; say whether it was done."""
        if not self._has("chunk", chunk_ids):
            return False
        self._chunk_rows.delete_chunks(chunk_ids)
        crash_point("store_expiring")
        self._count(owner.device_id, expired=readings)
        return True

    def expire_rollups(self, owner: Owner, rollup_ids: Sequence[int], left: list[Rollup]) -> bool:
        """Delete rollups that are kept no longer, and put in what of them still is; say whether it was done."""
        if not self._has("rollup", rollup_ids):
            return False
        self._delete_rollups(rollup_ids)
        crash_point("store_expiring")
        self._chunk_rows.insert(owner.device_id, (), (), left)
        return True

    def forget(self, owner: Owner) -> None:
        """Delete what the device said of a series; it says it again if it still has it."""
        self._database.execute(
            "DELETE FROM series WHERE device = ? AND sensor = ? AND channel = ?",
            (owner.device_id, owner.name.sensor, owner.name.channel),
        )

    def note_size(self, day: int, used_bytes: int) -> None:
        """Note how large the store is on a day."""
        self._database.execute(
            "INSERT INTO growth (day, used_bytes) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (day, used_bytes),
        )

    def _has(self, table: str, ids: Sequence[int]) -> bool:
        query = f"SELECT 1 FROM {table} WHERE id = ?"  # noqa: S608 - ours
        return all(self._database.execute(query, (row_id,)).fetchone() for row_id in ids)

    def _delete_rollups(self, rollup_ids: Sequence[int]) -> None:
        self._database.executemany(
            "DELETE FROM rollup WHERE id = ?", [(row_id,) for row_id in rollup_ids]
        )

    def _count(self, device_id: int, deleted: int = 0, expired: int = 0) -> None:
        self._database.execute(
            "INSERT INTO removal (device, deleted, expired) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET deleted = deleted + excluded.deleted, expired = expired + excluded.expired",
            (device_id, deleted, expired),
        )

"""The rows of chunks and rollups: what a transaction does to seal batches, and to merge what is short.

What is to be replaced must be there as it was read, else nothing is done, and whoever asked looks again:
it may have been dated anew, or deleted, meanwhile.
"""

import sqlite3
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from collector.store.clocks import At, Clocks
from collector.store.gaps import Gaps, Missing
from collector.store.gathering import Named, Undecodable
from collector.store.sealing import Chunk, Rollup, Sealed
from collector.store.unsealed import Unsealed
from service.crashpoints import crash_point
from wire import batches
from wire.bodies import GapReason
from wire.errors import BatchError

# The series of so many devices are remembered.
_REMEMBERED = 2000
# A statement has up to so many rows.
_ROWS_AT_ONCE = 64


class Taken(NamedTuple):
    """A batch row as it was read, as far as others may change it; and how much it is."""

    row_id: int
    dated: int
    offset_ns: int | None
    error_ns: int | None
    readings: int
    size_bytes: int


class Merged(NamedTuple):
    """What takes the place of short chunks and rollups of one device, named by their rows."""

    chunk_ids: list[int]
    rollup_ids: list[int]
    shared_times: list[bytes]
    chunks: list[Chunk]
    rollups: list[Rollup]


class ChunkRows:
    """Chunks and rollups, as one writer sees them."""

    def __init__(
        self, database: sqlite3.Connection, gaps: Gaps, clocks: Clocks, unsealed: Unsealed
    ) -> None:
        self._database = database
        self._gaps = gaps
        self._clocks = clocks
        self._unsealed = unsealed
        self._ids: dict[int, dict[Named, int]] = {}

    def forget(self) -> None:
        """Forget what was read, because it was rolled back."""
        self._ids.clear()

    def seal(self, device_id: int, taken: Sequence[Taken], sealed: Sealed, now_ns: int) -> bool:
        """Put chunks in the place of the batches they were made of; say whether it was done."""
        self._database.execute("SAVEPOINT sealing")
        for each in sealed.undecodable:
            self._keep(device_id, each, now_ns)
        gone = self._database.executemany(
            "DELETE FROM batch WHERE id = ? AND dated = ? AND offset_ns IS ? AND error_ns IS ?",
            [each[:4] for each in taken],
        )
        is_done = gone.rowcount == len(taken)
        if is_done:
            self.insert(device_id, sealed.shared_times, sealed.chunks, sealed.rollups)
            self._database.execute(
                "UPDATE progress SET sealed_row = max(sealed_row, ?)",
                (max(each.row_id for each in taken),),
            )
            crash_point("store_sealing")
        self._release("sealing", is_done)
        if is_done:
            self._unsealed.taken(
                device_id,
                len(taken),
                sum(each.readings for each in taken),
                sum(each.size_bytes for each in taken),
                now_ns,
            )
        else:
            self._unsealed.look_again(device_id)
        return is_done

    def merge(self, device_id: int, merged: Merged) -> bool:
        """Put long chunks and rollups in the place of short ones; say whether it was done."""
        self._database.execute("SAVEPOINT merging")
        is_done = self.delete_chunks(merged.chunk_ids) and self._delete_rollups(merged.rollup_ids)
        if is_done:
            self.insert(device_id, merged.shared_times, merged.chunks, merged.rollups)
            crash_point("store_merging")
        self._release("merging", is_done)
        return is_done

    def delete_chunks(self, chunk_ids: Sequence[int]) -> bool:
        """Delete chunks, and the times that none has in common any more; say whether all were there."""
        shared = {
            times
            for row_id in chunk_ids
            for (times,) in self._database.execute(
                "SELECT times FROM chunk WHERE id = ? AND times IS NOT NULL", (row_id,)
            )
        }
        gone = self._database.executemany(
            "DELETE FROM chunk WHERE id = ?", [(row_id,) for row_id in chunk_ids]
        )
        self._database.executemany(
            "DELETE FROM chunk_times WHERE id = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM chunk WHERE times = ?1)",
            [(times,) for times in shared],
        )
        return gone.rowcount == len(chunk_ids) or not chunk_ids

    def _delete_rollups(self, rollup_ids: Sequence[int]) -> bool:
        gone = self._database.executemany(
            "DELETE FROM rollup WHERE id = ? AND minutes IS NOT NULL",
            [(row_id,) for row_id in rollup_ids],
        )
        return gone.rowcount == len(rollup_ids) or not rollup_ids

    def _release(self, savepoint: str, is_done: bool) -> None:
        if not is_done:
            self._ids.clear()
            self._database.execute(f"ROLLBACK TO {savepoint}")
        self._database.execute(f"RELEASE {savepoint}")

    def insert(
        self,
        device_id: int,
        shared_times: Iterable[bytes],
        chunks: Iterable[Chunk],
        rollups: Iterable[Rollup],
    ) -> None:
        """Insert chunks and rollups of a device; the chunks name the shared times by their place."""
        shared = [self._insert_times(data) for data in shared_times]
        chunks, rollups = list(chunks), list(rollups)
        names = {chunk.series for chunk in chunks} | {rollup.series for rollup in rollups}
        ids = self._ids_of(device_id, names)
        self._insert(
            "chunk (series, from_ns, to_ns, readings, times, data)",
            [
                (
                    ids[chunk.series],
                    *chunk[1:4],
                    None if chunk.times is None else shared[chunk.times],
                    chunk.data,
                )
                for chunk in chunks
            ],
        )
        self._insert(
            "rollup (series, from_ns, to_ns, buckets, minutes, hours)",
            [(ids[rollup.series], *rollup[1:]) for rollup in rollups],
        )

    def _insert(self, into: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows, many with one statement: between two of them other threads take their turns."""
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[at : at + _ROWS_AT_ONCE]
            values = ", ".join([f"({', '.join('?' * len(row))})" for row in some])
            statement = f"INSERT INTO {into} VALUES {values}"  # noqa: S608 - ours
            self._database.execute(statement, [each for row in some for each in row])

    def _insert_times(self, data: bytes) -> int:
        row = self._database.execute("INSERT INTO chunk_times (data) VALUES (?)", (data,))
        assert row.lastrowid is not None
        return row.lastrowid

    def _ids_of(self, device_id: int, names: Set[Named]) -> dict[Named, int]:
        """Return the rows of series of a device; those that are new get one."""
        its = self._ids.get(device_id)
        if its is None or not names <= its.keys():
            rows = self._database.execute(
                "SELECT sensor, channel, unit, id FROM stored_series WHERE device = ?", (device_id,)
            )
            its = {Named(*name): row_id for *name, row_id in rows}
            new = sorted(names - its.keys())
            (last,) = self._database.execute("SELECT max(id) FROM stored_series").fetchone()
            its |= {name: row_id for row_id, name in enumerate(new, (last or 0) + 1)}
            self._insert(
                "stored_series (id, device, sensor, channel, unit)",
                [(its[name], device_id, *name) for name in new],
            )
            if len(self._ids) >= _REMEMBERED:
                self._ids.clear()
            self._ids[device_id] = its
        return its

    def _keep(self, device_id: int, lost: Undecodable, now_ns: int) -> None:
        """Keep the bytes that could not be read, and record that their readings are missing."""
        row = self._database.execute(
            "SELECT epoch, first_seq, last_seq, boot, first_ns, last_ns, received_ns FROM batch"
            " WHERE id = ?",
            (lost.row_id,),
        ).fetchone()
        if row is None:
            return  # the whole is about to be undone
        epoch, first_seq, last_seq, boot_row, first_ns, last_ns, received_ns = row
        self._database.execute(
            "INSERT INTO undecodable (device, epoch, received_ns, sealed) VALUES (?, ?, ?, ?)",
            (device_id, epoch, received_ns, lost.sealed),
        )
        first_seq, last_seq, readings = _which(lost, first_seq, last_seq)
        boot = self._clocks.by_row(boot_row)
        self._gaps.add(
            device_id,
            epoch,
            Missing(
                first_seq,
                last_seq,
                At(first_ns, boot),
                At(last_ns, boot),
                GapReason.UNDECODABLE,
                readings,
            ),
            now_ns,
        )


def _which(lost: Undecodable, first_seq: int, last_seq: int) -> tuple[int, int, int | None]:
    """Return the first and the last seq of what could not be read, and how many readings it had."""
    try:
        seq = batches.place_of(lost.sealed).seq
    except BatchError:
        return first_seq, last_seq, None
    if not first_seq <= seq <= last_seq:
        return first_seq, last_seq, None
    if lost.is_rest:
        return seq, last_seq, None
    try:
        return seq, seq, batches.open_header(lost.sealed).readings
    except BatchError:
        return seq, seq, None

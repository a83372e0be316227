"""The rows of gaps. Which gaps there are to be is for `missing` to say."""

import sqlite3
from typing import NamedTuple

from wire.bodies import GapReason


class Tail(NamedTuple):
    """The gap of unknown end behind an epoch's mark."""

    row_id: int
    first_seq: int


class Missing(NamedTuple):
    """What a gap says of the batches `first_seq` to `last_seq`; see schema.sql."""

    first_seq: int
    last_seq: int | None
    from_ns: int | None
    to_ns: int | None
    reason: str
    readings: int | None = None
    before: int | None = None


class Gaps:
    """The gap rows, as one writer sees them. Times are UTC, ns; an epoch is named by its row."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, device_id: int, epoch_row: int, missing: Missing, now_ns: int) -> int:
        """Record one; return its row."""
        row = self._database.execute(
            "INSERT INTO gap (device, epoch, first_seq, last_seq, from_ns, to_ns, reason, readings,"
            " before, recorded_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (device_id, epoch_row, *missing, now_ns),
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def count(self, epoch_row: int, last_seq: int, counted: int) -> None:
        """Fill in how many readings the gap up to `last_seq` had: up to there were `counted`."""
        self._database.execute(
            "UPDATE gap SET readings = :counted - before WHERE epoch = :epoch"
            " AND last_seq = :last_seq AND readings IS NULL AND before <= :counted",
            {"counted": counted, "epoch": epoch_row, "last_seq": last_seq},
        )

    def tail(self, epoch_row: int) -> Tail | None:
        """Return the tail of an epoch, if it has one."""
        row = self._database.execute(
            "SELECT id, first_seq FROM gap WHERE epoch = ? AND last_seq IS NULL", (epoch_row,)
        ).fetchone()
        return None if row is None else Tail(*row)

    def add_tail(self, device_id: int, epoch_row: int, missing: Missing, now_ns: int) -> Tail:
        """Record a tail."""
        return Tail(self.add(device_id, epoch_row, missing, now_ns), missing.first_seq)

    def explain_tail(self, tail: Tail, to_ns: int | None, reason: str) -> None:
        """Say of a tail what has become known since."""
        self._database.execute(
            "UPDATE gap SET to_ns = ifnull(?, to_ns), reason = ? WHERE id = ?",
            (to_ns, reason, tail.row_id),
        )

    def shorten_tail(self, tail: Tail, first_seq: int, from_ns: int | None) -> Tail:
        """Take away what has come after all: let it begin later."""
        self._database.execute(
            "UPDATE gap SET first_seq = :first_seq, from_ns = ifnull(:from_ns, from_ns),"
            " to_ns = iif(to_ns < :from_ns, NULL, to_ns) WHERE id = :id",
            {"first_seq": first_seq, "from_ns": from_ns, "id": tail.row_id},
        )
        return Tail(tail.row_id, first_seq)

    def drop_tail(self, tail: Tail) -> None:
        """Take a whole tail away."""
        self._database.execute("DELETE FROM gap WHERE id = ?", (tail.row_id,))

    def has_loss(self, device_id: int, present_row: int, reason: str, began_ns: int | None) -> bool:
        """Say whether it is recorded already that a device lost what it held before this epoch."""
        row = self._database.execute(
            "SELECT EXISTS (SELECT 1 FROM gap WHERE epoch = ? AND first_seq = 0) OR EXISTS"
            " (SELECT 1 FROM gap WHERE device = ? AND epoch IS NOT NULL AND last_seq IS NULL"
            " AND reason = ? AND to_ns >= ?)",
            (present_row, device_id, reason, began_ns),
        )
        return bool(row.fetchone()[0])

    def move_ends(self, device_id: int, former_ns: int, began_ns: int) -> None:
        """Let what was lost before an epoch end where that began, by a better clock."""
        self._database.execute(
            "UPDATE gap SET to_ns = :began_ns WHERE device = :device AND to_ns = :former_ns"
            " AND epoch IS NOT NULL AND (last_seq IS NULL OR first_seq = 0)"
            " AND ifnull(from_ns <= :began_ns, TRUE)",
            {"device": device_id, "former_ns": former_ns, "began_ns": began_ns},
        )

    def is_rolled_back(self, device_id: int, from_ns: int | None, to_ns: int | None) -> bool:
        """Say whether a backup that was gone back to has recorded the loss of that time already."""
        row = self._database.execute(
            "SELECT EXISTS (SELECT 1 FROM gap WHERE device = ? AND epoch IS NULL AND reason = ?"
            " AND from_ns <= ? AND to_ns >= ?)",
            (device_id, GapReason.COLLECTOR_ROLLBACK, from_ns, to_ns),
        )
        return bool(row.fetchone()[0])

    def set_lost_datagrams(
        self, device_id: int, epoch_row: int, missing: Missing | None, now_ns: int
    ) -> None:
        """Let the one gap for the lost datagrams of an epoch say so, or be gone."""
        its = "WHERE epoch = ? AND reason = ? AND last_seq IS NOT NULL"
        which = (epoch_row, GapReason.DATAGRAM_LOST)
        if missing is None:
            self._database.execute(f"DELETE FROM gap {its}", which)  # noqa: S608 - ours
            return
        changed = self._database.execute(
            f"UPDATE gap SET last_seq = ?, readings = ?, to_ns = max(to_ns, ?) {its}",  # noqa: S608
            (missing.last_seq, missing.readings, missing.to_ns, *which),
        )
        if not changed.rowcount:
            self.add(device_id, epoch_row, missing, now_ns)

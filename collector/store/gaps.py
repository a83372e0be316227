"""The rows of gaps. Which gaps there are to be is for `missing` to say."""

import sqlite3
from typing import NamedTuple

from collector.store.clocks import At, Boot, Clocks
from collector.store.numbers import spanning
from wire.bodies import GapReason


class Tail(NamedTuple):
    """The gap of unknown end behind an epoch's mark."""

    row_id: int
    first_seq: int


class Missing(NamedTuple):
    """What a gap says of the batches `first_seq` to `last_seq`; see schema.sql."""

    first_seq: int
    last_seq: int | None
    from_at: At | None
    to_at: At | None
    reason: str
    readings: int | None = None
    before: int | None = None


class Gaps:
    """The gap rows, as one writer sees them; an epoch is named by its row.

    A bound is a moment, kept as such, and its UTC by what is known of its boot.
    """

    def __init__(self, database: sqlite3.Connection, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks

    def add(self, device_id: int, epoch_row: int, missing: Missing, now_ns: int) -> int:
        """Record one; return its row."""
        row = self._database.execute(
            "INSERT INTO gap (device, epoch, first_seq, last_seq, reason, readings, before,"
            " recorded_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (device_id, epoch_row, *missing[:2], *missing[4:], now_ns),
        )
        assert row.lastrowid is not None
        self._set_span(row.lastrowid, missing.from_at, missing.to_at, now_ns)
        return row.lastrowid

    def date_anew(self, boot: Boot) -> None:
        """Give the gaps that begin or end in a boot the UTC that is known by now."""
        rows = self._database.execute(
            "SELECT id FROM gap WHERE from_boot = :boot OR to_boot = :boot", {"boot": boot.row_id}
        ).fetchall()
        for (row_id,) in rows:
            self._set_span(row_id, *self._span(row_id))

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

    def explain_tail(self, tail: Tail, to_at: At | None, reason: str) -> None:
        """Say of a tail what has become known since."""
        self._database.execute("UPDATE gap SET reason = ? WHERE id = ?", (reason, tail.row_id))
        from_at, former_to, recorded_ns = self._span(tail.row_id)
        self._set_span(tail.row_id, from_at, to_at or former_to, recorded_ns)

    def shorten_tail(self, tail: Tail, first_seq: int, from_at: At | None) -> Tail:
        """Take away what has come after all: let it begin later; it may not end before it does."""
        self._database.execute(
            "UPDATE gap SET first_seq = ? WHERE id = ?", (first_seq, tail.row_id)
        )
        former_from, to_at, recorded_ns = self._span(tail.row_id)
        from_ns, to_ns = self._clocks.span(from_at)[0], self._clocks.span(to_at)[1]
        if from_ns is not None and to_ns is not None and to_ns < from_ns:
            to_at = None
        self._set_span(tail.row_id, from_at or former_from, to_at, recorded_ns)
        return Tail(tail.row_id, first_seq)

    def drop_tail(self, tail: Tail) -> None:
        """Take a whole tail away."""
        self._database.execute("DELETE FROM gap WHERE id = ?", (tail.row_id,))

    def has_loss(self, device_id: int, present_row: int, reason: str, began: At | None) -> bool:
        """Say whether it is recorded already that a device lost what it held before this epoch."""
        row = self._database.execute(
            "SELECT EXISTS (SELECT 1 FROM gap WHERE epoch = :epoch AND first_seq = 0) OR EXISTS"
            " (SELECT 1 FROM gap WHERE device = :device AND epoch IS NOT NULL AND last_seq IS NULL"
            " AND reason = :reason AND (to_ns >= :utc OR to_boot = :boot AND to_at >= :at))",
            {
                "epoch": present_row, "device": device_id, "reason": reason,
                "utc": self._clocks.span(began)[0],
                "boot": began.boot.row_id if began and began.boot else None,
                "at": began.ns if began else None,
            },
        )  # fmt: skip
        return bool(row.fetchone()[0])

    def is_rolled_back(self, device_id: int, from_at: At | None, to_at: At | None) -> bool:
        """Say whether a backup that was gone back to has recorded the loss of that time already."""
        from_ns, to_ns = self._clocks.span(from_at)[0], self._clocks.span(to_at)[1]
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
        row = self._database.execute(f"SELECT id FROM gap {its}", which).fetchone()  # noqa: S608
        if row is None:
            self.add(device_id, epoch_row, missing, now_ns)
            return
        (row_id,) = row
        self._database.execute(
            "UPDATE gap SET last_seq = ?, readings = ? WHERE id = ?",
            (missing.last_seq, missing.readings, row_id),
        )
        from_at, to_at, recorded_ns = self._span(row_id)
        self._set_span(row_id, from_at, self._later(to_at, missing.to_at), recorded_ns)

    def _later(self, one: At | None, other: At | None) -> At | None:
        """Return the later of two ends; of one that nobody knows, None."""
        if one is None or other is None:
            return None
        ends_ns = [self._clocks.span(each)[1] for each in (one, other)]
        if None in ends_ns:
            return one
        return max(zip(ends_ns, (0, 1), (one, other), strict=True))[2]

    def _span(self, row_id: int) -> tuple[At | None, At | None, int]:
        """Return where a gap begins and ends, and when it was recorded."""
        row = self._database.execute(
            "SELECT from_boot, from_at, from_ns, to_boot, to_at, to_ns, recorded_ns FROM gap"
            " WHERE id = ?",
            (row_id,),
        ).fetchone()
        return self._at(*row[:3]), self._at(*row[3:6]), row[6]

    def _at(self, boot_row: int | None, at_ns: int | None, utc_ns: int | None) -> At | None:
        if boot_row is not None and at_ns is not None:
            return At(at_ns, self._clocks.by_row(boot_row))
        return None if utc_ns is None else At(utc_ns)

    def _set_span(self, row_id: int, from_at: At | None, to_at: At | None, now_ns: int) -> None:
        from_ns = self._clocks.span(from_at)[0]
        to_ns = spanning(from_ns, self._clocks.span(to_at)[1], now_ns)
        self._database.execute(
            "UPDATE gap SET from_ns = ?, from_boot = ?, from_at = ?, to_ns = ?, to_boot = ?,"
            " to_at = ? WHERE id = ?",
            (from_ns, *_columns(from_at), to_ns, *_columns(to_at), row_id),
        )


def _columns(at: At | None) -> tuple[int | None, int | None]:
    return (None, None) if at is None or at.boot is None else (at.boot.row_id, at.ns)

"""One tier of the spool: the rows of one database file, and what may be done to them.

Every method is one transaction, whole or not at all. Knows no policy and no thread: it belongs to
whoever opened it. What a damaged file may give for a number or a body is looked at here, so that
nobody else need ask.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from device.spool.bounded import BoundedDatabase, Change
from device.spool.records import (
    EpochFacts,
    Read,
    RecordError,
    Row,
    Span,
    Stored,
    pack_facts,
    pack_gap,
    row_of,
    unpack_facts,
    unpack_read,
)
from service.crashpoints import crash_point
from service.damage import damage
from wire.batches import MAX_READINGS
from wire.bodies import Gap, GapReason

# The whole of an epoch.
ALL = 2**63 - 1
_KEPT_REJECTED = 16
_ROWS_AT_ONCE = 1000
# A number of readings that no batch has makes the sum no whole number.
_SUMS = (
    f"ifnull(sum(iif(readings BETWEEN 0 AND {MAX_READINGS}, readings, 0.5)), 0),"
    " ifnull(sum(length(body)) FILTER (WHERE readings > 0), 0)"
)
# Whatever a damaged cell holds comes out as bytes, for their checksum to refuse.
_BODY = "ifnull(CAST(body AS BLOB), x'')"
# Only a gap goes beyond its seq.
_LAST_SEQ = "iif(readings > 0, seq, last_seq)"


class Tier:
    """An open tier. Raises sqlite3.Error where the file fails it.

    `dropped_readings` were let go for want of room. `moving`: up to where the rows of epochs (by number) are being
    copied elsewhere; no gap goes across that.
    """

    def __init__(
        self, path: Path, durable: bool, max_bytes: int, notice: str | None = None
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.dropped_readings = 0
        self.moving: Mapping[int, int] = {}
        self._database = BoundedDatabase(path, durable, max_bytes, notice)
        self._transaction = self._database.transaction
        self.room_bytes, self.file_bytes = self._database.room_bytes, self._database.file_bytes
        try:
            self._database.readings, self._database.size_bytes = self._sums()
        except BaseException:
            self.close()
            raise

    @property
    def readings(self) -> int:
        """How many readings are in its batches, without the open one."""
        return self._database.readings

    @property
    def size_bytes(self) -> int:
        """How many bytes those batches have."""
        return self._database.size_bytes

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def epochs(self) -> list[EpochFacts]:
        """Return what is known of each epoch, the oldest first."""
        found = []
        for number, record in self._database.execute(
            "SELECT number, ifnull(CAST(facts AS BLOB), x'') FROM epoch ORDER BY number"
        ):
            found.append(_facts(record))
            if found[-1].number != number:
                raise damage(f"epoch {found[-1].number} stands at {number}")
        return found

    def facts(self, number: int) -> EpochFacts | None:
        """Return what is known of one epoch here."""
        row = self._database.execute(
            "SELECT ifnull(CAST(facts AS BLOB), x'') FROM epoch WHERE number = ?", (number,)
        ).fetchone()
        return _facts(row[0]) if row else None

    def spans(self) -> dict[int, Span]:
        """Return what is held of each epoch, by its number."""
        rows = self._database.execute(
            f"SELECT epoch, min(seq), max({_LAST_SEQ}) FROM batch WHERE seq > 0 GROUP BY epoch"  # noqa: S608
        )
        return {number: Span(lowest, highest) for number, lowest, highest in map(_whole, rows)}

    def reads(self) -> tuple[dict[int, list[Read]], int]:
        """Return the reads of open batches, by epoch, and how many reads are damaged."""
        found: dict[int, list[Read]] = {}
        damaged = 0
        for number, body in self._database.execute(f"SELECT epoch, {_BODY} FROM tick ORDER BY id"):  # noqa: S608
            try:
                found.setdefault(number, []).append(unpack_read(body))
            except RecordError:
                damaged += 1
        return found, damaged

    def notice(self) -> str | None:
        """Return why an earlier spool is gone, where the collector has not been told yet."""
        row = self._database.execute("SELECT reason FROM notice").fetchone()
        if row is None:
            return None
        return row[0] if row[0] in vars(GapReason).values() else GapReason.SPOOL_UNREADABLE

    def set_notice(self, reason: str | None) -> None:
        """Remember why an earlier spool is gone, or that the collector has been told."""
        with self._transaction(is_vital=True):
            self._database.execute("DELETE FROM notice")
            if reason:
                self._database.execute("INSERT INTO notice VALUES (?)", (reason,))

    def put_epochs(self, facts: Iterable[EpochFacts], over: Iterable[EpochFacts] = ()) -> None:
        """Keep what is known of epochs now; forget those that are over, with all their rows."""
        self.remove({}, facts, over)

    def accept(self, number: int, reads: Sequence[bytes]) -> None:
        """Add reads to the open batch of an epoch: from here on they are accepted."""
        with self._transaction():
            self._database.executemany(
                "INSERT INTO tick (epoch, body) VALUES (?, ?)", [(number, body) for body in reads]
            )
            crash_point("spool_after_insert")
        crash_point("spool_after_commit")

    def drop_reads(self) -> None:
        """Forget what is left in open batches."""
        with self._transaction(is_vital=True):
            self._database.execute("DELETE FROM tick")

    def close_batch(self, facts: EpochFacts, readings: int, sealed: bytes) -> None:
        """Replace the open batch by what it was closed to; `facts` counts it already."""
        row = Stored(facts.number, facts.last_seq, facts.last_seq, readings, sealed)
        with self._transaction() as change:
            self._database.execute("DELETE FROM tick WHERE epoch = ?", (facts.number,))
            self._put([facts])
            # None stands there yet: a key that says so is damaged.
            self._delete("WHERE epoch = ? AND seq >= ?", row[:2], change)
            self._database.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?)", row)
            change.add(readings, len(sealed))

    def take_in(
        self,
        rows: Sequence[Stored],
        marks: Mapping[int, int],
        facts: Iterable[EpochFacts],
        over: Iterable[EpochFacts] = (),
    ) -> int:
        """Take rows of another tier as they are, what is here already stays; else like `remove`."""
        with self._transaction() as change:
            removed = self._remove(marks, over, change)
            self._put(facts)
            for row in rows:
                self._insert(row, change)
            crash_point("spool_mid_move")
        return removed

    def remove(
        self,
        marks: Mapping[int, int],
        facts: Iterable[EpochFacts] = (),
        over: Iterable[EpochFacts] = (),
    ) -> int:
        """Forget every row up to the mark of its epoch (by number); return how many readings."""
        with self._transaction(is_vital=True) as change:
            removed = self._remove(marks, over, change)
            self._put(facts)
        return removed

    def all_rows(self) -> list[Stored]:
        """Return every row, as `take_in` takes them."""
        rows = self._database.execute(
            f"SELECT epoch, seq, {_LAST_SEQ}, readings, {_BODY} FROM batch"  # noqa: S608
        )
        return [Stored._make((*_whole(numbers), body)) for *numbers, body in rows]

    def rows(self, facts: EpochFacts, seq: int, max_bytes: int) -> list[Row]:
        """Return the rows of an epoch from the one that holds `seq` on, in order; one at least."""
        found, size_bytes = [], 0
        # A key beyond what there ever was is a damaged one.
        highest = facts.last_seq if facts.is_end_known else ALL
        cursor = self._database.execute(
            f"SELECT seq, {_LAST_SEQ}, {_BODY} FROM batch WHERE epoch = ?1 AND seq >= ifnull("  # noqa: S608
            f" (SELECT max(seq) FROM batch WHERE epoch = ?1 AND seq <= ?2), ?2)"
            f" AND {_LAST_SEQ} >= ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
            (facts.number, seq, highest, _ROWS_AT_ONCE),
        )
        with closing(cursor):
            for first, last, body in cursor:
                _whole((first, last))
                found.append(row_of(facts, first, last, body))
                size_bytes += len(body)
                if size_bytes >= max_bytes:
                    break
        return found

    def oldest(self) -> tuple[int, int] | None:
        """Return the number of the epoch, and the seq, of the oldest batch."""
        row = self._database.execute(
            "SELECT epoch, seq FROM batch WHERE readings > 0 ORDER BY epoch, seq LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        number, seq = _whole(row)
        return number, seq

    def replace(self, number: int, gap: Gap) -> int:
        """Put a gap in the place of all rows that it covers; return how many readings they held."""
        key = (number, gap.first_seq, gap.last_seq)
        with self._transaction(is_vital=True) as change:
            readings = self._delete("WHERE epoch = ? AND seq BETWEEN ? AND ?", key, change)
            row = Stored(number, gap.first_seq, gap.last_seq, 0, pack_gap(gap))
            self._insert(row, change)
            crash_point("spool_mid_gap")
        return readings

    def keep_rejected(self, detail: str, sealed: bytes) -> None:
        """Keep a batch that was refused for good, for looking at; only the last of them stay."""
        with self._transaction():
            self._database.execute(
                "INSERT INTO rejected (detail, sealed) VALUES (?, ?)", (detail, sealed)
            )
            self._database.execute(
                "DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?",
                (_KEPT_REJECTED,),
            )

    def _put(self, facts: Iterable[EpochFacts]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO epoch VALUES (?, ?)",
            [(each.number, pack_facts(each)) for each in facts],
        )

    def _insert(self, row: Stored, change: Change) -> None:
        """Insert a row where none is, and no gap that covers its place."""
        done = self._database.execute(
            f"INSERT OR IGNORE INTO batch SELECT ?1, ?2, ?3, ?4, ?5 WHERE ifnull((SELECT {_LAST_SEQ}"  # noqa: S608
            " FROM batch WHERE epoch = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1), 0) < ?2",
            row,
        )
        if done.rowcount > 0 and row.readings:
            change.add(row.readings, len(row.body))

    def _remove(self, marks: Mapping[int, int], over: Iterable[EpochFacts], change: Change) -> int:
        removed = 0
        done = f"WHERE epoch = ?1 AND seq <= ?2 AND {_LAST_SEQ} <= ?2"
        for number, mark in marks.items():
            removed += self._delete(done, (number, mark), change)
        for each in over:
            removed += self._delete("WHERE epoch = ?", (each.number,), change)
            self._database.execute("DELETE FROM epoch WHERE number = ?", (each.number,))
        return removed

    def _delete(self, which: str, key: Sequence[int], change: Change) -> int:
        readings, size_bytes = self._sums(which, key)
        self._database.execute(f"DELETE FROM batch {which}", key)  # noqa: S608
        change.add(-readings, -size_bytes)
        return readings

    def _sums(self, which: str = "", key: Sequence[int] = ()) -> Sequence[int]:
        sums = self._database.execute(f"SELECT {_SUMS} FROM batch {which}", key)  # noqa: S608
        return _whole(sums.fetchone())


def _facts(record: bytes) -> EpochFacts:
    try:
        return unpack_facts(record)
    except RecordError as error:
        raise damage(str(error)) from error


def _whole(numbers: Sequence[Any]) -> Sequence[int]:
    """Return what should be whole numbers, if they are."""
    if not all(isinstance(number, int) for number in numbers):
        raise damage(f"{numbers!r:.100} instead of whole numbers")
    return numbers

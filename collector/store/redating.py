"""Dating anew: what a pair that came later says of readings that are stored already.

In steps, each of which is a part of a transaction and holds the writer for some milliseconds; how far
it has come is committed with what it did, so that a kill costs nothing. What is dated well enough
is left as it is written.
"""

import sqlite3

from collector.clock import is_news
from collector.store.clocks import Boot, Clocks
from collector.store.dating import NOT_AT_ALL, columns_of, dating_of
from collector.store.gaps import Gaps
from collector.store.unsealed import Unsealed
from service.crashpoints import crash_point

# What one step looks at, and what it writes: rows of up to 64 KiB.
LOOKED_AT = 500
WRITTEN = 64

_ROWS = (
    "SELECT id, first_ns, last_ns, received_ns, readings, length(sealed), dated, offset_ns, error_ns,"
    " from_ns, to_ns FROM batch"
    " WHERE boot = ? AND dated <> 0 AND (last_ns, id) > (?, ?) AND last_ns <= ?"
    " ORDER BY last_ns, id LIMIT ?"
)


class Redating:
    """Dates anew what is stale, until nothing is."""

    def __init__(
        self, database: sqlite3.Connection, clocks: Clocks, gaps: Gaps, unsealed: Unsealed
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._gaps = gaps
        self._unsealed = unsealed

    def step(self) -> bool:
        """Do some; say whether there may be more."""
        row = self._database.execute(
            "SELECT id, stale_from, stale_to, stale_row FROM boot WHERE stale_from IS NOT NULL LIMIT 1"
        ).fetchone()
        if row is None:
            self._clocks.has_stale = False
            return False
        boot_row, from_ns, to_ns, behind_row = row
        boot = self._clocks.by_row(boot_row)
        place = self._some_rows(boot, from_ns, to_ns, behind_row)
        if place is None:
            self._gaps.date_anew(boot)
            self._note(boot, None, None, None)
        else:
            self._note(boot, place[0], to_ns, place[1])
        crash_point("store_redating")
        return True

    def _some_rows(
        self, boot: Boot, from_ns: int, to_ns: int, behind_row: int
    ) -> tuple[int, int] | None:
        """Date some rows; return the end and the id of the last one, None where none is left."""
        rows = self._database.execute(
            _ROWS, (boot.row_id, from_ns, behind_row, to_ns, LOOKED_AT)
        ).fetchall()
        written, place = 0, None
        for row_id, first_ns, last_ns, received_ns, readings, size_bytes, *columns in rows:
            place = last_ns, row_id
            dating = self._clocks.date(boot, first_ns, last_ns, received_ns)
            if is_news(dating, dating_of(*columns)):
                now = columns_of(dating, first_ns, last_ns)
                if columns[0] == NOT_AT_ALL and now[0] != NOT_AT_ALL:
                    self._unsealed.add(boot.device_id, readings, size_bytes, received_ns)
                self._database.execute(
                    "UPDATE batch SET dated = ?, offset_ns = ?, error_ns = ?, from_ns = ?, to_ns = ?"
                    " WHERE id = ?",
                    (*now, row_id),
                )
                written += 1
                if written >= WRITTEN:
                    break
        return place

    def _note(
        self, boot: Boot, from_ns: int | None, to_ns: int | None, behind_row: int | None
    ) -> None:
        self._database.execute(
            "UPDATE boot SET stale_from = ?, stale_to = ?, stale_row = ? WHERE id = ?",
            (from_ns, to_ns, behind_row, boot.row_id),
        )

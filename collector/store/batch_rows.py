"""The rows of batches: sealed batches as they came, some end to end in a row."""

import sqlite3
from collections.abc import Sequence

from collector.store.dating import NOT_AT_ALL, Columns
from collector.store.epochs import Epoch
from collector.store.unsealed import Unsealed
from wire.receiver import Arrived


class BatchRows:
    """Batch rows, as one writer sees them. Their ids grow, and are never used again."""

    def __init__(self, database: sqlite3.Connection, unsealed: Unsealed) -> None:
        self._database = database
        self._unsealed = unsealed
        self._last_row: int | None = None

    def forget(self) -> None:
        """Forget which ids were given, because they were not: a hole would be taken for something missed."""
        self._last_row = None

    def add(
        self,
        epoch: Epoch,
        run: Sequence[Arrived],
        span_ns: tuple[int, int],
        dated: Columns,
        now_ns: int,
    ) -> int:
        """Store a run of batches of an epoch as one row; return how many readings it has.

        `span_ns` are the first and the last time of the readings (CLOCK_BOOTTIME).
        """
        assert epoch.boot is not None, "a batch says of which it is"
        readings = sum(arrived.header.readings for arrived in run)
        sealed = b"".join([arrived.sealed for arrived in run])
        row_id = self._last_row = (self._last_row or self._read()) + 1
        self._database.execute(
            "INSERT INTO batch (id, device, epoch, first_seq, last_seq, readings, boot, first_ns, last_ns,"
            " received_ns, dated, offset_ns, error_ns, from_ns, to_ns, sealed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row_id,
                epoch.device_id,
                epoch.row_id,
                run[0].header.place.seq,
                run[-1].header.place.seq,
                readings,
                epoch.boot.row_id,
                *span_ns,
                now_ns,
                *dated,
                sealed,
            ),
        )
        if dated[0] != NOT_AT_ALL:
            self._unsealed.add(epoch.device_id, readings, len(sealed), now_ns)
        return readings

    def _read(self) -> int:
        """Return the last id that was given."""
        (sealed_row,) = self._database.execute("SELECT sealed_row FROM progress").fetchone()
        (last_row,) = self._database.execute("SELECT max(id) FROM batch").fetchone()
        return int(max(sealed_row, last_row or 0))

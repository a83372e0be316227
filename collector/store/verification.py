"""Verification: everything in the store is read, and held against everything else that says the same.

Beside a running collector: each question sees one instant, and none of them lasts long but SQLite's own
check. Series are read in windows, so that it needs little memory.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from collector.errors import StoreError
from collector.store import ledger
from collector.store.database import open_for_reading, unreadable
from collector.store.history import StoredSeries, stored_series
from collector.store.parts import opened
from collector.store.rows import BATCH, BatchRow, batch_row
from collector.store.soundness import check_epoch
from collector.store.summing import Window, check_window, windows_of
from wire import batches
from wire.errors import BatchError

_BATCHES_AT_ONCE = 64

Progress = Callable[[int, int], object]


class Damage(NamedTuple):
    """What is damaged: of which device or series, in which range (UTC, ns) if that is known, and how."""

    what: str
    whose: str
    detail: str
    from_ns: int | None = None
    to_ns: int | None = None


class Verified(NamedTuple):
    """What was read, and the damage that was found."""

    batches: int
    chunks: int
    rollups: int
    readings: int
    damages: list[Damage]


def verify(path: Path, progress: Progress = lambda _done, _of: None) -> Verified:
    """Read a whole store; `progress` is told how many of how many rows were read.

    Raises:
        StoreError: it cannot be opened, or read to the end.
    """
    with closing(open_for_reading(path)) as database:
        verification = _Verification(database, progress)
        try:
            return verification.run()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise StoreError(unreadable(path, error)) from None


class _Verification:
    def __init__(self, database: sqlite3.Connection, progress: Progress) -> None:
        self._database = database
        self._progress = progress
        self._damages: list[Damage] = []
        self._done = 0
        self._batches = self._chunks = self._rollups = self._readings = 0
        self._all = sum(
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours
            for table in ("batch", "chunk", "rollup")
        )

    def run(self) -> Verified:
        """Check all."""
        self._file()
        self._epochs()
        for row_id, device, detail in ledger.orphans(self._database):
            self._damages.append(Damage("orphan", device, f"row {row_id}: {detail}"))
        for row, columns in self._rows():
            self._batch(row, *columns)
        for series in stored_series(self._database, "*"):
            self._series(series)
        for device, detail in ledger.imbalances(self._database):
            self._damages.append(Damage("count", device, detail))
        self._progress(self._all, self._all)
        return Verified(self._batches, self._chunks, self._rollups, self._readings, self._damages)

    def _file(self) -> None:
        for (word,) in self._database.execute("PRAGMA integrity_check(10)"):
            if word != "ok":
                self._damages.append(Damage("file", "", " ".join(word.split())))

    def _epochs(self) -> None:
        rows = self._database.execute(
            "SELECT name, checksum, device, epoch, mark, CAST(ended AS BLOB), datagrams FROM epoch"
            " LEFT JOIN device ON device.id = device"
        ).fetchall()
        for name, *row in rows:
            try:
                check_epoch(*row)
            except sqlite3.DatabaseError as error:
                self._damages.append(Damage("epoch", str(name), str(error)))

    def _rows(self) -> Iterator[tuple[BatchRow, tuple[int, int, int]]]:
        """Give the batch rows, with their first and last seq and how many readings they should hold."""
        query = (
            f"SELECT first_seq, last_seq, readings, {BATCH} WHERE batch.id > ?"
            " ORDER BY batch.id LIMIT ?"
        )
        last = -1
        while rows := self._database.execute(query, (last, _BATCHES_AT_ONCE)).fetchall():
            for row in rows:
                self._read(1)
                yield batch_row(row[3:]), row[:3]
            last = rows[-1][3]

    def _batch(self, row: BatchRow, first_seq: int, last_seq: int, readings: int) -> None:
        self._batches += 1
        found, seqs = 0, []
        try:
            for sealed in batches.split(row.sealed):
                opened(row, sealed)
                header = batches.open_header(sealed)
                found += header.readings
                seqs.append(header.place.seq)
            if (found, seqs[0], seqs[-1]) != (readings, first_seq, last_seq):
                raise BatchError("its row tells of other batches")
        except BatchError as error:
            self._damages.append(Damage("batch", row.device, f"row {row.id}: {error}", None, None))
        self._readings += found

    def _series(self, series: StoredSeries) -> None:
        for span in windows_of(self._database, series.id):
            window = Window.read(self._database, series.id, span)
            found = check_window(window)
            self._chunks += window.own_chunks
            self._rollups += window.own_rollups
            self._readings += window.own_readings
            self._read(window.own_chunks + window.own_rollups)
            self._damages += [
                Damage(each.what, series.key.series, each.detail, each.from_ns, each.to_ns)
                for each in found
            ]

    def _read(self, rows: int) -> None:
        self._done += rows
        self._progress(min(self._done, self._all), self._all)

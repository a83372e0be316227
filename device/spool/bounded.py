"""A database file that keeps within its share of the disk: its transactions, and what they count.

A part of the share is a reserve for what makes room, or must not be forgotten: a file that is quite
full could not even let go of anything. Nor could one on a disk that is quite full: some of that is left
free, too. Knows no table.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from device.spool.database import no_room, open_database
from service.crashpoints import crash_point

# So much of the disk no growth takes. In it a log can grow and be copied back, once, for what is vital.
_KEPT_FREE_BYTES = 3 * 2**20
# A file may grow to this on any disk, or nothing at all could be kept on a small one.
_LEAST_PAGES = 64


class Change:
    """What a transaction adds to the batches of a tier."""

    def __init__(self) -> None:
        self.readings = 0
        self.size_bytes = 0

    def add(self, readings: int, size_bytes: int) -> None:
        """Note what was added; below 0: taken away."""
        self.readings += readings
        self.size_bytes += size_bytes


class BoundedDatabase:
    """An open file of at most `max_bytes`. Raises sqlite3.Error where the file fails it.

    `readings` and `size_bytes` are the sum of all changes that were committed.
    """

    def __init__(
        self, path: Path, durable: bool, max_bytes: int, notice: str | None = None
    ) -> None:
        self.readings = 0
        self.size_bytes = 0
        self._folder = path.parent
        self._limit = 0
        self._database = open_database(path, durable, notice)
        try:
            self._page_bytes = self._pragma("page_size")
            # Whatever its share is now, a file does not shrink.
            self._pages = max(max_bytes // self._page_bytes, self._pragma("page_count"))
            self._common_pages = self._pages - min(max(8, self._pages // 32), 64)
            self._end_reserve()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._database.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute one statement for each of some rows."""
        self._database.executemany(sql, rows)

    @contextmanager
    def transaction(self, is_vital: bool = False) -> Iterator[Change]:
        """Do something whole or not at all; what is vital may use the reserve."""
        change = Change()
        if is_vital:
            self._pragma(f"max_page_count = {self._pages}")
        else:
            self._heed_disk()
        try:
            self.execute("BEGIN IMMEDIATE")
            yield change
            if not is_vital:
                self._keep_reserve()
            crash_point("spool_before_commit")
            self.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.execute("ROLLBACK")
            if is_vital:
                # Where a write has failed this may say "malformed": that must not take its place.
                with suppress(sqlite3.Error):
                    self._end_reserve()
            raise
        self.readings += change.readings
        self.size_bytes += change.size_bytes
        if is_vital:
            self._end_reserve()

    def room_bytes(self) -> int:
        """Return how much its share has room for, roughly, without the reserve."""
        used = self._pragma("page_count") - self._pragma("freelist_count")
        return (self._common_pages - used) * self._page_bytes

    def file_bytes(self) -> int:
        """Return how large the file is, without its log."""
        return self._pragma("page_count") * self._page_bytes

    def _heed_disk(self) -> None:
        """Let the file grow no further than the disk has room for twice: in the log, and in the file."""
        growth_pages = max(0, self._free_bytes() - _KEPT_FREE_BYTES) // (2 * self._page_bytes)
        limit = self._common_pages
        if growth_pages < limit:
            most = self._pragma("page_count") + growth_pages
            limit = min(limit, max(most, _LEAST_PAGES))
        if limit != self._limit:
            self._pragma(f"max_page_count = {limit}")
            self._limit = limit

    def _free_bytes(self) -> int:
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return 2**62  # whatever is wrong with it, the next write says it better
        return disk.f_bavail * disk.f_frsize

    def _end_reserve(self) -> None:
        """Let the file grow no further than is common; where it is larger, no further at all."""
        pages = self._pragma(f"max_page_count = {self._common_pages}")
        self._limit = self._common_pages
        self._has_grown = pages > self._common_pages

    def _keep_reserve(self) -> None:
        """Raise where a change takes what the file has grown by for the reserve: that stays reserve."""
        if self._has_grown and self.room_bytes() < 0:
            raise no_room("the rest of its share is a reserve")

    def _pragma(self, what: str) -> int:
        (value,) = self.execute(f"PRAGMA {what}").fetchone()
        return int(value)

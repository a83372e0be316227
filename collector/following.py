"""Following: what is committed is read and decoded once, in order, for all who follow the store.

Rows of the store have numbers that only grow, without holes until they are sealed: a follower says up
to which it has heard, and gets what is behind that. A commit costs nothing where nobody follows.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import structlog

from collector.store import BatchRow, Part, Reader, RowHead, StoreError, parts_of

_log = structlog.get_logger()
_T = TypeVar("_T")

# What a closing program waits for a read that is under way.
_CLOSE_S = 5.0


class Row(NamedTuple):
    """One row of the store, decoded; `parts` is empty where nobody wanted to know more."""

    id: int
    device: str
    to_ns: int
    parts: Sequence[Part]


class Follower(Protocol):
    """Somebody who follows; its methods are called on the event loop, but for `is_wanted`."""

    @property
    def at_row(self) -> int | None:
        """What it has heard of; None: it wants nothing now."""

    @property
    def look_every_s(self) -> float:
        """How often there may be something new for it, at most."""

    def is_wanted(self, row: RowHead) -> bool:
        """Say whether a row is worth to be read and decoded; called by another thread."""

    def heard(self, rows: Sequence[Row]) -> None:
        """Take rows in order; of some it may have heard before."""

    def passed(self, row_id: int) -> None:
        """Note that there is nothing more up to a row."""


class Following:
    """Brings what was committed to all who follow."""

    def __init__(self, store_file: Path) -> None:
        self.store_file = store_file
        self._followers: set[Follower] = set()
        self._thread = ThreadPoolExecutor(1, "store-follower")
        self._reader: Reader | None = None
        self._work: asyncio.Task[None] | None = None
        self._is_news = False
        self._has_failed = False

    def follow(self, follower: Follower) -> None:
        """Let somebody follow, from what it has heard of."""
        self._followers.add(follower)

    def committed(self) -> None:
        """Note that something was."""
        if not self._present():
            return
        self._is_news = True
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._look())

    async def close(self) -> None:
        """End it."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._in_thread(self._forget_reader)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _present(self) -> list[tuple[int, Follower]]:
        found = ((each.at_row, each) for each in self._followers)
        return [(at_row, each) for at_row, each in found if at_row is not None]

    async def _look(self) -> None:
        while self._is_news and (present := self._present()):
            self._is_news = False
            try:
                await self._read()
            except (StoreError, sqlite3.Error, UnicodeDecodeError) as error:
                if not self._has_failed:  # the next commit makes another attempt
                    _log.warning("commits_not_followed", detail=str(error))
                self._has_failed = True
            else:
                self._has_failed = False
            await asyncio.sleep(min(each.look_every_s for _, each in present))

    async def _read(self) -> None:
        """Read what is new to anybody."""
        while present := self._present():
            at_row = min(at_row for at_row, _ in present)
            followers = [each for _, each in present]
            rows, newest = await self._in_thread(self._behind, at_row, followers)
            for each in followers:
                if rows:
                    each.heard(rows)
                else:
                    each.passed(newest)
            if not rows:
                return

    def _behind(self, at_row: int, followers: Sequence[Follower]) -> tuple[list[Row], int]:
        """Return the rows behind one; where there are none, up to which there were some."""
        try:
            self._reader = self._reader or Reader(self.store_file)
            newest = self._reader.last_row_id()
            rows = self._reader.after(
                at_row, lambda row: any(each.is_wanted(row) for each in followers)
            )
        except BaseException:
            self._forget_reader()
            raise
        return [decoded(row) for row in rows], newest

    def _forget_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    async def _in_thread(self, act: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)


def decoded(row: BatchRow) -> Row:
    """Return a row with all that can be read of it."""
    parts = [part for part in parts_of(row) if part is not None]
    return Row(row.id, row.device, row.to_ns, parts)

"""collector.following: what is committed is read once, for all who follow, from where each has heard."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.following import Following, Row
from collector.store import RowHead, open_for_writing, seal_store
from kit.stores import batch, commit
from kit.waiting import until


class Heard:
    """Somebody who follows, and remembers."""

    look_every_s = 0.01

    def __init__(self, at_row: int | None = 0, wants: bool = True) -> None:
        self.at_row = at_row
        self.rows: list[Row] = []
        self.gone: list[int] = []
        self._wants = wants

    def is_wanted(self, row: RowHead) -> bool:
        """Want all, or nothing."""
        return self._wants

    def heard(self, rows: Sequence[Row]) -> None:
        """Remember what is new."""
        self.rows += [row for row in rows if row.id > (self.at_row or 0)]
        self.at_row = max(self.at_row or 0, rows[-1].id)

    def passed(self, row_id: int) -> None:
        """Remember up to where something is gone."""
        if row_id > (self.at_row or 0):
            self.gone.append(row_id)
            self.at_row = row_id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "telegauge.db"
    open_for_writing(path).close()
    return path


def follow(file: Path, act: Callable[[Following], Coroutine[Any, Any, None]]) -> None:
    """Run something with a following, closed afterwards."""

    async def main() -> None:
        made = Following(file)
        try:
            await act(made)
        finally:
            await made.close()

    asyncio.run(main())


def test_each_hears_all_once_in_order(file: Path) -> None:
    """From where they are."""
    for seq in range(1, 4):
        commit(file, "pi", batch(seq))

    async def act(made: Following) -> None:
        one, other = Heard(0), Heard(2)
        made.follow(one)
        made.follow(other)
        made.committed()
        await until(lambda: other.rows)
        commit(file, "shed", batch(1))
        made.committed()
        await until(lambda: len(other.rows) == 2)
        assert [row.id for row in one.rows] == [1, 2, 3, 4]
        assert [(row.id, row.device) for row in other.rows] == [(3, "pi"), (4, "shed")]
        assert one.rows[0].parts[0].series == "pi/air.temperature"

    follow(file, act)


def test_nothing_is_done_where_nobody_follows(file: Path) -> None:
    """A commit costs nothing then."""

    async def act(made: Following) -> None:
        made.follow(Heard(None))
        made.committed()
        assert made._work is None

    follow(file, act)


def test_what_nobody_wants_is_not_decoded(file: Path) -> None:
    """It is heard of all the same; where one wants it, all get it."""
    commit(file, "pi", batch(1))

    async def act(made: Following) -> None:
        one = Heard(wants=False)
        made.follow(one)
        made.committed()
        await until(lambda: one.rows)
        assert (one.rows[0].device, list(one.rows[0].parts)) == ("pi", [])
        made.follow(Heard(0))
        commit(file, "pi", batch(2))
        made.committed()
        await until(lambda: len(one.rows) == 2)
        assert one.rows[1].parts

    follow(file, act)


def test_rows_that_are_gone(file: Path) -> None:
    """They are told as passed."""
    commit(file, "pi", batch(1))
    seal_store(file)

    async def act(made: Following) -> None:
        one = Heard(0)
        made.follow(one)
        made.committed()
        await until(lambda: one.gone)
        assert (one.rows, one.gone) == ([], [1])

    follow(file, act)


def test_store_that_cannot_be_read(file: Path, tmp_path: Path) -> None:
    """The next commit makes another attempt."""
    away = tmp_path / "away"

    async def act(made: Following) -> None:
        one = Heard(0)
        made.follow(one)
        file.rename(away)
        made.committed()
        await until(lambda: made._has_failed)
        away.rename(file)
        commit(file, "pi", batch(1))
        made.committed()
        await until(lambda: one.rows)
        await until(lambda: not made._has_failed)

    follow(file, act)


def test_many_rows(file: Path) -> None:
    """More than are read at a time."""
    for seq in range(1, 301):
        commit(file, "pi", batch(seq))

    async def act(made: Following) -> None:
        one = Heard(0)
        made.follow(one)
        made.committed()
        await until(lambda: len(one.rows) == 300)

    follow(file, act)


def test_what_nobody_wants_is_not_read(file: Path) -> None:
    """It is told of all the same; what it would take to read it is saved."""
    for seq in range(1, 4):
        commit(file, "pi", batch(seq))

    async def act(made: Following) -> None:
        heads: list[RowHead] = []
        one = Heard(0)
        one.is_wanted = lambda row: bool(heads.append(row)) or row.id == 2  # type: ignore[method-assign,func-returns-value]
        made.follow(one)
        made.committed()
        await until(lambda: len(one.rows) == 3)
        assert [bool(row.parts) for row in one.rows] == [False, True, False]
        assert [(head.id, head.device, head.readings) for head in heads] == [
            (seq, "pi", 1) for seq in (1, 2, 3)
        ]

    follow(file, act)

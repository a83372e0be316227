"""collector.store.summing: windows of a series hold all of it once, and each damage is told once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

from collector.store import HOUR_NS, Keep, seal_store, summing
from collector.store.cutting import Span
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.summing import Found, Window, check_window, windows_of
from kit.columns import LEAST, MOST
from kit.histories import Step, histories, regular, retained, stored
from kit.sealing import sealed_apart
from kit.stores import at_ns, batch, change, read, rows

# Chunks of one series, some hours apart; one reaches over two windows.
EVERY_S = 7000
CHUNKS = 16


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose windows hold some four rows each, in one of which a batch came late."""
    monkeypatch.setattr(summing, "_ROWS_A_WINDOW", 4)
    file = tmp_path / FILE_NAME
    sealed_apart(file, "pi", *[
        batch(seq, *(read(EVERY_S * seq + at, at) for at in range(4)), before=0)
        for seq in range(1, CHUNKS)
    ], batch(CHUNKS, read(EVERY_S), read(EVERY_S * CHUNKS), before=0))  # fmt: skip
    return file


@pytest.fixture
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection of one who asks."""
    with closing(open_for_reading(file)) as database:
        yield database


def checked(database: sqlite3.Connection, series_id: int = 1) -> list[Found]:
    """All damage of a series."""
    windows = [Window.read(database, series_id, span) for span in windows_of(database, series_id)]
    return [found for window in windows for found in check_window(window)]


def test_windows_are_all_of_time(database: sqlite3.Connection) -> None:
    """End to end, at whole hours, and none of a series that has much has much."""
    spans = list(windows_of(database, 1))
    assert len(spans) > CHUNKS // 4
    assert (spans[0].start_ns, spans[-1].end_ns) == (LEAST, MOST + 1)
    for one, other in pairwise(spans):
        assert one.end_ns == other.start_ns
        assert one.end_ns % HOUR_NS == 0
    assert list(windows_of(database, 99)) == [Span(LEAST, MOST + 1)]


def test_each_row_is_in_one_window(database: sqlite3.Connection) -> None:
    """Though more than one may need it; with as many readings as the rows say."""
    windows = [Window.read(database, 1, span) for span in windows_of(database, 1)]
    assert sum(window.own_chunks for window in windows) == CHUNKS
    assert sum(window.own_rollups for window in windows) == CHUNKS
    assert sum(window.own_readings for window in windows) == 4 * (CHUNKS - 1) + 2
    assert sum(len(window.chunks) for window in windows) > CHUNKS


@given(history=histories)
@settings(max_examples=6, deadline=None)
def test_sound_series_has_no_damage(
    tmp_path_factory: pytest.TempPathFactory, history: list[Step]
) -> None:
    """Whatever was late, bad and merged; and what was kept no longer is no damage."""
    file = tmp_path_factory.mktemp("summing") / FILE_NAME
    newest_ns = max(one.time_ns for one in stored(file, history))
    seal_store(file)
    for kept_ns in (None, 3600 * 10**9, 0):
        retained(file, Keep("*", kept_ns, kept_ns), now_ns=newest_ns)
        with closing(open_for_reading(file)) as database:
            ids = [row_id for (row_id,) in database.execute("SELECT id FROM stored_series")]
            assert [found for row_id in ids for found in checked(database, row_id)] == []


@pytest.mark.parametrize(
    ("statement", "what", "detail"),
    [
        ("UPDATE chunk SET data = zeroblob(40) WHERE id = 9", "chunk", ""),
        ("UPDATE chunk SET data = 7 WHERE id = 9", "chunk", "no bytes stand where they should"),
        ("UPDATE chunk SET to_ns = to_ns + 1 WHERE id = 9", "chunk", "names other times"),
        ("UPDATE rollup SET minutes = zeroblob(40) WHERE id = 9", "rollup", ""),
        ("UPDATE rollup SET minutes = 7 WHERE id = 9", "rollup", "no bytes stand where they should"),
        ("UPDATE rollup SET minutes = NULL WHERE id = 9", "rollup", "neither minutes nor hours"),
        ("UPDATE rollup SET to_ns = to_ns + 1 WHERE id = 9", "rollup", "names other minutes"),
        ("UPDATE rollup SET buckets = 7 WHERE id = 9", "rollup", "names other minutes"),
        ("DELETE FROM rollup WHERE id = 9", "rollup", "1 summaries are not those of the readings"),
        ("UPDATE rollup SET minutes = (SELECT minutes FROM rollup WHERE id = 1) WHERE id = 9", "rollup", ""),
    ],
)  # fmt: skip
def test_damage_is_told_once(
    file: Path, database: sqlite3.Connection, statement: str, what: str, detail: str
) -> None:
    """With where it is, however many windows need the row."""
    change(file, statement)
    (found,) = checked(database)
    assert found.what == what
    assert detail in found.detail
    assert found.from_ns <= at_ns(9 * EVERY_S) <= found.to_ns
    assert found.to_ns - found.from_ns < 2 * HOUR_NS


def test_reading_may_go_before_its_summary(file: Path, database: sqlite3.Connection) -> None:
    """That is what retention does; a summary of fewer readings than there are is damage."""
    change(file, "DELETE FROM chunk WHERE id % 3 = 0")
    assert checked(database) == []


def test_hours_that_are_not_those_of_the_minutes(file: Path) -> None:
    """A row that has both is held against itself."""
    long, other = file.with_name("long.db"), file.with_name("other.db")
    for path, value in ((long, 1.0), (other, 2.0)):
        stored(path, [Step([one._replace(value=value) for one in regular(600, 60.0)], True)])
    ((hours,),) = rows(other, "SELECT hours FROM rollup")
    change(long, "UPDATE rollup SET hours = ?", hours)
    with closing(open_for_reading(long)) as database:
        (found,) = checked(database)
    assert found.detail == "its hours are not those of its minutes"


def test_checks_one_instant(file: Path, database: sqlite3.Connection) -> None:
    """What is merged while a window is read is no damage."""
    (first, *_) = windows_of(database, 1)
    window = Window.read(database, 1, first)
    seal_store(file)
    assert check_window(window) == []
    assert checked(database) == []

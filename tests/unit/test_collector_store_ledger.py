"""collector.store.ledger: what came is there or went on purpose, and nothing hangs loose."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings

from collector.store import Keep, Selection, delete_from
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.ledger import imbalances, orphans
from kit.histories import Step, histories, regular, retained, stored
from kit.stores import at_ns, batch, change, commit

NONE = "INSERT INTO undecodable (device, epoch, received_ns, sealed) VALUES (1, 1, 0, x'00')"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of two devices, some of which is sealed."""
    file = tmp_path / FILE_NAME
    stored(file, [Step(regular(100), True), Step(regular(10, first_s=500.0), False)])
    commit(file, "attic", batch(1), batch(2))
    return file


@pytest.fixture
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection of one who asks."""
    with closing(open_for_reading(file)) as database:
        yield database


@given(histories)
@settings(max_examples=6, deadline=None)
def test_sound_store_is_balanced(
    tmp_path_factory: pytest.TempPathFactory, history: list[Step]
) -> None:
    """Sealed or not, deleted, kept no longer: every reading is accounted for."""
    file = tmp_path_factory.mktemp("ledger") / FILE_NAME
    stored(file, history)
    for change_it in (
        lambda: None,
        lambda: delete_from(file, Selection("*/air.*", at_ns(100), at_ns(5000))),
        lambda: retained(file, Keep("*", 0, 0, 0), now_ns=at_ns(10**6)),
    ):
        change_it()
        with closing(open_for_reading(file)) as database:
            assert (list(imbalances(database)), list(orphans(database))) == ([], [])


@pytest.mark.parametrize(
    ("statement", "whose", "told"),
    [
        ("DELETE FROM chunk", "greenhouse", "110 readings were stored, 0 removed on purpose, and 10 are"),
        ("DELETE FROM batch WHERE device = 3", "attic", "2 readings were stored, 0 removed on purpose, and 0"),
        ("UPDATE batch SET readings = readings + 1 WHERE device = 3", "attic", "2 readings were stored, 0 .* 3 are"),
        ("INSERT INTO removal VALUES (1, 20, 3)", "greenhouse", "110 readings were stored, 23 removed .* 110 are"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_told(
    file: Path, database: sqlite3.Connection, statement: str, whose: str, told: str
) -> None:
    """Of the device it concerns: how many came, went, and are there."""
    import re

    change(file, statement)
    ((device, detail),) = imbalances(database)
    assert device == whose
    assert re.match(told, detail), detail


@pytest.mark.parametrize(
    ("statement", "is_told"),
    [("DELETE FROM chunk", False), ("UPDATE epoch SET readings = 50 WHERE device = 1", True)],
)
def test_nobody_can_count_what_could_not_be_decoded(
    file: Path, database: sqlite3.Connection, statement: str, is_told: bool
) -> None:
    """Some may be missing then; more than came there can never be."""
    change(file, NONE)
    change(file, statement)
    assert [device for device, _ in imbalances(database)] == ["greenhouse"] * is_told


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE chunk SET series = 99", (1, "chunk", "its row of stored_series is missing")),
        ("UPDATE rollup SET series = 99", (1, "rollup", "its row of stored_series is missing")),
        ("UPDATE chunk SET times = 7", (1, "chunk", "its row of chunk_times is missing")),
        ("INSERT INTO chunk_times VALUES (5, x'')", (5, "chunk_times", "no chunk has these times")),
        ("INSERT INTO removal VALUES (9, 0, 0)", (9, "removal", "its row of device is missing")),
    ],
)
def test_row_that_hangs_loose_is_told(
    file: Path, database: sqlite3.Connection, statement: str, found: tuple[int, str, str]
) -> None:
    """Which it is, and what it lacks."""
    change(file, statement)
    assert list(orphans(database)) == [found]

"""collector.store.sizes: how large the store is for what it holds, and how fast it grows."""

from pathlib import Path

import pytest

from collector.store import Selection, delete_from, size_on_disk, sizes_of
from collector.store.database import FILE_NAME
from kit.histories import Step, regular, retained, stored
from kit.stores import change, rows

DAY_NS = 86_400 * 10**9
TODAY = 20_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with 100 readings that are sealed, and 10 that are not."""
    file = tmp_path / FILE_NAME
    stored(file, [Step(regular(100), True), Step(regular(10, first_s=500.0), False)])
    return file


def test_what_it_holds(file: Path) -> None:
    """What was deleted is not counted; growth is not known yet."""
    sizes = sizes_of(file, TODAY * DAY_NS)
    assert (sizes.readings, sizes.unsealed_readings, sizes.growth_bytes) == (110, 10, None)
    assert sizes.used_bytes > 0
    delete_from(file, Selection("*"))
    assert sizes_of(file, TODAY * DAY_NS).readings == 0


def test_size_on_disk(tmp_path: Path, file: Path) -> None:
    """Of a store that is not there it is 0."""
    assert size_on_disk(file) == file.stat().st_size
    file.with_name(FILE_NAME + "-wal").write_bytes(bytes(100))
    assert size_on_disk(file) == file.stat().st_size + 100
    assert size_on_disk(tmp_path / "missing") == 0


@pytest.mark.parametrize(
    ("days_ago", "is_known"), [(0, False), (10, True), (30, True), (31, False)]
)
def test_growth_is_that_of_the_last_days(file: Path, days_ago: int, is_known: bool) -> None:
    """A day makes none, and what was long ago says nothing."""
    change(file, "INSERT INTO growth VALUES (?, 0)", TODAY - days_ago)
    sizes = sizes_of(file, TODAY * DAY_NS)
    wanted = sizes.used_bytes / days_ago if is_known else None
    assert sizes.growth_bytes == wanted


def test_size_is_noted_once_a_day(file: Path) -> None:
    """Also where nothing is ever deleted."""
    for moment_ns in (TODAY * DAY_NS, TODAY * DAY_NS + 1, (TODAY + 1) * DAY_NS):
        retained(file, now_ns=moment_ns)
    assert [day for (day,) in rows(file, "SELECT day FROM growth")] == [TODAY, TODAY + 1]

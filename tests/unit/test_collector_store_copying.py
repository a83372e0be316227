"""collector.store.copying: a copy is the whole store in one file, and leaves nothing beside it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector.store import copying
from collector.store.database import FILE_NAME, open_for_reading
from kit.stores import batch, commit, rows


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one batch."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    return file


def test_the_copy_is_one_file_of_the_size_that_was_told(store: Path, tmp_path: Path) -> None:
    """Sound, for its owner alone, and readable where nothing can be written."""
    part = tmp_path / "part"
    with closing(open_for_reading(store)) as source:
        size_bytes = copying.size_bytes(source)
        copying.begin(part)
        copying.copy_into(source, part)
    assert part.stat().st_size == size_bytes
    assert part.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.glob("part*")] == ["part"]
    assert rows(part, "PRAGMA journal_mode") == [("delete",)]
    assert rows(part, "SELECT sealed FROM batch") == rows(store, "SELECT sealed FROM batch")


def test_a_file_that_is_there_is_not_begun_again(tmp_path: Path) -> None:
    """Another copy may be under way."""
    copying.begin(tmp_path / "part")
    with pytest.raises(FileExistsError):
        copying.begin(tmp_path / "part")


def test_who_watches_may_end_it(store: Path, tmp_path: Path) -> None:
    """An error of the progress comes out, and what is left can be removed with its companions."""
    part = tmp_path / "part"

    def full(*_: int) -> None:
        raise OSError("no room")

    copying.begin(part)
    with closing(sqlite3.connect(store)) as source, pytest.raises(OSError, match="no room"):
        copying.copy_into(source, part, full)
    (tmp_path / "part-journal").touch()
    copying.remove(part)
    assert not list(tmp_path.glob("part*"))
    copying.remove(part)  # nothing is there: nothing to do

"""collector.store.former: before a migration a copy is kept, and it leads back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector.errors import StoreError
from collector.store import former
from collector.store.database import FILE_NAME, VERSION, open_for_reading, open_for_writing
from kit.disks import sized_tmpfs
from kit.stores import batch, commit, rows

TAKEN_NS = 5 * 10**18


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one batch."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    return file


def kept(store: Path) -> Path:
    """Keep a copy, as a migration would."""
    with closing(open_for_writing(store)) as database:
        return former.keep(store, database, VERSION, TAKEN_NS)


def test_the_copy_is_the_store(store: Path) -> None:
    """Every batch is in it, it is sound, and nobody else may read it."""
    copy = kept(store)
    assert copy == store.with_name(f"{FILE_NAME}.version-{VERSION}")
    assert rows(copy, "SELECT sealed FROM batch") == rows(store, "SELECT sealed FROM batch")
    assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not list(store.parent.glob("*.part*"))


def test_put_back_it_says_what_is_missing(store: Path) -> None:
    """What was stored after the copy is gone, and stands as a gap from that instant on."""
    copy = kept(store)
    commit(store, "greenhouse", batch(2))
    for each in store.parent.glob(f"{FILE_NAME}-*"):
        each.unlink()
    copy.rename(store)
    open_for_writing(store).close()
    assert rows(store, "SELECT reason, from_ns FROM gap") == [("collector_rollback", TAKEN_NS)]


def test_a_copy_takes_the_place_of_an_older_one(store: Path) -> None:
    """A migration that failed, or was gone back from, does not stop the next."""
    kept(store)
    commit(store, "greenhouse", batch(2))
    assert len(rows(kept(store), "SELECT 1 FROM batch")) == len(rows(store, "SELECT 1 FROM batch"))


def test_without_room_nothing_is_touched(tmp_path: Path) -> None:
    """It says how much is missing, and leaves the store as it was."""
    with sized_tmpfs(tmp_path / "disk", 8 * 2**20) as disk:
        file = disk / FILE_NAME
        commit(file, "greenhouse", batch(1))
        with pytest.raises(StoreError, match=r"MiB are free\. Make room"):
            kept(file)
        assert not list(disk.glob("*version*"))


def test_a_newer_store_names_the_way_back(store: Path) -> None:
    """A program that was put back says which copy it can go on with."""
    copy = kept(store)
    with closing(sqlite3.connect(store)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    for opening in (open_for_writing, open_for_reading):
        with pytest.raises(StoreError, match=f"&& sudo mv {copy} {store}$"):
            opening(store)
    copy.unlink()
    with pytest.raises(StoreError, match=r"another store\.folder$"):
        open_for_writing(store)

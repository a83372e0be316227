"""device.spool.bounded: a file keeps within its share, and what is vital has room in the fullest."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from device.spool.bounded import BoundedDatabase
from kit.disks import resize, sized_tmpfs
from kit.spools import MIB
from kit.stores import rows
from kit.tiers import free_pages, raises_full

SHARE_BYTES = 256 * 1024
PAGE_BYTES = 4096
# The least that is kept for what is vital.
RESERVE_BYTES = 8 * PAGE_BYTES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "spool.db"


@pytest.fixture
def database(file: Path) -> Iterator[BoundedDatabase]:
    """A new file, with a small share."""
    with closing(BoundedDatabase(file, False, SHARE_BYTES)) as database:
        yield database


def put(database: BoundedDatabase, size_bytes: int, *, is_vital: bool = False) -> None:
    """Add a row of a size, in one transaction."""
    with database.transaction(is_vital) as change:
        database.execute("INSERT INTO tick (epoch, body) VALUES (1, zeroblob(?))", (size_bytes,))
        change.add(1, size_bytes)


def put_half(database: BoundedDatabase, is_vital: bool) -> None:
    """Add two rows, the second of which fails."""
    with database.transaction(is_vital) as change:
        change.add(2, 2)
        database.executemany("INSERT INTO tick (epoch, body) VALUES (?, '')", [(1,), (None,)])


def fill(database: BoundedDatabase, size_bytes: int = PAGE_BYTES) -> None:
    """Add rows until there is no room for another."""
    with raises_full():
        while True:
            put(database, size_bytes)


def drop(database: BoundedDatabase, rows: int) -> None:
    """Let so many of the oldest rows go."""
    with database.transaction(is_vital=True) as change:
        database.execute("DELETE FROM tick WHERE id < (SELECT min(id) FROM tick) + ?", (rows,))
        change.add(-rows, 0)


def file_bytes(database: BoundedDatabase) -> int:
    """How large the file is, with what the write-ahead log still has of it."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    return int(pages) * PAGE_BYTES


def test_transaction_is_whole(file: Path, database: BoundedDatabase) -> None:
    """What was done together is there together, and counted."""
    with database.transaction() as change:
        database.executemany("INSERT INTO tick (epoch, body) VALUES (?, '')", [(1,), (2,)])
        change.add(2, 20)
        change.add(-1, -5)
    assert (database.readings, database.size_bytes) == (1, 15)
    database.close()
    assert rows(file, "SELECT epoch FROM tick") == [(1,), (2,)]


@pytest.mark.parametrize("is_vital", [False, True])
def test_transaction_that_fails_leaves_nothing(database: BoundedDatabase, is_vital: bool) -> None:
    """Neither rows nor counts; and the next one can be."""
    with pytest.raises(sqlite3.IntegrityError):
        put_half(database, is_vital)
    assert (database.readings, database.size_bytes) == (0, 0)
    put(database, 1)
    assert database.execute("SELECT id FROM tick").fetchall() == [(1,)]


def test_killed_in_a_transaction(file: Path, database: BoundedDatabase, tmp_path: Path) -> None:
    """As the files are before the commit nothing of it is there, behind it all."""
    found = []
    for moment in ("before", "behind"):
        copy = tmp_path / moment / file.name
        copy.parent.mkdir()
        with database.transaction():
            database.execute("INSERT INTO tick (epoch, body) VALUES (1, zeroblob(100000))")
            if moment == "before":
                kill(file, copy)
        if moment == "behind":
            kill(file, copy)
        found.append(len(rows(copy, "SELECT * FROM tick")))
    assert found == [0, 2]


def kill(file: Path, copy: Path) -> None:
    """Copy the files as kill -9 would leave them now."""
    for each in file.parent.glob(f"{file.name}*"):
        shutil.copy(each, copy.parent)


def test_file_keeps_within_its_share(database: BoundedDatabase) -> None:
    """Without its reserve; an error says that it is full, and what was there stays."""
    fill(database)
    room_bytes = SHARE_BYTES - RESERVE_BYTES - file_bytes(database)
    assert 0 <= room_bytes < 3 * PAGE_BYTES
    assert database.execute("SELECT count(*) FROM tick").fetchone() == (database.readings,)


def test_full_file_lets_go(database: BoundedDatabase) -> None:
    """And takes again what there is room for then."""
    fill(database)
    drop(database, 10)
    for _ in range(9):
        put(database, PAGE_BYTES)


def test_what_is_vital_has_room_in_a_full_file(database: BoundedDatabase) -> None:
    """Up to its whole share; one after it that is not vital has none."""
    fill(database)
    put(database, 4 * PAGE_BYTES, is_vital=True)
    with raises_full():
        put(database, 2 * PAGE_BYTES)
    with raises_full():
        put(database, 8 * PAGE_BYTES, is_vital=True)
    assert file_bytes(database) <= SHARE_BYTES


def test_reserve_stays_a_reserve(database: BoundedDatabase) -> None:
    """A file does not shrink: what it has grown by for what is vital is kept free for the next."""
    fill(database)
    for _ in range(20):
        put(database, 4 * PAGE_BYTES, is_vital=True)
        drop(database, 8)
        fill(database)
        held_bytes = file_bytes(database) - free_pages(database) * PAGE_BYTES
        assert held_bytes <= SHARE_BYTES - RESERVE_BYTES
    drop(database, 3)
    put(database, PAGE_BYTES)


def test_reserve_of_a_file_that_is_opened_again(file: Path, database: BoundedDatabase) -> None:
    """It is known from the file itself."""
    fill(database)
    put(database, 4 * PAGE_BYTES, is_vital=True)
    drop(database, 6)
    database.close()
    with closing(BoundedDatabase(file, False, SHARE_BYTES)) as again:
        fill(again)
        put(again, 4 * PAGE_BYTES, is_vital=True)


def test_share_that_was_made_smaller(file: Path, database: BoundedDatabase) -> None:
    """What is there stays, and the file grows no more; what is vital has room after all."""
    fill(database)
    before = file_bytes(database)
    database.close()
    with closing(BoundedDatabase(file, False, SHARE_BYTES // 4)) as smaller:
        drop(smaller, 20)
        fill(smaller)
        assert smaller.readings > -20 + 10, "what was let go of is room again"
        put(smaller, 4 * PAGE_BYTES, is_vital=True)
        assert file_bytes(smaller) <= before


@pytest.mark.parametrize(
    ("max_bytes", "reserve_pages"), [(SHARE_BYTES, 8), (2 * MIB, 16), (64 * MIB, 64)]
)
def test_reserve_grows_with_the_share(tmp_path: Path, max_bytes: int, reserve_pages: int) -> None:
    """A thirty-second, within bounds."""
    with closing(BoundedDatabase(tmp_path / "spool.db", False, max_bytes)) as database:
        free_bytes = max_bytes - file_bytes(database)
        assert database.room_bytes() == free_bytes - reserve_pages * PAGE_BYTES


def test_room_is_what_is_left(database: BoundedDatabase) -> None:
    """Roughly: it counts pages; what was let go of is room again."""
    before = database.room_bytes()
    put(database, 10 * PAGE_BYTES)
    assert 10 * PAGE_BYTES <= before - database.room_bytes() <= 12 * PAGE_BYTES
    drop(database, 1)
    assert database.room_bytes() >= before - PAGE_BYTES
    fill(database)
    assert 0 <= database.room_bytes() <= 2 * PAGE_BYTES


def test_some_of_the_disk_stays_free(tmp_path: Path) -> None:
    """A log has to grow for what is vital, too; what is let go of is room again."""
    with (
        sized_tmpfs(tmp_path / "disk", 10 * MIB) as folder,
        closing(BoundedDatabase(folder / "spool.db", False, 64 * MIB)) as database,
    ):
        fill(database, MIB // 16)
        assert MIB < shutil.disk_usage(folder).free < 4 * MIB
        put(database, MIB // 2, is_vital=True)
        drop(database, 20)
        put(database, MIB)
        fill(database, MIB // 16)
        held = database.readings
        resize(folder, 20 * MIB)
        fill(database, MIB // 16)
        assert database.readings > held + 16


def test_full_disk(tmp_path: Path) -> None:
    """It is no damage, takes nothing away, and is over once there is room."""
    with sized_tmpfs(tmp_path / "disk", SHARE_BYTES) as folder:
        with closing(BoundedDatabase(folder / "spool.db", False, MIB)) as database:
            fill(database, 3 * PAGE_BYTES)
            held = database.readings
            assert database.room_bytes() > SHARE_BYTES, "by its own share there would be room"
            resize(folder, 2 * MIB)
            put(database, 3 * PAGE_BYTES)
            assert database.execute("SELECT count(*) FROM tick").fetchone() == (held + 1,)
        assert rows(folder / "spool.db", "PRAGMA integrity_check") == [("ok",)]

"""device.spool.database: the file is as durable as its tier, and damage never passes for a beginning."""

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from device.errors import SpoolError
from device.spool import database
from device.spool.database import is_full, no_room, open_database, remove, set_aside, unless_full
from kit.stores import change, rows
from kit.tiers import damaged_at_most, opened, raises_damage, with_epoch
from service.damage import damage, is_damage

TABLES = {"epoch", "tick", "batch", "rejected", "notice"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a tier's file may be made."""
    return tmp_path / "spool.db"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a file with enough in it to have pages of every kind."""
    file = tmp_path_factory.mktemp("made") / "spool.db"
    with opened(file) as tier:
        with_epoch(tier, batches=100)
    assert names(file) == {file.name}, "a clean close leaves one file"
    return file.read_bytes()


@pytest.fixture
def filled(file: Path, made: bytes) -> bytes:
    """Such a file; return its bytes."""
    file.write_bytes(made)
    return made


def names(file: Path) -> set[str]:
    """What is in the folder of a file."""
    return {each.name for each in file.parent.iterdir()}


def asides(file: Path) -> list[Path]:
    """What was set aside, the oldest first."""
    return sorted(file.parent.glob(f"{file.name}.damaged-*Z"))


def pragma(database: sqlite3.Connection, name: str) -> object:
    """What SQLite says of one of its settings."""
    return database.execute(f"PRAGMA {name}").fetchone()[0]


# Opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("durable", "synchronous", "page_size", "wal_autocheckpoint"),
    [(True, 2, 1024, 64), (False, 0, 4096, 256)],
    ids=["card", "memory"],
)
def test_the_pragmas_that_the_promises_rest_on(
    file: Path, durable: bool, synchronous: int, page_size: int, wal_autocheckpoint: int
) -> None:
    """What is committed to the card survives a power cut; each page wears it."""
    with closing(open_database(file, durable)) as opened:
        assert pragma(opened, "journal_mode") == "wal"
        assert pragma(opened, "synchronous") == synchronous
        assert pragma(opened, "page_size") == page_size
        assert pragma(opened, "wal_autocheckpoint") == wal_autocheckpoint
        assert pragma(opened, "secure_delete") == 0
        assert pragma(opened, "temp_store") == 2, "nothing is put aside on a card"
        assert pragma(opened, "user_version") == database.VERSION


def test_held_by_one_alone(file: Path) -> None:
    """No shared-memory file beside it, and a second program is refused, which is no damage."""
    with closing(open_database(file, True)):
        assert names(file) == {file.name, f"{file.name}-wal"}
        with pytest.raises(sqlite3.OperationalError, match="locked") as raised:
            open_database(file, True)
        assert not is_damage(raised.value)


def test_reopened_file_keeps_what_is_in_it(file: Path, filled: bytes) -> None:
    """Opening changes nothing, however often."""
    for _ in range(2):
        open_database(file, True).close()
    assert file.read_bytes() == filled


def test_what_a_killed_program_left_is_recovered(file: Path, tmp_path: Path) -> None:
    """A write-ahead log without its owner is read, not thrown away."""
    copy = tmp_path / "copy" / file.name
    copy.parent.mkdir()
    with opened(file) as tier:
        with_epoch(tier, batches=3)
        for ending in ("", "-wal"):
            shutil.copy(f"{file}{ending}", f"{copy}{ending}")
    with closing(open_database(copy, True)) as recovered:
        assert recovered.execute("SELECT seq FROM batch").fetchall() == [(1,), (2,), (3,)]


def test_new_file_tells_why_it_is_new(file: Path) -> None:
    """With its tables, in one transaction."""
    open_database(file, True, "power_cut").close()
    assert rows(file, "SELECT reason FROM notice") == [("power_cut",)]
    assert set(rows(file, "SELECT name FROM sqlite_schema")) == {(name,) for name in TABLES}


def test_first_file_has_nothing_to_tell(file: Path) -> None:
    """Nothing was there before it."""
    open_database(file, True).close()
    assert rows(file, "SELECT reason FROM notice") == []


def test_notice_does_not_begin_a_file_anew(file: Path, filled: bytes) -> None:
    """What is there stays."""
    open_database(file, True, "spool_unreadable").close()
    assert file.read_bytes() == filled


def test_damaged_text_is_for_its_reader(file: Path) -> None:
    """The driver does not end the program for it."""
    with closing(open_database(file, True)) as opened:
        opened.execute("INSERT INTO notice VALUES (CAST(x'ff' AS TEXT))")
        assert opened.execute("SELECT reason FROM notice").fetchall() == [("\ufffd",)]


def test_file_that_cannot_be_used_is_not_damaged(file: Path) -> None:
    """A folder in its place is no reason to set anything aside."""
    file.mkdir()
    with pytest.raises((OSError, sqlite3.OperationalError)) as raised:
        open_database(file, True)
    assert not is_damage(raised.value)


# Damage ---------------------------------------------------------------------------------------


def test_empty_file_is_damage(file: Path) -> None:
    """SQLite would begin a new one, and nobody would hear of it."""
    file.touch()
    with raises_damage():
        open_database(file, True)
    open_database(file, True, "spool_unreadable").close()
    assert rows(file, "SELECT reason FROM notice") == [("spool_unreadable",)]


def test_file_without_tables_is_damage(file: Path) -> None:
    """For the same reason."""
    change(file, "VACUUM")
    change(file, "PRAGMA journal_mode = WAL")
    assert file.stat().st_size
    with raises_damage():
        open_database(file, True)


def flipped_page(data: bytes, number: int = 3) -> bytes:
    """All bits of a page turned round."""
    page = bytes(each ^ 0xFF for each in data[1024 * number : 1024 * (number + 1)])
    return data[: 1024 * number] + page + data[1024 * (number + 1) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda data: b"no database at all " * (len(data) // 19),
    "zeroed head": lambda data: bytes(100) + data[100:],
    "cut in half": lambda data: data[: len(data) // 2],
    "cut to one page": lambda data: data[:1024],
    "cut within the head": lambda data: data[:30],
    "flipped page": flipped_page,
}


@pytest.mark.parametrize("spoil", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_known_as_such(
    file: Path, filled: bytes, spoil: Callable[[bytes], bytes]
) -> None:
    """And the file is let go of, as it is."""
    damaged = spoil(filled)
    file.write_bytes(damaged)
    with raises_damage():
        open_database(file, True)
    assert file.read_bytes() == damaged
    file.write_bytes(filled)
    open_database(file, True).close()


# Version 3 or 5 and the like: SQLite takes it for a format to come, and calls nothing damaged.
FORMATS = [(byte, bit) for byte in (18, 19, 44, 45, 46, 47) for bit in range(8)]


@pytest.mark.parametrize(("byte", "bit"), FORMATS)
def test_flipped_bit_of_a_format(file: Path, filled: bytes, byte: int, bit: int) -> None:
    """Either it is damage, or the file can be used as if nothing were: it never ends every start."""
    data = bytearray(filled)
    data[byte] ^= 1 << bit
    file.write_bytes(data)
    with damaged_at_most(), closing(open_database(file, True)) as used:
        used.execute("INSERT INTO notice VALUES ('rejected')")
        assert used.execute("SELECT count(*) FROM batch").fetchone() == (100,)


@pytest.mark.parametrize("name", [b"NULL", b"KEY", b"TABLE tick", b"last_seq"])
def test_schema_that_is_no_text_any_more(file: Path, filled: bytes, name: bytes) -> None:
    """SQLite's message quotes it; that is no text either, and no other error for it."""
    assert name in filled
    file.write_bytes(filled.replace(name, bytes([name[0] | 0x80]) + name[1:]))
    with raises_damage():
        open_database(file, True)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE notice",
        "ALTER TABLE batch RENAME COLUMN last_seq TO last_seen",
        "CREATE TABLE more (id INTEGER)",
        "CREATE INDEX more ON batch (readings)",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = 9",
    ],
)
def test_tables_that_are_not_those_of_a_spool(file: Path, filled: bytes, statement: str) -> None:
    """Our statements would fail for ever, and no error would say damage."""
    change(file, statement)
    with raises_damage():
        open_database(file, True)


def test_file_of_a_newer_program_is_left_alone(file: Path, filled: bytes) -> None:
    """The message says which versions and what to do; nothing is lost."""
    change(file, "CREATE TABLE more (id INTEGER)")
    change(file, "PRAGMA user_version = 2")
    before = file.read_bytes()
    expected = (
        r"spool\.db: made by a newer telegauge-device \(spool version 2, this program knows 1\)\. "
        "Install that version again; "
    )
    with pytest.raises(SpoolError, match=expected):
        open_database(file, True)
    assert file.read_bytes() == before
    assert names(file) == {file.name}


@pytest.mark.parametrize("is_small", [True, False])
def test_only_a_small_file_is_checked_whole(file: Path, filled: bytes, is_small: bool) -> None:
    """Checking a large one would keep a Pi from starting: damage is found where it is touched."""
    (page,) = rows(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'rejected'")[0]
    file.write_bytes(flipped_page(filled, page - 1))
    limit = len(filled) if is_small else len(filled) - 1
    with patch.object(database, "_CHECK_UP_TO_BYTES", limit):
        if is_small:
            with raises_damage():
                open_database(file, True)
            return
        with closing(open_database(file, True)) as used, raises_damage():
            used.execute("SELECT * FROM rejected").fetchall()


def test_which_errors_are_damage_and_which_a_full_disk() -> None:
    """By the code, with or without the details that SQLite adds to it."""

    def coded(code: int) -> sqlite3.Error:
        error = sqlite3.OperationalError("any")
        error.sqlite_errorcode = code
        return error

    damages = [damage("any"), coded(sqlite3.SQLITE_NOTADB), coded(sqlite3.SQLITE_CORRUPT_INDEX)]
    fulls = [no_room("any"), coded(sqlite3.SQLITE_FULL)]
    others = [coded(sqlite3.SQLITE_IOERR), coded(sqlite3.SQLITE_READONLY), OSError(28, "any")]
    assert [is_damage(error) for error in damages + fulls + others] == [True] * 3 + [False] * 5
    assert [is_full(error) for error in fulls + damages + others] == [True] * 2 + [False] * 6


def test_what_may_wait_waits_for_room() -> None:
    """It is said; any other error is no matter of room."""
    with capture_logs() as logs, unless_full():
        raise no_room("database or disk is full")
    assert [(event["event"], event["detail"]) for event in logs] == [
        ("spool_has_no_room", "database or disk is full")
    ]
    with pytest.raises(sqlite3.OperationalError, match="no such table"), unless_full():
        sqlite3.connect(":memory:").execute("SELECT * FROM nowhere")


# Setting aside --------------------------------------------------------------------------------


def test_set_aside_with_companions(file: Path) -> None:
    """An empty file stands in its place; a log of the damaged one is not taken for the new one's."""
    endings = ("", "-wal", "-shm", "-journal")
    for ending in endings:
        Path(f"{file}{ending}").write_bytes(ending.encode() + bytes(5000))
    with capture_logs() as logs:
        set_aside(file)
    (aside,) = asides(file)
    for ending in endings:
        assert Path(f"{aside}{ending}").read_bytes() == ending.encode() + bytes(5000)
    assert file.read_bytes() == b""
    assert len(names(file)) == 5
    (event,) = logs
    assert event["log_level"] == "error"
    assert (event["event"], event["moved_to"]) == ("spool_set_aside", str(aside))


def test_the_last_three_that_were_set_aside_stay(file: Path) -> None:
    """A card that goes on failing does not fill up with them, nor with their companions."""
    for number in range(5):
        file.write_bytes(bytes([number]) * 5000)
        Path(f"{file}-wal").touch()
        set_aside(file)
    assert [each.read_bytes()[0] for each in asides(file)] == [2, 3, 4]
    assert len(names(file)) == 1 + 3 * 2


def test_file_that_was_only_begun_is_not_kept(file: Path) -> None:
    """It holds nothing to look at, and must not push out what does."""
    file.write_bytes(bytes(4000))
    Path(f"{file}-wal").write_bytes(bytes(96))
    with capture_logs() as logs:
        set_aside(file)
    assert names(file) == {file.name}
    assert file.read_bytes() == b""
    assert [(event["event"], event["moved_to"]) for event in logs] == [("spool_set_aside", None)]


def test_remove_takes_companions(file: Path) -> None:
    """And nothing else; what is not there is no matter."""
    for name in (f"{file}", f"{file}-wal", f"{file}.damaged-1Z"):
        Path(name).touch()
    remove(file)
    remove(file)
    assert names(file) == {"spool.db.damaged-1Z"}


class Died(BaseException):
    """The program ends here; nothing that ends it tidily runs."""


def dies_at(line: int, act: Callable[[], None]) -> bool:
    """Let the program die before it runs so many more lines of `database`; False: it did not."""
    lines = 0

    def each_line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != database.__file__:
            return None
        lines += event == "line"
        if lines > line:
            raise Died
        return each_line

    former = sys.gettrace()
    sys.settrace(each_line)
    try:
        act()
    except Died:
        return True
    finally:
        sys.settrace(former)
    return False


@pytest.mark.parametrize("size_bytes", [100, 5000], ids=["only begun", "full"])
def test_setting_aside_that_is_broken_off(file: Path, size_bytes: int) -> None:
    """Wherever it dies the next to open the file knows that something was there."""
    for line in range(100):
        for each in file.parent.iterdir():
            each.unlink()
        file.write_bytes(bytes(size_bytes))
        Path(f"{file}-wal").write_bytes(bytes(size_bytes))
        died = dies_at(line, lambda: set_aside(file))
        with raises_damage():
            open_database(file, False)
        set_aside(file)
        open_database(file, False, "spool_unreadable").close()
        assert rows(file, "SELECT reason FROM notice") == [("spool_unreadable",)]
        assert [each.stat().st_size for each in asides(file)] == [5000] * (size_bytes > 4096)
        if not died:
            return
    pytest.fail("it never ended")

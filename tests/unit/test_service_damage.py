"""service.damage: what tells a damaged file from one that cannot be used now."""

import sqlite3
from pathlib import Path

import pytest

from service.damage import check_head, damage, is_damage


def coded(code: int) -> sqlite3.DatabaseError:
    """An error of SQLite with one of its codes."""
    error = sqlite3.DatabaseError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound file in WAL mode."""
    path = tmp_path / "some.db"
    database = sqlite3.connect(path)
    database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE some (thing)")
    database.close()
    return path


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT_INDEX]
)
def test_what_is_damage(code: int) -> None:
    """SQLite's own words for it, and ours."""
    assert is_damage(coded(code))
    assert is_damage(damage("because"))
    assert str(damage("because")) == "because"


def test_a_name_that_is_no_text_is_damage() -> None:
    """Its message quotes the name, so that the driver fails before SQLite is heard."""
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff".decode()
    assert is_damage(caught.value)


@pytest.mark.parametrize(
    "error", [coded(sqlite3.SQLITE_FULL), coded(sqlite3.SQLITE_IOERR), ValueError("x"), OSError()]
)
def test_what_is_not(error: Exception) -> None:
    """A disk that is full or fails, and our own mistakes."""
    assert not is_damage(error)


def test_head_of_a_sound_file(file: Path) -> None:
    """It passes, and so does an empty file, which has none."""
    check_head(file)
    file.write_bytes(b"")
    check_head(file)


@pytest.mark.parametrize("place", [18, 44, 45, 46, 47])
def test_head_of_a_format_that_never_was(file: Path, place: int) -> None:
    """SQLite would take it for a later format, and open it for reading or not at all."""
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        check_head(file)
    assert is_damage(caught.value)

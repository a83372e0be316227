"""collector.own_file: a small database is made once, for its owner alone, and a newer one is left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector import own_file

SCHEMA = "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT;"
PRAGMAS = "PRAGMA foreign_keys = ON;"


def opened(path: Path, version: int = 2) -> sqlite3.Connection:
    """Open it."""
    return own_file.opened(path, SCHEMA, version, PRAGMAS, 1.0)


def test_made_once(tmp_path: Path) -> None:
    """For its owner alone, of the version asked for; what is in it stays."""
    path = tmp_path / "own.db"
    with closing(opened(path)) as database:
        assert path.stat().st_mode & 0o777 == 0o600
        database.execute("INSERT INTO thing VALUES (7)")
    with closing(opened(path)) as database:
        assert database.execute("SELECT id FROM thing").fetchall() == [(7,)]
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
        assert database.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_newer_one_is_left_as_it_is(tmp_path: Path) -> None:
    """It is said which version it is of."""
    path = tmp_path / "own.db"
    opened(path, 3).close()
    before = path.read_bytes()
    with pytest.raises(sqlite3.NotSupportedError, match="version 3, known: 2"):
        opened(path)
    assert path.read_bytes() == before


def test_what_is_no_database(tmp_path: Path) -> None:
    """It is not written over."""
    path = tmp_path / "own.db"
    path.write_bytes(b"no database at all" * 99)
    with pytest.raises(sqlite3.DatabaseError):
        opened(path)
    assert path.read_bytes() == b"no database at all" * 99

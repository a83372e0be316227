"""Copying an open store into another file. Nobody sees the copy before it is whole and on disk."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

# Between two steps of a copy it can be interrupted.
_STEP_PAGES = 1024
_COMPANIONS = ("", "-journal", "-wal", "-shm")

Progress = Callable[[int, int, int], object]


def size_bytes(database: sqlite3.Connection) -> int:
    """Return how large a copy of it becomes."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    return int(pages * page_bytes)


def begin(part: Path) -> None:
    """Make the file that is to become the copy, for its owner alone.

    Raises:
        OSError: it cannot be made; FileExistsError: it is there already.
    """
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def copy_into(source: sqlite3.Connection, part: Path, progress: Progress | None = None) -> None:
    """Copy a store into a file that was begun; `progress` is asked after each step, and may raise.

    Raises:
        sqlite3.Error: it cannot be done.
    """
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        # It is put on disk whole, once at the end.
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=_STEP_PAGES, progress=progress)
        # One file that can be read where nothing can be written; a collector turns it back.
        copy.execute("PRAGMA journal_mode = DELETE")


def remove(part: Path) -> None:
    """Remove what is left of a copy, with the files that SQLite keeps beside it."""
    for ending in _COMPANIONS:
        part.with_name(part.name + ending).unlink(missing_ok=True)

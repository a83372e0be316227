"""Damage of an SQLite file: what its errors say of it, and what SQLite itself does not see."""

import sqlite3
from pathlib import Path

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damage(detail: str) -> sqlite3.DatabaseError:
    """Return the error that says that the file is damaged, as SQLite's own would."""
    error = sqlite3.DatabaseError(detail)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def is_damage(error: Exception) -> bool:
    """Say whether an error means that the file itself is damaged."""
    # What damage has made of a name may not be text, nor then SQLite's message that quotes it.
    is_no_text = isinstance(error, UnicodeDecodeError)
    return is_no_text or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def check_head(path: Path) -> None:
    """Check the file's head for a format that there never was; an empty file has none.

    SQLite takes it for a later format, which it only reads, or not even that
    (sqlite.org/fileformat2.html): a program would meet that at each start, and never an error that
    says damage.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    with path.open("rb") as file:
        head = file.read(48)
    if int.from_bytes(head[18:19], "big") > 2 or int.from_bytes(head[44:48], "big") > 4:
        raise damage("a format that there never was")

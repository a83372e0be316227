"""Small databases of the collector's own, beside the store: for their owner alone, each with a version."""

import sqlite3
from pathlib import Path

from service import keyfile


def opened(
    path: Path, schema: str, version: int, pragmas: str, busy_timeout_s: float
) -> sqlite3.Connection:
    """Open such a file, to be used by one thread at a time; it is made where it is missing.

    Args:
        schema: the statements that make one of `version`.
        pragmas: what each connection sets, once it is known that the file is one of ours.

    Raises:
        KeyFileError: it cannot be made.
        sqlite3.Error: it cannot be used; NotSupportedError: a newer program made it.
    """
    if not path.exists():
        keyfile.write(path, b"")  # its journal gets the same mode and owner
    database = sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
    )
    try:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found > version:
            raise sqlite3.NotSupportedError(
                f"a newer telegauge-collector made it (version {found}, known: {version})"
            )
        database.executescript(pragmas)
        if found == 0:
            database.executescript(
                f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {version}; COMMIT;"
            )
    except BaseException:
        database.close()
        raise
    return database

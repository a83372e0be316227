"""The database file: opening, creating, setting aside, and the pragmas that the promises rest on.

SQLite in WAL mode with synchronous=FULL: a committed transaction survives kill -9 and a power cut
(sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous).
"""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import structlog

from collector.errors import StoreError
from collector.store import former
from collector.store.migrations import migrate
from collector.store.soundness import check_epochs, check_file, check_schema
from collector.store.stamp import settle_stamp
from service.damage import check_head, is_damage

_log = structlog.get_logger()

FILE_NAME = "telegauge.db"
VERSION = 5
_BUSY_TIMEOUT_S = 10.0
# 4 MiB: a checkpoint is a part of the commit that it comes with, which has to be short.
_CHECKPOINT_PAGES = 256
# What a commit needs is at the ends of its tables; a cache of SQLite's usual 2 MB takes 6 MB of memory more
# and saves nothing: the kernel has all these pages too.
_CACHE_KIB = 512
# Of a file that has no page yet, or is laid out anew. A large page holds chunks with little waste.
_LAYOUT = "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL;"


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the store, making it where there is none; a damaged one is set aside, loudly.

    One of an earlier version is brought up to date, and kept beside it as it was. One that comes from a backup records what was
    lost since.

    The connection may move to another thread, where it must then stay.

    Raises:
        StoreError: it may not be used, or a newer program made it.
    """
    _check_permission(path)
    try:
        return _open(path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise StoreError(f"{path}: cannot be opened: {error}") from None
    set_aside(path)
    return _open(path)


def set_aside(path: Path) -> None:
    """Rename a damaged store with its companions, so that what is in it can still be looked at."""
    # To the microsecond: no second damaged store may take the place of the first.
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for ending in ("", "-wal", "-shm"):
        companion = path.with_name(path.name + ending)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + ending))
    _log.error("store_set_aside", store=str(path), moved_to=str(aside), reason="damaged")


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the store for questions, while a collector writes to it or not.

    Raises:
        StoreError: there is none, it may not be read, or a program of another version made it.
    """
    _check_readable(path)
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S
        )
    except sqlite3.Error as error:
        raise StoreError(unreadable(path, error)) from None
    try:
        version = _check_version(path, database)
        if version == 0:
            raise StoreError(_no_store(path))
        if version < VERSION:
            raise StoreError(
                f"{path}: made by an older telegauge-collector (store version {version}, this "
                f"program reads {VERSION}). Start telegauge-collector: it brings it up to date"
            )
    except (sqlite3.Error, UnicodeDecodeError) as error:
        database.close()
        raise StoreError(unreadable(path, error)) from None
    except StoreError:
        database.close()
        raise
    return database


def unreadable(path: Path, error: Exception) -> str:
    """Say what a question that failed means, and what to do."""
    what_to_do = (
        ". Restart telegauge-collector: it sets a damaged store aside and begins a new one, a large one"
        " as soon as a commit meets the damage"
        if is_damage(error)
        else ""
    )
    return f"{path}: cannot be read: {error}{what_to_do}"


def _open(path: Path) -> sqlite3.Connection:
    if path.is_file():
        check_head(path)
    database = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        if database.execute("PRAGMA page_count").fetchone() == (0,):
            database.executescript(_LAYOUT)
        # Debian builds SQLite with secure_delete on; turned off, deleting is twice as fast.
        database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;"
            f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES};"
        )
        version = _check_version(path, database)
        if version == 0:
            _create(database)
        check_file(path, database)
        if 0 < version < VERSION:
            former.keep(path, database, version, time.time_ns())
            migrate(database, version, VERSION)
            _lay_out_anew(path, database)
        with closing(sqlite3.connect(":memory:")) as fresh:
            _create(fresh)
            check_schema(database, fresh)
        check_epochs(database)
        settle_stamp(path, database, time.time_ns())
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection) -> None:
    schema = resources.files("collector.store").joinpath("schema.sql").read_text()
    database.executescript(f"BEGIN; {schema} COMMIT;")


def _lay_out_anew(path: Path, database: sqlite3.Connection) -> None:
    """Give the file of a former version large pages, and the means to become smaller.

    It works as well without and takes more room, which is no reason not to start.
    """
    try:
        database.executescript(f"PRAGMA journal_mode = DELETE; {_LAYOUT} VACUUM;")
    except sqlite3.OperationalError as error:
        _log.warning("store_not_laid_out_anew", store=str(path), detail=str(error))
    finally:
        database.execute("PRAGMA journal_mode = WAL")


def _check_version(path: Path, database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreError(
            f"{path}: made by a newer telegauge-collector (store version {version}, this program "
            f"knows {VERSION}). Install that version again, or name another store.folder"
            f"{former.hint(path, VERSION)}"
        )
    return int(version)


def _no_store(path: Path) -> str:
    return (
        f"{path}: no store here. A collector that runs has it where its STATE_DIRECTORY, or "
        "store.folder of its YAML (-c FILE), says"
    )


def _check_readable(path: Path) -> None:
    try:
        path.stat()
    except PermissionError:
        raise StoreError(f"{path}: may not be looked at. Try again with sudo") from None
    except OSError:
        raise StoreError(_no_store(path)) from None
    if not os.access(path, os.R_OK):
        raise StoreError(f"{path}: may not be read. Try again with sudo")


def _check_permission(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent}: cannot be made: {error.strerror}") from None
    for each, wanted in ((path.parent, os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
        if each.exists() and not os.access(each, wanted):
            raise StoreError(
                f"{each}: may not be written by this user. "
                f"Mend it with: sudo chown -R $(id -un) {path.parent}"
            )

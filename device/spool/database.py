"""The database file of one tier: opening, creating, setting aside, and its pragmas.

SQLite in WAL mode, held by this process alone (so without a shared-memory file beside it). A tier on
the card is written with synchronous=FULL and small pages, since every page written wears it; one in
a memory file system with synchronous=OFF, since it is gone with the power anyway
(sqlite.org/pragma.html).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import structlog

from device.errors import SpoolError
from service.damage import check_head, damage

_log = structlog.get_logger()

VERSION = 1
# A larger one on a card is read where it is touched: checking it whole would keep a Pi from starting.
_CHECK_UP_TO_BYTES = 16 * 1024 * 1024
_FULL_PRAGMAS = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 64;"
_OFF_PRAGMAS = "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 256;"
# A card that goes on failing must not fill up with what was set aside.
_KEPT_ASIDE = 3
# A file that was only begun holds nothing to look at.
_NOTHING_BYTES = 4096
_COMPANIONS = ("", "-wal", "-shm", "-journal")


def open_database(path: Path, durable: bool, notice: str | None = None) -> sqlite3.Connection:
    """Open a tier's file, making it where there is none.

    Args:
        notice: what a new one has to tell the collector; with one, an empty file is a new one too.

    Raises:
        SpoolError: a newer program made it.
        sqlite3.Error: it is damaged (`is_damage`), or cannot be used.
    """
    if _placeholder(path).exists():
        raise damage("setting it aside was broken off")
    is_new = notice is not None or not path.exists()
    if not is_new:
        if not path.stat().st_size:
            raise damage("cut to nothing")  # SQLite would begin a new one
        check_head(path)
    database = sqlite3.connect(
        path, timeout=1.0, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        _set_up(database, durable)
        if not _check(database, path, durable):
            if not is_new:
                raise damage("a file without tables")
            _begin(database, notice)
    except UnicodeDecodeError as error:
        database.close()
        raise damage("a name that is no text") from error
    except BaseException:
        database.close()
        raise
    return database


def no_room(message: str) -> sqlite3.OperationalError:
    """Return the error that SQLite itself raises where a file may not grow any more."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def is_full(error: Exception) -> bool:
    """Say whether an error means that there is no room: by our own limit, or on the disk."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


@contextmanager
def unless_full() -> Iterator[None]:
    """Do what may wait for another time, if there is room for it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
        _log.warning("spool_has_no_room", detail=str(error))


def set_aside(path: Path) -> None:
    """Rename a damaged file with its companions, so that it can be looked at; the last ones stay.

    An empty file takes its place, by which the next to open it knows that something was there.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    placeholder = _placeholder(path)
    placeholder.touch()  # first: whatever of this is done, one of the two is there
    if sum(companion.stat().st_size for companion in _companions(path)) <= _NOTHING_BYTES:
        remove(path)
    for companion in _companions(path):
        companion.rename(companion.with_name(companion.name.replace(path.name, aside.name, 1)))
    placeholder.rename(path)
    moved_to = str(aside) if aside.exists() else None
    _log.error("spool_set_aside", spool=str(path), moved_to=moved_to, reason="damaged")
    for former in sorted(path.parent.glob(f"{path.name}.damaged-*Z"))[:-_KEPT_ASIDE]:
        remove(former)


def remove(path: Path) -> None:
    """Delete a file with its companions."""
    for companion in _companions(path):
        companion.unlink()


def _placeholder(path: Path) -> Path:
    return path.with_name(f"{path.name}.empty")


def _companions(path: Path) -> list[Path]:
    found = [path.with_name(path.name + ending) for ending in _COMPANIONS]
    return [each for each in found if each.exists()]


def _set_up(database: sqlite3.Connection, durable: bool) -> None:
    page_bytes = 1024 if durable else 4096
    # A damaged text is for its reader to refuse, not for the driver.
    database.text_factory = lambda data: data.decode(errors="replace")
    database.executescript(
        f"PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = {page_bytes};"
        "PRAGMA journal_mode = WAL; PRAGMA secure_delete = OFF; PRAGMA cache_size = -512;"
        # What SQLite puts aside for a moment is no reason to write to a card.
        "PRAGMA temp_store = MEMORY;" + (_FULL_PRAGMAS if durable else _OFF_PRAGMAS)
    )


def _begin(database: sqlite3.Connection, notice: str | None) -> None:
    """Make the tables: all of them, or none."""
    told = "" if notice is None else f"INSERT INTO notice VALUES ('{notice}');"  # noqa: S608 - ours
    database.executescript(f"BEGIN IMMEDIATE; {_schema()} {told} COMMIT;")


def _check(database: sqlite3.Connection, path: Path, durable: bool) -> bool:
    """Return False where there are no tables; raise where they are not sound."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    tables = [str(sql) for (sql,) in database.execute("SELECT sql FROM sqlite_schema").fetchall()]
    if not tables and not version:
        return False
    _check_tables(path, tables, version)
    if not durable or path.stat().st_size <= _CHECK_UP_TO_BYTES:
        _check_sound(database)
    return True


def _check_tables(path: Path, tables: list[str], version: int) -> None:
    """Tell a file of a newer program, which has other tables, from a damaged one of ours."""
    schema = _schema()
    is_ours = len(tables) == schema.count("CREATE TABLE") and all(sql in schema for sql in tables)
    if not is_ours and version > VERSION:
        raise SpoolError(
            f"{path}: made by a newer telegauge-device (spool version {version}, this program knows "
            f"{VERSION}). Install that version again; what it holds would be lost otherwise"
        )
    if not is_ours or version != VERSION:
        raise damage(f"tables of version {version} that are not those of a spool")


def _check_sound(database: sqlite3.Connection) -> None:
    # Not quick_check, which does not see keys out of order: what is written there is not found again.
    (word,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if word != "ok":
        raise damage(word)


def _schema() -> str:
    return resources.files("device.spool").joinpath("schema.sql").read_text()

"""alerts.db: what of the alerts outlasts a restart. A small SQLite file of its own, beside the store.

What changes is noted in memory and written in one transaction; that alerts have fired, with those
who are to be told, at once, pending ones now and then. A file that cannot be written stops no alert:
what was noted waits, and is written when that is possible again.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import structlog

from collector import own_file
from collector.alerts.expected import Expected
from collector.alerts.lives import Alert
from collector.alerts.outbox import Notification
from service import keyfile
from service.damage import is_damage

_log = structlog.get_logger()

FILE_NAME = "alerts.db"
VERSION = 1
# How long what is not urgent may wait: a card wears with each write.
LAZY_S = 10.0
# So many alerts that are over are kept; the oldest goes.
MAX_OVER = 1000
_BUSY_TIMEOUT_S = 5.0
_PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
_SCHEMA = """
CREATE TABLE alert (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE notification (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE device (name TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""


class KeptDevice(msgspec.Struct, frozen=True):
    """What is to be heard of a device; `is_stopped`: its agent was stopped in order."""

    expected: dict[str, Expected]
    is_stopped: bool = False


class Kept(NamedTuple):
    """All that a file holds, in the order of ids."""

    alerts: list[Alert]
    notifications: list[Notification]
    devices: dict[str, KeptDevice]


class Keeping:
    """The open file. One thread at a time may use it. `trouble`: why it cannot be written, or ""."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self._database: sqlite3.Connection | None = None
        self._noted: dict[tuple[str, int | str], bytes | None] = {}  # None: it goes
        self._is_urgent = False
        self._written_s = 0.0

    def load(self) -> Kept:
        """Return what is kept; nothing of a file that cannot be read. One that is missing is not made."""
        try:
            if not self.path.exists():
                return Kept([], [], {})
            return _content(self._opened())
        except (OSError, sqlite3.Error, msgspec.MsgspecError, keyfile.KeyFileError) as error:
            self._failed(error)
            if _is_no_use(error):
                self._set_aside()
            return Kept([], [], {})

    def note(self, what: Alert | Notification, *, is_urgent: bool = True) -> None:
        """Note how an alert or a notification is now."""
        table = "alert" if isinstance(what, Alert) else "notification"
        self._noted[table, what.id] = msgspec.json.encode(what)
        self._is_urgent |= is_urgent

    def note_device(self, name: str, device: KeptDevice) -> None:
        """Note what is to be heard of a device."""
        self._noted["device", name] = msgspec.json.encode(device)

    def forget(self, what: Alert | Notification | str) -> None:
        """Note that something is not kept any more; a text names a device."""
        if isinstance(what, str):
            self._noted["device", what] = None
        else:
            table = "alert" if isinstance(what, Alert) else "notification"
            self._noted[table, what.id] = None

    def write(self, now_s: float, *, is_last: bool = False) -> None:
        """Write what was noted, if it is time; what cannot be written waits."""
        is_due = self._is_urgent or is_last or now_s - self._written_s >= LAZY_S
        if not self._noted or not is_due:
            return
        self._written_s = now_s
        try:
            with self._opened() as database:
                database.execute("BEGIN IMMEDIATE")
                for (table, key), data in self._noted.items():
                    _put(database, table, key, data)
        except (OSError, sqlite3.Error, keyfile.KeyFileError) as error:
            self._failed(error)
            if _is_no_use(error):
                self._set_aside()
            return
        self._noted.clear()
        self._is_urgent = False
        if self.trouble:
            _log.info("alerts_kept_again", file=str(self.path))
            self.trouble = ""

    def close(self, now_s: float) -> None:
        """Write what waits, and close it."""
        self.write(now_s, is_last=True)
        self._close()

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = own_file.opened(self.path, _SCHEMA, VERSION, _PRAGMAS, _BUSY_TIMEOUT_S)
        return self._database

    def _failed(self, error: Exception) -> None:
        trouble = f"alerts are not kept over a restart: {self.path}: {error}"
        if trouble != self.trouble:
            _log.error("alerts_not_kept", file=str(self.path), detail=str(error))
        self.trouble = trouble
        self._is_urgent = False  # the next attempt has time
        self._close()

    def _set_aside(self) -> None:
        """Put a damaged file aside, and begin a new one."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        with suppress(OSError):
            self.path.replace(aside)
            _log.error(
                "alerts_set_aside", file=str(self.path), detail=f"damaged; it is {aside} now"
            )
        for end in ("-wal", "-shm"):
            with suppress(OSError):
                self.path.with_name(self.path.name + end).unlink()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None


def kept_in(path: Path) -> Kept:
    """Return what a file holds that a collector may have open; nothing where there is none.

    Raises:
        OSError, sqlite3.Error: it cannot be read.
    """
    if not path.exists():
        return Kept([], [], {})
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        return _content(database)


def _content(database: sqlite3.Connection) -> Kept:
    return Kept(
        list(_rows(database, "alert", Alert)),
        list(_rows(database, "notification", Notification)),
        {
            name: msgspec.json.decode(data, type=KeptDevice)
            for name, data in database.execute("SELECT name, data FROM device")
        },
    )


def _rows(database: sqlite3.Connection, table: str, kind: Any) -> Iterator[Any]:
    for (data,) in database.execute(f"SELECT data FROM {table} ORDER BY id"):  # noqa: S608 - ours
        yield msgspec.json.decode(data, type=kind)


def _put(database: sqlite3.Connection, table: str, key: int | str, data: bytes | None) -> None:
    column = "name" if table == "device" else "id"
    if data is None:
        database.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))  # noqa: S608 - ours
    else:
        database.execute(
            f"INSERT OR REPLACE INTO {table} ({column}, data) VALUES (?, ?)",  # noqa: S608 - ours
            (key, data),
        )


def _is_no_use(error: Exception) -> bool:
    return isinstance(error, msgspec.MsgspecError) or is_damage(error)

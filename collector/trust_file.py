"""trust.db: who was invited, who was let in with which key, who was revoked. SQLite, for its owner alone.

It is not the store: a store that is set aside locks nobody out, and lets nobody in. Each change is
one transaction, on disk when it returns.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from collector import own_file
from collector.errors import TrustError
from service import keyfile

FILE_NAME = "trust.db"
VERSION = 1
_BUSY_TIMEOUT_S = 10.0
# EXTRA: the deletion of the journal, which is the commit, is on disk too.
_PRAGMAS = "PRAGMA foreign_keys = ON; PRAGMA synchronous = EXTRA;"
_SCHEMA = """
CREATE TABLE member (
    name        TEXT PRIMARY KEY,
    key         BLOB,                     -- 32 bytes; NULL: invited, and not joined yet
    next_key    BLOB,                     -- given in its place, and not used yet
    join_nonce  BLOB,                     -- of the join that gave the key, until the key is used
    invited_ns  INTEGER,
    joined_ns   INTEGER,
    revoked_ns  INTEGER                   -- NULL: it may come in
) STRICT, WITHOUT ROWID;
CREATE TABLE invitation (
    id          BLOB PRIMARY KEY,         -- 8 bytes
    stored_key  BLOB NOT NULL,            -- what checks its token, and cannot make one
    expires_ns  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE collector (                  -- one row: whose certificate the devices know
    fingerprint BLOB NOT NULL             -- SHA-256, 32 bytes
) STRICT;
CREATE TABLE place (                      -- a name that an invitation has to give
    invitation  BLOB NOT NULL REFERENCES invitation ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    name        TEXT NOT NULL REFERENCES member,
    is_taken    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (invitation, position)
) STRICT, WITHOUT ROWID;
"""


class Member(msgspec.Struct, frozen=True):
    """A name that was invited; times are UTC by the collector's clock, ns."""

    name: str
    key: bytes | None = None
    next_key: bytes | None = None
    join_nonce: bytes | None = None
    invited_ns: int | None = None
    joined_ns: int | None = None
    revoked_ns: int | None = None


_FIELDS = msgspec.structs.fields(Member)
_COLUMNS = ", ".join(field.name for field in _FIELDS)
_MARKS = ", ".join("?" * len(_FIELDS))


class TrustFile:
    """The open file. One thread at a time may use it.

    Raises:
        TrustError: it cannot be used, or a newer program made it.
        KeyFileError: others may read it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        keyfile.check(path)
        try:
            self._database = own_file.opened(path, _SCHEMA, VERSION, _PRAGMAS, _BUSY_TIMEOUT_S)
        except (OSError, sqlite3.Error) as error:
            raise TrustError(_told(path, error)) from None

    def close(self) -> None:
        """Close it."""
        self._database.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Make one change: all that is done within is on disk afterwards, or nothing of it is.

        Raises:
            TrustError: the file cannot be read or written; nothing has changed.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise TrustError(_told(self.path, error)) from None

    def fingerprint(self) -> bytes | None:
        """Return the fingerprint of the certificate that the devices know; None: none does yet."""
        with self.change() as database:
            row = database.execute("SELECT fingerprint FROM collector").fetchone()
        return None if row is None else bytes(row[0])

    def members(self) -> list[Member]:
        """Return all who were ever invited.

        Raises:
            TrustError: the file cannot be read.
        """
        try:
            rows = self._database.execute(f"SELECT {_COLUMNS} FROM member")  # noqa: S608 - names of columns
            return [Member(*row) for row in rows]
        except sqlite3.Error as error:
            raise TrustError(_told(self.path, error)) from None


def put_member(database: sqlite3.Connection, member: Member) -> None:
    """Keep a member as it is now, within a change."""
    updates = ", ".join(f"{field.name} = excluded.{field.name}" for field in _FIELDS[1:])
    database.execute(
        f"INSERT INTO member ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608 - names of columns
        f" ON CONFLICT (name) DO UPDATE SET {updates}",
        msgspec.structs.astuple(member),
    )


def _told(path: Path, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) else error
    return (
        f"{path}, which knows the devices' keys, cannot be used: {why}. Without it nobody is let in. "
        "Put back a copy of it; if there is none, remove it, and invite each device again"
    )

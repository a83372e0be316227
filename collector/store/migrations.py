"""Bringing the store of an earlier version up to date, in one transaction: all of it or nothing.

A step that was released is never changed: it says what the next version was then. What the newest
version is stands in schema.sql.
"""

import sqlite3
from collections.abc import Callable

import structlog

from collector.store import former_batches, former_schemas
from collector.store.soundness import checksum

_log = structlog.get_logger()


def migrate(database: sqlite3.Connection, version: int, wanted: int) -> None:
    """Take every step from `version` to `wanted`.

    Raises:
        sqlite3.Error: it cannot be done; the store is as it was.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[version - 1 : wanted - 1]:
            step(database)
        database.execute(f"PRAGMA user_version = {wanted}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    _log.info("store_migrated", from_version=version, to_version=wanted)


def _to_version_2(database: sqlite3.Connection) -> None:
    """Ends, gaps of unknown end, counts and checksums.

    Agents of version 1 never said END. What one had kept in its memory ended with it, so of each
    device only the epoch that was heard last may not have ended.
    """
    database.create_function("epoch_checksum", 5, checksum, deterministic=True)
    for statement in former_schemas.VERSION_2:
        database.execute(statement)


def _to_version_3(database: sqlite3.Connection) -> None:
    """Boots, clock pairs, and how each batch is dated.

    Version 2 dated each batch by its own pair, synchronised or not. Where none is, `former_batches`
    says what can be made of it; the bounds of gaps stay as they were dated.
    """
    for statement in former_schemas.VERSION_3_TABLES:
        database.execute(statement)
    former_batches.take_over(database)
    for statement in former_schemas.VERSION_3_REST:
        database.execute(statement)


def _to_version_4(database: sqlite3.Connection) -> None:
    """Chunks and rollups; there are none yet, and are made in the background."""
    for statement in former_schemas.VERSION_4:
        database.execute(statement)


def _to_version_5(database: sqlite3.Connection) -> None:
    """How long a device leaves out what says nothing new, and where doubtful readings are.

    A device says the former when it describes itself again; the latter takes reading all chunks once.
    """
    for statement in former_schemas.VERSION_5:
        database.execute(statement)


_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _to_version_2,
    _to_version_3,
    _to_version_4,
    _to_version_5,
)

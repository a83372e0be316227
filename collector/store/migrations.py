"""Bringing the store of an earlier version up to date, in one transaction: all of it or nothing.

A step that was released is never changed: it says what the next version was then. What the newest
version is stands in schema.sql.
"""

import sqlite3
from collections.abc import Callable

import structlog

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
    for statement in _VERSION_2:
        database.execute(statement)


_VERSION_2 = (
    """
    CREATE TABLE new_epoch (
        id         INTEGER PRIMARY KEY,
        device     INTEGER NOT NULL REFERENCES device,
        epoch      BLOB NOT NULL,
        datagrams  INTEGER NOT NULL,
        boot_id    BLOB,
        began_ns   INTEGER,
        offset_ns  INTEGER,
        mark       INTEGER NOT NULL,
        batches    INTEGER NOT NULL,
        readings   INTEGER NOT NULL,
        counted    INTEGER,
        last_ns    INTEGER,
        heard_ns   INTEGER NOT NULL,
        ended      TEXT,
        checksum   INTEGER NOT NULL,
        UNIQUE (device, epoch)
    )
    """,
    """
    CREATE TABLE new_gap (
        id           INTEGER PRIMARY KEY,
        device       INTEGER NOT NULL REFERENCES device,
        epoch        INTEGER REFERENCES epoch,
        first_seq    INTEGER,
        last_seq     INTEGER,
        before       INTEGER,
        readings     INTEGER,
        from_ns      INTEGER,
        to_ns        INTEGER,
        reason       TEXT NOT NULL,
        recorded_ns  INTEGER NOT NULL
    )
    """,
    "CREATE TABLE backup_stamp (taken_ns INTEGER NOT NULL)",
    """
    WITH known AS (
        SELECT *, row_number() OVER (PARTITION BY device ORDER BY heard_ns DESC, id DESC) AS latest
        FROM epoch
    ), stored AS (
        SELECT epoch, sum(last_seq - first_seq + 1) AS batches, max(to_ns) AS last_ns
        FROM batch GROUP BY epoch
    )
    INSERT INTO new_epoch
    SELECT known.id, device, known.epoch, 0, NULL, NULL, NULL, mark, ifnull(batches, 0), readings,
        iif(EXISTS (SELECT 1 FROM gap WHERE gap.epoch = known.id), NULL, readings), last_ns, heard_ns,
        iif(latest = 1, NULL, 'restarted'), 0
    FROM known LEFT JOIN stored ON stored.epoch = known.id ORDER BY known.id
    """,
    """
    UPDATE new_epoch
    SET checksum = epoch_checksum(device, epoch, mark, CAST(ended AS BLOB), datagrams)
    """,
    """
    INSERT INTO new_gap
    SELECT id, device, epoch, first_seq, last_seq, NULL, readings, NULL, NULL, reason, recorded_ns
    FROM gap ORDER BY id
    """,
    "DROP TABLE gap",
    "DROP TABLE epoch",
    "ALTER TABLE new_epoch RENAME TO epoch",
    "ALTER TABLE new_gap RENAME TO gap",
    "CREATE INDEX epoch_open ON epoch (device) WHERE ended IS NULL",
    "CREATE INDEX gap_epoch ON gap (epoch)",
)

_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_to_version_2,)

"""Bringing the store of an earlier version up to date, in one transaction: all of it or nothing.

A step that was released is never changed: it says what the next version was then. What the newest
version is stands in schema.sql.
"""

import sqlite3
from collections.abc import Callable

import structlog

from collector.store import former_batches
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


def _to_version_3(database: sqlite3.Connection) -> None:
    """Boots, clock pairs, and how each batch is dated.

    Version 2 dated each batch by its own pair, synchronised or not. Where none is, `former_batches`
    says what can be made of it; the bounds of gaps stay as they were dated.
    """
    for statement in _VERSION_3_TABLES:
        database.execute(statement)
    former_batches.take_over(database)
    for statement in _VERSION_3_REST:
        database.execute(statement)


_VERSION_3_TABLES = (
    """
    CREATE TABLE boot (
        id          INTEGER PRIMARY KEY,
        device      INTEGER NOT NULL REFERENCES device,
        boot_id     BLOB NOT NULL,
        placed      INTEGER NOT NULL,
        stale_from  INTEGER,
        stale_to    INTEGER,
        stale_row   INTEGER,
        UNIQUE (device, boot_id)
    )
    """,
    "CREATE INDEX boot_stale ON boot (id) WHERE stale_from IS NOT NULL",
    """
    CREATE TABLE clock_pair (
        boot      INTEGER NOT NULL REFERENCES boot,
        source    INTEGER NOT NULL,
        boot_ns   INTEGER NOT NULL,
        wall_ns   INTEGER NOT NULL,
        error_ns  INTEGER NOT NULL,
        PRIMARY KEY (boot, source, boot_ns)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE new_batch (
        id           INTEGER PRIMARY KEY,
        device       INTEGER NOT NULL REFERENCES device,
        epoch        INTEGER NOT NULL REFERENCES epoch,
        first_seq    INTEGER NOT NULL,
        last_seq     INTEGER NOT NULL,
        readings     INTEGER NOT NULL,
        boot         INTEGER NOT NULL REFERENCES boot,
        first_ns     INTEGER NOT NULL,
        last_ns      INTEGER NOT NULL,
        received_ns  INTEGER NOT NULL,
        dated        INTEGER NOT NULL,
        offset_ns    INTEGER,
        error_ns     INTEGER,
        from_ns      INTEGER NOT NULL,
        to_ns        INTEGER NOT NULL,
        sealed       BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE new_epoch (
        id         INTEGER PRIMARY KEY,
        device     INTEGER NOT NULL REFERENCES device,
        epoch      BLOB NOT NULL,
        datagrams  INTEGER NOT NULL,
        boot       INTEGER REFERENCES boot,
        began_ns   INTEGER,
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
        from_boot    INTEGER REFERENCES boot,
        from_at      INTEGER,
        to_boot      INTEGER REFERENCES boot,
        to_at        INTEGER,
        reason       TEXT NOT NULL,
        recorded_ns  INTEGER NOT NULL
    )
    """,
    # In the order of their readings: none of these boots was told in its place.
    """
    INSERT INTO boot (device, boot_id, placed)
    SELECT device, boot_id, 0 FROM epoch WHERE boot_id IS NOT NULL
    GROUP BY device, boot_id ORDER BY min(id)
    """,
)

_VERSION_3_REST = (
    """
    INSERT INTO new_epoch
    SELECT epoch.id, epoch.device, epoch.epoch, datagrams, ifnull(batches_boot, boot.id),
        iif(ifnull(batches_boot, boot.id) IS boot.id, began_ns - offset_ns, NULL), mark, batches,
        readings, counted, batches_last, heard_ns, ended, checksum
    FROM epoch LEFT JOIN boot ON boot.device = epoch.device AND boot.boot_id = epoch.boot_id
    LEFT JOIN (SELECT epoch AS its, max(boot) AS batches_boot, max(last_ns) AS batches_last
        FROM new_batch GROUP BY epoch) ON its = epoch.id
    ORDER BY epoch.id
    """,
    """
    INSERT INTO new_gap
    SELECT id, device, epoch, first_seq, last_seq, before, readings, from_ns, to_ns,
        NULL, NULL, NULL, NULL, reason, recorded_ns
    FROM gap ORDER BY id
    """,
    "DROP TABLE gap",
    "DROP TABLE batch",
    "DROP TABLE epoch",
    "ALTER TABLE new_epoch RENAME TO epoch",
    "ALTER TABLE new_batch RENAME TO batch",
    "ALTER TABLE new_gap RENAME TO gap",
    "CREATE INDEX epoch_open ON epoch (device) WHERE ended IS NULL",
    "CREATE INDEX gap_epoch ON gap (epoch)",
    "CREATE INDEX batch_time ON batch (device, to_ns, from_ns)",
    "CREATE INDEX batch_by_pair ON batch (boot, last_ns) WHERE dated <> 0",
)

_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_to_version_2, _to_version_3)

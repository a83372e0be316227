"""The stamp that `backup` leaves in its copy, and what it means to whoever opens that copy.

A collector that goes on with a copy has lost what came between: which readings those were nobody
can say any more, so the whole span of time becomes a gap of every device, once.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import structlog

from wire.bodies import GapReason

_log = structlog.get_logger()


def stamp(path: Path, taken_ns: int) -> None:
    """Say in a copy of a store when it was taken (UTC, ns); durable once this returns.

    Raises:
        sqlite3.Error: it cannot be written, or is no store of this version.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # EXTRA: were its journal to come back after a power cut, it would take the stamp away.
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("INSERT INTO backup_stamp (taken_ns) VALUES (?)", (taken_ns,))


def settle_stamp(path: Path, database: sqlite3.Connection, now_ns: int) -> None:
    """Record what a stamped store lost, and take the stamp away; without a stamp do nothing.

    Raises:
        sqlite3.Error: it cannot be done; the store is as it was.
    """
    (taken_ns,) = database.execute("SELECT min(taken_ns) FROM backup_stamp").fetchone()
    if taken_ns is None:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute(
            "INSERT INTO gap (device, from_ns, to_ns, reason, recorded_ns)"
            " SELECT id, ?, ?, ?, ? FROM device ORDER BY id",
            (taken_ns, max(taken_ns, now_ns), GapReason.COLLECTOR_ROLLBACK, now_ns),
        )
        database.execute("DELETE FROM backup_stamp")
        names = [name for (name,) in database.execute("SELECT name FROM device ORDER BY name")]
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    _log.warning(
        "store_restored",
        store=str(path),
        taken=datetime.fromtimestamp(taken_ns // 10**9, UTC).isoformat(),
        devices=names,
        detail="what came since the backup was taken is gone, and recorded as gaps; "
        "a device may send again what it still holds",
    )

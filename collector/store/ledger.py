"""The ledger: what came of each device must be there, or have gone on purpose; and nothing hangs loose."""

import sqlite3
from collections.abc import Iterator

from collector.store.history import snapshot

_COUNTS = """
SELECT device.name,
    (SELECT ifnull(sum(readings), 0) FROM epoch WHERE epoch.device = device.id),
    (SELECT ifnull(sum(readings), 0) FROM batch WHERE batch.device = device.id),
    (SELECT ifnull(sum(readings), 0) FROM chunk JOIN stored_series ON stored_series.id = series
        WHERE stored_series.device = device.id),
    (SELECT ifnull(sum(deleted + expired), 0) FROM removal WHERE removal.device = device.id),
    (SELECT count(*) FROM undecodable WHERE undecodable.device = device.id)
FROM device ORDER BY device.name
"""
_LOOSE_TIMES = (
    "SELECT id FROM chunk_times WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE times = chunk_times.id)"
)


def imbalances(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Give the devices whose marks tell of another number of readings than there is, and how.

    Those of batches that could not be decoded nobody can count.
    """
    with snapshot(database):
        rows = database.execute(_COUNTS).fetchall()
    for name, stored, unsealed, sealed, removed, undecodable in rows:
        found = unsealed + sealed + removed
        if found > stored or (found < stored and not undecodable):
            yield (
                name,
                f"{stored} readings were stored, {removed} removed on purpose, and "
                f"{unsealed + sealed} are there",
            )


def orphans(database: sqlite3.Connection) -> Iterator[tuple[int, str, str]]:
    """Give each row that hangs on one that is not there: its id, its table and what it lacks."""
    with snapshot(database):
        rows = database.execute("PRAGMA foreign_key_check").fetchall()
        loose = database.execute(_LOOSE_TIMES).fetchall()
    for table, row_id, parent, _ in rows:
        yield row_id, table, f"its row of {parent} is missing"
    for (row_id,) in loose:
        yield row_id, "chunk_times", "no chunk has these times"

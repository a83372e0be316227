"""How large the store is, and how fast it grows."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from collector.store.database import open_for_reading
from collector.store.history import snapshot
from collector.store.unsealed import DAY_NS

# Growth is that of so many days at most: what was before says little of what comes.
_DAYS = 30
_COUNTS = (
    "SELECT (SELECT ifnull(sum(readings), 0) FROM epoch),"
    " (SELECT ifnull(sum(deleted + expired), 0) FROM removal),"
    " (SELECT ifnull(sum(readings), 0) FROM batch)"
)


class Sizes(NamedTuple):
    """What the pages in use take, for how many readings; how many of these wait to be sealed.

    `growth_bytes` is what it grew a day lately; None: not known before it has run a day.
    """

    used_bytes: int
    readings: int
    unsealed_readings: int
    growth_bytes: float | None


def sizes_of(path: Path, now_ns: int) -> Sizes:
    """Return how large a store is.

    Raises:
        StoreError: it cannot be read.
    """
    with closing(open_for_reading(path)) as database, snapshot(database):
        used_bytes = used(database)
        stored, removed, unsealed = database.execute(_COUNTS).fetchone()
        today = now_ns // DAY_NS
        row = database.execute(
            "SELECT day, used_bytes FROM growth WHERE day >= ? AND day < ? ORDER BY day LIMIT 1",
            (today - _DAYS, today),
        ).fetchone()
    growth = None
    if row is not None:
        growth = (used_bytes - row[1]) / ((now_ns - row[0] * DAY_NS) / DAY_NS)
    return Sizes(used_bytes, stored - removed, unsealed, growth)


def used(database: sqlite3.Connection) -> int:
    """Return how many bytes of a store are in use."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def size_on_disk(path: Path) -> int:
    """Return what a store takes on disk, with what is not checkpointed yet; 0 where there is none."""
    size_bytes = 0
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            size_bytes += file.stat().st_size
    return size_bytes

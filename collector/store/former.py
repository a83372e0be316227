"""The store as an earlier version left it: a copy kept beside it before it is migrated.

Whoever goes back to that version puts the copy in the store's place; the copy knows that it is one, so that
what was stored since becomes a gap.
"""

import sqlite3
from pathlib import Path

import structlog

from collector.errors import StoreError
from collector.space import free_bytes
from collector.store import copying
from collector.store.durable import sync
from collector.store.stamp import stamp

_log = structlog.get_logger()

# The first version whose schema has a place for the stamp of a copy.
_STAMPED_FROM = 2
# What is to stay free beside the copy, for the migration itself.
_SPARE_BYTES = 16 * 2**20


def place_of(path: Path, version: int) -> Path:
    """Return where the copy of a store is kept that had this version."""
    return path.with_name(f"{path.name}.version-{version}")


def keep(path: Path, database: sqlite3.Connection, version: int, taken_ns: int) -> Path:
    """Copy an open store of `version` beside itself, durably; return where the copy is.

    Raises:
        StoreError: there is no room for it, or it cannot be written; the store is as it was.
        sqlite3.Error: likewise.
    """
    size_bytes = copying.size_bytes(database)
    _check_room(path, size_bytes)
    kept = place_of(path, version)
    part = kept.with_name(f"{kept.name}.part")
    try:
        copying.remove(part)  # of a try that was killed
        copying.begin(part)
        copying.copy_into(database, part)
        if version >= _STAMPED_FROM:
            stamp(part, taken_ns)
        sync(part)
        part.rename(kept)
        sync(kept.parent)
    except OSError as error:
        raise StoreError(f"{kept}: the copy cannot be made: {error.strerror}") from None
    finally:
        copying.remove(part)
    _log.info(
        "store_copied",
        store=str(path),
        copy=str(kept),
        size_bytes=size_bytes,
        detail="for going back to the former version; remove it when nobody wants to any more",
    )
    return kept


def hint(path: Path, newest: int) -> str:
    """Say how to go on with the newest copy that this program reads, if there is one."""
    for version in range(newest, 0, -1):
        kept = place_of(path, version)
        if kept.exists():
            return (
                f", or go back to what was stored before the upgrade: "
                f"sudo mv {path} {path}.newer && sudo mv {kept} {path}"
            )
    return ""


def _check_room(path: Path, size_bytes: int) -> None:
    free = free_bytes(path.parent)
    if free is not None and free < size_bytes + _SPARE_BYTES:
        raise StoreError(
            f"{path}: is to be brought up to date, and a copy of it kept for going back: that takes "
            f"{(size_bytes + _SPARE_BYTES) / 2**20:.0f} MiB beside it, {free / 2**20:.0f} MiB are free. Make room"
        )

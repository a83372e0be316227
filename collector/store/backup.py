"""Copying the store into one file, while a collector writes or not.

The copy is what was committed at one instant. It is made beside its place under another name,
checked, stamped with that instant and put there once it is on disk; a backup that fails leaves
nothing. All of it is read once: with a damaged chunk the copy is made all the same, and told.
`settle_stamp` says what the stamp does when a collector goes on with a copy.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from collector.errors import CollectorError, StoreError
from collector.space import free_bytes
from collector.store import copying
from collector.store.database import open_for_reading, unreadable
from collector.store.durable import sync
from collector.store.soundness import check_epochs
from collector.store.stamp import stamp
from collector.store.verification import Damage, verify
from service.crashpoints import crash_point
from service.damage import damage, is_damage


class BackupError(CollectorError):
    """The copy cannot be made; the message says why, and what to do."""


class Copy(NamedTuple):
    """A finished copy, the instant it shows (UTC, ns), and what of it is damaged, as in its store."""

    size_bytes: int
    taken_ns: int
    damages: list[Damage]


def back_up(store: Path, target: Path, min_free_bytes: int) -> Copy:
    """Copy a store into a new file.

    `min_free_bytes` stay free where the store itself lies on the file system of the copy.

    Raises:
        StoreError: the store cannot be read, or is damaged.
        BackupError: the copy cannot be made.
    """
    target = target.absolute()
    _check_target(target)
    with closing(open_for_reading(store)) as source, _part(target) as part:
        reserved = min_free_bytes if _is_beside(store, part) else 0
        try:
            taken_ns = _copy(source, part, reserved)
            _check(part)
        except sqlite3.Error as error:
            if is_damage(error):
                raise StoreError(unreadable(store, error)) from None
            raise BackupError(f"{part}: the copy cannot be made: {error}") from None
        damages = verify(part).damages
        return Copy(_publish(part, target, taken_ns), taken_ns, damages)


def _check_target(target: Path) -> None:
    try:
        message = _problem_of(target)
    except PermissionError:
        message = f"{target.parent}: may not be looked at. Try again with sudo"
    if message is not None:
        raise BackupError(message)


def _problem_of(target: Path) -> str | None:
    if target.is_dir():
        return f"{target}: is a folder. Name a file in it, such as {target}/backup.db"
    if os.path.lexists(target):
        return f"{target}: is there already, and no backup replaces it. Name another"
    if not target.parent.is_dir():
        return f"{target.parent}: no such folder. Make it, or name another"
    return None


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Give the file that is to become the copy; whatever is left of it afterwards goes."""
    part = target.with_name(f"{target.name}.part")
    try:
        copying.begin(part)
    except FileExistsError:
        raise BackupError(
            f"{part}: is there already: another backup makes it now, or one was killed. "
            "Remove it if none runs"
        ) from None
    except OSError as error:
        raise BackupError(f"{part}: cannot be made: {error.strerror}") from None
    try:
        yield part
    finally:
        copying.remove(part)


def _is_beside(store: Path, part: Path) -> bool:
    return store.stat().st_dev == part.stat().st_dev


def _copy(source: sqlite3.Connection, part: Path, reserved_bytes: int) -> int:
    """Copy what is committed now; return when that is.

    One transaction over all steps: what a collector commits meanwhile neither shows nor waits.
    """
    taken_ns = time.time_ns()  # before the first look: a gap may begin early, never late
    source.execute("BEGIN")
    size_bytes = copying.size_bytes(source)
    _check_room(part, size_bytes, reserved_bytes)

    def look(_status: int, left_pages: int, pages: int) -> None:
        _check_room(part, size_bytes * left_pages // pages, reserved_bytes)

    copying.copy_into(source, part, look)
    source.execute("ROLLBACK")
    return taken_ns


def _check_room(part: Path, wanted_bytes: int, reserved_bytes: int) -> None:
    free = free_bytes(part.parent)
    if free is None or free >= wanted_bytes + reserved_bytes:
        return
    why = (
        f", of which {_mib(reserved_bytes)} have to stay free for the collector (store.min_free)"
        if reserved_bytes
        else ""
    )
    raise BackupError(
        f"{part.parent}: too little room: {_mib(wanted_bytes)} are still to be copied, "
        f"{_mib(free)} are free{why}. Make room, or name a file on another disk"
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"


def _check(part: Path) -> None:
    """Look for damage, which a copy has in common with its store.

    Raises:
        sqlite3.DatabaseError: there is some.
    """
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        (word,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if word != "ok":
            raise damage(" ".join(word.split()))  # it may have several lines
        check_epochs(copy)


def _publish(part: Path, target: Path, taken_ns: int) -> int:
    """Put a whole copy in its place, durably; return its size in bytes."""
    try:
        stamp(part, taken_ns)
        sync(part)
        crash_point("backup_copied")
        _check_target(target)  # it took a while: somebody else may have made one
        part.rename(target)
        sync(target.parent)
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{target}: the copy cannot be finished: {error}") from None

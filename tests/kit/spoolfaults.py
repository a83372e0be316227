"""What may befall a spool: a card that stalls, fails or is damaged; a tier that has no room, or fails."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from device.spool import Spool, bounded, card, tier
from device.spool.card import Card
from kit.waiting import WITHIN_S
from service.damage import damage

_CARD_THREAD = "spool-card"
_CODES = {
    "full": sqlite3.SQLITE_FULL,
    "io": sqlite3.SQLITE_IOERR_WRITE,
    "readonly": sqlite3.SQLITE_READONLY,
}
# What a card fails with and keeps its file; with `damage` it is set aside.
ERRORS = (*_CODES, "os")


def error_of(kind: str) -> Exception:
    """One of `ERRORS` as it comes, or "damage"."""
    if kind == "damage":
        return damage("database disk image is malformed")
    if kind == "os":
        return OSError(5, "Input/output error")
    error = sqlite3.OperationalError(f"{kind}, as a test will have it")
    error.sqlite_errorcode = _CODES[kind]
    return error


def raising(kind: str) -> Any:
    """A function that takes anything, and raises one of `ERRORS`."""

    def fail(*_: object, **__: object) -> None:
        raise error_of(kind)

    return fail


def card_of(spool: Spool) -> Card:
    """The card of a spool that has one."""
    assert spool.mover is not None
    return spool.mover.card


@asynccontextmanager
async def stalled(card: Card) -> AsyncIterator[None]:
    """The card hangs in a piece of work until the block ends."""
    hangs, go_on = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        hangs.set()
        go_on.wait(WITHIN_S)

    task = asyncio.create_task(card.do(hang))
    try:
        assert await asyncio.to_thread(hangs.wait, WITHIN_S)
        yield
    finally:
        go_on.set()
        await asyncio.wait([task])


@contextmanager
def failing_at(place: str, kind: str) -> Iterator[None]:
    """The card fails whenever its thread passes a crash point, or opens the file (place "open")."""

    def pass_by(name: str) -> None:
        if name == place and threading.current_thread().name == _CARD_THREAD:
            raise error_of(kind)

    if place == "open":
        with patch.object(card, "open_tier", raising(kind)):
            yield
    else:
        with (
            patch.object(tier, "crash_point", pass_by),
            patch.object(bounded, "crash_point", pass_by),
        ):
            yield


def spoil(file: Path) -> None:
    """Overwrite what every table of a database hangs from, and what was not yet brought there."""
    file.with_name(f"{file.name}-wal").unlink(missing_ok=True)
    with file.open("r+b") as opened:
        opened.seek(100)
        opened.write(b"\xff" * 900)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, byte by byte."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def aside(file: Path) -> list[Path]:
    """What was set aside of a database, the oldest first."""
    return sorted(file.parent.glob(f"{file.name}.damaged-*Z"))

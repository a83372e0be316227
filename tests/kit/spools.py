"""Spools in a folder of a test's own, with clocks that a test sets; and what can be read from them."""

import asyncio
import itertools
import shutil
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from device.settings import SpoolSettings
from device.spool import EpochFacts, Row, Spool, mover, open_spool, start
from kit.waiting import WITHIN_S
from wire.batches import open_body
from wire.blocks import Point
from wire.bodies import Moment

OWNER = "greenhouse"
SECOND_NS = 10**9
MIB = 2**20
_FIRST_BOOT_NS = 100 * SECOND_NS
_WALL_NS = 1_790_000_000 * SECOND_NS
_ROWS_BYTES = 64 * 1024


class FakeClock:
    """The clocks of a device, which stand still until they are told to go on."""

    def __init__(self) -> None:
        self.boots = 0
        self.boot_ns = _FIRST_BOOT_NS
        self.wall_ns = _WALL_NS
        self.synchronised = True

    def __call__(self) -> Moment:
        """This moment, as the spool asks for it."""
        boot_id = self.boots.to_bytes(16, "little")
        return Moment(boot_id, self.boot_ns, self.wall_ns, self.synchronised)

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.boot_ns += round(seconds * SECOND_NS)
        self.wall_ns += round(seconds * SECOND_NS)

    def reboot(self, after_s: float = 30.0) -> None:
        """Begin another boot, so long after the end of the former."""
        self.go_on(after_s)
        self.boots += 1
        self.boot_ns = _FIRST_BOOT_NS


class Home:
    """The folders of one device, and its clock; a spool is opened in it again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        for each in (self.runtime, self.state):
            each.mkdir(parents=True, exist_ok=True)

    @property
    def runtime(self) -> Path:
        """What a power cut takes."""
        return self.folder / "run"

    @property
    def state(self) -> Path:
        """What is on the card."""
        return self.folder / "state"

    @property
    def near_file(self) -> Path:
        """The tier in memory."""
        return self.runtime / start.FILE_NAME

    @property
    def card_file(self) -> Path:
        """The tier on the card."""
        return self.state / start.FILE_NAME

    async def open(self, policy: str = "frugal", *, near_bytes: int = 8 * MIB, **how: Any) -> Spool:
        """Open the spool; `how`: at_risk_s, max_bytes, also such as no YAML may ask for."""
        settings = SpoolSettings(policy=policy, **how)  # type: ignore[arg-type]
        with patch.object(start, "NEAR_BYTES", near_bytes):
            return await open_spool(settings, self.runtime, self.state, self.clock)

    @asynccontextmanager
    async def opened(self, policy: str = "frugal", **how: Any) -> AsyncIterator[Spool]:
        """Open the spool; close its files in the end as they are, whatever has become of them."""
        spool = await self.open(policy, **how)
        try:
            yield spool
        finally:
            await leave(spool)

    async def kill(self, spool: Spool) -> None:
        """Leave the files exactly as kill -9 would now, with the card's thread at rest."""
        await at_rest(spool)
        before = self.folder.with_name(self.folder.name + ".killed")
        shutil.copytree(self.folder, before)
        await leave(spool)
        shutil.rmtree(self.folder)
        before.rename(self.folder)

    async def cut_power(self, spool: Spool) -> None:
        """The same, and what is in memory is gone; the next boot has begun."""
        await self.kill(spool)
        shutil.rmtree(self.runtime)
        self.runtime.mkdir()
        self.clock.reboot()

    async def stop(self, spool: Spool) -> bool:
        """Stop cleanly; say whether all was kept."""
        spool.end()
        return await spool.close(WITHIN_S)


async def at_rest(spool: Spool) -> None:
    """Wait until the card has done what it was asked for."""
    if spool.mover:
        await spool.mover.card.do(lambda tier: None)


async def leave(spool: Spool) -> None:
    """Close the files of a spool and nothing else; twice is once."""
    spool.intake.stop()
    if spool.mover:
        await spool.mover.stop()
        await spool.mover.card.close(WITHIN_S)
    spool.near.close()


async def committed(spool: Spool) -> None:
    """Wait until what was accepted is in its file, where reads share a commit."""
    async with asyncio.timeout(WITHIN_S):
        while spool.intake._group:
            await asyncio.sleep(0.005)


def removing_at_once() -> Any:
    """Let removals from the card follow the acknowledgement at once (a context manager)."""
    return patch.object(mover, "_REMOVE_AFTER_S", 0.0)


def points_of(values: Iterable[float]) -> list[Point]:
    """One read of as many channels."""
    return [Point(f"value_{number}", "degC", value, 0) for number, value in enumerate(values)]


def accept(spool: Spool, *values: float, sensor: str = "air", time_ns: int | None = None) -> bool:
    """Let one sensor have read these values, now if nothing else is said."""
    time_ns = spool.now().boot_ns if time_ns is None else time_ns
    return spool.accept(sensor, time_ns, points_of(values))


def fill(spool: Spool, batches: int, readings: int = 1, first: int = 0) -> None:
    """Accept numbered readings, one a read and a nanosecond, and close as many batches."""
    for number in range(first, first + batches * readings):
        assert accept(spool, float(number), time_ns=spool.now().boot_ns + number)
        if (number - first) % readings == readings - 1:
            spool.close_batch()


def values_of(row: Row) -> list[float]:
    """The values in a batch, in order of blocks; none where it is a gap."""
    if row.gap is not None:
        return []
    return [
        value
        for block in open_body(row.sealed)
        for column in block.columns
        for (value,) in struct.iter_unpack("<d", column.values)
    ]


async def row_by_row(spool: Spool, facts: EpochFacts, seq: int = 1) -> list[Row]:
    """All rows of an epoch, as the link would read them."""
    found: list[Row] = []
    while rows := await spool.rows(facts, seq, _ROWS_BYTES):
        assert rows[0].first_seq <= seq, "what was asked for comes first"
        for before, behind in itertools.pairwise(rows):
            assert behind.first_seq == before.last_seq + 1, "no hole, nothing twice"
        found += rows
        assert rows[-1].last_seq >= seq, "it goes on"
        seq = rows[-1].last_seq + 1
    return found


async def held_values(spool: Spool, owner: str = OWNER) -> list[float]:
    """Every value that an owner would be sent, epoch by epoch, from behind each mark."""
    found: list[float] = []
    for held in await spool.held(owner):
        facts = spool.epochs.find(held.epoch)
        assert facts is not None
        for row in await row_by_row(spool, facts, facts.mark + 1):
            found += values_of(row)
    return sorted(found)


def gaps(rows: Sequence[Row]) -> list[tuple[int, int, str, int | None]]:
    """The gaps among rows: first and last seq, reason, readings."""
    return [
        (row.gap.first_seq, row.gap.last_seq, row.gap.reason, row.gap.readings)
        for row in rows
        if row.gap
    ]


def left_open(spool: Spool) -> list[EpochFacts]:
    """The epochs of earlier runs, the oldest first."""
    return [each for each in spool.epochs if each is not spool.epochs.present]

"""A link with a real spool, and its scripted collector, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from config.addresses import Address
from device.backoff import Backoff
from device.contact import Contact
from device.feed import Feed
from device.link import Link
from device.link_stream import LinkStream
from device.settings import SpoolSettings
from device.spool import Row, Spool, open_spool
from kit.scripted import ScriptedCollector, scripted_collector
from kit.waiting import WITHIN_S, until
from kit.wireworks import MOMENT
from wire.blocks import Point
from wire.bodies import Command, Describe, Moment, Result, SensorDescription
from wire.receiver import Arrived

DEVICE = "greenhouse"
AGENT = "telegauge-device test"
# The first of another boot of the same device.
NEXT_BOOT = Moment(bytes(range(32, 48)), 5 * 10**9, MOMENT.wall_ns + 3600 * 10**9, True)


async def opened(folder: Path, policy: str = "frugal", now: Moment = MOMENT) -> Spool:
    """The spool in a folder, with one tier on each side; its clocks stand still."""
    for name in ("run", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = SpoolSettings(policy=policy)  # type: ignore[arg-type]
    return await open_spool(settings, folder / "run", folder / "state", lambda: now)


async def abandon(spool: Spool) -> None:
    """Leave the files of a spool as kill -9 would."""
    if spool.mover:
        await spool.mover.card.close(WITHIN_S)
    spool.near.close()


class Rig:
    """A link to a port, without the waits of its back-off, and its spool."""

    def __init__(self, port: int, spool: Spool, device: str = DEVICE) -> None:
        self.spool = spool
        self.description = Describe([SensorDescription("air", "host", 1.0, [])], "Greenhouse")
        self.link = Link(
            Contact(device, (Address("127.0.0.1", port),)),
            AGENT,
            spool,
            lambda: self.description,
            self.obey,
            Backoff(lambda: 0.0),
        )

    async def obey(self, command: Command) -> Result:
        """Do what a command says; a test may put another in its place."""
        return Result(command.id, True, command.name)

    @property
    def epoch(self) -> bytes:
        """The present epoch."""
        assert self.spool.epochs.present is not None
        return self.spool.epochs.present.epoch

    @property
    def stream(self) -> LinkStream:
        """The session under way."""
        assert self.link._stream is not None
        return self.link._stream

    @property
    def feeds(self) -> list[Feed]:
        """The epochs of the session under way."""
        return list(self.link._stream._feeds.values()) if self.link._stream else []

    def accept(self, *values: float) -> None:
        """Accept one reading a value, as the agent does."""
        for value in values:
            time_ns = MOMENT.boot_ns + self.spool.intake.accepted
            assert self.spool.accept("air", time_ns, [Point("temperature", "degC", value, 0)])
        self.link.departure.reading()

    def close_batches(self, count: int, readings: int = 1) -> None:
        """Accept and close so many batches."""
        for _ in range(count):
            for number in range(readings):
                time_ns = MOMENT.boot_ns + self.spool.intake.accepted
                points = [Point("temperature", "degC", float(number), 0)]
                assert self.spool.accept("air", time_ns, points)
            self.spool.close_batch()

    async def to_card(self) -> None:
        """Move all that waits to the card."""
        assert await self.spool.move()


@asynccontextmanager
async def rigged(
    folder: Path,
    port: int,
    policy: str = "frugal",
    now: Moment = MOMENT,
    device: str = DEVICE,
) -> AsyncIterator[Rig]:
    """A rig on the spool of a folder; the spool is closed in the end, which keeps what it holds."""
    rig = Rig(port, await opened(folder, policy, now), device)
    try:
        yield rig
    finally:
        assert await rig.spool.close(WITHIN_S)


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """The link runs, and is then cancelled."""
    task = asyncio.create_task(rig.link.run())
    try:
        yield rig
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def met(folder: Path, **how: Any) -> AsyncIterator[tuple[Rig, ScriptedCollector]]:
    """A collector, and a rig whose link does not run yet; `how` is for `rigged`."""
    async with scripted_collector() as collector, rigged(folder, collector.port, **how) as rig:
        yield rig, collector


@asynccontextmanager
async def linked(folder: Path, **how: Any) -> AsyncIterator[tuple[Rig, ScriptedCollector]]:
    """A link that runs and is up, and its collector."""
    async with met(folder, **how) as (rig, collector), running(rig):
        await until(lambda: rig.link.is_up)
        yield rig, collector


def play(scenario: Coroutine[Any, Any, None]) -> list[Any]:
    """Run a scenario; nothing may reach the loop's own fault handler. Return what was logged."""
    faults: list[dict[str, Any]] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, found: faults.append(found))
        async with asyncio.timeout(3 * WITHIN_S):
            await scenario

    with capture_logs() as entries:
        asyncio.run(whole())
    assert faults == []
    return entries


def seqs(arrived: list[Arrived], epoch: bytes | None = None) -> list[int]:
    """The seqs of batches, in order; of one epoch where it is named."""
    places = [each.header.place for each in arrived]
    return [place.seq for place in places if epoch in (None, place.epoch)]


def rows_ahead(rig: Rig) -> list[list[Row]]:
    """What of each epoch was read ahead and not sent yet."""
    return [
        [row for row in feed._rows if row.last_seq >= feed.next_seq]
        for feed in rig.feeds
        if feed._rows
    ]

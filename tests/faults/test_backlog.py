"""A collector that was away for long comes back: all of it arrives, and live readings do not wait."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.settings import SpoolSettings
from device.spool import Spool
from kit.waiting import until
from kit.ways import Way, moment, server_in, spool_in
from wire.blocks import Point

A_SECOND = 5
# The spool goes to the card at 0.8 of at_risk: every eight seconds of an outage.
MOVE_EVERY_S = 8
LIVE_WITHIN_S = 2.0
# What an agent and a collector may grow by, in one process, while they see to the backlog.
GROWTH_MB = 48


def outage(way: Way, seconds: int) -> Iterator[None]:
    """Let the spool accept what a Pi reads in so many seconds; give way each time it would move."""
    for _ in range(seconds // MOVE_EVERY_S):
        points = [Point(f"value_{number}", "", 0.0, 0) for number in range(A_SECOND)]
        for _ in range(MOVE_EVERY_S):
            values = [float(len(way.given) + number) for number in range(A_SECOND)]
            read = [
                point._replace(value=value) for point, value in zip(points, values, strict=True)
            ]
            assert way.spool.accept("count", moment().boot_ns, read)
            way.given += values
        yield


def rss_mb() -> float:
    """The resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


async def come_back(folder: Path, seconds: int) -> dict[str, float]:
    """Be offline for so long; then send it all while readings go on."""
    settings = SpoolSettings(max_bytes=2**30)
    async with server_in(folder) as server, spool_in(folder, settings) as spool:
        way = Way(spool, server, server.server.port)
        for _ in outage(way, seconds):
            assert await spool.move()
        backlog = len(way.given)
        before_mb, began_s = rss_mb(), time.monotonic()
        task = asyncio.create_task(way.link.run())
        await until(lambda: way.link.is_up)
        slowest_s, live = 0.0, 0
        while not drained_but_live(spool):
            slowest_s = max(slowest_s, await live_reading(way))
            live += 1
        drained_s = time.monotonic() - began_s
        growth_mb = rss_mb() - before_mb
        await way.all_sent(600)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.all_gone()
        way.check()
    assert live > 0
    assert slowest_s < LIVE_WITHIN_S
    assert growth_mb < GROWTH_MB
    return {
        "readings": backlog, "drained_s": drained_s, "live": live,
        "slowest_live_s": slowest_s, "growth_mb": growth_mb,
    }  # fmt: skip


def drained_but_live(spool: Spool) -> bool:
    """Whether only the present epoch is left."""
    return all(each is spool.epochs.present for each in spool.epochs.waiting("pi"))


async def live_reading(way: Way) -> float:
    """Take one reading; return how long it took until it was stored, as the agent sees it."""
    began_s = time.monotonic()
    facts = way.spool.epochs.present
    assert facts is not None
    value = float(len(way.given))
    assert way.spool.accept("count", moment().boot_ns, [Point("value", "", value, 0)])
    way.given.append(value)
    way.link.departure.reading()
    wanted = facts.last_seq + 1
    await until(lambda: facts.mark >= wanted, 30)
    return time.monotonic() - began_s


def test_an_hour_away(tmp_path: Path) -> None:
    """What an hour without a collector gave arrives; what is read meanwhile is stored within 2 s."""
    asyncio.run(come_back(tmp_path, 3600))


@pytest.mark.full
def test_a_week_away(tmp_path: Path) -> None:
    """The same for a week: three million readings, in bounded memory on both ends."""
    from kit.results import Results

    Results("a week away").add(7, **asyncio.run(come_back(tmp_path, 7 * 86_400)))

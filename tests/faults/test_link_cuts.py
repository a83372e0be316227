"""The link is cut after every byte of a session, in every way: nothing is lost, nothing is twice."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from device.spool import spool as spool_module
from kit.faultproxy import Act, Fault, FaultProxy, Plan
from kit.results import Results
from kit.stores import rows
from kit.waiting import until
from kit.ways import Way, server_in, spool_in

# So many bytes, both ways, have all there is to say in them: greeting, marks, batches, ends.
SESSION_BYTES = 2400
# And these are what TLS adds: its handshake, the proof, and the edge of each record.
TLS_BYTES = 2400
_CUTS = (Act.RESET, Act.FINISH)


async def cut_sessions(folder: Path, faults: list[Fault], *, tls: bool = False) -> int:
    """Let each session meet one fault while readings come in; then let one go through."""
    last = Plan()

    def plan(session: int) -> Plan:
        return Plan(faults[session - 1]) if session <= len(faults) else last

    async with server_in(folder) as server, spool_in(folder) as spool:
        with always_rolling(), FaultProxy(server.server.port, plan) as proxy:
            way = Way(spool, server, proxy.port, tls)
            task = asyncio.create_task(way.link.run())
            for number in range(1, len(faults) + 1):
                way.give(3)
                await meet_fault(way, proxy, number)
            await way.all_sent()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            struck = proxy.faults
        await server.all_gone()
        way.check()
        ended = rows(server.file, "SELECT count(*) FROM epoch WHERE ended = 'rolled'")
        assert ended[0][0] > len(faults) // 20, "hardly an end was said"
    return struck


def always_rolling() -> Any:
    """Let an epoch end at each READY where anything waits, so that there are ends to say, too."""
    return patch.object(spool_module, "_ROLL_FROM_BYTES", 0)


async def meet_fault(way: Way, proxy: FaultProxy, session: int) -> None:
    """Let readings come until a session has met its fault, however far behind its first byte."""
    while proxy.sessions <= session:
        way.give(1)
        await until(lambda: proxy.sessions > session or way.link.is_drained)


def places(count: int, choose: Callable[[random.Random, int], int], seed: int) -> list[Fault]:
    """Return so many faults, at places that a function and a seed choose."""
    dice = random.Random(seed)
    return [Fault(dice.choice(_CUTS), choose(dice, number)) for number in range(count)]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_cut_at_many_places(tmp_path: Path, tls: bool) -> None:
    """150 places, evenly over a session: everything accepted is stored once."""
    step = (SESSION_BYTES + tls * TLS_BYTES) // 150
    faults = places(150, lambda _, number: number * step, seed=1)
    assert asyncio.run(cut_sessions(tmp_path, faults, tls=tls)) > 110


@pytest.mark.full
@pytest.mark.parametrize("start", range(0, SESSION_BYTES, 240))
def test_cut_at_every_byte(tmp_path: Path, start: int) -> None:
    """Every byte of a session is once the last."""
    results = Results("link cut at every byte")
    if results.has(start):
        pytest.skip("done in an earlier run")
    faults = places(240, lambda _, number: start + number, seed=start)
    results.add(start, struck=asyncio.run(cut_sessions(tmp_path, faults)), lost=0, twice=0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_cut_at_random_places(tmp_path: Path, seed: int) -> None:
    """5,000 random places."""
    results = Results("link cut at random")
    if results.has(seed):
        pytest.skip("done in an earlier run")
    faults = places(250, lambda dice, _: dice.randrange(SESSION_BYTES), seed=seed)
    results.add(seed, struck=asyncio.run(cut_sessions(tmp_path, faults)), lost=0, twice=0)

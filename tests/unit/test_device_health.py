"""device.health: what counts as progress, and what systemd is told of it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from device import health
from device.health import Health
from device.sampler import Sampler
from device.sensors import Sample
from device.spool.tier import Tier
from kit.adapters import ScriptedAdapter, sensor_of
from kit.links import Rig as LinkRig
from kit.links import opened, play
from kit.spoolfaults import card_of
from kit.systemd import Manager, manager
from kit.waiting import WITHIN_S, until
from service.notify import Notifier
from service.reload import Configuration
from wire.conversation import Closed


def failing(_number: int) -> list[Sample]:
    """A read that fails."""
    raise OSError("bus error")


class Rig:
    """The health of an agent with two sensors, one of which fails."""

    def __init__(self, link: LinkRig, address: str) -> None:
        self.link, self.spool = link.link, link.spool
        self.configuration = Configuration()
        good, bad = sensor_of(ScriptedAdapter()), sensor_of(ScriptedAdapter(failing), "door")
        self.sensors = {"air": good, "door": bad}
        self.sampler = Sampler(self.sensors, lambda: True, lambda *_: True, lambda: None)
        self.health = Health(
            self.sensors,
            self.sampler,
            self.spool,
            self.link,
            Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}),
            lambda: self.configuration,
        )


@asynccontextmanager
async def rigged(folder: Path) -> AsyncIterator[tuple[Rig, Manager]]:
    """A rig that tells a manager; nothing runs."""
    spool = await opened(folder)
    with manager(folder / "notify") as systemd:
        rig = Rig(LinkRig(8888, spool), str(folder / "notify"))
        try:
            yield rig, systemd
        finally:
            assert await spool.close(WITHIN_S)
            for sensor in rig.sensors.values():
                sensor.reader.stop()


def test_line_is_put_together_of_what_there_is(tmp_path: Path) -> None:
    """Sensors that fail, the link and since when, what waits, and what a reload has left."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, _):
            assert rig.health.line() == "2 sensors, link not up yet, 0 spooled"
            for sensor in rig.sensors.values():
                await sensor.read()
            rig.link.last_end = Closed("no_connection", "Connection refused")
            rig.health._since_s -= 300
            rig.configuration = Configuration(waiting=["spool.policy"])
            assert rig.health.line() == (
                "2 sensors (door failing), link down 5 min: connection refused, 0 spooled, "
                "a restart is needed for spool.policy"
            )

    play(scenario())


def test_change_of_the_link_is_told_at_once(tmp_path: Path) -> None:
    """Nobody waits for the next ten seconds."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, systemd):
            rig.link._report(Closed("no_connection", "Connection refused"))
            assert systemd.status == "2 sensors, link down 0 s: connection refused, 0 spooled"

    play(scenario())


def test_watchdog_is_fed_while_there_is_progress(tmp_path: Path) -> None:
    """Sampling that is late by more than the grace feeds nothing; the status is told all the same."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, systemd):
            task = asyncio.create_task(rig.health.run())
            await until(lambda: systemd.watchdogs >= 2)
            rig.sampler.next_due_ns -= 60 * 10**9
            await asyncio.sleep(0)
            fed, told = systemd.watchdogs, len(systemd.told)
            await until(lambda: len(systemd.told) >= told + 3)
            assert systemd.watchdogs == fed
            task.cancel()

    play(scenario())


def test_card_that_hangs_is_no_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted is not committed; once it answers, be it with an error, all is well."""
    begun, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(health, "_COMMIT_GRACE_S", 0.0)

    def hang(_: Tier) -> None:
        begun.set()
        assert may_end.wait(WITHIN_S)
        raise OSError(5, "Input/output error")

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, _):
            assert rig.health.makes_progress()
            work = asyncio.create_task(card_of(rig.spool).do(hang))
            await until(begun.is_set)
            await until(lambda: not rig.health.makes_progress())
            may_end.set()
            await asyncio.wait([work])
            assert work.exception() is not None
            assert rig.health.makes_progress()

    with capture_logs():
        play(scenario())


def test_full_spool_and_link_that_is_down_are_no_hang(tmp_path: Path) -> None:
    """They are states, which another start would not mend."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, _):
            rig.spool.intake.is_full = True
            rig.link.last_end = Closed("no_connection", "Connection refused")
            assert rig.health.makes_progress()
            assert "spool full" in rig.health.line()
            rig.spool.intake.is_full = False

    play(scenario())

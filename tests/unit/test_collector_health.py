"""collector.health: what counts as progress, and what systemd is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector import health
from collector.health import Health
from collector.store.database import FILE_NAME
from kit.servers import ServerRig, server_rig
from kit.stores import batch
from kit.systemd import Manager, manager
from kit.waiting import until
from kit.wireworks import EPOCH
from service.notify import Notifier
from service.reload import Configuration


class Rig:
    """The health of a running server."""

    def __init__(self, server: ServerRig, address: str) -> None:
        self.server = server
        self.configuration = Configuration()
        self.health = Health(
            server.services,
            server.file,
            "0.0.0.0:8888",
            Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}),
            self._troubles,
        )

    def _troubles(self) -> list[str]:
        return self.configuration.troubles()


@asynccontextmanager
async def rigged(folder: Path) -> AsyncIterator[tuple[Rig, Manager]]:
    """A rig that tells a manager, while its health runs."""
    with manager(folder / "notify") as systemd:
        async with server_rig(folder / FILE_NAME) as server:
            rig = Rig(server, str(folder / "notify"))
            task = asyncio.create_task(rig.health.run())
            try:
                yield rig, systemd
            finally:
                task.cancel()
                await asyncio.wait([task])


def test_status_says_who_is_here_of_whom_there_is(tmp_path: Path) -> None:
    """Revoked devices are not waited for; trouble is named."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, systemd):
            for name in ("greenhouse", "shed", "gone"):
                device = await rig.server.device(name)
                device.send_batches(batch(1))
                await device.acknowledged(EPOCH, 1)
            await device.leave()
            rig.server.trust.revoke("gone", 1)
            await until(lambda: systemd.status.startswith("2 of 2 devices connected, store "))
            assert systemd.status.endswith("iB, 0.0.0.0:8888")
            rig.configuration = Configuration(refused="x.yaml:1:1: no")
            rig.server.space.set_floor(2**60)
            await until(lambda: systemd.status.startswith("too little space"))
            assert systemd.status.endswith(", the file is not in force: x.yaml:1:1: no")

    with capture_logs():
        asyncio.run(scenario())


def test_watchdog_is_fed_while_there_is_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that hangs feeds nothing, too little space does; the status is told all the same."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, systemd):
            rig.server.space.set_floor(2**60)
            await until(lambda: systemd.watchdogs >= 2)
            monkeypatch.setattr(rig.server.writer._group, "busy_since_s", -1e9)
            await asyncio.sleep(0)
            fed, told = systemd.watchdogs, len(systemd.told)
            await until(lambda: len(systemd.told) >= told + 3)
            assert systemd.watchdogs <= fed + 1, "but for the one under way"
            monkeypatch.setattr(rig.server.writer._group, "busy_since_s", None)

    with capture_logs():
        asyncio.run(scenario())


def test_strangers_are_told_of_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many more there were, and how many in all."""

    async def scenario() -> None:
        async with rigged(tmp_path) as (rig, systemd):
            rig.server.admission.turned_away = 3
            told = len(systemd.told)
            await until(lambda: len(systemd.told) >= told + 2)
            rig.server.admission.turned_away = 5
            told = len(systemd.told)
            await until(lambda: len(systemd.told) >= told + 2)
            monkeypatch.setattr(health, "_TELL_EVERY_S", 0.0)
            rig.health._tell_again_s = 0.0
            await until(lambda: rig.health._told_strangers == 5)

    with capture_logs() as entries:
        asyncio.run(scenario())
    told = [each for each in entries if each["event"] == "strangers_turned_away"]
    assert [(each["connections"], each["since_start"]) for each in told] == [(3, 3), (2, 5)]

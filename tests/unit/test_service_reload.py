"""service.reload: real signals to this process, files that are good, bad or slow to load."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from config.problems import ConfigError, Position, Problem
from kit.programs import ROOT
from kit.waiting import WITHIN_S, until
from service.reload import Configuration, Reloader, hold_hangups


class Settings(msgspec.Struct, frozen=True):
    """What the file may say; `port` is for a start alone."""

    interval: int = 1
    port: int = 1


BAD = ConfigError(
    "x.yaml",
    [Problem("no such key", ("a",), Position(3, 1)), Problem("no", (), Position(9, 2))],
    [],
)


class Rig:
    """A program with a file: `file` is what loading gives, `told` what systemd and the program heard."""

    def __init__(self) -> None:
        self.file: Settings | Exception = Settings()
        self.told: list[object] = []
        self.may_load = threading.Event()
        self.may_load.set()
        self.reloader = Reloader(
            Settings(), self._load, self._take_up, (("port",),), (PermissionError,)
        )

    def reloading(self) -> None:
        """As systemd hears it."""
        self.told.append("reloading")

    def ready(self, status: str) -> None:
        """As systemd hears it."""
        self.told.append(status)

    async def reload(self, file: Settings | Exception) -> Configuration:
        """Reload with another file; return how that stands then."""
        self.file = file
        await self.reloader.reload()
        return self.reloader.configuration

    def _load(self) -> Settings:
        assert self.may_load.wait(WITHIN_S)
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    async def _take_up(self, former: Settings, now: Settings) -> None:
        assert self.reloader.settings == now
        self.told.append((former, now))


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[None]:
    """Let it heed SIGHUP, as at a terminal nobody else does."""
    task = asyncio.create_task(rig.reloader.run(rig, lambda: "ready"))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def held() -> object:
    """As the programs begin; afterwards it is as it was."""
    former = signal.getsignal(signal.SIGHUP)
    hold_hangups()
    yield
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, "once it runs no more"
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    signal.signal(signal.SIGHUP, former)


def play(scenario: Callable[[Rig], Awaitable[None]]) -> list[dict[str, object]]:
    """Run a scenario within the time of a test; return what was logged."""

    async def whole() -> None:
        async with asyncio.timeout(WITHIN_S):
            await scenario(Rig())

    with capture_logs() as entries:
        asyncio.run(whole())
    return list(entries)


def hang_up() -> None:
    """Send SIGHUP to this process."""
    os.kill(os.getpid(), signal.SIGHUP)


def test_signal_reloads_and_systemd_hears_of_it() -> None:
    """RELOADING first, READY last, whatever came of it."""

    async def scenario(rig: Rig) -> None:
        async with running(rig):
            rig.file = Settings(interval=2)
            hang_up()
            await until(lambda: rig.told[-1:] == ["ready"])
            rig.file = BAD
            hang_up()
            await until(lambda: rig.told.count("ready") == 2)
        hang_up()  # when it runs no more
        took = (Settings(), Settings(interval=2))
        assert rig.told == ["reloading", took, "ready", "reloading", "ready"]

    play(scenario)


def test_signals_meanwhile_are_one_more_reload() -> None:
    """Never two at once, and what the file says at last is what is in force."""

    async def scenario(rig: Rig) -> None:
        async with running(rig):
            rig.may_load.clear()
            hang_up()
            await until(lambda: rig.told == ["reloading"])
            for _ in range(3):
                hang_up()
            await asyncio.sleep(0)
            rig.file = Settings(interval=5)
            rig.may_load.set()
            await until(lambda: rig.told.count("ready") == 2)
            await asyncio.sleep(0)
            assert rig.told.count("reloading") == 2
            assert rig.reloader.settings == Settings(interval=5)

    play(scenario)


def test_bad_file_changes_nothing_and_says_so() -> None:
    """A line a problem, the first of them in status; until a later one is good."""

    async def scenario(rig: Rig) -> None:
        refused = await rig.reload(BAD)
        assert refused.refused == "x.yaml:3:1: a: no such key (and 1 more)"
        assert refused.troubles() == [f"the file is not in force: {refused.refused}"]
        assert rig.reloader.settings == Settings()
        assert (await rig.reload(PermissionError("chmod 600 it"))).refused == "chmod 600 it"
        assert rig.told == []
        assert await rig.reload(Settings()) == Configuration()

    refused, other, mode, good = play(scenario)
    assert refused == {
        "event": "reload_refused",
        "log_level": "error",
        "problem": "x.yaml:3:1: a: no such key",
    }
    assert (other["problem"], mode["problem"]) == ("x.yaml:9:2: no", "chmod 600 it")
    assert (good["event"], good["changed"]) == ("reloaded", "nothing")


def test_what_needs_a_start_is_named_until_the_file_is_back() -> None:
    """It keeps its former value; a bad file meanwhile does not hide it."""

    async def scenario(rig: Rig) -> None:
        waiting = await rig.reload(Settings(interval=2, port=9))
        assert waiting == Configuration(waiting=["port"])
        assert waiting.troubles() == ["a restart is needed for port"]
        assert rig.reloader.settings == Settings(interval=2)
        assert (await rig.reload(BAD)).waiting == ["port"]
        assert await rig.reload(Settings(interval=2)) == Configuration()

    entries = play(scenario)
    assert [(each["event"], each["log_level"]) for each in entries[:2]] == [
        ("reloaded", "info"),
        ("restart_needed", "warning"),
    ]
    assert (entries[0]["changed"], entries[1]["keys"]) == (["interval"], ["port"])


def test_who_changes_what_a_file_is_checked_against_has_its_turn() -> None:
    """While that is under way no file is read."""

    async def scenario(rig: Rig) -> None:
        async with rig.reloader.turn:
            task = asyncio.create_task(rig.reload(Settings(interval=2)))
            await asyncio.sleep(0)
            rig.file = Settings(interval=3)
        await task
        assert rig.reloader.settings == Settings(interval=3)

    play(scenario)


def test_fault_of_ours_is_seen() -> None:
    """What is half taken up must not go on as if nothing had been: the program ends, and starts anew."""

    async def scenario(rig: Rig) -> None:
        rig.file = ZeroDivisionError("a bug")
        task = asyncio.create_task(rig.reloader.run(rig, lambda: "ready"))
        await asyncio.sleep(0)
        hang_up()
        with pytest.raises(ZeroDivisionError):
            await task

    play(scenario)


BEFORE_IT_RUNS = """
import asyncio
from service.reload import hold_hangups
from test_service_reload import Rig, Settings, hang_up

async def main():
    rig = Rig()
    rig.file = Settings(interval=2)
    task = asyncio.create_task(rig.reloader.run(rig, lambda: "ready"))
    while rig.told[-1:] != ["ready"]:
        await asyncio.sleep(0.001)
    assert rig.told == ["reloading", (Settings(), Settings(interval=2)), "ready"], rig.told

hold_hangups()
for _ in range(3):
    hang_up()
asyncio.run(main())
"""

PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)])
ENVIRONMENT = os.environ | {"PYTHONPATH": PATHS, "PYTHONUNBUFFERED": "1"}


def test_signals_before_it_runs_are_one_reload() -> None:
    """The start may have read the file before it changed. By a process that has one thread, as a program has."""
    subprocess.run(
        [sys.executable, "-c", BEFORE_IT_RUNS], env=ENVIRONMENT, check=True, timeout=WITHIN_S
    )


AT_A_TERMINAL = """
import asyncio
from service.reload import hold_hangups
from service.stop import stop_signal
from test_service_reload import Rig

async def main():
    asked, rig = stop_signal(), Rig()
    task = asyncio.create_task(rig.reloader.run(rig, lambda: "ready"))
    await asyncio.sleep(0)
    print("up", flush=True)
    print(await asked, flush=True)

hold_hangups()
asyncio.run(main())
"""


def test_terminal_that_is_closed_stops_who_was_started_there() -> None:
    """Nobody is left behind at the end of an evening; as long as it is open SIGHUP is a reload."""
    ours, its = os.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-c", AT_A_TERMINAL],
        env=ENVIRONMENT,
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=its,
        text=True,
    ) as process:
        os.close(its)
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGHUP)
            assert "reloaded" in process.stdout.readline()
            os.close(ours)
            assert process.stdout.readline() == "SIGTERM\n"
            assert process.wait(WITHIN_S) == 0
        finally:
            process.kill()

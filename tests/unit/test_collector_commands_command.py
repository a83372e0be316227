"""telegauge-collector command: its words and its exit codes, asked through a real control socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.__main__ import main
from collector.answers import Answers
from collector.store.database import FILE_NAME
from kit.servers import ServerRig, server_rig
from kit.stores import batch, commit
from kit.waiting import WITHIN_S
from service.control import ControlServer
from wire.bodies import Command, Result

Run = Callable[..., Awaitable[int]]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime folder, and a YAML that shows times of Seoul."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    (tmp_path / "c.yaml").write_text("time_zone: Asia/Seoul\n")
    return folder


def typed(runtime: Path, *words: str) -> int:
    """Type a command; return its exit code."""
    return main(["command", "-c", str(runtime.parent / "c.yaml"), *words])


def play(runtime: Path, scenario: Callable[[ServerRig, Run], Awaitable[None]]) -> None:
    """Run a scenario with a collector's network and control socket."""

    async def run(*words: str) -> int:
        return await asyncio.to_thread(typed, runtime, *words)

    async def whole() -> None:
        file = runtime.parent / FILE_NAME
        async with asyncio.timeout(WITHIN_S), server_rig(file) as rig:
            answers = Answers(rig.services, rig.server, file, rig.housekeeper)
            control = ControlServer(runtime / "control", {"command": answers.command})
            await control.start()
            try:
                await scenario(rig, run)
            finally:
                await control.close()

    with capture_logs():  # else the server's lines stand among the command's
        asyncio.run(whole())


async def answered(rig: ServerRig, run: Run, result: Result, *words: str) -> tuple[int, Command]:
    """Type a command that a device answers; return the exit code, and what the device got."""
    device = await rig.device()
    typing = asyncio.ensure_future(run(*words))
    [got] = await device.said(Command)
    device.sender.result(Result(got.id, result.ok, result.detail, result.values))
    device.flush()
    return await typing, got


def test_done(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and a table of what was read; 0."""

    async def scenario(rig: ServerRig, run: Run) -> None:
        values: dict[str, str | float | None] = {"greenhouse/air.temperature": 21.5, "x": 1e-7}
        result = Result(0, True, "2 readings", values)
        words = ("greenhouse", "read_now", "air", "--within", "5s")
        code, got = await answered(rig, run, result, *words)
        assert code == 0
        assert (got.name, got.arguments, got.within_s) == ("read_now", ["air"], 5.0)

    play(runtime, scenario)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        "done: 2 readings",
        "SERIES                      VALUE",
        "greenhouse/air.temperature   21.5",
        "x                           1e-07",
    ]


def test_failed(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Why, on the side of the errors; what was read all the same, as ever; 1."""

    async def scenario(rig: ServerRig, run: Run) -> None:
        result = Result(0, False, "air is\nbad", {"greenhouse/air.\x1b[2Jx": None, "s": "a\nb"})
        assert (await answered(rig, run, result, "greenhouse", "read_now"))[0] == 1

    play(runtime, scenario)
    printed = capsys.readouterr()
    assert printed.err == "failed: air is bad\n", "a device forges no line"
    assert printed.out.splitlines() == [
        "SERIES                VALUE",
        "greenhouse/air. [2Jx      -",
        "s                       a b",
    ]


def test_json(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole answer; the exit code stays."""

    async def scenario(rig: ServerRig, run: Run) -> None:
        result = Result(0, False, "no", {"a": None})
        assert (await answered(rig, run, result, "greenhouse", "ping", "--json"))[0] == 1

    play(runtime, scenario)
    assert json.loads(capsys.readouterr().out) == {
        "outcome": "failed",
        "detail": "no",
        "values": {"a": None},
        "heard_ns": None,
    }


def test_device_away(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not sent, and when it was last heard, in the zone of the YAML; 1."""
    commit(runtime.parent / FILE_NAME, "greenhouse", batch(1))

    async def scenario(_rig: ServerRig, run: Run) -> None:
        assert await run("greenhouse", "ping") == 1

    play(runtime, scenario)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("not sent: greenhouse is not connected (last heard 20")
    assert printed.err.endswith("+09:00)\n")


def test_no_result(
    runtime: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may or may not have been done; 1."""
    monkeypatch.setattr("collector.session.RESULT_GRACE_S", 0.1)

    async def scenario(rig: ServerRig, run: Run) -> None:
        await rig.device()
        assert await run("greenhouse", "ping", "--within", "100ms") == 1

    play(runtime, scenario)
    printed = capsys.readouterr()
    assert printed.err.startswith("unknown: greenhouse did not say within 0.1 s")


def test_collector_that_ends_meanwhile(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was sent, so nobody may say that it was not done."""

    async def main_() -> int:
        async def handler(_: object) -> None:
            raise asyncio.CancelledError

        control = ControlServer(runtime / "control", {"command": handler})
        await control.start()
        try:
            return await asyncio.to_thread(typed, runtime, "greenhouse", "ping")
        finally:
            await control.close()

    assert asyncio.run(main_()) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("unknown: ")
    assert "it may have been done or not" in printed.err


def test_no_collector(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same line as everywhere; 1."""
    assert typed(runtime, "greenhouse", "ping") == 1
    assert capsys.readouterr().err.startswith("telegauge-collector: not running: ")


@pytest.mark.parametrize(
    ("within", "said"),
    [("51s", "--within: 51s is not accepted here. Accepted: 100ms to 50s"), ("5", "5 of what?")],
)
def test_wrong_time(
    runtime: Path, capsys: pytest.CaptureFixture[str], within: str, said: str
) -> None:
    """Nothing is asked; 2."""
    assert typed(runtime, "greenhouse", "ping", "--within", within) == 2
    assert said in capsys.readouterr().err


def test_command_that_cannot_be_sent(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with what is accepted; 1."""

    async def scenario(rig: ServerRig, run: Run) -> None:
        await rig.device()
        assert await run("greenhouse", "x" * 65) == 1

    play(runtime, scenario)
    assert "no command that can be sent" in capsys.readouterr().err

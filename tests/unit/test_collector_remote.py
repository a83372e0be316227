"""collector.remote: what comes of a command, with real sessions and devices that do as told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.errors import CollectorError
from collector.remote import CommandAnswer, command
from collector.store.database import FILE_NAME
from kit.servers import Device, ServerRig, server_rig
from kit.stores import batch, commit, described, transaction
from kit.waiting import WITHIN_S
from wire.bodies import Command, Result


def play(file: Path, scenario: Callable[[ServerRig], Awaitable[None]]) -> None:
    """Run a scenario with a server within the time of a test."""

    async def whole() -> None:
        async with asyncio.timeout(WITHIN_S), server_rig(file) as rig:
            await scenario(rig)

    asyncio.run(whole())


async def asked(rig: ServerRig, device: str, *words: str, **more: Any) -> CommandAnswer:
    """Ask as the control socket does."""
    name, *arguments = words
    request = {"device": device, "name": name, "arguments": arguments, **more}
    return await command(rig.sessions, rig.file, request)


async def obey(device: Device, *, ok: bool, detail: str = "", **values: float | None) -> Command:
    """Wait for the one command of a device and answer it."""
    [got] = await device.said(Command)
    device.sender.result(Result(got.id, ok, detail, dict(values)))
    device.flush()
    return got


@pytest.mark.parametrize(("ok", "outcome"), [(True, "done"), (False, "failed")])
def test_what_the_device_says_is_told(tmp_path: Path, ok: bool, outcome: str) -> None:
    """Its words and its values, and it got what was asked, once."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        asking = asyncio.ensure_future(asked(rig, "greenhouse", "read_now", "air", within_s=7.5))
        got = await obey(device, ok=ok, detail="2 readings", a=1.5, b=None)
        assert (got.name, got.arguments, got.within_s) == ("read_now", ["air"], 7.5)
        answer = await asking
        assert answer == CommandAnswer(outcome, "2 readings", {"a": 1.5, "b": None})  # type: ignore[arg-type]
        assert msgspec.json.decode(msgspec.json.encode(answer), type=CommandAnswer) == answer
        assert len(device.heard(Command)) == 1

    play(tmp_path / FILE_NAME, scenario)


def test_only_the_device_that_was_named_gets_it(tmp_path: Path) -> None:
    """Its neighbour hears nothing."""

    async def scenario(rig: ServerRig) -> None:
        device, other = await rig.device(), await rig.device("cellar")
        asking = asyncio.ensure_future(asked(rig, "greenhouse", "ping"))
        await obey(device, ok=True)
        assert (await asking).outcome == "done"
        assert other.heard(Command) == []

    play(tmp_path / FILE_NAME, scenario)


def test_no_result_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may say that it was not done; and it is not sent again."""
    monkeypatch.setattr("collector.session.RESULT_GRACE_S", 0.1)

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        answer = await asked(rig, "greenhouse", "ping", within_s=0.1)
        assert answer.outcome == "unknown"
        assert "greenhouse did not say within 0.1 s" in answer.detail
        assert "may have been done or not" in answer.detail
        assert len(device.heard(Command)) == 1

    play(tmp_path / FILE_NAME, scenario)


def test_session_that_ends_leaves_it_unknown(tmp_path: Path) -> None:
    """Told at once, without waiting for the rest of the time; the next session gets nothing."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        asking = asyncio.ensure_future(asked(rig, "greenhouse", "ping", within_s=50.0))
        await device.said(Command)
        await device.leave()
        assert (await asking).outcome == "unknown"
        await rig.all_gone()
        again = await rig.device()
        waiting = asyncio.ensure_future(asked(rig, "greenhouse", "identify"))
        assert (await obey(again, ok=True)).name == "identify"
        await waiting

    play(tmp_path / FILE_NAME, scenario)


def test_device_that_is_away(tmp_path: Path) -> None:
    """Nothing is kept for later; when it was last heard is told."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))

    async def scenario(rig: ServerRig) -> None:
        answer = await asked(rig, "greenhouse", "ping")
        assert (answer.outcome, answer.detail) == ("not_sent", "greenhouse is not connected")
        assert answer.heard_ns is not None
        device = await rig.device()
        assert device.heard(Command) == []

    play(file, scenario)


def test_device_that_never_was_here(tmp_path: Path) -> None:
    """The nearest name, and some that there are."""
    file = tmp_path / FILE_NAME
    with transaction(file) as group:
        for number in range(9):
            group.describe(f"shed-{number}", described("air.temperature"))
        group.describe("greenhouse", described("air.temperature"))

    async def scenario(rig: ServerRig) -> None:
        answer = await asked(rig, "grenhouse", "ping")
        assert (answer.outcome, answer.heard_ns) == ("not_sent", None)
        assert answer.detail == (
            "no device `grenhouse` was ever here. Did you mean `greenhouse`? There are: "
            "greenhouse, shed-0, shed-1, shed-2, shed-3, ..."
        )

    play(file, scenario)


def test_empty_or_broken_store_does_not_hide_it(tmp_path: Path) -> None:
    """That it was not sent is certain all the same."""

    async def scenario(rig: ServerRig) -> None:
        answer = await asked(rig, "greenhouse", "ping")
        assert answer.detail == "no device `greenhouse` was ever here. There are: none yet"
        rig.file.rename(tmp_path / "elsewhere")
        assert (await asked(rig, "greenhouse", "ping")).outcome == "not_sent"
        (tmp_path / "elsewhere").rename(rig.file)

    play(tmp_path / FILE_NAME, scenario)


def test_too_many_at_once_are_not_sent(tmp_path: Path) -> None:
    """The session says so; those that wait go on."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        waiting = [asyncio.ensure_future(asked(rig, "greenhouse", "ping")) for _ in range(16)]
        await device.said(Command, 16)
        assert (await asked(rig, "greenhouse", "ping")).outcome == "not_sent"
        for got in device.heard(Command):
            device.sender.result(Result(got.id, True))
        device.flush()
        assert {answer.outcome for answer in await asyncio.gather(*waiting)} == {"done"}

    play(tmp_path / FILE_NAME, scenario)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"device": "greenhouse"},
        {"device": "greenhouse", "name": "x" * 65},
        {"device": "greenhouse", "name": "ping", "arguments": ["x"] * 17},
        {"device": "greenhouse", "name": "ping", "arguments": ["x" * 201]},
        {"device": "greenhouse", "name": "ping", "arguments": "air"},
        {"device": "greenhouse", "name": "ping", "within_s": 0},
        {"device": "greenhouse", "name": "ping", "within_s": 51},
        {"device": "greenhouse", "name": "ping", "within_s": float("nan")},
    ],
)
def test_what_the_wire_would_not_take_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Here, with what is accepted: the device would end its session over it."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        with pytest.raises(CollectorError, match=r"no command that can be sent: .* Accepted: "):
            await command(rig.sessions, rig.file, wrong)
        assert device.heard(Command) == []

    play(tmp_path / FILE_NAME, scenario)

"""telegauge-collector rotate: its words and its exit codes."""

import asyncio
from pathlib import Path

import pytest

from collector import membership
from kit.commanded import Commanded, Typed
from kit.servers import ServerRig
from wire.bodies import Key


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commanded:
    """A collector's folders."""
    return Commanded(tmp_path, monkeypatch)


def test_key_that_is_used(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """0 once the device is back with it."""

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        device = await rig.device("greenhouse", rig.let_in())
        typing = asyncio.ensure_future(typed("rotate", "greenhouse"))
        [given] = await device.said(Key)
        await rig.device("greenhouse", given.key)
        assert await typing == 0

    commanded.play(scenario)
    printed = capsys.readouterr()
    assert printed == ("greenhouse uses its new key; the former one is dead\n", "")


def test_key_that_is_not_used_yet(
    commanded: Commanded, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """1, and what holds meanwhile."""
    monkeypatch.setattr(membership, "USED_WITHIN_S", 0.1)

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        await rig.device("greenhouse", rig.let_in())
        assert await typed("rotate", "greenhouse") == 1

    commanded.play(scenario)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "both keys hold until it does" in printed.err
    assert "telegauge-collector devices" in printed.err


def test_device_that_is_away(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """1, and why."""

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        rig.let_in()
        assert await typed("rotate", "greenhouse") == 1

    commanded.play(scenario)
    assert capsys.readouterr().err == (
        "telegauge-collector: greenhouse is not connected; a new key goes over its session\n"
    )


def test_no_collector_that_runs(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """1: there is no session that a key could go over."""
    assert commanded.type("rotate", "greenhouse") == 1
    assert "not running" in capsys.readouterr().err

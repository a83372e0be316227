"""telegauge-collector revoke: its words and its exit codes, with a collector that runs and with none."""

from pathlib import Path

import pytest

from kit.commanded import Commanded, Typed
from kit.servers import ServerRig
from kit.stores import batch, commit, rows
from kit.wireworks import EPOCH


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commanded:
    """A collector's folders."""
    return Commanded(tmp_path, monkeypatch)


def test_device_that_is_connected(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """It is cut, and the line says how to let it in again."""

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        device = await rig.device("greenhouse", rig.let_in())
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        assert await typed("revoke", "greenhouse") == 0
        assert (await device.closed()).reason == "revoked"
        assert rows(rig.file, "SELECT sum(readings) FROM batch") == [(1,)]

    commanded.play(scenario)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == (
        "greenhouse is revoked: nothing more of it is stored. What it sent stays, and the "
        "line that it joined by is of no more use to anybody. To let it in again: telegauge-collector invite greenhouse\n"
    )


def test_device_of_a_collector_that_does_not_run(
    commanded: Commanded, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is kept out from the next start on."""
    commit(commanded.store, "greenhouse", batch(1))
    assert commanded.type("revoke", "greenhouse") == 0
    assert "greenhouse is revoked" in capsys.readouterr().out

    async def scenario(rig: ServerRig, _typed: Typed) -> None:
        assert rig.trust.is_revoked("greenhouse")

    commanded.play(scenario)


@pytest.mark.parametrize("is_running", [True, False])
def test_name_that_nobody_has(
    commanded: Commanded, capsys: pytest.CaptureFixture[str], is_running: bool
) -> None:
    """One line with the nearest name, and 1."""
    commit(commanded.store, "greenhouse", batch(1))

    async def scenario(_rig: ServerRig, typed: Typed) -> None:
        assert await typed("revoke", "greenhose") == 1

    if is_running:
        commanded.play(scenario)
    else:
        assert commanded.type("revoke", "greenhose") == 1
    assert capsys.readouterr() == (
        "",
        "telegauge-collector: no device `greenhose` is known. Did you mean `greenhouse`?\n",
    )

"""telegauge-collector devices: who may send, as a table and as JSON."""

import json
import time
from pathlib import Path

import pytest

from kit.commanded import Commanded, Typed
from kit.servers import ServerRig
from kit.stores import batch, commit


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commanded:
    """A collector's folders."""
    return Commanded(tmp_path, monkeypatch)


def test_table(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a device, with times of the zone of the YAML."""

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        commit(rig.file, "here", batch(1))
        await rig.device("greenhouse", rig.let_in())
        rig.trust.rotate("greenhouse")
        rig.trust.invite(["attic"], 1, 1)
        rig.trust.invite(["barn"], 10**18, time.time_ns())
        rig.trust.revoke("cellar", 1)
        assert await typed("devices") == 0

    commanded.play(scenario)
    printed = capsys.readouterr()
    assert printed.err == ""
    head, *lines = printed.out.splitlines()
    assert head.split("  ")[0] == "DEVICE"
    rows = [[word for word in line.split("  ") if word] for line in lines]
    assert [row[0] for row in rows] == ["attic", "barn", "cellar", "greenhouse", "here"]
    assert [row[1].strip() for row in rows] == [
        "expired",
        "invited",
        "revoked",
        "joined, has a new key it has not used yet",
        "no key",
    ]
    assert [row[2].strip() for row in rows] == ["away", "away", "away", "connected", "away"]
    assert "+09:00" in lines[3]
    assert lines[0].endswith("never")
    assert "+09:00" in lines[3]


def test_none_yet(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer is told what to type."""
    assert commanded.type("devices") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "none yet: telegauge-collector invite NAME lets one in"
    )


def test_json_without_a_collector(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether a device is connected is null then; no key is among what is shown."""
    commit(commanded.store, "here", batch(1))
    assert commanded.type("devices", "--json") == 0
    [device] = json.loads(capsys.readouterr().out)
    assert (device["device"], device["standing"], device["connected"]) == ("here", "no key", None)
    assert not any("key" in field and field != "has_unused_key" for field in device)
    assert commanded.type("devices") == 0
    assert "unknown" in capsys.readouterr().out

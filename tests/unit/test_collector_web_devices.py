"""collector.web.devices: how each device is doing, as JSON."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.device_notes import ClockNote, SessionNote, Trouble
from collector.membership import MemberStatus
from collector.report import DeviceStatus, Loss
from collector.web.devices import told
from collector.web.encoding import Clock
from kit.stores import at_ns, batch, commit, described, read, transaction
from kit.webs import WebRig, web_rig

NS = Clock("ns", ZoneInfo("Asia/Seoul"))
MEMBER = MemberStatus("cellar", "joined", True, True, 1, None, 2)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door over a store of one device that told of itself."""
    with web_rig(tmp_path) as made:
        with transaction(made.file) as group:
            group.describe("cellar", described("agent.spooled_readings", "agent.slowest_read"))
        agent = {"sensor": "agent", "unit": ""}
        spooled = [read(at, 5.0 * at, channel="spooled_readings", **agent) for at in (1, 2)]
        bad = read(2, float("nan"), channel="slowest_read", quality=129, **agent)
        commit(made.file, "cellar", batch(1, *spooled, bad))
        yield made


def test_agent_says_what_waits(rig: WebRig) -> None:
    """Its last reading of each channel; null where that is bad."""
    [cellar] = rig.client.get("/api/v1/devices?time=ns").json["devices"]
    values = {"spooled_readings": 10.0, "slowest_read": None}
    assert cellar["agent"] == {"time": at_ns(2), "values": values}
    assert (cellar["state"], cellar["standing"]) == ("live", "no key")


def test_device_with_everything() -> None:
    """Each instant is written as it was asked for, wherever it stands."""
    status = DeviceStatus(
        "cellar", "by the window", True, 5, 2, Loss(1, 0, 3, 1, 0, 3, 4, "power_cut"),
        state="draining",
        interval_s=1.0,
        session=SessionNote(6, "192.0.2.7:40000", "telegauge-device 1", over_tls=True),
        clock=ClockNote(7, -8, 9, synchronised=False),
        troubles=(Trouble("silence", "it said nothing", 10, 2),),
    )  # fmt: skip
    [facts] = told([status], [MEMBER], [], NS)
    assert facts["heard"] == 2
    assert (facts["loss"]["latest"], facts["loss"]["latest_reason"]) == (4, "power_cut")
    assert facts["session"] == {
        "since": 6, "peer": "192.0.2.7:40000", "agent": "telegauge-device 1", "over_tls": True,
    }  # fmt: skip
    assert facts["clock"] == {
        "measured": 7, "ahead_ns": -8, "error_ns": 9, "synchronised": False,
    }  # fmt: skip
    assert facts["troubles"] == [
        {"what": "silence", "detail": "it said nothing", "time": 10, "count": 2}
    ]
    assert (facts["standing"], facts["joined"], facts["revoked"]) == ("joined", 1, None)
    assert facts["has_unused_key"] is True
    assert facts["agent"] is None
    assert not [name for name in facts if name.endswith("_ns")]
    [in_words] = told([status], [MEMBER], [], Clock("rfc3339", ZoneInfo("Asia/Seoul")))
    assert in_words["troubles"][0]["time"] == "1970-01-01T09:00:00.000+09:00"


def test_device_that_was_invited_is_there_too() -> None:
    """Never seen, and with all that is known of the others."""
    invited = MemberStatus("attic", "invited", False, False, None, None, None)
    [attic, cellar] = told([DeviceStatus("cellar", None, True, 0, 2)], [invited, MEMBER], [], NS)
    assert (attic["device"], attic["state"], attic["standing"]) == (
        "attic", "never_seen", "invited",
    )  # fmt: skip
    assert attic.keys() == cellar.keys()

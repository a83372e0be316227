"""A cable is pulled: nobody says anything any more, and both ends notice within 15 seconds."""

import time
from pathlib import Path

from kit import rigs
from kit.faultproxy import Act, FaultProxy
from kit.waiting import wait_until
from wire.conversation import SILENCE_S

# A busy machine may look a little later than it wanted to.
SLACK_S = 3.0


def test_pulled_cable_is_noticed(tmp_path: Path) -> None:
    """The link goes down with `silence`, comes back by itself, and nothing is lost."""
    with rigs.rig(tmp_path) as rig, FaultProxy(rig.port) as proxy:
        rig.send_through(proxy.port)
        rig.start()
        wait_until(lambda: rig.device.ask("status")["link"] == "up")
        rig.wait_for_reads(5)
        proxy.strike(Act.SILENCE)
        began_s = time.monotonic()
        wait_until(lambda: "reason=silence" in rig.device.said(), 60)
        assert time.monotonic() - began_s < SILENCE_S + SLACK_S
        wait_until(lambda: rig.device.ask("status")["link"] == "up", 90)
        rig.wait_until_sent()
        rig.stop()
        assert "silence" in rig.collector.said()
        assert rig.verdict().clean, rig.verdict()

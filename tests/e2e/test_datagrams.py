"""Readings over UDP, with the real programs: what arrives is stored once, what does not is counted."""

from pathlib import Path

from kit import oracle, rigs
from kit.waiting import wait_until

UDP = "transport: udp"


def test_every_datagram_is_stored_or_counted(tmp_path: Path) -> None:
    """On a quiet machine all arrive; after a clean stop the numbers of both ends agree."""
    with rigs.rig(tmp_path, transport="udp") as rig:
        rig.start()
        wait_until(lambda: rig.device.ask("status")["link"] == "up")
        rig.wait_for_reads(30)
        status = rig.device.ask("status")
        assert status["datagrams"]["sent"] > 0
        rig.stop()
        verdict = rig.verdict()
    assert verdict.clean, verdict
    assert verdict.stored > 3 * 20
    assert oracle.gaps(rig.collector.state) == []


def test_what_was_lost_is_a_gap(tmp_path: Path) -> None:
    """A collector that is gone for a while loses datagrams for good, and says how many readings."""
    with rigs.rig(tmp_path, transport="udp") as rig:
        rig.start()
        wait_until(lambda: rig.device.ask("status")["link"] == "up")
        rig.wait_for_reads(15)
        rig.collector.kill()
        rig.wait_for_reads(15)
        rig.collector.start()
        wait_until(lambda: rig.device.ask("status")["link"] == "up", 90)
        rig.wait_for_reads(15)
        rig.stop()
        verdict = rig.verdict(unknown_covers=True)
        gaps = oracle.gaps(rig.collector.state)
    assert not verdict.doubled
    assert not verdict.invented
    lost = verdict.given - verdict.stored
    assert gaps
    assert {gap.reason for gap in gaps} == {"datagram_lost"}
    assert rigs.is_own(sum(gap.readings or 0 for gap in gaps) - lost)

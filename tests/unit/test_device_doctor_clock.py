"""device.doctor.clock: what the time is worth."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from device.doctor import clock
from device.doctor.board import Board
from device.doctor.clock import Clock
from device.doctor.finding import Level
from kit.recorded import Recorded

PI, PC = Board("Raspberry Pi 4"), Board()
NOW_S = datetime(2026, 11, 27, 12, 30, tzinfo=UTC).timestamp()


def test_it_is_kept_right() -> None:
    """By the network, and by a battery."""
    found = clock.judge(Clock(NOW_S, True, ("rtc-ds1307",)), PI)
    assert [(each.level, each.message) for each in found] == [
        (Level.GOOD, "synchronised: 2026-11-27 12:30 UTC"),
        (Level.GOOD, "kept without power by rtc-ds1307"),
    ]


def test_nothing_keeps_it_right() -> None:
    """A warning: the collector dates the readings all the same."""
    (found,) = clock.judge(Clock(NOW_S, False), PC)
    assert found.level is Level.WARNING
    assert found.mend.startswith("sudo timedatectl set-ntp true")


@pytest.mark.parametrize(("now_s", "shown"), [(5.0, "1970-01-01"), (NOW_S + 56 * 3.156e7, "2082-")])
@pytest.mark.parametrize("is_synchronised", [True, False])
def test_it_cannot_be_right(now_s: float, shown: str, is_synchronised: bool) -> None:
    """At 1970, or generations ahead, whatever the kernel thinks of it."""
    found = clock.judge(Clock(now_s, is_synchronised), PC)[0]
    assert found.level is Level.WARNING
    assert shown in found.message


def test_a_pi_without_a_battery() -> None:
    """Nothing is wrong with it: that is how they are made."""
    assert [each.level for each in clock.judge(Clock(NOW_S, True), PI)] == [Level.GOOD] * 2


def test_looking(tmp_path: Path) -> None:
    """This machine's time, and the clocks by their drivers' names."""
    machine = Recorded(tmp_path)
    machine.put("sys/class/rtc/rtc0/name", "rtc-ds1307 1-0068\n")
    machine.put("sys/class/rtc/rtc1/date", "")
    found = clock.look(machine.place)
    assert found.rtcs == ("rtc-ds1307 1-0068", "rtc")
    assert abs(found.now_s - datetime.now(UTC).timestamp()) < 60

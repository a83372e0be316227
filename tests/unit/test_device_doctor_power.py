"""device.doctor.power: what the firmware says of supply and heat, now and since boot."""

from pathlib import Path

import pytest

from device.doctor import power
from device.doctor.board import Board
from device.doctor.finding import Level
from device.doctor.power import Power
from kit.recorded import Recorded, recorded_pi

PI, PC = Board("Raspberry Pi 4"), Board()
SYSFS = "sys/devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(
    ("found", "levels", "said"),
    [
        (Power(0, False), ["good"], "strong enough"),
        (Power(None, False), ["good"], "strong enough"),
        (Power(None, True), ["bad"], "too weak now"),
        (Power(0x50005, False), ["bad", "warning"], "too weak now"),
        (Power(0x50000, None), ["warning", "warning"], "was too weak since"),
        (Power(0x80008, None), ["warning"], "too hot"),
        (Power(0x80000, None), ["warning"], "was slowed down"),
        (Power(0x20002, None), ["warning"], "is slowed down"),
    ],
)
def test_the_firmwares_word(found: Power, levels: list[str], said: str) -> None:
    """Under-voltage now is bad; what was, and heat, is to be looked at."""
    judged = power.judge(found, PI)
    assert [each.level.value for each in judged] == levels
    assert said in judged[0].message


def test_nobody_tells() -> None:
    """On a Pi that is worth a warning, elsewhere no line."""
    assert power.judge(Power(), PC) == []
    assert [each.level for each in power.judge(Power(), PI)] == [Level.WARNING]


def test_the_kernel_is_asked(tmp_path: Path) -> None:
    """Without a program where it tells by itself; the chip is found by its name."""
    pi = recorded_pi(tmp_path)
    pi.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    pi.put(SYSFS, "50005\n")
    assert power.look(pi.place) == Power(0x50005, True)
    assert pi.asked == []


def test_vcgencmd_is_asked_where_the_kernel_says_nothing(tmp_path: Path) -> None:
    """And whatever else it prints is no word."""
    machine = Recorded(tmp_path)
    machine.said["vcgencmd get_throttled"] = "throttled=0x50000\n"
    assert power.look(machine.place) == Power(0x50000, None)
    machine.said["vcgencmd get_throttled"] = "VCHI initialization failed\n"
    assert power.look(machine.place) == Power()

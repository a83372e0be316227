"""device.doctor.buses: what is switched on, and what it takes where it is not."""

from pathlib import Path

import pytest

from device.doctor import buses
from device.doctor.board import Board
from device.doctor.buses import Buses
from device.doctor.finding import Level
from device.doctor.needs import Needs
from kit.recorded import recorded_pi

PI = Board("Raspberry Pi 4 Model B Rev 1.4", has_raspi_config=True)
PC = Board()
NOTHING = Needs()
CO2 = Needs(i2c={1: ("co2",)})


def test_all_is_on(tmp_path: Path) -> None:
    """A bus of the display is there, and nobody's business."""
    found = buses.look(recorded_pi(tmp_path).place)
    assert found == Buses((1, 20, 21), (1,), ("spidev0.0", "spidev0.1"))
    judged = buses.judge(found, PI, NOTHING)
    assert [(each.level, each.message) for each in judged] == [
        (Level.GOOD, "/dev/i2c-1 is there"),
        (Level.GOOD, "SPI is on: spidev0.0, spidev0.1"),
    ]


@pytest.mark.parametrize(("needs", "level"), [(NOTHING, Level.WARNING), (CO2, Level.BAD)])
def test_i2c_is_off(needs: Needs, level: Level) -> None:
    """A newcomer's first stumble: bad where a sensor needs it, and how it is switched on."""
    found = buses.judge(Buses(spi=("spidev0.0",)), PI, needs)[0]
    assert (found.level, found.mend) == (level, "sudo raspi-config nonint do_i2c 0\nsudo reboot")


def test_i2c_that_programs_may_not_use() -> None:
    """The kernel has the bus, but nothing loaded i2c-dev: no reboot is needed."""
    found = buses.judge(Buses(kernel_i2c=(1,)), PI, CO2)[0]
    assert found.level is Level.BAD
    assert found.mend.startswith("sudo modprobe i2c-dev\n")


def test_another_bus_is_a_line_in_config_txt() -> None:
    """raspi-config knows the header's alone."""
    found = buses.judge(Buses(i2c=(1,)), PI, Needs(i2c={3: ("co2",)}))
    assert [each.level for each in found[:2]] == [Level.GOOD, Level.BAD]
    assert "dtoverlay=i2c-gpio,bus=3" in found[1].mend


def test_spi_is_off() -> None:
    """Not even a warning where nobody needs it, but told how."""
    unneeded = buses.judge(Buses(i2c=(1,)), PI, NOTHING)[-1]
    needed = buses.judge(Buses(i2c=(1,)), PI, Needs(spi=("battery",)))[-1]
    assert (unneeded.level, needed.level) == (Level.GOOD, Level.BAD)
    assert "do_spi 0" in unneeded.mend
    assert unneeded.mend == needed.mend


def test_a_machine_that_is_no_pi() -> None:
    """Hears of a bus only where a sensor is on it; of no raspi-config, no config.txt."""
    assert buses.judge(Buses(), PC, NOTHING) == []
    found = buses.judge(Buses(), PC, Needs(i2c={1: ("co2",)}, spi=("battery",)))
    assert [each.level for each in found] == [Level.BAD, Level.BAD]
    assert not any("config" in each.mend for each in found)

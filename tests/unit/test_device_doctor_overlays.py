"""device.doctor.overlays: what the kernel gives by name, and the line that is missing."""

from pathlib import Path

import pytest

from device.doctor import overlays
from device.doctor.board import Board
from device.doctor.finding import Finding, Level
from device.doctor.needs import KernelName, Needs
from device.doctor.overlays import Kernel, Offered
from kit.recorded import recorded_pi

PI = Board("Raspberry Pi 4")


def judged(kernel: Kernel, kind: str, name: str) -> Finding:
    """What is said of one sensor."""
    (found,) = overlays.judge(kernel, PI, Needs(kernel=(KernelName("air", kind, name),)))
    return found


def test_looking(tmp_path: Path) -> None:
    """Names, probes, and the lines of config.txt that are in force."""
    assert overlays.look(recorded_pi(tmp_path).place, PI) == Kernel(
        {
            "iio": [Offered("bme280", 0x76)],
            "hwmon": [Offered("cpu_thermal"), Offered("rpi_volt")],
            "w1": [Offered("28-0316a4f2b1ff")],
        },
        True,
        (
            "dtparam=i2c_arm=on",
            "dtparam=spi=on",
            "dtoverlay=i2c-sensor,bme280",
            "dtoverlay=w1-gpio",
        ),
    )


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("iio", "bme280", "air: iio has bme280"),
        ("iio", "bm?280", "air: iio has bme280"),
        ("hwmon", "rpi_volt", "air: hwmon has rpi_volt"),
        ("w1", "*", "air: w1 has 28-0316a4f2b1ff"),
    ],
)
def test_it_is_there(tmp_path: Path, kind: str, name: str, said: str) -> None:
    """Also by a pattern."""
    found = judged(overlays.look(recorded_pi(tmp_path).place, PI), kind, name)
    assert (found.level, found.message) == (Level.GOOD, said)


def test_its_overlay_is_missing() -> None:
    """The line for config.txt, ready to be run; and what there is instead."""
    found = judged(Kernel({"iio": [Offered("dht11")]}), "iio", "bme280")
    assert (found.level, found.message) == (Level.BAD, "air: iio has no bme280, but dht11")
    line = "dtoverlay=i2c-sensor,bme280,addr=0x76"
    assert found.mend == f"echo '{line}' | sudo tee -a /boot/firmware/config.txt\nsudo reboot"


@pytest.mark.parametrize("parameters", ["", ",addr=0x77"])
def test_its_overlay_is_there_already(parameters: str) -> None:
    """Then it is a reboot, or the wiring."""
    line = f"dtoverlay=i2c-sensor,bme280{parameters}"
    found = judged(Kernel(boot_lines=(line,)), "iio", "bme280")
    assert found.level is Level.BAD
    assert "tee" not in found.mend
    assert "wiring" in found.mend


@pytest.mark.parametrize(
    ("need", "line"),
    [
        (KernelName("air", "iio", "bme280", 0x77), "dtoverlay=i2c-sensor,bme280,addr=0x77"),
        (KernelName("air", "hwmon", "sht3x", bus=3), "dtoverlay=i2c-sensor,sht3x,addr=0x44,i2c3"),
        (KernelName("air", "iio", "dht11*", pin=17), "dtoverlay=dht11,gpiopin=17"),
    ],
)
def test_the_line_has_what_is_not_usual(need: KernelName, line: str) -> None:
    """Another address, bus or pin than the overlay's own."""
    (found,) = overlays.judge(Kernel(), PI, Needs(kernel=(need,)))
    assert f"'{line}'" in found.mend


def test_the_same_chip_at_another_address_is_not_it() -> None:
    """Two of a kind on one bus."""
    kernel = Kernel({"iio": [Offered("bme280", 0x76)]})
    need = KernelName("air", "iio", "bme280", 0x77)
    (found,) = overlays.judge(kernel, PI, Needs(kernel=(need,)))
    assert found.level is Level.BAD
    assert "no bme280 at 0x77" in found.message


def test_probes_of_one_wire() -> None:
    """Without a bus it is the overlay; with one, and no such probe, the wiring."""
    assert "dtoverlay=w1-gpio" in judged(Kernel(), "w1", "*").mend
    assert "4.7 kOhm" in judged(Kernel(has_w1_bus=True), "w1", "28-0316a4f2b1ff").mend


def test_a_name_that_nobody_knows() -> None:
    """No line is made up for it."""
    found = judged(Kernel(), "hwmon", "mysensor")
    assert (found.level, found.mend) == (
        Level.BAD,
        "see what there is: grep . /sys/class/hwmon/*/name",
    )

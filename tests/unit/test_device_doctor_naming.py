"""device.doctor.naming: which way a plain name is read here, and what opens another."""

from typing import Any

import pytest

from device.doctor.board import Board
from device.doctor.finding import Finding, Level
from device.doctor.naming import Naming, named
from device.doctor.overlays import Kernel, Offered
from device.sensors.aliases import ALIASES

PI = Board("Raspberry Pi 4")
BME280 = "circuitpython:adafruit_bme280.basic.Adafruit_BME280_I2C"


def read_by(kernel: Kernel, driver: str, *installed: str, **options: Any) -> Naming:
    """Who reads one sensor."""
    return named([("air", driver, options)], kernel, PI, lambda package: package in installed)


def only(naming: Naming) -> Finding:
    """The one line that is said."""
    (found,) = naming.findings
    return found


def test_the_kernel_goes_first() -> None:
    """Where a device of it is there, whatever is installed."""
    naming = read_by(Kernel({"iio": [Offered("bme280", 0x76)]}), "bme280", "adafruit_bme280")
    assert naming.drivers == [("air", "iio:bme280", {})]
    assert (only(naming).level, only(naming).message) == (
        Level.GOOD,
        "air: a bme280 is read by iio:bme280",
    )


@pytest.mark.parametrize("kernel", [Kernel(), Kernel({"iio": [Offered("bme280", 0x76)]})])
def test_a_library_that_is_installed(kernel: Kernel) -> None:
    """Where the kernel has none, or not the one at that address."""
    naming = read_by(kernel, "bme280", "adafruit_bme280", address=0x77)
    assert naming.drivers == [("air", BME280, {"address": 0x77})]
    assert only(naming).level is Level.GOOD


def test_nothing_reads_it_yet() -> None:
    """Bad, with both ways; the chip is looked for on its bus all the same."""
    naming = read_by(Kernel(), "bme280")
    assert only(naming).level is Level.BAD
    assert "dtoverlay=i2c-sensor,bme280" in only(naming).mend
    assert "/etc/telegauge/sensors.d adafruit-circuitpython-bme280" in only(naming).mend
    assert naming.drivers == [("air", BME280, {})]
    assert naming.unread == {"air"}


def test_other_drivers_stay_as_they_are() -> None:
    """So do names that have one way only, which is that way."""
    assert read_by(Kernel(), "iio:bme280") == Naming([("air", "iio:bme280", {})], [])
    assert read_by(Kernel(), "pir", pin=4) == Naming(
        [("air", "gpiozero:MotionSensor", {"pin": 4})], []
    )


@pytest.mark.parametrize("name", ALIASES)
def test_every_alias_can_be_judged(name: str) -> None:
    """Whatever its ways: one line where nothing reads it, and that says how."""
    for found in read_by(Kernel(), name).findings:
        assert found.level is Level.BAD
        assert found.mend

"""device.sensors.hwmon: the kernel's files of a recorded Pi, in our names and units."""

import math

import pytest

from device.sensors import SensorError, make
from kit.programs import ROOT

PI = ROOT / "tests/trees/pi"


def read(name: str) -> dict[str, tuple[float, str]]:
    """Value and unit by channel."""
    sensor = make(f"hwmon:{name}", {"root": str(PI)})
    sensor.open()
    try:
        return {each.channel: (each.value, each.unit) for each in sensor.read()}
    finally:
        sensor.close()


def test_thermometer_and_its_alarms() -> None:
    """Thousandths of a degree and of a percent; limits are no readings, alarms are."""
    assert read("sht3x") == {
        "temperature": (22.512, "degC"),
        "temperature_max_alarm": (0.0, ""),
        "humidity": (51.23, "%"),
        "humidity_alarm": (1.0, ""),
    }


def test_power_is_in_microwatts_here() -> None:
    """Unlike in iio; voltages and currents are in thousandths in both."""
    assert read("ina219") == {
        "voltage_0": (0.005, "V"),
        "voltage_1": (5.012, "V"),
        "current": (-0.312, "A"),
        "power": (1.563, "W"),
    }


def test_alarm_alone() -> None:
    """What a Pi says of its supply."""
    assert read("rpi_volt") == {"voltage_lcrit_alarm": (0.0, "")}


def test_labels_name_channels_and_a_fault_is_no_value() -> None:
    """A label that stands there twice gets a number."""
    found = read("pc")
    assert found["cpu_temp"] == (40.0, "degC")
    assert found["cpu_temp_2"] == (30.0, "degC")
    assert found["speed"] == (1200.0, "rpm")
    assert math.isnan(found["temperature_2"][0])


def test_label_that_types_share() -> None:
    """The quantity tells a voltage and a current of one connector apart."""
    assert read("ina3221") == {"ch1_voltage": (5.0, "V"), "ch1_current": (0.1, "A")}


def test_device_that_is_not_there() -> None:
    """What there is."""
    with pytest.raises(
        SensorError, match="there are: cpu_thermal, ina219 at 0x40 on bus 1, ina3221"
    ):
        read("sht4x")

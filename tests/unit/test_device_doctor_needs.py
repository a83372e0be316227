"""device.doctor.needs: what each driver takes of the machine, from the YAML alone."""

from typing import Any

import pytest

from device.doctor.needs import Chip, KernelName, Needs, needs_of


@pytest.mark.parametrize(
    ("driver", "options", "needs"),
    [
        ("gpiozero:Button", {"pin": 17}, Needs(pins=("x",))),
        ("gpiozero:CPUTemperature", {}, Needs()),
        ("gpiozero:MCP3008", {"channel": 0}, Needs(pins=("x",), spi=("x",))),
        ("pulses", {"pin": 17}, Needs(pins=("x",))),
        ("serial:/dev/ttyACM0", {}, Needs(ports={"/dev/ttyACM0": ("x",)})),
        ("iio:bme280", {}, Needs(kernel=(KernelName("x", "iio", "bme280"),))),
        (
            "hwmon:sht3x",
            {"address": 0x45},
            Needs(kernel=(KernelName("x", "hwmon", "sht3x", 0x45),)),
        ),
        ("w1:*", {}, Needs(kernel=(KernelName("x", "w1", "*"),))),
        ("circuitpython:a.B", {}, Needs(i2c={1: ("x",)}, modules={"a": ("x",)})),
        (
            "circuitpython:a.B",
            {"bus": 3, "address": 0x76},
            Needs(i2c={3: ("x",)}, modules={"a": ("x",)}, chips=(Chip("x", 3, (0x76,)),)),
        ),
        (
            "circuitpython:a.B",
            {"bus": "spi", "cs": "D5"},
            Needs(pins=("x",), spi=("x",), modules={"a": ("x",)}),
        ),
        (
            "circuitpython:adafruit_scd4x.SCD4X",
            {},
            Needs(
                i2c={1: ("x",)}, modules={"adafruit_scd4x": ("x",)}, chips=(Chip("x", 1, (0x62,)),)
            ),
        ),
        (
            "circuitpython:adafruit_dht.DHT22",
            {"pin": "D4"},
            Needs(pins=("x",), modules={"adafruit_dht": ("x",)}),
        ),
        (
            "exec",
            {"command": ["/home/ada/tank.py", "-v", "/dev/rfcomm0"]},
            Needs(files={"/home/ada/tank.py": ("x",), "/dev/rfcomm0": ("x",)}),
        ),
        ("replay:/srv/day.csv", {}, Needs(files={"/srv/day.csv": ("x",)})),
        ("host", {}, Needs()),
        ("synthetic:sine", {}, Needs()),
        ("lines", {"port": 8887}, Needs()),
    ],
)
def test_what_a_driver_needs(driver: str, options: dict[str, Any], needs: Needs) -> None:
    """Pins, a bus, a chip on it, a port, or a name that the kernel has; most need nothing."""
    assert needs_of([("x", driver, options)]) == needs


def test_who_shares_a_bus() -> None:
    """All of them are named, in their order."""
    needs = needs_of(
        [("a", "circuitpython:m.A", {}), ("b", "circuitpython:m.B", {"address": 0x23})]
    )
    assert needs.i2c == {1: ("a", "b")}
    assert needs.any_i2c == ("a", "b")

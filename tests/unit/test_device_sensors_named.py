"""device.sensors.named: which way to a sensor is gone on a recorded Pi, and what is said where none is."""

from pathlib import Path

import pytest

from device.sensors import Adapter, SensorError, libraries, make, named, problems
from device.sensors.aliases import ALIASES
from kit.programs import ROOT

PI = str(ROOT / "tests/trees/pi")


def opened(name: str, **options: object) -> Adapter:
    """An open sensor of the recorded Pi."""
    adapter = make(name, {"root": PI, **options})
    adapter.open()
    return adapter


def test_kernel_goes_first() -> None:
    """And says so."""
    adapter = opened("bme280", address=0x76)
    assert adapter.note == "iio:bme280"
    assert {each.channel: each.value for each in adapter.read()}["temperature"] == 21.53
    adapter.close()


def test_address_is_handed_on() -> None:
    """Of two chips the one that is meant."""
    adapter = opened("bme280", address=0x77)
    assert (adapter.read()[0].channel, adapter.read()[0].value) == ("temperature", -5.25)
    adapter.close()


def test_chip_that_is_there_twice_is_nothing_for_another_way() -> None:
    """Its address has to be said: the kernel has both."""
    with pytest.raises(SensorError, match="2 devices are named `bme280`"):
        opened("bme280")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ads1115", {}),
        ("bh1750", {}),
        ("bme280", {"address": 0x76, "bus": 1}),
        ("bme680", {}),
        ("dht22", {"pin": 4}),
        ("ina219", {}),
        ("lm75", {}),
        ("mpu6050", {}),
        ("scd41", {}),
        ("sgp30", {}),
        ("sht31", {}),
        ("si7021", {}),
    ],
)
def test_channels_are_those_of_the_table(name: str, options: dict[str, object]) -> None:
    """Those and no others, whatever more the kernel's driver has."""
    adapter = opened(name, **options)
    assert tuple(channel.name for channel in adapter.channels) == ALIASES[name].channels
    adapter.close()


def test_channels_keep_their_units_by_another_name() -> None:
    """A current monitor's supply is its second voltage to the kernel; a guess at CO2 is no CO2."""
    assert {each.channel: each.value for each in opened("ina219").read()} == {
        "voltage": 5.012,
        "current": -0.312,
        "power": 1.563,
    }
    assert [(each.channel, each.value, each.unit) for each in opened("sgp30").read()] == [
        ("eco2", 412.0, "ppm"),
        ("tvoc", 7.0, "ppb"),
    ]


def test_chips_of_a_bus_share_a_lane() -> None:
    """Whatever reads them; others have one of their own."""
    assert make("bme280", {}).lane == make("sht31", {"bus": 1}).lane == "i2c-1"
    assert make("bme280", {"bus": 3}).lane == "i2c-3"
    assert make("dht22", {"pin": 4}).lane == ""
    assert make("ds18b20", {}).lane == "w1"


def test_where_neither_is_there_both_ways_are_told(tmp_path: Path) -> None:
    """A line for config.txt, and a line for the shell."""
    adapter = make("veml7700", {})
    with pytest.raises(
        SensorError, match=r"adafruit-circuitpython-veml7700 is not installed: `sudo pip"
    ):
        adapter.open()
    adapter = make("sht40", {"root": str(tmp_path)})
    with pytest.raises(SensorError) as error:
        adapter.open()
    assert str(error.value).startswith(
        "nothing reads a sht40 here: the kernel has no device `sht4x`"
    )
    assert (
        "`dtoverlay=i2c-sensor,sht4x,addr=0x44` in /boot/firmware/config.txt and a reboot; or adafruit"
        in str(error.value)
    )


def test_overlay_names_the_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line can be pasted as it stands."""
    monkeypatch.setattr(libraries, "find_spec", lambda _module: None)
    adapter = make("dht22", {"pin": 17, "root": str(tmp_path)})
    with pytest.raises(SensorError, match="`dtoverlay=dht11,gpiopin=17`"):
        adapter.open()


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("bh1750", {}, "dtoverlay=i2c-sensor,bh1750,addr=0x23"),
        ("lm75", {"address": 0x4A, "bus": 3}, "dtoverlay=i2c-sensor,lm75,addr=0x4a,i2c3"),
        ("sgp30", {}, "dtoverlay=i2c-sensor,sgp30"),
        ("ina219", {}, ""),
    ],
)
def test_overlay_names_where_the_chip_is(name: str, options: dict[str, object], line: str) -> None:
    """Always, where it may have several addresses: an overlay's own may be a rare one."""
    alias = ALIASES[name]
    assert named.overlay_line(alias, alias.ways[0], options) == line


def test_sensor_with_one_way_is_that() -> None:
    """It takes the options of its driver, and gives edges as that does."""
    adapter = make("pir", {"pin": 4})
    assert (adapter.note, adapter.is_event_driven) == ("gpiozero:MotionSensor", True)
    [problem] = problems("hc-sr04", {"echo": 5})
    assert problem.message == "`gpiozero:DistanceSensor` needs the option `trigger`"


@pytest.mark.parametrize(
    ("driver", "options", "told"),
    [
        ("bme28", {}, "Did you mean `bme280`?"),
        ("bme280:0x76", {}, "write `bme280` alone, and the rest under `options`"),
        ("bme280", {"addres": 0x76}, "Did you mean `address`?"),
        ("bme280", {"address": 0x80}, "`address` must be a whole number from 3 to 119, not 128"),
        ("dht22", {"address": 0x76}, "`dht22` has no option `address`"),
        ("dht22", {"pin": 28}, "`pin` must be a whole number from 0 to 27, not 28"),
    ],
)
def test_what_is_wrong_is_told(driver: str, options: dict[str, object], told: str) -> None:
    """Without hardware."""
    [problem] = problems(driver, options)
    assert told in problem.message


def test_every_way_is_right() -> None:
    """Each alias has a driver that exists, and options that it takes; CircuitPython ones need no hardware."""
    for name, alias in ALIASES.items():
        for way in alias.ways:
            adapter = way.driver.partition(":")[0]
            if adapter in ("iio", "hwmon", "w1"):
                assert problems(way.driver, way.options) == [], name
            assert way.package or way.overlay or adapter in ("gpiozero", "iio", "hwmon"), name

"""device.sensors.iio: the kernel's files of a recorded Pi, in our names and units."""

import shutil
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.sensors import SensorError, make, problems
from device.sensors.iio import Iio
from kit.programs import ROOT

PI = ROOT / "tests/trees/pi"


def opened(name: str, root: Path = PI, **options: object) -> Iio:
    """An open device of a tree."""
    sensor = make(f"iio:{name}", {"root": str(root), **options})
    assert isinstance(sensor, Iio)
    sensor.open()
    return sensor


def read(name: str, **options: object) -> dict[str, tuple[float, str]]:
    """Value and unit by channel."""
    sensor = opened(name, **options)
    try:
        return {each.channel: (each.value, each.unit) for each in sensor.read()}
    finally:
        sensor.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree that may be changed."""
    shutil.copytree(PI, tmp_path / "pi", symlinks=True)
    return tmp_path / "pi"


@pytest.mark.parametrize(
    ("name", "options", "gives"),
    [
        (
            "bme280",
            {"address": 0x76},
            {
                "temperature": (21.53, "degC"),
                "pressure": (1006.533, "hPa"),
                "humidity": (45.12, "%"),
            },
        ),
        ("dht11@4", {}, {"temperature": (23.0, "degC"), "humidity": (38.0, "%")}),
        ("bh1750", {}, {"illuminance": (510.0, "lx")}),
        (
            "scd4x",
            {},
            {"co2": (612.0, "ppm"), "temperature": (24.428, "degC"), "humidity": (45.78, "%")},
        ),
        (
            "sps30",
            {},
            {
                "pm1": (3.2, "ug/m3"),
                "pm25": (5.4, "ug/m3"),
                "pm4": (6.1, "ug/m3"),
                "pm10": (7.0, "ug/m3"),
            },
        ),
        (
            "mpu6050",
            {},
            {
                "acceleration_x": (0.00957, "m/s2"),
                "acceleration_y": (-0.01914, "m/s2"),
                "acceleration_z": (9.79763, "m/s2"),
                "angular_velocity_x": (0.010647, "rad/s"),
                "angular_velocity_y": (0.0, "rad/s"),
                "angular_velocity_z": (-0.010647, "rad/s"),
                "temperature": (33.0, "degC"),
            },
        ),
    ],
)
def test_chip_in_our_names_and_units(
    name: str, options: dict[str, object], gives: dict[str, tuple[float, str]]
) -> None:
    """Every channel that the chip has, converted by the kernel's ABI, and nothing that is no reading."""
    found = read(name, **options)
    assert {key: unit for key, (_, unit) in found.items()} == {
        key: unit for key, (_, unit) in gives.items()
    }
    for key, (value, _) in gives.items():
        assert found[key][0] == pytest.approx(value, abs=10**-3 if "x" not in key else 10**-5), key


@pytest.mark.parametrize(
    ("name", "gives"),
    [
        ("sgp30", {"co2": (412.0, "ppm"), "tvoc": (7.0, "ppb")}),
        (
            "bme680",
            {
                "humidity": (45.12, "%"),
                "pressure": (1006.5, "hPa"),
                "resistance": (12000.0, "Ohm"),
                "temperature": (21.0, "degC"),
            },
        ),
    ],
)
def test_driver_that_keeps_to_another_unit(name: str, gives: dict[str, tuple[float, str]]) -> None:
    """Some differ from the kernel's own rules, and always will: their numbers are an interface."""
    assert read(name) == gives


def test_differences_share_a_scale_of_their_own() -> None:
    """And the highest value so far is no reading."""
    assert read("mcp3301") == {"voltage_0_1": (0.080566, "V")}


def test_scale_that_cannot_be_read_is_no_scale_of_one(tree: Path) -> None:
    """The sensor does not open: eight times too many volts would look good."""
    (tree / "sys/bus/iio/devices/iio:device3/in_illuminance_scale").write_text("\n")
    with pytest.raises(OSError, match="which is no number"):
        opened("bh1750", tree)


@pytest.mark.parametrize("name", ["ads1015", "ads1115", "si7020", "1-0041", "dht11"])
def test_device_is_found_by_its_chip(name: str) -> None:
    """Where its driver calls it by another, by its bus or by its node in the device tree."""
    assert read(name)


def test_inputs_of_a_converter() -> None:
    """In order of their numbers; the difference of two is a channel of its own."""
    found = read("ads1015")
    assert list(found) == [
        "voltage_0",
        "voltage_1",
        "voltage_2",
        "voltage_3",
        "voltage_10",
        "voltage_0_1",
    ]
    assert found["voltage_2"] == (2.004, "V")
    assert found["voltage_0_1"] == (-0.024, "V")


def test_scale_that_a_type_shares() -> None:
    """And an offset comes before the scale: (raw + offset) * scale."""
    found = read("mpu6050")
    assert found["temperature"][0] == pytest.approx((-1200 + 12420) * 2.941176 / 1000, abs=1e-3)


def test_two_of_a_name_are_told_apart_by_their_address() -> None:
    """An error names both, and the option."""
    with pytest.raises(SensorError) as error:
        opened("bme280")
    assert str(error.value) == (
        "2 devices are named `bme280`: bme280 at 0x76 on bus 1, bme280 at 0x77 on bus 1. "
        "`address`, `bus` or `pin` tells them apart"
    )
    assert read("bme280", address=0x77)["temperature"] == (-5.25, "degC")


def test_some_channels_by_names_of_ones_own(tree: Path) -> None:
    """Only they are read: the others may fail."""
    folder = tree / "sys/bus/iio/devices/iio:device0"
    (folder / "in_temp_input").unlink()
    sensor = opened("bme280", tree, address=0x76, read={"damp": "humidity", "air": "pressure"})
    assert [(each.channel, each.value) for each in sensor.read()] == [
        ("damp", 45.12),
        ("air", 1006.533),
    ]
    sensor.close()
    with pytest.raises(SensorError, match="`read`: it has no temperature; it has pressure, humid"):
        opened("bme280", tree, address=0x76, read=["humidity", "temperature"])


@pytest.mark.parametrize(
    ("read", "told"),
    [
        ([], "must be a list of texts or a mapping from 1 to 99, not []"),
        ({"Damp air": "humidity"}, "`Damp air` in `read` is no name of a channel"),
        ({"damp": 1}, "`read` is a list of channels, or a mapping"),
    ],
)
def test_what_is_wrong_with_a_choice_is_told(read: object, told: str) -> None:
    """Without hardware."""
    [problem] = problems("iio:bme280", {"read": read})
    assert problem.option == "read"
    assert told in problem.message


@pytest.mark.parametrize(
    ("told", "is_one"),
    [("21500", True), ("-0.5\n", True), (" 7\n", True), ("1e3\n", True), ("", False), ("x", False)],
)
def test_numbers_are_taken_as_they_stand(tree: Path, told: str, is_one: bool) -> None:
    """Whole or not, with a line's end or without; nothing else is one."""
    (tree / "sys/bus/iio/devices/iio:device3/in_illuminance_raw").write_text(told)
    sensor = opened("bh1750", tree)
    if is_one:
        assert sensor.read()[0].value == pytest.approx(float(told) * 0.833333, abs=0.01)
    else:
        with pytest.raises(OSError, match="could not convert"):
            sensor.read()
    sensor.close()


@given(
    raw=st.integers(-(2**31), 2**31 - 1),
    offset=st.decimals(-(10**6), 10**6, places=6),
    scale=st.decimals(Decimal("1e-9"), 100, places=9),
)
def test_raw_number_is_what_the_kernels_rule_makes_of_it(
    raw: int, offset: Decimal, scale: Decimal
) -> None:
    """(raw + offset) * scale, in exact arithmetic, to the digits that a channel has."""
    with TemporaryDirectory() as folder:
        chip = Path(folder, "sys/bus/iio/devices/iio:device0")
        chip.mkdir(parents=True)
        files = {"name": "chip", "in_temp_raw": raw}
        files |= {"in_temp_offset": f"{offset:f}", "in_temp_scale": f"{scale:f}"}
        for name, told in files.items():
            (chip / name).write_text(f"{told}\n")
        sensor = opened("chip", Path(folder))
        value = sensor.read()[0].value
        sensor.close()
    exact = float((raw + offset) * scale / 1000)
    assert value == pytest.approx(exact, rel=1e-9, abs=0.0006)


def test_name_may_be_a_glob() -> None:
    """The kernel puts a device tree's address behind some names."""
    assert read("dht11*")["temperature"] == (23.0, "degC")


def test_device_that_is_not_there() -> None:
    """What there is, and what loads a driver."""
    with pytest.raises(
        SensorError,
        match=r"no device `bmp180`; there are: .*ads1015 at 0x48 on bus 1, bh1750.*dtoverlay=",
    ):
        opened("bmp180")


def test_values_follow_the_files(tree: Path) -> None:
    """Files stay open, and are read anew each time."""
    sensor = opened("bh1750", tree)
    file = next((tree / "sys/bus/iio/devices").glob("iio:device3")) / "in_illuminance_raw"
    for raw, lux in ((0, 0.0), (54612, 45509.98)):
        file.write_text(f"{raw}\n")
        assert sensor.read()[0].value == pytest.approx(lux, abs=0.01)
    sensor.close()


def test_one_channel_that_fails_is_none(tree: Path) -> None:
    """The others go on; only where all fail the read does."""
    sensor = opened("bme280", tree, address=0x76)
    folder = tree / "sys/bus/iio/devices/iio:device0"
    (folder / "in_pressure_input").write_text("\n")
    values = {each.channel: each.value for each in sensor.read()}
    assert values["temperature"] == 21.53
    assert values["pressure"] != values["pressure"]
    for name in ("in_temp_input", "in_humidityrelative_input"):
        (folder / name).write_text("I/O\n")
    with pytest.raises(OSError, match="could not convert"):
        sensor.read()
    sensor.close()


def test_read_before_open() -> None:
    """An error, not a crash."""
    with pytest.raises(SensorError, match="not open"):
        make("iio:bh1750", {"root": str(PI)}).read()


@pytest.mark.parametrize("driver", ["iio", "iio:", "iio:../x"])
def test_it_needs_a_name(driver: str) -> None:
    """As its driver gives it."""
    [problem] = problems(driver, {})
    assert "write `iio:NAME`" in problem.message

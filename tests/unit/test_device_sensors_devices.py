"""device.sensors.devices: which device of a recorded Pi is meant, and where each is."""

import shutil
from pathlib import Path

import pytest

from device.sensors import SensorError
from device.sensors.devices import AbsentError, Spot, names_of, spot_of, the_one, wanted
from kit.programs import ROOT

IIO = ROOT / "tests/trees/pi/sys/bus/iio/devices"
HWMON = ROOT / "tests/trees/pi/sys/class/hwmon"


@pytest.mark.parametrize(
    ("folder", "names", "spot"),
    [
        (IIO / "iio:device0", {"bme280"}, Spot(0x76, 1)),
        (IIO / "iio:device1", {"dht11@4", "dht11"}, Spot(pin=4)),
        (IIO / "iio:device2", {"ads1015", "ads1115"}, Spot(0x48, 1)),
        (IIO / "iio:device8", {"1-0041", "si7020"}, Spot(0x41, 1)),
        (HWMON / "hwmon2", {"sht3x"}, Spot(0x44, 1)),
        (HWMON / "hwmon1", {"rpi_volt"}, Spot()),
    ],
)
def test_what_a_device_goes_by_and_where_it_is(folder: Path, names: set[str], spot: Spot) -> None:
    """Its driver's name, its chip's; its address and bus, or its pin."""
    assert set(names_of(folder)) == names
    assert spot_of(folder) == spot


def test_bus_tells_two_of_one_address_apart(tmp_path: Path) -> None:
    """Behind a multiplexer there are often several."""
    folders = []
    for bus in (1, 11, 12):
        folder = tmp_path / f"{bus}-0029/iio:device{bus}"
        folder.mkdir(parents=True)
        (folder / "name").write_text("vl53l0x\n")
        folders.append(folder)
    assert the_one(wanted("vl53l0x", {"address": 0x29, "bus": 12}), folders) == folders[2]
    with pytest.raises(SensorError, match=r"3 devices are named `vl53l0x` at 0x29: .* on bus 11"):
        the_one(wanted("vl53l0x", {"address": 0x29}), folders)


def test_pin_tells_two_sensors_apart(tmp_path: Path) -> None:
    """As the device tree has it; one of which it says nothing may be the one."""
    shutil.copytree(ROOT / "tests/trees/pi", tmp_path / "pi", symlinks=True)
    device = tmp_path / "pi/sys/bus/iio/devices/iio:device1"
    assert the_one(wanted("dht11*", {"pin": 4}), [device]) == device
    with pytest.raises(
        AbsentError, match=r"no device `dht11\*` on pin 17; there are: dht11@4 on pin 4"
    ):
        the_one(wanted("dht11*", {"pin": 17}), [device])
    (device.resolve().parent / "of_node").unlink()
    assert the_one(wanted("dht11*", {"pin": 17}), [device]) == device


def test_several_are_no_absence() -> None:
    """Somebody has to say which: nothing else may be read in their place."""
    with pytest.raises(SensorError) as error:
        the_one(wanted("bme280", {}), sorted(IIO.iterdir()))
    assert not isinstance(error.value, AbsentError)

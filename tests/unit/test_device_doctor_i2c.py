"""device.doctor.i2c: who is on a bus, and what that means for the sensors of the YAML."""

from pathlib import Path

import pytest

from config import load
from device.doctor import i2c
from device.doctor.finding import Finding, Level
from device.doctor.i2c import Bus, Owner
from device.doctor.needs import Chip, KernelName, Needs
from device.doctor.scan import ADDRESSES, Scan
from device.sensors.aliases import ALIASES
from device.settings import DeviceSettings, problems
from kit.recorded import recorded_pi

KERNELS = {0x76: Owner("bme280", "bmp280")}


def judged(scan: Scan, *chips: Chip, owners: dict[int, Owner] | None = None) -> list[Finding]:
    """What is said of one bus."""
    return i2c.judge([Bus(scan, owners or {}, {})], Needs(chips=chips))


def test_a_chip_that_nobody_reads_yet(tmp_path: Path) -> None:
    """What it usually is."""
    (found,) = judged(Scan(1, answering=(0x23,)))
    assert (found.level, found.message) == (Level.GOOD, "0x23 of bus 1 answers: usually bh1750")


@pytest.mark.parametrize(
    "address", sorted({a for each in ALIASES.values() for a in each.addresses})
)
def test_what_is_to_be_pasted_is_right(tmp_path: Path, address: int) -> None:
    """Each block is good YAML as it is, for whatever answers."""
    (found,) = judged(Scan(1, answering=(address,)))
    file = tmp_path / "device.yaml"
    file.write_text(f"sensors:\n{found.paste}\n")
    ((name, sensor),) = load(file, DeviceSettings, problems).sensors.items()
    assert (name, sensor.driver, sensor.options) == (name, name, {"address": address})


def test_several_sensors_share_an_address() -> None:
    """All of them are named, and what is no sensor too."""
    (air,) = judged(Scan(1, answering=(0x76,)))
    assert air.message.endswith("usually bme280 or bme680 or bmp280")
    assert "driver: bme280   # or bme680, bmp280\n" in air.paste
    (clock,) = judged(Scan(1, answering=(0x68,)))
    assert clock.message.endswith("usually mpu6050 or a clock with a battery (DS1307, DS3231)")


def test_a_chip_that_nobody_knows() -> None:
    """Is told all the same, with no block."""
    (found,) = judged(Scan(1, answering=(0x0B,)))
    assert found.paste == ""
    assert "0x0b" in found.message


def test_a_chip_that_a_sensor_reads() -> None:
    """By the sensor's name, with nothing to paste."""
    (found,) = judged(Scan(1, answering=(0x62,)), Chip("co2", 1, (0x62,)))
    assert (found.level, found.message) == (Level.GOOD, "0x62 of bus 1 answers: co2")
    assert found.paste == ""


def test_a_sensor_that_does_not_answer() -> None:
    """Bad, with the pins of the header."""
    found = judged(Scan(1), Chip("co2", 1, (0x62,)))[-1]
    assert found.level is Level.BAD
    assert "co2" in found.message
    assert "GPIO 2" in found.mend


def test_a_chip_of_the_kernels() -> None:
    """UU in i2cdetect: whose it is, and the way to read it."""
    (found,) = judged(Scan(1, claimed=(0x76,)), owners=KERNELS)
    assert found.message == "0x76 of bus 1 is the kernel driver bmp280's (bme280)"
    assert "driver: bme280" in found.paste


def test_a_sensor_that_wants_a_chip_of_the_kernels() -> None:
    """The two stand in each other's way: bad, and both ways out."""
    (found,) = judged(Scan(1, claimed=(0x76,)), Chip("air", 1, (0x76,)), owners=KERNELS)
    assert found.level is Level.BAD
    assert "driver: bme280" in found.mend
    assert "dtoverlay" in found.mend


def test_a_chip_of_the_kernels_that_a_sensor_reads() -> None:
    """By the name that the kernel gives it: nothing to paste. Probes of 1-wire are not there."""
    names = (("air", "iio", "bm?280"), ("attic", "iio", "bme280", 0x77), ("probe", "w1", "*"))
    needs = Needs(kernel=tuple(KernelName(*each) for each in names))
    (found,) = i2c.judge([Bus(Scan(1, claimed=(0x76,)), KERNELS, {})], needs)
    assert found.message.endswith("(bme280): air")
    assert found.paste == ""


def test_what_sysfs_says_of_a_bus_that_cannot_be_asked() -> None:
    """The quarrel is seen without sudo too."""
    found = judged(Scan(1, failure="no"), Chip("air", 1, (0x76,)), owners=KERNELS)
    assert [each.level for each in found] == [Level.WARNING, Level.BAD]


def test_a_chip_of_the_kernels_that_is_no_sensor() -> None:
    """A clock with a battery: told, with nothing to paste."""
    (found,) = judged(Scan(1, claimed=(0x68,)), owners={0x68: Owner("ds3231", "rtc-ds1307")})
    assert (found.level, found.paste) == (Level.GOOD, "")
    assert found.message == "0x68 of bus 1 is the kernel driver rtc-ds1307's (ds3231)"


def test_an_overlay_without_its_chip() -> None:
    """Its driver found nobody at that address: the wiring, or another address."""
    (_, found) = i2c.judge([Bus(Scan(1), {}, {0x76: "bme280"})], Needs())
    assert found.level is Level.WARNING
    assert "bme280 at 0x76" in found.message
    assert "dmesg | grep 1-0076" in found.mend


def test_a_chip_of_the_kernels_that_sysfs_does_not_name() -> None:
    """As i2c-dev itself can hold one."""
    (found,) = judged(Scan(1, claimed=(0x50,)))
    assert found.message == "0x50 of bus 1 is the kernel's own"


@pytest.mark.parametrize(
    ("scan", "level"),
    [
        (Scan(1), Level.GOOD),
        (Scan(1, failure="/dev/i2c-1: Permission denied"), Level.WARNING),
        (Scan(1, hangs=True), Level.BAD),
        (Scan(1, answering=tuple(ADDRESSES)), Level.BAD),
    ],
)
def test_a_bus_as_a_whole(scan: Scan, level: Level) -> None:
    """Empty, closed to us, hanging, or with a line held low: one line each."""
    assert [each.level for each in judged(scan)] == [level]


def test_a_chip_of_another_bus_is_not_missed() -> None:
    """The same address may be in use on several."""
    assert [each.level for each in judged(Scan(1), Chip("co2", 3, (0x62,)))] == [Level.GOOD]


def test_looking(tmp_path: Path) -> None:
    """A bus that cannot be asked still has what the kernel names on it."""
    pi = recorded_pi(tmp_path)
    pi.put("sys/bus/i2c/devices/1-0023/name", "bh1750\n")
    (bus,) = i2c.look(pi.place, [1])
    assert bus.owners == KERNELS
    assert bus.orphans == {0x23: "bh1750"}
    assert bus.scan.failure == "/dev/i2c-1: Inappropriate ioctl for device"

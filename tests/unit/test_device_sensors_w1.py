"""device.sensors.w1: probes of a recorded Pi, that vanish, come, and lose their power."""

import math
import re
import shutil
from pathlib import Path

import pytest

from device.sensors import Adapter, SensorError, make, problems
from kit.programs import ROOT
from wire.readings import Quality

PI = ROOT / "tests/trees/pi"
ONE, OTHER = "28-0316a2795aff", "28-0417c1d2e3ff"


@pytest.fixture
def bus(tmp_path: Path) -> Path:
    """The folder of the bus in a copy of the tree."""
    shutil.copytree(PI, tmp_path / "pi", symlinks=True)
    return tmp_path / "pi/sys/bus/w1/devices"


def opened(bus: Path, wanted: str) -> Adapter:
    """An open adapter."""
    sensor = make(f"w1:{wanted}", {"root": str(bus.parents[3])})
    sensor.open()
    return sensor


def values(sensor: Adapter) -> list[tuple[str, float, int]]:
    """Channel, value and quality of what one read gives."""
    return [(each.channel, each.value, each.quality) for each in sensor.read()]


def say(bus: Path, probe: str, thousandths: object) -> None:
    """Let a probe say something."""
    (bus / probe / "temperature").write_text(f"{thousandths}\n")


def test_one_probe(bus: Path) -> None:
    """In degC, as the channel `temperature`."""
    assert values(opened(bus, ONE)) == [("temperature", 21.5, 0)]
    assert values(opened(bus, ONE.upper())) == [("temperature", 21.5, 0)]


def test_all_probes(bus: Path) -> None:
    """A channel each, named by its id."""
    assert values(opened(bus, "*")) == [
        ("p_28_0316a2795aff", 21.5, 0),
        ("p_28_0417c1d2e3ff", -1.25, 0),
    ]


def test_many_probes_take_their_time(bus: Path) -> None:
    """Each converts for 0.75 s; the sensor waits for all of them, whatever `timeout` says."""
    for number in range(8):
        (bus / f"28-00000000000{number}").symlink_to(bus / ONE)
    sensor = opened(bus, "*")
    assert sensor.takes_s >= 10 * 0.75


def test_older_kernel_has_one_file(bus: Path) -> None:
    """With a checksum that may say that the answer came to harm."""
    (bus / ONE / "temperature").unlink()
    sensor = opened(bus, ONE)
    assert values(sensor) == [("temperature", 21.5, 0)]
    file = bus / ONE / "w1_slave"
    file.write_text(file.read_text().replace("YES", "NO"))
    with pytest.raises(OSError, match="came to harm"):
        sensor.read()


def test_value_of_a_probe_without_a_conversion_is_suspect(bus: Path) -> None:
    """85.000 at first, and out of the blue; not where it was near before."""
    sensor = opened(bus, ONE)
    given = (85000, 21500, 85000, 84000, 85000, 85062)
    qualities = []
    for thousandths in given:
        say(bus, ONE, thousandths)
        qualities.append(values(sensor)[0][2])
    suspect = Quality.POWER_ON_VALUE
    assert qualities == [suspect, 0, suspect, 0, 0, 0]


def test_absent_probe_is_no_temperature(bus: Path) -> None:
    """-127 stands for none."""
    say(bus, ONE, -127000)
    [(_, value, quality)] = values(opened(bus, ONE))
    assert math.isnan(value)
    assert quality == Quality.SENTINEL


def test_probe_that_vanishes_is_none_and_comes_back(bus: Path) -> None:
    """The other goes on; back again, its power was away, and its first 85 is suspect."""
    sensor = opened(bus, "*")
    aside = bus / "aside"
    (bus / ONE).rename(aside)
    (_, value, _), other = values(sensor)
    assert math.isnan(value)
    assert other == ("p_28_0417c1d2e3ff", -1.25, 0)
    aside.rename(bus / ONE)
    say(bus, ONE, 85000)
    assert values(sensor)[0] == ("p_28_0316a2795aff", 85.0, Quality.POWER_ON_VALUE)


def test_probe_that_comes_is_taken_up(bus: Path) -> None:
    """Behind those that are known."""
    (bus / ONE).unlink()
    sensor = opened(bus, "*")
    assert [channel for channel, _, _ in values(sensor)] == ["p_28_0417c1d2e3ff"]
    (bus / ONE).symlink_to(bus / OTHER)
    assert [channel for channel, _, _ in values(sensor)] == [
        "p_28_0417c1d2e3ff",
        "p_28_0316a2795aff",
    ]


def test_no_probe_answers(bus: Path) -> None:
    """The read has failed."""
    sensor = opened(bus, "*")
    for probe in (ONE, OTHER):
        say(bus, probe, "")
    with pytest.raises(OSError, match=f"the first: {ONE} does not answer"):
        sensor.read()


def test_what_is_not_there(bus: Path) -> None:
    """What there is, and what 1-wire needs."""
    with pytest.raises(SensorError, match=f"there are: {ONE}, {OTHER}.*w1-gpio"):
        opened(bus, "28-000000000000")
    for probe in (ONE, OTHER):
        (bus / probe).unlink()
    with pytest.raises(SensorError, match=r"no thermometer in .*4\.7 kOhm"):
        opened(bus, "*")


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        ("w1", "write `w1:\\*`"),
        ("w1:28", "write `w1:\\*`"),
        ("w1:01-000000000000", "a thermometer's id begins with 10, 22, 28"),
    ],
)
def test_what_is_wrong_is_told(driver: str, told: str) -> None:
    """Without hardware."""
    [problem] = problems(driver, {})
    assert re.search(told, problem.message)

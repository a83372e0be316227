"""device.sensors.own: the agent's own health, below a root of the test's own."""

import math
from pathlib import Path

import pytest

from device.sensors import SensorError, make, problems
from device.sensors.own import OWN, Own

FACTS = {channel.name: float(n) for n, channel in enumerate(OWN)}


def pi(root: Path) -> Path:
    """A Raspberry Pi that is hot, slowed down and well supplied."""
    zone = root / "sys/class/thermal/thermal_zone0"
    supply = root / "sys/class/hwmon/hwmon1"
    firmware = root / "sys/devices/platform/soc/soc:firmware"
    for folder in (zone, supply, firmware):
        folder.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("81234\n")
    (supply / "name").write_text("rpi_volt\n")
    (supply / "in0_lcrit_alarm").write_text("0\n")
    (firmware / "get_throttled").write_text("50004\n")
    return root


def test_facts_and_figures_of_a_pi(tmp_path: Path) -> None:
    """What the agent says as it says it, and beside it what the machine does."""
    own = Own(lambda: FACTS, pi(tmp_path))
    own.open()
    samples = {sample.channel: sample.value for sample in own.read()}
    assert [channel.name for channel in own.channels] == list(samples)
    assert samples.items() >= FACTS.items()
    assert samples["clock_synchronised"] in (0.0, 1.0)
    assert (samples["cpu_temperature"], samples["under_voltage"]) == (81.2, 0.0)
    assert samples["throttled"] == 1.0


@pytest.mark.parametrize(
    ("bits", "throttled"), [("0", 0), ("50000", 0), ("1", 0), ("2", 1), ("8", 1)]
)
def test_throttled_is_what_is_so_now(tmp_path: Path, bits: str, throttled: int) -> None:
    """Not what was so since boot; and too weak a supply has its own channel."""
    own = Own(lambda: FACTS, pi(tmp_path))
    (tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text(f"{bits}\n")
    own.open()
    assert {each.channel: each.value for each in own.read()}["throttled"] == throttled


def test_machine_that_is_no_pi(tmp_path: Path) -> None:
    """What it does not have is no channel."""
    own = Own(lambda: FACTS, tmp_path)
    own.open()
    assert [sample.channel for sample in own.read()] == [*FACTS, "clock_synchronised"]


def test_figure_that_fails_is_none(tmp_path: Path) -> None:
    """The others go on."""
    own = Own(lambda: FACTS, pi(tmp_path))
    own.open()
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("hot\n")
    samples = {sample.channel: sample.value for sample in own.read()}
    assert math.isnan(samples["cpu_temperature"])
    assert samples["throttled"] == 1.0


def test_nobody_tells_without_an_agent() -> None:
    """As an error that says so."""
    with pytest.raises(SensorError, match="only a running agent"):
        make("agent", {}).read()


def test_it_takes_nothing() -> None:
    """Neither an argument nor options."""
    assert [problem.message for problem in problems("agent:x", {"y": 1})] == [
        "`agent` takes no options",
        "write `agent` alone, not `agent:x`",
    ]

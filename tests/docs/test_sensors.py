"""docs/sensors.md and config/examples: their YAML is good, and the page says of each sensor what the code does."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
import yaml

from config import load
from device import sensors
from device.sensors import quantities
from device.sensors.aliases import ALIASES, Alias
from device.sensors.named import overlay_line
from device.settings import DeviceSettings, problems
from kit.documents import ROOT, examples, rows, section
from kit.waiting import wait_until
from wire.readings import Quality, grade, reason

Settings: TypeAlias = dict[str, Any]
OwnFiles: TypeAlias = tuple[Path, Callable[[str], str]]
PAGE = (ROOT / "docs" / "sensors.md").read_text()
EXAMPLES = sorted((ROOT / "config" / "examples").glob("*.yaml"))
FOLDER = "/etc/telegauge/sensors.d"
BLOCKS = examples(PAGE, "yaml")
# The rows of the table behind the parts: name, addresses, overlay, package, channels.
MORE = rows(section(PAGE, "The sensors").partition("### And more on I2C")[2])


class Entry(NamedTuple):
    """What stands under one heading of the third rank."""

    title: str
    text: str

    @property
    def named(self) -> list[str]:
        """What the heading names as code."""
        return re.findall(r"`([^`]+)`", self.title)

    @property
    def sensors(self) -> dict[str, Settings]:
        """Its YAML."""
        return {
            name: each
            for text in examples(self.text, "yaml")
            for name, each in yaml.safe_load(text).items()
        }

    @property
    def channels(self) -> dict[str, str]:
        """Its table of channels; a unit that the YAML changes stands last."""
        found = [row for row in rows(self.text) if len(row) == 2]
        return {code(name)[0]: unit.rpartition("here ")[2] for name, unit in found}


def code(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def entries(title: str) -> list[Entry]:
    """The parts of a section."""
    return [
        Entry(*each)
        for each in re.findall(r"^### (.*)\n((?:(?!^###).*\n)*)", section(PAGE, title), re.M)
    ]


SENSORS, DRIVERS = entries("The sensors")[:-1], entries("Drivers")
ALIASED = [(each, name) for each in SENSORS for name in each.named]


def driver_entry(adapter: str) -> Entry:
    """The chapter of an adapter."""
    (found,) = (each for each in DRIVERS if re.match(f"`{adapter}\\b", each.title))
    return found


def unit(channel: str) -> str:
    """The unit of a channel that begins with its quantity."""
    if channel.startswith("p_28"):
        return unit("temperature")
    quantity = next(
        each for each in (channel, channel.rpartition("_")[0]) if quantities.is_known(each)
    )
    return quantities.channel(channel, quantity).unit


def loaded(folder: Path, text: str) -> DeviceSettings:
    """A device.yaml, as `check` would take it."""
    file = folder / "device.yaml"
    file.write_text(text)
    return load(file, DeviceSettings, problems)


@pytest.fixture
def own_files(tmp_path: Path) -> Iterator[OwnFiles]:
    """A folder with the page's Python and CSV, and the page's YAML made to look there."""
    (python,), (csv,) = examples(PAGE, "python"), examples(PAGE, "csv")
    (tmp_path / "level.py").write_text(python)
    (tmp_path / "air.csv").write_text(csv)
    (tmp_path / "tank").write_text("450\n")
    places = {FOLDER: tmp_path, "/srv": tmp_path, "/run/tank": tmp_path / "tank"}

    def placed(text: str) -> str:
        for named, here in places.items():
            text = text.replace(named, str(here))
        return text

    yield tmp_path, placed
    sys.modules.pop(str(tmp_path / "level.py"), None)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_yaml_of_the_page_is_good(own_files: OwnFiles, number: int) -> None:
    """Each block loads as it stands, below `sensors:`."""
    folder, placed = own_files
    indented = "".join(f"  {line}" for line in placed(BLOCKS[number]).splitlines(keepends=True))
    assert loaded(folder, f"sensors:\n{indented}").sensors


@pytest.mark.parametrize(
    ("adapter", "values"),
    [("python", {"level": 50.0}), ("replay", {"temperature": 21.5, "humidity": 40.0})],
)
def test_own_files_give_what_the_page_says(
    own_files: OwnFiles, adapter: str, values: dict[str, float]
) -> None:
    """The Python and the CSV of the page are read, not only named."""
    _, placed = own_files
    (text,) = examples(driver_entry(adapter).text, "yaml")
    (sensor,) = yaml.safe_load(placed(text)).values()
    made = sensors.make(sensor["driver"], sensor["options"])
    given: list[Sequence[sensors.Sample]] = []
    made.listen(lambda _, samples: given.append(samples))
    made.open()
    try:
        given += [samples] if (samples := made.read()) else []
        wait_until(lambda: given)
        assert {each.channel: each.value for each in given[0]} == values
    finally:
        made.close()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_are_good(tmp_path: Path, file: Path) -> None:
    """Each is a whole device.yaml, which names the schema and is named on the page."""
    text = file.read_text()
    assert loaded(tmp_path, text).sensors
    (schema,) = re.findall(r"\A# yaml-language-server: \$schema=(\S+)\n", text)
    assert (file.parent / schema).resolve() == ROOT / "config" / "device.schema.json"
    assert f"(../config/examples/{file.name})" in PAGE


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_need_what_they_say(file: Path) -> None:
    """The overlays and packages of the comment are those of the sensors that have them."""
    text = file.read_text()
    sensors_of = yaml.safe_load(text)["sensors"].values()
    possible = [
        ways(each["driver"], each.get("options", {}))
        for each in sensors_of
        if each["driver"] in ALIASES
    ]
    named = set(re.findall(r"dtoverlay=\S+|adafruit-\S+", text))
    assert named <= {line for each in possible for line in each}
    for each in possible:
        assert not each or named & each


def ways(name: str, options: Settings) -> set[str]:
    """The lines of config.txt and the packages by which a plain name can be read."""
    alias = ALIASES[name]
    lines = {overlay_line(alias, way, options) for way in alias.ways if way.overlay}
    return lines | {way.package for way in alias.ways if way.package}


def test_every_alias_is_on_the_page() -> None:
    """Once, in a part of its own or in the table behind them; and nothing else is."""
    named = [name for _, name in ALIASED] + [code(row[0])[0] for row in MORE]
    assert sorted(named) == sorted(ALIASES)


@pytest.mark.parametrize(("entry", "name"), ALIASED, ids=[name for _, name in ALIASED])
def test_part_of_an_alias(entry: Entry, name: str) -> None:
    """The YAML, the overlay, the package, addresses, channels and units are those of the table."""
    alias = ALIASES[name]
    (sensor,) = entry.sensors.values()
    assert sensor["driver"] in entry.named
    named = set(re.findall(r"^    (dtoverlay=\S+|adafruit-\S+)$", entry.text, re.M))
    assert named == ways(name, sensor.get("options", {}))
    assert addresses(entry.text.partition("```")[0]) == set(alias.addresses)
    assert entry.channels == {**of(alias, name, sensor), **units_of(sensor)}


@pytest.mark.parametrize("row", MORE, ids=[code(row[0])[0] for row in MORE])
def test_row_of_an_alias(row: list[str]) -> None:
    """Addresses, overlay, package, channels and units are those of the table."""
    name = code(row[0])[0]
    alias = ALIASES[name]
    assert addresses(row[1]) == set(alias.addresses)
    assert set(code(row[2]) + code(row[3])) == ways(name, {})
    named = re.findall(r"`(\w+)` ([^,]+)", row[4])
    assert named == [(channel, unit(channel)) for channel in alias.channels]


def addresses(text: str) -> set[int]:
    """The I2C addresses of a text."""
    return {int(each, 16) for each in re.findall(r"\b0x[0-9A-Fa-f]+", text)}


def of(alias: Alias, name: str, sensor: Settings) -> dict[str, str]:
    """The channels of an alias with their units: what its driver says, or else the quantities."""
    known = {
        each.name: each.unit for each in sensors.make(name, sensor.get("options", {})).channels
    }
    if known:
        assert list(known) == list(alias.channels)
        return known
    return {channel: unit(channel) for channel in alias.channels}


def units_of(sensor: Settings) -> dict[str, str]:
    """The units that the YAML of a sensor sets."""
    channels = (sensor.get("channels") or {}).items()
    return {name: its["unit"] for name, its in channels if its and "unit" in its}


@pytest.mark.parametrize(
    "entry", [each for each in SENSORS if not each.named], ids=lambda each: each.title
)
def test_part_of_another_sensor(entry: Entry) -> None:
    """The channels are those of the driver, in the units of the YAML."""
    (sensor,) = entry.sensors.values()
    made = sensors.make(sensor["driver"], sensor["options"])
    known = {each.name: each.unit for each in made.channels}
    assert entry.channels == {**known, **units_of(sensor)}


@pytest.mark.parametrize("adapter", sensors.ADAPTERS)
def test_every_adapter_has_its_chapter(adapter: str) -> None:
    """With an example that it reads."""
    drivers = [each["driver"] for each in driver_entry(adapter).sensors.values()]
    assert drivers
    assert all(driver.partition(":")[0] == adapter for driver in drivers)


@pytest.mark.parametrize(
    "driver",
    [
        *("iio:bme280", "hwmon:sht3x", "w1:*", "pulses", "exec", "serial:/dev/ttyACM0"),
        *("lines:8887", "replay:a.csv", "host", "circuitpython:adafruit_sht31d.SHT31D"),
        *("synthetic:sine", "synthetic:step", "synthetic:walk", "synthetic:counter"),
        *("synthetic:stuck", "synthetic:failing", "synthetic:slow"),
    ],
)
def test_every_option_is_explained(driver: str) -> None:
    """What a driver takes, as it says itself, is in the tables of its chapter."""
    told = next(each.message for each in sensors.problems(driver, {"no_option": 1}) if each.option)
    accepted = told.partition("Accepted: ")[2].split(", ")
    assert accepted[0]
    tables = rows(driver_entry(driver.partition(":")[0]).text)
    assert set(accepted) <= {name for row in tables for cell in row for name in code(cell)}


def test_every_kind_of_synthetic_sensor_is_named() -> None:
    """And no other."""
    ((_, told),) = sensors.problems("synthetic:none", {})
    table = [row for row in rows(driver_entry("synthetic").text) if len(row) == 3 and code(row[2])]
    assert told.partition("Accepted: ")[2].split(", ") == [code(row[0])[0] for row in table]


def test_every_class_of_gpiozero_is_named() -> None:
    """With its channel, its unit, and whether it says something between the reads."""
    ((_, told),) = sensors.problems("gpiozero:None", {})
    pins = {
        "pin": 4,
        "echo": 5,
        "trigger": 6,
        "a": 5,
        "b": 6,
        "host": "a",
        "start_time": None,
        "end_time": None,
    }
    named = {}
    for classes, channel, its_unit, between in rows(driver_entry("gpiozero").text):
        named |= {name: (code(channel)[0], its_unit, bool(between)) for name in code(classes)}
    assert set(told.partition("Accepted: ")[2].split(", ")) == set(named)
    for name, said in named.items():
        made = sensors.make(f"gpiozero:{name}", accepted_of(name, pins))
        (channel,) = made.channels
        assert (channel.name, channel.unit, made.is_event_driven) == said, name


def accepted_of(class_name: str, options: Settings) -> Settings:
    """Those of the options that a class takes."""
    wrong = {each.option for each in sensors.problems(f"gpiozero:{class_name}", options)}
    return {name: value for name, value in options.items() if name not in wrong}


def test_figures_of_machine_and_agent_are_named() -> None:
    """Every channel of `host` and `agent`, as far as this machine has them."""
    for adapter in ("host", "agent"):
        made = sensors.make(adapter, {})
        made.open()
        assert {each.name for each in made.channels} <= set(code(driver_entry(adapter).text))
        made.close()


def test_every_reason_is_explained() -> None:
    """In its grade, and none is left over."""
    table = {code(row[0])[0]: row[1].partition(":")[0] for row in rows(section(PAGE, "Qualities"))}
    assert table == {reason(each): grade(each) for each in Quality if reason(each)}

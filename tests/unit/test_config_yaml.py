"""The shipped YAML: it runs as it is, its examples work, its comments tell the truth."""

import math
import re
import subprocess
import sys

import pytest
from msgspec.structs import replace

import device.settings
from collector.settings import CollectorSettings
from config import load, shipped
from device.settings import DeviceSettings

FILES = [
    ("device.yaml", DeviceSettings, device.settings.problems),
    ("collector.yaml", CollectorSettings, lambda _: ()),
]
EXAMPLE = re.compile(r"^( *)# ( *[a-z0-9_]+:( .*)?)$")


def _uncommented(text):
    """Put every example in force: "# " followed by YAML."""
    return "\n".join(EXAMPLE.sub(r"\1\2", line) for line in text.split("\n"))


@pytest.mark.parametrize(("name", "settings_type", "check"), FILES)
def test_a_shipped_file_is_right_as_it_is(name, settings_type, check):
    """Install, nothing else."""
    assert load(shipped(name), settings_type, check)


@pytest.mark.parametrize(("name", "settings_type", "check"), FILES)
def test_what_a_shipped_file_has_in_force_is_the_default(name, settings_type, check):
    """The file documents the defaults: a line taken away changes nothing but the sensors."""
    loaded = load(shipped(name), settings_type, check)
    if settings_type is DeviceSettings:
        assert list(loaded.sensors) == ["host"]
        assert loaded.sensor_timing("host") == (2, 2)
        assert loaded == DeviceSettings(sensors=loaded.sensors)
    else:
        kept = [(rule.raw, rule.minute, rule.hour) for rule in loaded.retention]
        assert kept == [(math.inf, math.inf, math.inf)]  # everything, as without a rule
        assert replace(loaded, retention=()) == CollectorSettings()


@pytest.mark.parametrize(("name", "settings_type", "check"), FILES)
def test_every_example_works(tmp_path, monkeypatch, name, settings_type, check):
    """Taking "# " away is all it needs, for all of them at once."""
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    file = tmp_path / name
    file.write_text(_uncommented(shipped(name).read_text(encoding="utf-8")), encoding="utf-8")
    loaded = load(file, settings_type, check)
    if settings_type is DeviceSettings:
        assert {sensor.driver for sensor in loaded.sensors.values()} == {
            "agent",
            "bme280",
            "exec",
            "gpiozero:Button",
            "gpiozero:MCP3008",
            "gpiozero:MotionSensor",
            "host",
            "pulses",
            "serial:/dev/ttyACM0",
            "synthetic:sine",
            "w1:*",
        }
        assert {output.driver for output in loaded.commands.outputs.values()} == {
            "gpiozero:LED",
            "gpiozero:OutputDevice",
        }
        assert loaded.name == "greenhouse"
        assert list(loaded.sensors["host"].channels) == ["cpu_temperature", "load_1m"]
    else:
        assert loaded.store.folder == "/srv/telegauge"


@pytest.mark.parametrize("name", ["device.yaml", "collector.yaml"])
def test_the_first_line_names_the_schema_beside_it(name):
    """Editors find it there."""
    first = shipped(name).read_text(encoding="utf-8").split("\n")[0]
    schema = name.replace(".yaml", ".schema.json")
    assert first == f"# yaml-language-server: $schema={schema}"
    assert shipped(schema).is_file()


@pytest.mark.parametrize("program", ["device", "collector"])
def test_every_command_in_the_comments_exists(program):
    """A comment names only what can be typed."""
    text = shipped(f"{program}.yaml").read_text(encoding="utf-8")
    verbs = set(re.findall(rf"(?:#\s+|`)(?:sudo )?telegauge-{program} ([a-z]+)", text))
    assert "check" in verbs
    for verb in verbs:
        command = [sys.executable, "-m", program, verb, "--help"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert result.returncode == 0, f"`telegauge-{program} {verb}`: {result.stderr}"

"""README.md: what it tells people to type exists, and its YAML runs."""

import re
from pathlib import Path

import pytest

import collector.__main__
import device.__main__
from config import load
from device import sensors
from device.sensors.gpio import _CLASSES
from device.settings import DeviceSettings, problems
from wire.readings import Quality, reason

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "systemd" / "README.md"]
COMMANDS = {
    "telegauge-device": device.__main__.COMMANDS,
    "telegauge-collector": collector.__main__.COMMANDS,
}
README = DOCUMENTS[0].read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_named_exist(document: Path) -> None:
    """Every `telegauge-... VERB` at the start of a command is one that the program has."""
    found = re.findall(
        r"(?:^ +|/bin/|`)(telegauge-(?:device|collector)) ([a-z]+)\b", document.read_text(), re.M
    )
    assert document != DOCUMENTS[0] or found
    for program, verb in found:
        assert verb in COMMANDS[program], f"{program} {verb}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_linked_exist(document: Path) -> None:
    """No link of a document points to nothing."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_readme_opens_with_demo_and_test() -> None:
    """The first two commands a stranger sees are the two that need nothing."""
    first, second = re.findall(r"^    (\S+)", README, re.M)[:2]
    assert (first, second) == ("scripts/demo", "scripts/test")


def test_yaml_of_the_readme_is_good(tmp_path: Path) -> None:
    """The example loads as it stands."""
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    file = tmp_path / "device.yaml"
    file.write_text(text)
    assert set(load(file, DeviceSettings, problems).sensors) == {"host", "door"}


def test_every_driver_and_class_is_in_the_table() -> None:
    """What can be read is what the table says can be read."""
    named = set(re.findall(r"`(?:gpiozero|synthetic):(\w+)`", README))
    assert set(_CLASSES) <= named
    for adapter in sensors.ADAPTERS:
        assert f"`{adapter}" in README


def test_every_reason_of_a_quality_is_explained() -> None:
    """A reason that a query can print stands in the README."""
    for quality in Quality:
        if reason(quality):
            assert f"| `{reason(quality)}` |" in README

"""README.md: it opens with what needs nothing, its tables are whole, and its YAML runs."""

import re
from pathlib import Path

from config import load
from device import sensors
from device.settings import DeviceSettings, problems
from kit.documents import ROOT, examples
from wire.readings import Quality, reason

README = (ROOT / "README.md").read_text()


def test_readme_opens_with_demo_and_test() -> None:
    """The first two commands a stranger sees are the two that need nothing."""
    first, second = re.findall(r"^    (\S+)", README, re.M)[:2]
    assert (first, second) == ("scripts/demo", "scripts/test")


def test_yaml_of_the_readme_is_good(tmp_path: Path) -> None:
    """The example loads as it stands."""
    (text,) = examples(README, "yaml")
    file = tmp_path / "device.yaml"
    file.write_text(text)
    assert set(load(file, DeviceSettings, problems).sensors) == {"host", "air", "door"}


def test_every_driver_is_in_the_table() -> None:
    """What can be read is what the table says can be read."""
    for adapter in sensors.ADAPTERS:
        assert f"`{adapter}" in README


def test_every_reason_of_a_quality_is_explained() -> None:
    """A reason that a query can print stands in the README."""
    for quality in Quality:
        if reason(quality):
            assert f"| `{reason(quality)}` |" in README

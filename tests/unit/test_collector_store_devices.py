"""collector.store.devices: the newest word of a device on its series counts."""

from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit.stores import described, rows, transaction
from wire.bodies import ChannelDescription, Describe, SensorDescription


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def test_description_is_kept_and_replaced(file: Path) -> None:
    """The newest word on a series counts; a series that is gone stays as it was."""
    with transaction(file) as group:
        group.describe("greenhouse", described("air.temperature", "soil.temperature"))
        group.describe("greenhouse", described("air.temperature", unit="degF", interval_s=60.0))
        group.describe("cellar", Describe([], label=None))
    assert rows(
        file, "SELECT sensor, channel, unit, interval_s, decimals, label FROM series ORDER BY id"
    ) == [
        ("air", "temperature", "degF", 60.0, 1, "label of temperature"),
        ("soil", "temperature", "degC", 1.0, 1, "label of temperature"),
    ]
    assert rows(file, "SELECT name, label FROM device ORDER BY id") == [
        ("greenhouse", "by the window"),
        ("cellar", None),
    ]


def test_channel_without_a_label_has_its_sensors(file: Path) -> None:
    """A door has one channel, and people label the door."""
    channel = ChannelDescription("pressed")
    sensor = SensorDescription("door", "gpiozero:Button", 1.0, [channel], label="Garden door")
    with transaction(file) as group:
        group.describe("greenhouse", Describe([sensor]))
    assert rows(file, "SELECT label FROM series") == [("Garden door",)]

"""wire.readings: names, units and qualities."""

import pytest

from wire.readings import (
    Quality,
    grade,
    is_device_name,
    is_sensor_name,
    is_unit,
    reason,
    series_name,
)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [(0, ("good", "")), (1, ("suspect", "")), (127, ("suspect", "reason_127")), (128, ("bad", "")),
     (129, ("bad", "read_failed")), (130, ("bad", "timed_out")), (255, ("bad", "reason_255"))],
)  # fmt: skip
def test_quality_says_how_far_and_why(quality: int, expected: tuple[str, str]) -> None:
    """Ranges give the grade even for a number that this version does not know."""
    assert (grade(quality), reason(quality)) == expected


def test_every_reason_is_bad_or_suspect_by_its_range() -> None:
    """No named reason stands in the range of another grade."""
    assert all(grade(quality) == "bad" for quality in Quality if quality >= Quality.BAD)


@pytest.mark.parametrize("name", ["a", "greenhouse", "pi-01", "0", "a" * 63])
def test_device_names_accepted(name: str) -> None:
    """What the glossary allows for a device."""
    assert is_device_name(name)


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a/b", "a" * 64, "a\n", "ä"])
def test_device_names_refused(name: str) -> None:
    """Everything else, a trailing newline included."""
    assert not is_device_name(name)


@pytest.mark.parametrize("name", ["", "1a", "A", "a-b", "a.b", "a" * 64, "a\n"])
def test_sensor_names_refused(name: str) -> None:
    """A sensor's name starts with a letter and has no dash and no dot."""
    assert not is_sensor_name(name)


@pytest.mark.parametrize(
    ("unit", "good"),
    [("", True), ("ug/m3", True), ("°C", True), ("x" * 17, False), ("a\nb", False)],
)
def test_units(unit: str, good: bool) -> None:
    """A unit is short and printable: it ends up in terminals and logs."""
    assert is_unit(unit) is good


def test_series_name_is_device_sensor_channel() -> None:
    """The one form of a series' name."""
    assert series_name("greenhouse", "air", "temperature") == "greenhouse/air.temperature"

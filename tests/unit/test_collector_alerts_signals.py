"""collector.alerts.signals: what a subject is."""

import pytest

from collector.alerts.signals import device_of, is_group, series_of


@pytest.mark.parametrize(
    ("subject", "series", "device", "group"),
    [
        ("pi/air.temperature", "pi/air.temperature", "pi", False),
        ("pi", None, "pi", False),
        ("*1795767345", None, None, True),
    ],
)
def test_subject(subject: str, series: str | None, device: str | None, group: bool) -> None:
    """A series, a device, or several devices."""
    assert (series_of(subject), device_of(subject), is_group(subject)) == (series, device, group)

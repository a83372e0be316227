"""collector.alerts.expected: how long each series may say nothing, from what its device describes."""

import pytest

from collector.alert_settings import SilenceSettings
from collector.alerts.expected import Expected, any_of, expected_of, silent_after_s
from wire.bodies import ChannelDescription, Describe, SensorDescription


def test_from_a_description() -> None:
    """Each channel by its whole name, with the interval of its sensor and a deadband of its own."""
    channels = [ChannelDescription("a"), ChannelDescription("b", max_interval_s=600.0)]
    description = Describe([SensorDescription("s", "x", 5.0, channels, event_driven=True)])
    assert expected_of("pi", description) == {
        "pi/s.a": Expected(5.0, None, True),
        "pi/s.b": Expected(5.0, 600.0, True),
    }


@pytest.mark.parametrize(
    ("expected", "after_s"),
    [
        (Expected(1.0), 120.0),
        (Expected(60.0), 300.0),
        (Expected(10.0, 600.0), 3000.0),
        (Expected(1.0, event_driven=True), 900.0),
    ],
)
def test_silent_after(expected: Expected, after_s: float) -> None:
    """Five intervals, two minutes at least; a sensor that speaks by itself says so in ten minutes."""
    assert silent_after_s(expected, SilenceSettings()) == after_s


def test_any_of_some_patterns() -> None:
    """One of them is enough; none fits nothing."""
    fits = any_of(["a/*", "*/b.c"])
    assert [fits(name) for name in ("a/x.y", "z/b.c", "z/b.d")] == [True, True, False]
    assert not any_of([])("a/x.y")

"""What is to be heard of a series, as its device describes it; and when its silence is one. Pure."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

import msgspec

from collector import device_states
from collector.alert_settings import SilenceSettings
from wire.bodies import Describe
from wire.readings import series_name

# A sensor that speaks by itself says that it is stale within ten minutes, unless it was told otherwise.
_EVENTS_S = 900.0


class Expected(msgspec.Struct, frozen=True):
    """How often something is to be heard: each interval, or with a deadband in `max_interval_s`."""

    interval_s: float
    max_interval_s: float | None = None
    event_driven: bool = False


def expected_of(device: str, description: Describe) -> dict[str, Expected]:
    """Return what is to be heard of each series of a device."""
    return {
        series_name(device, sensor.name, channel.name): Expected(
            sensor.interval_s, channel.max_interval_s, sensor.event_driven
        )
        for sensor in description.sensors
        for channel in sensor.channels
    }


def silent_after_s(expected: Expected, settings: SilenceSettings) -> float:
    """Return how long a series may say nothing."""
    longest_s = max(expected.interval_s, expected.max_interval_s or 0.0)
    least_s = max(settings.at_least_s, _EVENTS_S if expected.event_driven else 0.0)
    return device_states.silent_after_s(longest_s, settings.after_intervals, least_s)


def any_of(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return what says whether a name fits one of some shell globs."""
    found = "|".join(translate(pattern) for pattern in patterns)
    if not found:
        return lambda _: False
    matches = re.compile(found).match
    return lambda name: matches(name) is not None

"""collector.overview: devices and series, what wants a look first."""

import math

import pytest

from collector.clock import OWN
from collector.membership import MemberStatus, Standing
from collector.overview import Condition, DeviceView, overview
from collector.report import DeviceStatus
from collector.store import DatedReading, SeriesRow
from wire.readings import Quality

NOW_NS = 1_790_000_000 * 10**9


def described(name: str, interval_s: float = 1.0) -> SeriesRow:
    """What a device said of a series."""
    return SeriesRow(
        name, name.partition("/")[0], "degC", "temperature", 1, None, "d", interval_s, None
    )


def reading(name: str, value: float = 20.0, quality: int = 0, ago_s: float = 1.0) -> DatedReading:
    """The last reading of a series."""
    return DatedReading(name, NOW_NS - round(ago_s * 1e9), value, quality, "degC", OWN)


def member(name: str, standing: Standing) -> MemberStatus:
    """A device that was invited."""
    return MemberStatus(name, standing, None, False, None, None, None)


def device(name: str, **facts: object) -> DeviceStatus:
    """A device that is in the store."""
    return DeviceStatus(name, None, True, 1, 1, **facts)  # type: ignore[arg-type]


def test_devices_come_by_their_state() -> None:
    """Then by name; who was revoked is silent on purpose, and comes last."""
    states = {"a": "live", "b": "silent", "c": "draining", "d": "late", "e": "live", "f": "silent"}
    statuses = [device(name, state=state) for name, state in states.items()]
    found = overview(statuses, [member("f", "revoked")], [], [], NOW_NS)
    assert [each.device for each in found] == ["b", "d", "c", "a", "e", "f"]


def test_device_that_was_invited_is_there() -> None:
    """Never seen, without series."""
    [found] = overview([], [member("attic", "invited")], [], [], NOW_NS)
    assert found == DeviceView("attic", None, "never_seen", "invited", None, None, None, [])


@pytest.mark.parametrize(
    ("last", "condition"),
    [
        (reading("pi/air.t"), "good"),
        (reading("pi/air.t", quality=Quality.SUSPECT), "suspect"),
        (reading("pi/air.t", math.nan, Quality.READ_FAILED), "bad"),
        (reading("pi/air.t", ago_s=120.0), "good"),
        (reading("pi/air.t", math.nan, Quality.READ_FAILED, ago_s=120.1), "quiet"),
        (reading("pi/air.t")._replace(time_ns=None), "good"),
        (None, "none"),
    ],
)
def test_condition_of_a_series(last: DatedReading | None, condition: Condition) -> None:
    """Its quality, as long as it is of now."""
    found = overview([device("pi")], [], [described("pi/air.t")], [last] if last else [], NOW_NS)
    [series] = found[0].series
    assert series.condition == condition


def test_slow_series_are_not_quiet() -> None:
    """They have five of their intervals."""
    for ago_s, condition in ((300.0, "good"), (300.1, "quiet")):
        last = [reading("pi/air.t", ago_s=ago_s)]
        [found] = overview([device("pi")], [], [described("pi/air.t", 60.0)], last, NOW_NS)
        assert found.series[0].condition == condition


def test_bad_series_come_first() -> None:
    """Then by name."""
    names = [f"pi/{name}.t" for name in ("a", "b", "c", "d")]
    latest = [
        reading(names[0], ago_s=9999), reading(names[1]),
        reading(names[2], quality=Quality.SUSPECT), reading(names[3], math.nan, Quality.STALE),
    ]  # fmt: skip
    [found] = overview([device("pi")], [], map(described, names), latest, NOW_NS)
    assert [each.series for each in found.series] == [names[3], names[2], names[1], names[0]]
    assert [each.reason for each in found.series] == ["stale", "", "", ""]
    assert found.series[0].value is None


def test_what_waits_on_a_device_is_told_by_itself() -> None:
    """Whether that series is shown or not."""
    latest = [reading("pi/agent.spooled_readings", 132.0)]
    [found] = overview([device("pi")], [], [], latest, NOW_NS)
    assert (found.spooled_readings, found.series) == (132.0, [])

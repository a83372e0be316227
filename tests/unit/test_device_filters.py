"""device.filters: what becomes of the samples of a channel, each filter alone and all in their order."""

import math
import statistics
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.channel_settings import ChannelSettings
from device.filters import ChannelFilter, Filtered, interpolated
from device.sensors import Sample
from wire.readings import Quality

SECOND_NS = 1_000_000_000
numbers = st.floats(-1e6, 1e6)


def passed(
    values: Sequence[float | tuple[float, Quality]], step_s: float = 1.0, **settings: Any
) -> list[Filtered]:
    """What a new filter makes of samples, one each `step_s`; a plain number is a good one."""
    its = ChannelFilter(ChannelSettings(**settings))
    samples = [value if isinstance(value, tuple) else (value, Quality.GOOD) for value in values]
    return [
        its.take(round(n * step_s * SECOND_NS), Sample("level", value, "V", quality))
        for n, (value, quality) in enumerate(samples)
    ]


def values(found: Sequence[Filtered]) -> list[float]:
    """The values alone."""
    return [each.point.value for each in found]


def qualities(found: Sequence[Filtered]) -> list[int]:
    """The qualities alone."""
    return [each.point.quality for each in found]


@given(st.lists(numbers, max_size=20))
def test_nothing_asked_for_changes_nothing(given_values: list[float]) -> None:
    """Every value passes, as it was, in its unit."""
    found = passed(given_values)
    assert values(found) == given_values
    assert all(each.point.unit == "V" and each.is_news and not each.detail for each in found)


def test_unit_is_what_the_yaml_says() -> None:
    """The value is not converted by that."""
    [found] = passed([1.5], unit="bar")
    assert (found.point.value, found.point.unit) == (1.5, "bar")


@pytest.mark.parametrize(
    ("value", "quality", "detail"),
    [
        (-40, Quality.GOOD, ""),
        (85, Quality.GOOD, ""),
        (-40.5, Quality.OUT_OF_RANGE, "-40.5 is below `min`, -40"),
        (3300, Quality.OUT_OF_RANGE, "3300 is above `max`, 85"),
        (0, Quality.SENTINEL, "0 is among its `sentinels`"),
        (math.nan, Quality.NO_VALUE, ""),
        (math.inf, Quality.NO_VALUE, ""),
    ],
)
def test_implausible_is_no_value(value: float, quality: Quality, detail: str) -> None:
    """What was given is in the words, not in the value."""
    [found] = passed([value], min=-40, max=85, sentinels=(0.0,))
    assert (found.point.quality, found.detail) == (quality, detail)
    assert math.isnan(found.point.value) is (quality is not Quality.GOOD)


def test_plausibility_is_of_what_the_sensor_gives() -> None:
    """Not of what calibration makes of it."""
    first, second = passed([50, 150], scale=10, max=100)
    assert (first.point.value, second.point.quality) == (500, Quality.OUT_OF_RANGE)


def test_spike_is_doubted_and_the_way_back_is_not() -> None:
    """One suspect reading, with its value."""
    found = passed([20, 20.1, 80, 20.2, 20.1], max_rate=1)
    assert qualities(found) == [0, 0, Quality.JUMPED, 0, 0]
    assert found[2].point.value == 80
    assert found[2].detail == "faster than `max_rate`, 1/s"


def test_step_is_believed_at_the_second_sight() -> None:
    """A rate that locks itself out for ever would be worse than none."""
    found = passed([20, 80, 80.5, 81], max_rate=1)
    assert qualities(found) == [0, Quality.JUMPED, 0, 0]


@given(st.lists(numbers, min_size=2, max_size=30), st.floats(0, 1e5))
def test_no_rate_locks_out(given_values: list[float], max_rate: float) -> None:
    """Whatever came before, of two samples that agree the second is good."""
    found = passed(given_values, max_rate=max_rate)
    for (before, now), point in zip(pairwise(given_values), found[1:], strict=True):
        if abs(now - before) <= max_rate:
            assert point.point.quality == Quality.GOOD


def test_what_never_changes_is_stuck() -> None:
    """After the time, and not before three samples; it is good again with the first change."""
    found = passed([5, 5, 5, 5, 5.1, 5.1], step_s=10, stuck_after_s=30)
    assert qualities(found) == [0, 0, 0, Quality.STUCK, 0, 0]
    assert found[3].detail == "5 all the time for more than 30 s"
    assert qualities(passed([5, 5], step_s=60, stuck_after_s=30)) == [0, 0]


def test_what_the_adapter_knows_stays() -> None:
    """Its own doubt is not overruled, and its bad is bad."""
    found = passed([(85, Quality.POWER_ON_VALUE), (math.nan, Quality.STALE)], offset=1)
    assert qualities(found) == [Quality.POWER_ON_VALUE, Quality.STALE]
    assert found[0].point.value == 86


def test_scale_then_offset() -> None:
    """value * scale + offset."""
    assert values(passed([0, 4, 20], scale=6.25, offset=-25)) == [-25, 0, 100]


def test_points_are_lines() -> None:
    """Between them and beyond them, in whatever order they were written."""
    found = passed([0, 256, 512, 768, 1024], points={512.0: 50.0, 0.0: 0.0, 768.0: 90.0})
    assert values(found) == [0, 25, 50, 90, 130]


@given(st.dictionaries(st.integers(-1000, 1000), numbers, min_size=2, max_size=8))
def test_points_themselves_are_met(table: dict[int, float]) -> None:
    """What was calibrated comes out as it was calibrated."""
    points = tuple(sorted((float(key), value) for key, value in table.items()))
    for given_value, true in points:
        assert interpolated(points, given_value) == pytest.approx(true, rel=1e-9, abs=1e-6)


@given(st.lists(numbers, min_size=1, max_size=30), st.integers(2, 9))
def test_smoothing_is_of_the_last_samples(given_values: list[float], size: int) -> None:
    """As many as there are at first."""
    medians, means = passed(given_values, median_of=size), passed(given_values, mean_of=size)
    for n in range(len(given_values)):
        last = given_values[max(0, n + 1 - size) : n + 1]
        assert values(medians)[n] == statistics.median(last)
        assert values(means)[n] == statistics.fmean(last)


def test_what_is_not_good_is_not_smoothed() -> None:
    """It goes its way at once, and none of it stays in what follows."""
    found = passed([1, 1, (85, Quality.POWER_ON_VALUE), 500, 2, 3], mean_of=2, max=100)
    assert values(found)[:3] == [1, 1, 85]
    assert qualities(found)[2:4] == [Quality.POWER_ON_VALUE, Quality.OUT_OF_RANGE]
    assert values(found)[4:] == [1.5, 2.5]


def test_rounding() -> None:
    """The last step before the report; never a minus before nothing."""
    found = passed([1.25, -0.01, 1.15], round=1)
    assert [str(value) for value in values(found)] == ["1.2", "0.0", "1.1"]


def test_only_what_has_moved_is_news() -> None:
    """By more than the deadband, from what was last reported; or when its time is up."""
    found = passed([20, 20.4, 20.5, 20.6, 20.6, 20.6], deadband=0.5, max_interval_s=2)
    assert [each.is_news for each in found] == [True, False, True, False, True, False]


def test_every_change_of_quality_is_news() -> None:
    """A fault is never left out, nor is its end, however little the value has moved."""
    found = passed([20, math.nan, math.nan, 20.1], deadband=5)
    assert [each.is_news for each in found] == [True, True, False, True]


def test_deadband_of_nothing_keeps_changes_alone() -> None:
    """A state that stays is left out."""
    found = passed([0, 0, 1, 1, 0], deadband=0)
    assert [each.is_news for each in found] == [True, False, True, False, True]


@given(
    st.lists(st.one_of(numbers, st.just(math.nan)), max_size=40),
    st.builds(
        dict,
        deadband=st.floats(0, 100),
        max_interval_s=st.floats(1, 20),
        scale=st.floats(-10, 10),
        median_of=st.one_of(st.none(), st.integers(2, 5)),
        max_rate=st.one_of(st.none(), st.floats(0, 1e3)),
    ),
)
def test_what_was_left_out_is_known_within_the_deadband(
    given_values: list[float], settings: dict[str, Any]
) -> None:
    """Whoever has only the news knows every value to the deadband, and its quality exactly."""
    last: Filtered | None = None
    since_s = 0.0
    for n, found in enumerate(passed(given_values, **settings)):
        if found.is_news:
            last, since_s = found, n
        assert last is not None
        assert last.point.quality == found.point.quality
        assert n - since_s <= settings["max_interval_s"]
        if found.point.quality < Quality.BAD:
            assert abs(found.point.value - last.point.value) <= settings["deadband"]


def test_a_copy_forgets_nothing_and_takes_nothing() -> None:
    """A filter can be asked what it would do."""
    its = ChannelFilter(ChannelSettings(mean_of=2))
    its.take(0, Sample("level", 1.0, "V"))
    asked = deepcopy(its).take(SECOND_NS, Sample("level", 3.0, "V"))
    assert asked.point.value == 2.0
    assert its.take(SECOND_NS, Sample("level", 5.0, "V")).point.value == 3.0

"""collector.store.buckets: summaries of parts, merged, are the summaries of the whole."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store import buckets
from collector.store.buckets import Buckets, by_width, merged, summarised
from collector.store.rollups import HOUR_NS, MINUTE_NS
from kit.columns import DAY_NS, SECOND_NS, Floats, Integers, bits

DECIMALS = st.builds(
    lambda numbers, exponent: [
        np.nan if number is None else number / 10**exponent for number in numbers
    ],
    st.lists(st.none() | st.integers(-(10**6), 10**6), min_size=1, max_size=200),
    st.integers(0, 4),
)


def starts(times_ns: Integers) -> Integers:
    """Of the minutes that times lie in."""
    return times_ns // MINUTE_NS * MINUTE_NS


def hours(times_ns: Integers) -> Integers:
    """Of the hours that times lie in."""
    return times_ns // HOUR_NS * HOUR_NS


def assert_same(found: Buckets, wanted: Buckets) -> None:
    """Check that all is the same to the bit."""
    for name in Buckets._fields:
        assert bits(getattr(found, name)) == bits(getattr(wanted, name)), name


def readings(values: list[float], steps_s: list[int]) -> tuple[Integers, Floats]:
    """Readings so many seconds behind each other."""
    steps = np.resize(steps_s, len(values)) * SECOND_NS
    return DAY_NS + np.cumsum(steps), np.array(values)


STEPS = st.lists(st.integers(1, 100), min_size=1, max_size=20)


@given(DECIMALS, STEPS)
def test_summary_is_that_of_its_words(values: list[float], steps_s: list[int]) -> None:
    """Each field by the definition, of each minute that has a reading."""
    times_ns, array = readings(values, steps_s)
    found = summarised(starts(times_ns), times_ns, array)
    assert found.starts_ns.tolist() == sorted(set(starts(times_ns).tolist()))
    for place, start_ns in enumerate(found.starts_ns):
        inside = starts(times_ns) == start_ns
        valued = inside & ~np.isnan(array)
        some, some_ns = array[valued], times_ns[valued]
        assert (found.counts[place], found.bads[place]) == (len(some), inside.sum() - len(some))
        if not len(some):
            assert found.first_ns[place] == found.last_ns[place] == start_ns
            assert np.isnan([column[place] for column in found[5:9]]).all()
            assert found.totals[place] == 0
            continue
        assert (found.first_ns[place], found.last_ns[place]) == (some_ns[0], some_ns[-1])
        wanted = [some[0], some[-1], some.min(), some.max()]
        assert [column[place] for column in found[5:9]] == wanted
        assert found.totals[place] == pytest.approx(some.sum(), rel=1e-12, abs=1e-9)
    assert_same(by_width(times_ns, array, MINUTE_NS), found)


@given(DECIMALS, STEPS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_parting_merges_to_the_whole(
    values: list[float], steps_s: list[int], parts: int, chance: Random
) -> None:
    """In any order of the parts, by the minute, and from minutes to hours; exact for decimals."""
    times_ns, array = readings(values, steps_s)
    owners = np.array([chance.randrange(parts) for _ in values])
    several = [
        summarised(starts(times_ns[mine]), times_ns[mine], array[mine])
        for mine in (owners == part for part in range(parts))
    ]
    chance.shuffle(several)
    minutes = merged(several)
    assert_same(minutes, summarised(starts(times_ns), times_ns, array))
    by_hour = summarised(hours(times_ns), times_ns, array)
    assert_same(merged(several, coarser=hours), by_hour)
    assert_same(merged([minutes], coarser=hours), by_hour)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=100), st.data())
def test_totals_of_floats_are_right_up_to_rounding(
    values: list[float], data: st.DataObject
) -> None:
    """Where values are no decimals."""
    times_ns, array = readings(values, [1])
    cut = data.draw(st.integers(1, len(values) - 1))
    several = [
        summarised(hours(times_ns[part]), times_ns[part], array[part])
        for part in (slice(cut), slice(cut, None))
    ]
    whole = summarised(hours(times_ns), times_ns, array)
    assert merged(several).totals == pytest.approx(whole.totals, rel=1e-9, abs=1e-5)


def test_equal_times_go_by_the_order_of_arguments() -> None:
    """Of equal first times the earlier argument has it, of equal last times the later."""
    one, other = (
        summarised(np.array([DAY_NS]), np.array([DAY_NS]), np.array([value]))
        for value in (1.0, 2.0)
    )
    found = merged([one, other])
    assert (found.firsts[0], found.lasts[0], found.counts[0]) == (1.0, 2.0, 2)


def test_means_do_not_drift() -> None:
    """The mean of many 0.1 is 0.1; where nothing has a value there is none."""
    times_ns = DAY_NS + np.arange(7200) * SECOND_NS
    values = np.where(np.arange(7200) < 3600, 0.1, np.nan)
    found = summarised(hours(times_ns), times_ns, values)
    assert buckets.means(found)[0] == 0.1
    assert np.isnan(buckets.means(found)[1])


def test_no_readings_no_buckets() -> None:
    """Of nothing, and of times that lie further apart than there are readings."""
    nothing = np.empty(0, np.int64)
    assert not len(summarised(nothing, nothing, np.empty(0)).counts)
    assert not len(by_width(nothing, np.empty(0), MINUTE_NS).counts)
    assert not len(merged([buckets.empty(nothing)], coarser=hours).counts)
    far = by_width(np.array([0, 10**18]), np.array([1.0, 2.0]), MINUTE_NS)
    assert far.starts_ns.tolist() == [0, 10**18 // MINUTE_NS * MINUTE_NS]

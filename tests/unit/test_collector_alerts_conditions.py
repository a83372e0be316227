"""collector.alerts.conditions: whether a reading trips and clears, as a slow and plain way would say it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.alert_settings import RuleSettings
from collector.alerts.conditions import condition_of
from kit.alerts import part

VALUES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=12)


@given(values=VALUES, above=st.integers(-5, 15), width=st.integers(0, 10))
def test_limits(values: list[float], above: int, width: int) -> None:
    """Above trips, `clear` clears; what is calm has nothing that trips."""
    condition = condition_of(RuleSettings(series="*", above=above, clear=above - width))()
    readings = part(*enumerate(values))
    marks = condition.marks(readings)
    assert marks.trips.tolist() == [value > above for value in values]
    assert marks.clears.tolist() == [value <= above - width for value in values]
    assert condition.is_calm(readings) == (not marks.trips.any())


def test_both_limits() -> None:
    """Outside of them; it says which."""
    condition = condition_of(RuleSettings(series="*", above=10.0, below=0.0))()
    readings = part((0, 11.0), (1, 5.0), (2, -1.0))
    marks = condition.marks(readings)
    assert marks.trips.tolist() == [True, False, True]
    assert marks.clears.tolist() == [False, True, False]
    assert condition.words(readings, 0) == "is 11 degC, above 10"
    assert condition.words(readings, 2) == "is -1 degC, below 0"


@given(
    steps=st.lists(st.tuples(st.integers(1, 30), st.integers(-9, 9)), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    key=st.sampled_from(["rises", "falls"]),
)
def test_changes(steps: list[tuple[int, int]], cuts: list[int], key: str) -> None:
    """As comparing each value with all of its window, give or take a bucket; in whatever parts they come."""
    times = np.cumsum([seconds for seconds, _ in steps]).tolist()
    values = np.cumsum([change for _, change in steps]).astype(float).tolist()
    limit, within_s, slack_s = 10.0, 64.0, 2.0
    condition = condition_of(RuleSettings(series="*", within_s=within_s, **{key: limit}))()  # type: ignore[arg-type]
    bounds = sorted({0, len(steps), *(cut for cut in cuts if cut < len(steps))})
    tripped: list[bool] = []
    for begin, end in pairwise(bounds):
        readings = part(*zip(times[begin:end], values[begin:end], strict=True))
        if condition.is_calm(readings):
            tripped += [False] * (end - begin)
        else:
            tripped += condition.marks(readings).trips.tolist()
    sign = 1 if key == "rises" else -1

    def change(place: int, reach_s: float) -> float:
        window = [
            value
            for at_s, value in zip(times[: place + 1], values, strict=False)
            if at_s >= times[place] - reach_s
        ]
        return max(sign * (values[place] - value) for value in window)

    for place, is_tripped in enumerate(tripped):
        if change(place, within_s - slack_s) >= limit:
            assert is_tripped
        if change(place, within_s) < limit:
            assert not is_tripped


@pytest.mark.parametrize(("worst", "tripping"), [("bad", [128, 255]), ("suspect", [1, 127, 128])])
def test_qualities(worst: str, tripping: list[int]) -> None:
    """From suspect on, or from bad on; good clears."""
    condition = condition_of(RuleSettings(series="*", quality=worst))()  # type: ignore[arg-type]
    for quality in (0, 1, 127, 128, 255):
        readings = part((0, 1.0), quality=quality)
        is_tripped = quality >= min(tripping)
        marks = condition.marks(readings)
        assert (marks.trips.tolist(), marks.clears.tolist()) == ([is_tripped], [not is_tripped])
        assert condition.is_calm(readings) is not is_tripped


def test_only_good_values_are_judged() -> None:
    """The others are skipped, in the midst of a batch too."""
    condition = condition_of(RuleSettings(series="*", above=10.0))()
    readings = part((0, 11.0), (1, float("nan")), (2, 12.0))
    readings.qualities.flags.writeable = True
    readings.qualities[:2] = (3, 129)
    marks = condition.marks(readings)
    assert (marks.places.tolist(), marks.trips.tolist()) == ([2], [True])

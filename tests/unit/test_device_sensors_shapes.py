"""Shapes: pure functions of time and of the read's number."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.sensors.shapes import Counter, Sine, Step, Stuck, Walk

LARGE = 1e12
TIMES = st.floats(0, 1e9)


def test_sine_passes_its_quarters():
    """Mean, top, mean, bottom."""
    sine = Sine(period=8, amplitude=2, mean=10)
    assert [sine.values(1, time_s, 1) for time_s in (0, 2, 4, 6)] == [[10], [12], [10], [8]]


def test_sine_is_rounded_to_three_decimals():
    """No digits that nobody measured."""
    assert Sine(period=60, amplitude=1, mean=20).values(1, 7, 1) == [20.669]
    assert str(Sine(period=60, amplitude=1e-9, mean=0).values(1, 45, 1)) == "[0.0]"


def test_step_is_low_first():
    """Low in the first half of a period, high in the second, and the same again."""
    step = Step(period=10, low=-1, high=1)
    times_s = (0, 4.999, 5, 9.999, 10, 15)
    assert [step.values(1, time_s, 1)[0] for time_s in times_s] == [-1, -1, 1, 1, -1, 1]


def test_counter_counts_reads():
    """The first read gives one more than the start, on every channel."""
    assert Counter(100).values(1, 0.0, 2) == [101, 101]
    assert Counter().values(7, 0.0, 1) == [7]


def test_stuck_stays():
    """One value whatever the time."""
    assert Stuck(3).values(1, 0.0, 2) == Stuck(3).values(9, 99.0, 2) == [3, 3]


def walked(seed, reads=50, channels=2):
    """Return what a walk gives."""
    walk = Walk(10, 0.5, seed)
    return [walk.values(n, 0.0, channels) for n in range(1, reads + 1)]


def test_walk_is_told_by_its_seed():
    """The same seed walks the same way; another seed, or none, another."""
    assert walked(1) == walked(1)
    assert walked(1) != walked(2)
    assert walked(None) != walked(None)


def test_walk_moves_by_at_most_its_step():
    """Each channel on its own, from the start."""
    path = [[10.0, 10.0], *walked(3)]
    moves = [abs(b - a) for p, q in itertools.pairwise(path) for a, b in zip(p, q, strict=True)]
    assert max(moves) <= 0.501
    assert path[-1][0] != path[-1][1]


@pytest.mark.parametrize(
    "shape",
    [
        Sine(0.001, LARGE, LARGE),
        Sine(86_400, -LARGE, LARGE),
        Step(0.001, -LARGE, LARGE),
        Walk(LARGE, LARGE, 1),
        Counter(10**12),
        Stuck(-LARGE),
    ],
)
@given(time_s=TIMES, n=st.integers(1, 2**53), channels=st.integers(1, 5))
def test_values_are_finite(shape, time_s, n, channels):
    """At the ends of every range, at any time: one finite float a channel."""
    if isinstance(shape, Walk):
        shape = Walk(LARGE, LARGE, 1)
    values = shape.values(n, time_s, channels)
    assert len(values) == channels
    assert all(isinstance(value, float) and math.isfinite(value) for value in values)


@given(time_s=TIMES, period=st.floats(0.001, 86_400))
def test_sine_stays_within_its_amplitude(time_s, period):
    """Whatever the time and the period."""
    assert 17 <= Sine(period, 3, 20).values(1, time_s, 1)[0] <= 23

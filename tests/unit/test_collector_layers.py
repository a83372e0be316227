"""collector.layers: which of hours, minutes and readings count."""

import numpy as np
import pytest

from collector.grids import Grid
from collector.layers import NO_BUCKETS, NO_READINGS, Layers, Readings, Span
from collector.store import HOUR_NS, MINUTE_NS, Buckets, summarised

GRID = Grid(HOUR_NS, None, HOUR_NS)
TIMES_NS = np.arange(0, 2 * HOUR_NS, 10 * 10**9)
READINGS = Readings(TIMES_NS, np.ones(len(TIMES_NS)))


def buckets(width_ns: int, times_ns: np.ndarray = TIMES_NS) -> Buckets:
    """Rollups of all readings."""
    return summarised(times_ns - times_ns % width_ns, times_ns, np.ones(len(times_ns)))


def among(span: Span) -> Readings:
    """The readings of a span."""
    which = span.has(TIMES_NS)
    return Readings(TIMES_NS[which], READINGS.values[which])


EDGE = Span(0, HOUR_NS)
SPAN = Span(MINUTE_NS + 1, 2 * HOUR_NS)
ONCE = 720 - 7  # what lies in the span, reading by reading


@pytest.mark.parametrize(
    ("minutes", "readings", "count"),
    [
        (buckets(MINUTE_NS), among(Span(MINUTE_NS, 2 * MINUTE_NS)), ONCE),
        (NO_BUCKETS, among(EDGE), ONCE),
        (buckets(MINUTE_NS), NO_READINGS, 720 - 12),  # the minute began before the span
        (NO_BUCKETS, NO_READINGS, 360),  # and so did the hour
    ],
)
def test_what_is_finer_counts_if_it_is_all_there(
    minutes: Buckets, readings: Readings, count: int
) -> None:
    """Else what is coarser does, whole, if it begins in the span; never both."""
    layers = Layers(buckets(HOUR_NS), minutes, readings)
    in_readings = [Span(MINUTE_NS, 2 * MINUTE_NS)] if len(minutes.counts) else [EDGE]
    found = layers.joined(SPAN, [EDGE], in_readings, GRID)
    assert found.counts.sum() == found.totals.sum() == count


def test_late_readings_that_are_only_in_the_hours() -> None:
    """A row whose minutes are gone lets its hour stand in for those of the others."""
    few = buckets(MINUTE_NS, TIMES_NS[:300])
    layers = Layers(buckets(HOUR_NS), few, NO_READINGS)
    assert layers.lacks([EDGE])
    found = layers.joined(Span(0, HOUR_NS), [EDGE], [], GRID)
    assert found.counts.tolist() == [360]


def test_spans() -> None:
    """Rounded out to whole units, and those that they cut."""
    assert Span(61, 239).rounded_out(60) == Span(60, 240)
    assert Span(61, 239).edges(60) == [Span(60, 120), Span(180, 240)]
    assert Span(61, 62).edges(60) == [Span(60, 120)]
    assert Span(60, 120).edges(60) == []

"""Layers: the same readings as hours, as minutes and one by one; and which of these count. Pure.

Where something finer is wanted it counts if all of it is there; else what is coarser does, whole, if it
begins in the range. So answers add up: what two ranges give that meet is what both give as one.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.grids import Grid, Times
from collector.store import HOUR_NS, MINUTE_NS, Buckets, chosen, merged, summarised

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Span(NamedTuple):
    """A range of time, half open; UTC, ns."""

    start_ns: int
    end_ns: int

    def rounded_out(self, unit_ns: int) -> "Span":
        """Return the whole units that it touches."""
        return Span(self.start_ns // unit_ns * unit_ns, -(-self.end_ns // unit_ns) * unit_ns)

    def edges(self, unit_ns: int) -> "list[Span]":
        """Return the units that lie in it in part only."""
        touched = {at_ns - at_ns % unit_ns for at_ns in self if at_ns % unit_ns}
        return [Span(start_ns, start_ns + unit_ns) for start_ns in sorted(touched)]

    def has(self, times_ns: Times) -> Mask:
        """Say which times lie in it."""
        is_in: Mask = (times_ns >= self.start_ns) & (times_ns < self.end_ns)
        return is_in


class Readings(NamedTuple):
    """Times, in order, and values."""

    times_ns: Times
    values: Floats


NO_BUCKETS = summarised(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
NO_READINGS = Readings(NO_BUCKETS.starts_ns, NO_BUCKETS.totals)


class Layers(NamedTuple):
    """What is known of one series.

    Hours there are for a whole range; minutes and readings for the hours and minutes in which they
    are wanted.
    """

    hours: Buckets
    minutes: Buckets
    readings: Readings

    def lacks(self, in_minutes: list[Span]) -> bool:
        """Say whether a part of the hours in some spans is neither in minutes nor in readings."""
        return bool(np.any(self._hours_that_count(in_minutes) & _are_in(self.hours, in_minutes)))

    def joined(
        self, span: Span, in_minutes: list[Span], in_readings: list[Span], grid: Grid
    ) -> Buckets:
        """Return what counts in a span as buckets of a grid."""
        hours = chosen(self.hours, self._hours_that_count(in_minutes))
        times_ns = self.readings.times_ns
        there = _there(self.minutes, MINUTE_NS, times_ns, np.ones_like(times_ns))
        minutes = chosen(self.minutes, _count(self.minutes, there, in_readings))
        which = span.has(times_ns)
        for coarse, width_ns in ((hours, HOUR_NS), (minutes, MINUTE_NS)):
            which &= ~_places(times_ns, coarse, width_ns)[1]
        minutes = chosen(minutes, ~_places(minutes.starts_ns, hours, HOUR_NS)[1])
        several = [chosen(each, span.has(each.starts_ns)) for each in (hours, minutes)]
        finest = summarised(
            grid.starts(times_ns[which]), times_ns[which], self.readings.values[which]
        )
        return merged([*several, finest], grid.starts)

    def _hours_that_count(self, in_minutes: list[Span]) -> Mask:
        times_ns = self.readings.times_ns
        of_readings = _there(self.hours, HOUR_NS, times_ns, np.ones_like(times_ns))
        minutes = self.minutes
        of_minutes = _there(self.hours, HOUR_NS, minutes.starts_ns, minutes.counts + minutes.bads)
        return _count(self.hours, np.maximum(of_minutes, of_readings), in_minutes)


def _count(coarse: Buckets, there: Floats, wanted: list[Span]) -> Mask:
    """Say which coarse buckets count: where nothing finer is wanted, or not all of it is there."""
    is_short: Mask = coarse.counts + coarse.bads > there
    return ~_are_in(coarse, wanted) | is_short


def _are_in(buckets: Buckets, spans: list[Span]) -> Mask:
    are_in = np.zeros(len(buckets.counts), np.bool_)
    for each in spans:
        are_in |= each.has(buckets.starts_ns)
    return are_in


def _there(coarse: Buckets, width_ns: int, finer_ns: Times, sizes: Times) -> Floats:
    """Return how many readings what is finer has in each coarse bucket."""
    places, is_part = _places(finer_ns, coarse, width_ns)
    there = np.bincount(places[is_part], sizes[is_part], len(coarse.counts))
    return there.astype(np.float64)  # of nothing they are whole numbers


def _places(times_ns: Times, coarse: Buckets, width_ns: int) -> tuple[Times, Mask]:
    """Return in which coarse bucket each time lies, and whether it lies in any."""
    starts_ns = times_ns - times_ns % width_ns
    if not len(coarse.starts_ns):
        return starts_ns, np.zeros(len(times_ns), np.bool_)
    places = np.searchsorted(coarse.starts_ns, starts_ns)
    places = np.minimum(places, len(coarse.starts_ns) - 1)
    return places, coarse.starts_ns[places] == starts_ns

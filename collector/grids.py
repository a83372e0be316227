"""Grids: where the buckets of a summary begin. Pure.

Whole days, and hours that divide one, go by the clock on the wall: a day in which it is changed has 23
or 25 hours. All others are multiples of their width since 1970, UTC. Weeks begin on Mondays.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.store import HOUR_NS, MINUTE_NS

Times = npt.NDArray[np.int64]

SECOND_NS = 10**9
DAY_NS = 24 * HOUR_NS
MAX_WIDTH_NS = 36_500 * DAY_NS
# The first Monday of the calendar; whole days are counted from it.
_MONDAY = datetime(1, 1, 1)  # noqa: DTZ001 - on the wall
_FIRST = datetime(1677, 10, 1)  # noqa: DTZ001 - 64 bits of ns begin a little earlier
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECOND_NS = 1000


class Grid(NamedTuple):
    """Buckets of one width, within the range that it was made for.

    `edges_ns`: where they begin, None where that is at the multiples of the width. `unit_ns`: the
    widest rollups that they can be made of, 0 where only readings will do.
    """

    width_ns: int
    edges_ns: Times | None
    unit_ns: int

    def starts(self, times_ns: Times) -> Times:
        """Return when the bucket begins that each time lies in."""
        if self.edges_ns is None:
            return times_ns - times_ns % self.width_ns
        found = np.searchsorted(self.edges_ns, times_ns, "right") - 1
        starts_ns: Times = self.edges_ns[np.maximum(found, 0)]
        return starts_ns

    def buckets_in(self, start_ns: int, end_ns: int) -> int:
        """Return how many buckets a range touches."""
        if self.edges_ns is None:
            return (end_ns - 1) // self.width_ns - start_ns // self.width_ns + 1
        first, last = np.searchsorted(self.edges_ns, [start_ns, end_ns - 1], "right").tolist()
        return int(last - max(first, 1)) + 1

    def cut(self, start_ns: int, at_ns: int, end_ns: int) -> int:
        """Return where to part a range between two buckets: about `at_ns`, but behind its start."""
        if at_ns >= end_ns:
            return end_ns
        if self.edges_ns is None:
            cut_ns = max(at_ns // self.width_ns, start_ns // self.width_ns + 1) * self.width_ns
            return min(cut_ns, end_ns)
        behind, before = np.searchsorted(self.edges_ns, [start_ns, at_ns], "right").tolist()
        place = max(behind, before - 1)
        return min(int(self.edges_ns[place]), end_ns) if place < len(self.edges_ns) else end_ns


def grid_of(every_ns: int, start_ns: int, end_ns: int, zone: tzinfo) -> Grid:
    """Return the buckets of one width for a range.

    Raises:
        ValueError: the width is none.
    """
    if not 0 < every_ns <= MAX_WIDTH_NS:
        raise ValueError("buckets are wider than nothing, and no wider than 100y")
    if not _goes_by_the_wall(every_ns, start_ns, zone):
        return Grid(every_ns, None, _unit_ns(np.array([every_ns])))
    edges_ns = np.array(list(_on_the_wall(every_ns, start_ns, end_ns, zone)), np.int64)
    return Grid(every_ns, edges_ns, _unit_ns(edges_ns))


def grid_for(points: int, start_ns: int, end_ns: int, zone: tzinfo) -> Grid:
    """Return the narrowest natural buckets of which a range touches at most so many.

    Raises:
        ValueError: it is none.
    """
    if points <= 0:
        raise ValueError("at least 1 point is needed")
    for width_ns in _natural_widths():
        if width_ns * points >= end_ns - start_ns:
            grid = grid_of(width_ns, start_ns, end_ns, zone)
            if grid.buckets_in(start_ns, end_ns) <= points:
                return grid
    # None so wide that no edge of it lies within: one bucket for all.
    return Grid(end_ns - start_ns, np.array([start_ns], np.int64), HOUR_NS)


def _natural_widths() -> Iterator[int]:
    for power in range(9):
        yield from (step * 10**power for step in (1, 2, 5))
    for unit_ns in (SECOND_NS, MINUTE_NS):
        yield from (step * unit_ns for step in (1, 2, 5, 10, 15, 30))
    yield from (step * HOUR_NS for step in (1, 2, 3, 6, 12))
    yield from (step * DAY_NS for step in (1, 2, 7, 14, 28, 91, 364))
    yield from (step * 364 * DAY_NS for step in (2, 5, 10, 20, 50, 100))


def _goes_by_the_wall(width_ns: int, start_ns: int, zone: tzinfo) -> bool:
    if width_ns % DAY_NS == 0:
        return True
    if width_ns % MINUTE_NS or DAY_NS % width_ns:
        return False
    # An hour of the wall begins with one of UTC in most zones; then none has to be looked up.
    offset = _wall(start_ns, zone).replace(tzinfo=zone).utcoffset() or timedelta()
    return width_ns > HOUR_NS or round(offset.total_seconds()) * SECOND_NS % width_ns != 0


def _on_the_wall(width_ns: int, start_ns: int, end_ns: int, zone: tzinfo) -> Iterator[int]:
    """Give when buckets begin, from the one in which a range does up to behind its end."""
    width = timedelta(microseconds=width_ns // _MICROSECOND_NS)
    first = _wall(start_ns, zone)
    at = max(first - (first - _MONDAY) % width, _FIRST)
    before_ns = None
    while True:
        edge_ns = (at.replace(tzinfo=zone) - _EPOCH) // _MICROSECOND * _MICROSECOND_NS
        at += width
        if edge_ns >= end_ns:
            return
        if before_ns is None or edge_ns > before_ns:  # an hour that the wall leaves out
            yield edge_ns
            before_ns = edge_ns


def _wall(time_ns: int, zone: tzinfo) -> datetime:
    seconds = max(
        time_ns // SECOND_NS, (_FIRST.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
    )
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).replace(tzinfo=None)


def _unit_ns(edges_ns: Times) -> int:
    """Return the widest rollups between which all edges lie."""
    for unit_ns in (HOUR_NS, MINUTE_NS):
        if not np.any(edges_ns % unit_ns):
            return unit_ns
    return 0

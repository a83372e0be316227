"""Cutting a span out of the readings and rollups of one series. Pure; ranges are half open.

Minutes that the span only touches go as well, whole: whoever cuts makes them anew of the readings
that are left. Of rows without minutes the same holds for hours; of those no readings are left.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.store import rollups
from collector.store.chunks import Columns
from collector.store.gathering import Named, chosen, joined
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets
from collector.store.sealing import Rollup, rollup_of, rollup_row


class Span(NamedTuple):
    """From `start_ns` up to before `end_ns`, either of which may lie beyond what 64 bits can say."""

    start_ns: int
    end_ns: int

    def covers(self, from_ns: int, to_ns: int) -> bool:
        """Whether all from one instant up to and with another lies within."""
        return self.start_ns <= from_ns and to_ns < self.end_ns

    def touches(self, from_ns: int, to_ns: int) -> bool:
        """Whether any of it does."""
        return self.start_ns <= to_ns and from_ns < self.end_ns

    def widened(self, width_ns: int) -> "Span":
        """Return the span up to the edges of the buckets that it touches."""
        return Span(self.start_ns // width_ns * width_ns, -(-self.end_ns // width_ns) * width_ns)


def within_span(times_ns: npt.NDArray[np.int64], span: Span) -> npt.NDArray[np.bool_]:
    """Say of each time whether it lies within."""
    found: npt.NDArray[np.bool_] = (times_ns >= span.start_ns) & (times_ns < span.end_ns)
    return found


def without(columns: Columns, span: Span) -> Columns | None:
    """Return the readings that lie outside; None where none does."""
    return _some(columns, ~within_span(columns.times_ns, span))


def minutes_without(name: Named, minutes: Buckets, span: Span) -> Rollup | None:
    """Return a row of rollups without the minutes that a span touches; None where none is left."""
    left = _untouched(minutes, span, MINUTE_NS)
    return rollup_row(name, left) if len(left.starts_ns) else None


def hours_without(name: Named, hours: Buckets, span: Span) -> Rollup | None:
    """Return a row of rollups that has no minutes any more without the hours that a span touches."""
    left = _untouched(hours, span, HOUR_NS)
    return hours_row(name, left) if len(left.starts_ns) else None


def hours_row(name: Named, hours: Buckets) -> Rollup:
    """Return the row of hours whose minutes are not kept."""
    first_ns, last_ns = int(hours.starts_ns[0]), int(hours.starts_ns[-1])
    latest_ns = last_ns + HOUR_NS - MINUTE_NS  # which minute it was is known no more
    return Rollup(
        name, first_ns, latest_ns, len(hours.starts_ns), None, rollups.encode(hours, HOUR_NS)
    )


def at_the_edges(name: Named, left: Sequence[Columns], span: Span) -> list[Rollup]:
    """Return a row of the minutes that a span only touches, of the readings that are left, if any."""
    widened = span.widened(MINUTE_NS)
    found = []
    for columns in left:
        some = _some(
            columns, within_span(columns.times_ns, widened) & ~within_span(columns.times_ns, span)
        )
        if some is not None:
            found.append(some)
    return [rollup_of(name, joined(found))] if found else []


def _some(columns: Columns, which: npt.NDArray[np.bool_]) -> Columns | None:
    places = np.flatnonzero(which)
    if not len(places):
        return None
    return columns if len(places) == len(which) else chosen(columns, places)


def _untouched(buckets: Buckets, span: Span, width_ns: int) -> Buckets:
    widened = span.widened(width_ns)
    return rollups.chosen(buckets, ~within_span(buckets.starts_ns, widened))

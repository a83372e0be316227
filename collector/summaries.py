"""Summaries: readings summed up by buckets of time, from rollups as far as these are exact.

The buckets inside of a range are made of hours or minutes, its ends of what is finer; what is no longer
kept as fine as that counts whole (see layers). Readings of unknown time are in no bucket.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from collector.clock import LARGEST_NS
from collector.grids import DAY_NS, Grid, grid_for, grid_of
from collector.layers import NO_BUCKETS, NO_READINGS, Layers, Readings, Span
from collector.query import of_grades
from collector.store import (
    HOUR_NS,
    MINUTE_NS,
    NOWHERE,
    Buckets,
    Key,
    Reader,
    means,
    merged,
    summarised,
)

__all__ = ["AGGREGATES", "Grid", "bounded", "cut", "grid_for", "grid_of", "summaries"]

AGGREGATES: Mapping[str, Callable[[Buckets], npt.NDArray[np.float64]]] = {
    "mean": means,
    "min": lambda buckets: buckets.minima,
    "max": lambda buckets: buckets.maxima,
    "first": lambda buckets: buckets.firsts,
    "last": lambda buckets: buckets.lasts,
    "count": lambda buckets: buckets.counts.astype(np.float64),
}
# What is held at a time: some 80 bytes a bucket, and 33 a reading.
_MAX_BUCKETS = 500_000
_MAX_READINGS = 200_000
# Whoever asks for more years than this means: all.
_ALL_NS = 3650 * DAY_NS
_LIMIT_NS = LARGEST_NS - 3 * DAY_NS

_Some = Iterator[tuple[Key, Buckets]]


def bounded(reader: Reader, pattern: str, start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return a range; of one without an end or a begin that part in which readings are.

    The first and the last days that 64 bits can say are in none: buckets there would not fit.
    """
    start_ns = min(max(start_ns, -_LIMIT_NS), _LIMIT_NS)
    end_ns = min(max(end_ns, start_ns + 1), _LIMIT_NS + 1)
    if end_ns - start_ns <= _ALL_NS:
        return start_ns, end_ns
    extents = [each for each in reader.extents(pattern, start_ns, end_ns).values() if each]
    if not extents:
        return start_ns, start_ns + 1
    start_ns = max(start_ns, min(each.first_ns for each in extents))
    return start_ns, max(start_ns + 1, min(end_ns, 1 + max(each.last_ns for each in extents)))


def cut(reader: Reader, pattern: str, start_ns: int, end_ns: int, grid: Grid) -> int:
    """Return up to where `summaries` may go at once so that its answer is no burden on the memory."""
    span_ns = max(1, _MAX_BUCKETS // _series(reader, pattern)) * grid.width_ns
    return grid.cut(start_ns, start_ns + span_ns, end_ns)


def summaries(
    reader: Reader,
    pattern: str,
    start_ns: int,
    end_ns: int,
    grid: Grid,
    grades: frozenset[str] | None = None,
) -> dict[Key, Buckets]:
    """Return what of each series that matches lies from `start_ns` up to before `end_ns`, summed up.

    `grades`: only readings of these qualities count, and the bad ones as such; rollups do not tell
    them apart, so readings have to.
    """
    found: dict[Key, list[Buckets]] = {}
    span = Span(start_ns, end_ns)
    for window in _windows(reader, pattern, span, 0 if grades is not None else grid.unit_ns):
        if grades is not None:
            some = _of_readings(reader, pattern, window, grid, grades | {"bad"})
        else:
            some = _of_layers(reader, pattern, window, grid)
        for key, buckets in some:
            if len(buckets.starts_ns):
                found.setdefault(key, []).append(buckets)
    return {key: merged(each) for key, each in sorted(found.items())}


def _windows(reader: Reader, pattern: str, span: Span, unit_ns: int) -> Iterator[Span]:
    """Give what of a range is summed up at once."""
    at_ns = span.start_ns
    hours = max(1, _MAX_BUCKETS // _series(reader, pattern) * unit_ns // HOUR_NS)
    while at_ns < span.end_ns:
        cut_ns = (at_ns // HOUR_NS + hours) * HOUR_NS
        if not unit_ns:
            cut_ns = reader.window_end(pattern, at_ns, span.end_ns, _MAX_READINGS)
        yield Span(at_ns, min(cut_ns, span.end_ns))
        at_ns = cut_ns


def _series(reader: Reader, pattern: str) -> int:
    """Return how many series there are, 1 where none is."""
    return max(1, len(reader.series(pattern)))


def _of_readings(
    reader: Reader, pattern: str, window: Span, grid: Grid, grades: frozenset[str]
) -> _Some:
    for part in reader.range(pattern, *window, NOWHERE).parts:
        its = of_grades(part, grades)
        yield Key(*part[:2]), summarised(grid.starts(its.times_ns), its.times_ns, its.values)


def _of_layers(reader: Reader, pattern: str, window: Span, grid: Grid) -> _Some:
    # The coarser first: the finer then lacks in nothing that is stored meanwhile.
    hours = _rollups(reader, pattern, [window.rounded_out(HOUR_NS)], HOUR_NS)
    if grid.unit_ns < HOUR_NS:
        in_minutes = [window.rounded_out(HOUR_NS)]
        in_readings = window.edges(MINUTE_NS) if grid.unit_ns else [window.rounded_out(MINUTE_NS)]
    else:
        in_minutes = window.edges(HOUR_NS)
        are_few = _sizes(hours, in_minutes) <= _MAX_READINGS
        in_readings = in_minutes if are_few else window.edges(MINUTE_NS)
    # Where the readings themselves make up the hours, minutes would cost more than these.
    minutes = {} if in_readings == in_minutes else _rollups(reader, pattern, in_minutes, MINUTE_NS)
    readings = _readings(reader, pattern, in_readings)
    layers = _layers(hours, minutes, readings)
    if in_readings == in_minutes and any(each.lacks(in_minutes) for each in layers.values()):
        layers = _layers(hours, _rollups(reader, pattern, in_minutes, MINUTE_NS), readings)
    for key, each in layers.items():
        yield key, each.joined(window, in_minutes, in_readings, grid)


def _layers(
    hours: dict[Key, Buckets], minutes: dict[Key, Buckets], readings: dict[Key, Readings]
) -> dict[Key, Layers]:
    return {
        key: Layers(
            hours.get(key, NO_BUCKETS), minutes.get(key, NO_BUCKETS), readings.get(key, NO_READINGS)
        )
        for key in hours.keys() | minutes.keys() | readings.keys()
    }


def _rollups(reader: Reader, pattern: str, spans: list[Span], width_ns: int) -> dict[Key, Buckets]:
    found: dict[Key, list[Buckets]] = {}
    for each in spans:
        for key, buckets in reader.rollups(pattern, *each, width_ns).items():
            found.setdefault(key, []).append(buckets)
    return {key: merged(each) for key, each in found.items()}


def _sizes(buckets: dict[Key, Buckets], spans: list[Span]) -> int:
    """Return how many readings are in some spans."""
    return sum(
        int((each.counts + each.bads)[span.has(each.starts_ns)].sum())
        for each in buckets.values()
        for span in spans
    )


def _readings(reader: Reader, pattern: str, spans: list[Span]) -> dict[Key, Readings]:
    found: dict[Key, list[Readings]] = {}
    for each in spans:
        for part in reader.range(pattern, *each, NOWHERE).parts:
            found.setdefault(Key(*part[:2]), []).append(Readings(part.times_ns, part.values))
    return {
        key: Readings(*map(np.concatenate, zip(*each, strict=True))) for key, each in found.items()
    }

"""Doubts: where readings are suspect, or their times were derived, no finer than the buckets of a summary.

A summary does not tell them apart, so they are asked for beside it. What lies in one bucket or in
neighbours is one doubt, so that of a series there are no more than buckets, however many readings.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from collector.clock import LARGEST_NS
from collector.grids import Grid
from collector.store import Doubts, Key, Reader, Starts, Stretches, join_stretches
from collector.summaries import cut
from wire.readings import Quality

SUSPECT, DERIVED = "suspect", "derived"
# What is read at a time: of so many chunks the times are decoded at most.
_MAX_CHUNKS = 1_000


class Doubt(NamedTuple):
    """Readings of one series, from `from_ns` up to and with `to_ns`, that are doubtful in one way.

    `qualities` says why they are suspect; `error_ns` how far off derived times are at most, None: nobody
    knows.
    """

    key: Key
    kind: str
    qualities: tuple[int, ...]
    from_ns: int
    to_ns: int
    readings: int
    error_ns: int | None


class Doubting:
    """The doubts of a range of time, which is gone through in steps; UTC, ns."""

    def __init__(self, pattern: str, end_ns: int, grid: Grid) -> None:
        self.pattern = pattern
        self.end_ns = end_ns
        self.grid = grid
        self._open: dict[tuple[Key, str], Doubt] = {}

    def step(self, reader: Reader, at_ns: int) -> tuple[list[Doubt], int]:
        """Return doubts of which no more will come, and where the next step begins."""
        to_ns = cut(reader, self.pattern, at_ns, self.end_ns, self.grid)
        to_ns = reader.doubts_end(self.pattern, at_ns, to_ns, _MAX_CHUNKS)
        to_ns = self.grid.cut(at_ns, to_ns, self.end_ns)
        found = reader.doubts(self.pattern, at_ns, to_ns, self.grid.starts)
        done = []
        for key, doubts in found.items():
            for kind, its in _by_kind(key, doubts, self.grid.starts):
                done += self._gone_on((key, kind), its)
        return done, to_ns

    def rest(self) -> list[Doubt]:
        """Return those that reach into the last step."""
        return list(self._open.values())

    def _gone_on(self, which: tuple[Key, str], its: list[Doubt]) -> list[Doubt]:
        """Join what two steps have of one doubt; keep back the last one, which may go on."""
        former = self._open.get(which)
        if former is not None and self._are_neighbours(former, its[0]):
            its[0] = _both(former, its[0])
        elif former is not None:
            its.insert(0, former)
        self._open[which] = its.pop()
        return its

    def _are_neighbours(self, one: Doubt, other: Doubt) -> bool:
        start_ns = self.grid.starts(np.array([other.from_ns]))
        return bool(self.grid.starts(start_ns - 1) <= one.to_ns)


def _by_kind(key: Key, doubts: Doubts, starts: Starts) -> Iterator[tuple[str, list[Doubt]]]:
    """Give the doubts of one series of each kind, in order of time."""
    suspect = {quality: its for quality, its in doubts.items() if quality != Quality.GOOD}
    if suspect:
        yield SUSPECT, _suspect(key, suspect, starts)
    if Quality.GOOD in doubts:
        rows = zip(*(column.tolist() for column in doubts[Quality.GOOD]), strict=True)
        yield DERIVED, [_derived(key, *row) for row in rows]


def _derived(key: Key, from_ns: int, to_ns: int, readings: int, error_ns: int) -> Doubt:
    known_ns = None if error_ns == LARGEST_NS else error_ns
    return Doubt(key, DERIVED, (), from_ns, to_ns, readings, known_ns)


def _suspect(key: Key, by_quality: Mapping[int, Stretches], starts: Starts) -> list[Doubt]:
    whole = join_stretches(by_quality.values(), starts)
    why: list[set[int]] = [set() for _ in whole.from_ns]
    for quality, its in by_quality.items():
        for place in (np.searchsorted(whole.from_ns, its.from_ns, "right") - 1).tolist():
            why[place].add(quality)
    rows = zip(*(column.tolist() for column in whole[:3]), why, strict=True)
    return [
        Doubt(key, SUSPECT, tuple(sorted(its)), from_ns, to_ns, readings, None)
        for from_ns, to_ns, readings, its in rows
    ]


def _both(one: Doubt, other: Doubt) -> Doubt:
    errors_ns = [each.error_ns for each in (one, other) if each.error_ns is not None]
    return one._replace(
        qualities=tuple(sorted({*one.qualities, *other.qualities})),
        to_ns=max(one.to_ns, other.to_ns),
        readings=one.readings + other.readings,
        error_ns=max(errors_ns) if len(errors_ns) == 2 else None,
    )

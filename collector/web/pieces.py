"""Pieces of an answer: readings of one series and unit whose times are known in one way.

A long answer comes in windows of time, and in each window a piece a series.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import Dating, Known
from collector.store import Part


class Piece(NamedTuple):
    """Parallel arrays. Of unknown times `times_ns` is the latest each may have been, or nothing.

    `error_ns`: how far off times can be that were derived. `earliest_ns`, `latest_ns` bound unknown
    times, None: nobody knows.
    """

    series: str
    unit: str
    known: Known
    error_ns: int | None
    earliest_ns: int | None
    latest_ns: int | None
    times_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    qualities: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.values)


def pieces_of(part: Part) -> Iterator[Piece]:
    """Give the pieces of a part."""
    kinds = _kinds(part.datings.tolist())
    if all(dating.known is not Known.UNKNOWN for dating in kinds):
        yield from _piece(part, kinds, None)
        return
    is_unknown = np.array([each.known is Known.UNKNOWN for each in part.datings.tolist()])
    dated = [each for each in kinds if each.known is not Known.UNKNOWN]
    yield from _piece(part, dated, ~is_unknown)
    undated = [each for each in kinds if each.known is Known.UNKNOWN]
    yield from _piece(part, undated, is_unknown)


def _kinds(datings: list[Dating]) -> list[Dating]:
    """Return those that differ; mostly one stands for all, and counting it costs little."""
    if datings and datings.count(datings[0]) == len(datings):
        return datings[:1]
    return list({id(each): each for each in datings}.values())


def _piece(
    part: Part, datings: list[Dating], which: npt.NDArray[np.bool_] | None
) -> Iterator[Piece]:
    columns = (part.times_ns, part.values, part.qualities)
    if which is not None:
        columns = (part.times_ns[which], part.values[which], part.qualities[which])
    if len(columns[0]):
        yield Piece(part.series, part.unit, *_dating(datings), *columns)


def _dating(datings: list[Dating]) -> tuple[Known, int | None, int | None, int | None]:
    """Return what is true of all: how they are known, the largest error, and the widest bounds."""
    known = {each.known for each in datings}
    if Known.UNKNOWN in known:
        return Known.UNKNOWN, None, *_bounds(datings)
    is_derived = Known.DERIVED in known
    errors = [each.error_ns for each in datings if each.error_ns is not None]
    return Known.DERIVED if is_derived else Known.SYNCED, max(errors, default=None), None, None


def _bounds(datings: list[Dating]) -> tuple[int | None, int | None]:
    earliest = [each.earliest_ns for each in datings]
    latest = [each.latest_ns for each in datings]
    return (
        None if None in earliest else min(each for each in earliest if each is not None),
        None if None in latest else max(each for each in latest if each is not None),
    )

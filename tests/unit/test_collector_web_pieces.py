"""collector.web.pieces: readings parted by how their times are known."""

import numpy as np

from collector.clock import OWN, Dating, Known
from collector.store import Part
from collector.web.pieces import Piece, pieces_of

DERIVED = Dating(Known.DERIVED, 5, 100)
LATER = Dating(Known.DERIVED, 5, 300)
BETWEEN = Dating(Known.UNKNOWN, None, None, 10, 40)
NOBODY = Dating(Known.UNKNOWN, None, None, None, None)
NEVER = 2**63 - 1


def part(*readings: tuple[int, Dating]) -> Part:
    """A part of readings, each with its time, which is its value too."""
    datings = np.empty(len(readings), np.object_)
    datings[:] = [None] * len(readings)
    for place, (_, dating) in enumerate(readings):
        datings[place] = dating
    times_ns = np.array([time_ns for time_ns, _ in readings], np.int64)
    return Part("pi/a.b", "V", times_ns, times_ns * 1.0, np.zeros(len(readings), np.uint8), datings)


def values(pieces: list[Piece]) -> list[float]:
    """All values of pieces."""
    return [value for piece in pieces for value in piece.values.tolist()]


def test_known_times_are_one_piece() -> None:
    """It says the weakest of them, and the largest error."""
    [synced] = pieces_of(part((1, OWN), (2, OWN)))
    assert (synced.known, synced.error_ns, len(synced)) == (Known.SYNCED, 0, 2)
    [mixed] = pieces_of(part((1, OWN), (2, DERIVED), (3, LATER)))
    assert (mixed.known, mixed.error_ns) == (Known.DERIVED, 300)
    assert (mixed.earliest_ns, mixed.latest_ns) == (None, None)
    assert list(pieces_of(part())) == []


def test_unknown_times_are_a_piece_of_their_own() -> None:
    """With the bounds of all of them, none where nobody knows one."""
    known, unknown = pieces_of(part((1, OWN), (40, BETWEEN), (5, OWN)))
    assert values([known]) == [1, 5]
    assert (unknown.known, unknown.earliest_ns, unknown.latest_ns) == (Known.UNKNOWN, 10, 40)
    [nobody] = pieces_of(part((40, BETWEEN), (NEVER, NOBODY)))
    assert (nobody.earliest_ns, nobody.latest_ns) == (None, None)

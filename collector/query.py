"""Queries: readings by series pattern and time range.

Times are integers in nanoseconds, ranges are half open.
"""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import Known
from collector.store import DatedReading, Key, Part, Range, Reader, as_readings, readings_of
from wire.readings import grade

__all__ = [
    "DatedReading",
    "as_readings",
    "is_dated",
    "of_grades",
    "portion_of",
    "portions",
    "readings_of",
    "streamed",
    "windows",
]

# What is held at a time, 33 bytes each; what is not sealed yet comes on top.
WINDOW_READINGS = 100_000

_Mask = npt.NDArray[np.bool_]


class Portion(NamedTuple):
    """A part of a question: what the store is asked, and what of its answer is wanted."""

    pattern: str
    is_wanted: Callable[[str, str], bool]


class Window(NamedTuple):
    """What a span of time that ends before `end_ns` holds."""

    end_ns: int
    found: Range


def streamed(reader: Reader, pattern: str, start_ns: int, end_ns: int) -> Iterator[Range]:
    """Give the same series by series, in pieces that are no burden on the memory.

    A batch that cannot be read counts in each piece that it may have been a part of.
    """

    def is_small(pattern: str) -> bool:
        return reader.window_end(pattern, start_ns, end_ns, WINDOW_READINGS) >= end_ns

    for portion in portions(reader, pattern, start_ns, end_ns, is_small):
        for window in windows(reader, portion, start_ns, end_ns):
            yield window.found


def portions(
    reader: Reader, pattern: str, start_ns: int, end_ns: int, is_small: Callable[[str], bool]
) -> Iterator[Portion]:
    """Part a question by devices, and by series where all of a device's would be too much."""
    for device in sorted(f"{each.name}/" for each in reader.devices(pattern)):
        its = _of_device(pattern, device)
        if is_small(its):
            yield Portion(its, lambda series, _: fnmatchcase(series, pattern))
            continue
        for key in reader.extents(its, start_ns, end_ns):
            if fnmatchcase(key.series, pattern):
                yield portion_of(key)


def portion_of(key: Key) -> Portion:
    """Return what asks for one series in one unit."""
    return Portion(key.series, lambda *name: name == (key.series, key.unit))


def windows(
    reader: Reader, portion: Portion, at_ns: int, end_ns: int, start_ns: int | None = None
) -> Iterator[Window]:
    """Give the readings of a portion in pieces, in order of time.

    `start_ns`: where the range began of which these are the pieces from `at_ns` on.
    """
    start_ns = at_ns if start_ns is None else start_ns
    while at_ns < end_ns:
        cut_ns = reader.window_end(portion.pattern, at_ns, end_ns, WINDOW_READINGS)
        found = reader.range(portion.pattern, at_ns, cut_ns, (start_ns, end_ns))
        parts = [part for part in found.parts if portion.is_wanted(*part[:2])]
        yield Window(cut_ns, Range(parts, found.undecodable))
        at_ns = cut_ns


def is_dated(part: Part) -> _Mask:
    """Say of which readings the time is known."""
    if not len(part.datings):
        return np.ones(0, np.bool_)
    # Few objects stand many times: their addresses compare a hundred times faster than they do.
    addresses = np.frombuffer(part.datings.tobytes(), np.intp)
    if np.all(addresses == addresses[0]):
        return np.full(len(addresses), part.datings[0].known is not Known.UNKNOWN)
    _, places, which = np.unique(addresses, return_index=True, return_inverse=True)
    are_dated = [each.known is not Known.UNKNOWN for each in part.datings[places].tolist()]
    is_dated: _Mask = np.array(are_dated)[which]
    return is_dated


def of_grades(part: Part, grades: frozenset[str]) -> Part:
    """Return the readings of some qualities."""
    is_wanted = np.array([grade(quality) in grades for quality in range(256)])
    which = is_wanted[part.qualities]
    return part._replace(
        times_ns=part.times_ns[which],
        values=part.values[which],
        qualities=part.qualities[which],
        datings=part.datings[which],
    )


def _of_device(pattern: str, device: str) -> str:
    """Return what asks for the series of one device: those that match, or more."""
    _, slash, rest = pattern.partition("/")
    return device + (rest if slash and not {"/", "["} & set(pattern.replace("/", "", 1)) else "*")

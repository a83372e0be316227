"""Doubts: which readings are suspect, and of which the times were derived; sealed or not, by series.

An index knows the chunks that have any. Of these no value is decoded, and times only where doubts lie
within: a chunk that is one derived run ends where its row says. Bad readings have no value to doubt, and
readings of unknown time lie nowhere.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import LARGEST_NS, Known
from collector.store import chunks
from collector.store.chunks import Run
from collector.store.dating import NOT_AT_ALL
from collector.store.gathering import Gathered
from collector.store.history import ChunkReader, Key, StoredSeries
from collector.store.matching import Device
from collector.store.parts import Times
from collector.store.rows import BATCH, batch_row
from wire.readings import Quality, series_name

# The last term is that of the index: it looks at the flags.
_WHICH = "FROM chunk WHERE series = ? AND to_ns >= ? AND from_ns < ? AND substr(data, 2, 1) > x'01'"
_DOUBTFUL = f"SELECT from_ns, to_ns, readings, times, data {_WHICH}"
_END = f"SELECT to_ns {_WHICH} ORDER BY to_ns LIMIT 1 OFFSET ?"
_UNSEALED = (
    f"SELECT {BATCH} WHERE device = ? AND to_ns >= ? AND from_ns < ? AND dated <> {NOT_AT_ALL}"
    " ORDER BY to_ns, batch.id"
)

# Of one series.
_LEAST_CHUNKS = 16
# So few stretches of a chunk are joined with those of others, and cost more to join at once.
_FEW = 64
_NONE = np.empty(0, np.intp)

Starts = Callable[[Times], Times]
Qualities = npt.NDArray[np.uint8]


class Stretches(NamedTuple):
    """Readings that are doubtful in one way, as stretches in order of time: parallel arrays.

    Each has a first and a last time, how many of its readings are so, and how far off derived times can
    be; `LARGEST_NS`: nobody knows.
    """

    from_ns: Times
    to_ns: Times
    readings: Times
    errors_ns: Times


# By quality; those whose times were derived as if that were one: GOOD.
Doubts = Mapping[int, Stretches]


def join_stretches(several: Iterable[Stretches], starts: Starts) -> Stretches:
    """Return stretches as one, those that lie in the same bucket or in neighbours joined.

    `starts`: when the bucket begins that each time lies in.
    """
    whole = Stretches._make(map(np.concatenate, zip(*several, strict=True)))
    order = np.argsort(whole.from_ns, kind="stable")
    from_ns, to_ns, readings, errors_ns = (column[order] for column in whole)
    before_ns = starts(starts(from_ns) - 1)  # where the bucket before begins
    is_apart = before_ns[1:] > np.maximum.accumulate(to_ns)[:-1]
    firsts = np.append(0, np.flatnonzero(is_apart) + 1)
    return Stretches(
        from_ns[firsts],
        np.maximum.reduceat(to_ns, firsts),
        np.add.reduceat(readings, firsts),
        np.maximum.reduceat(errors_ns, firsts),
    )


class Found:
    """What was found of some series so far: of each chunk no more stretches than it touches buckets, or few."""

    def __init__(self, starts: Starts) -> None:
        self._starts = starts
        self._of: dict[Key, dict[int, list[Stretches]]] = {}

    def add(self, key: Key, doubts: Doubts) -> None:
        """Take what a chunk holds."""
        its = self._of.setdefault(key, {})
        for quality, stretches in doubts.items():
            are_few = len(stretches.from_ns) <= _FEW
            one = stretches if are_few else join_stretches([stretches], self._starts)
            its.setdefault(quality, []).append(one)

    def doubts(self) -> dict[Key, Doubts]:
        """Return all of it."""
        return {
            key: {quality: join_stretches(each, self._starts) for quality, each in its.items()}
            for key, its in sorted(self._of.items())
            if its
        }


def sealed_doubts(
    database: sqlite3.Connection,
    reader: ChunkReader,
    series: StoredSeries,
    start_ns: int,
    end_ns: int,
) -> Iterator[Doubts]:
    """Give what is doubtful of a series in a range, chunk by chunk; of a damaged one nothing."""
    whole = []
    for from_ns, to_ns, readings, times, data in database.execute(
        _DOUBTFUL, (series.id, start_ns, end_ns)
    ):
        try:
            trust = chunks.decode_trust(data, readings)
            suspects = _suspects(trust.qualities)
            if not (len(suspects) or trust.has_derived):
                continue
            is_within = start_ns <= from_ns and to_ns < end_ns
            if is_within and len(trust.runs) == 1 and not len(suspects):
                whole.append((from_ns, to_ns, trust.runs[0]))
                continue
            shared = None if times is None else reader.times(times, readings)
            yield doubts_of(trust.times_of(shared), trust.qualities, trust.runs, start_ns, end_ns)
        except chunks.ChunkError:
            continue
    if whole:
        yield _derived(whole)


def unsealed_doubts(
    database: sqlite3.Connection, device: Device, pattern: str, start_ns: int, end_ns: int
) -> Iterator[tuple[Key, Doubts]]:
    """Give what is doubtful of what is not sealed yet of a device."""
    gathered = Gathered()
    for row in database.execute(_UNSEALED, (device.id, start_ns, end_ns)):
        gathered.take(batch_row(row))
    for (sensor, channel, unit), columns in gathered.series().items():
        name = series_name(device.name, sensor, channel)
        if fnmatchcase(name, pattern):
            its = doubts_of(columns.times_ns, columns.qualities, columns.runs, start_ns, end_ns)
            yield Key(name, unit), its


def doubts_end(
    database: sqlite3.Connection,
    several: list[StoredSeries],
    start_ns: int,
    end_ns: int,
    max_chunks: int,
) -> int:
    """Return where to cut a range, so that up to there about so many chunks have doubts.

    It is some of each series at least: of many series each step costs a question.
    """
    each = max(_LEAST_CHUNKS, max_chunks // max(1, len(several)))
    for series in several:
        row = database.execute(_END, (series.id, start_ns, end_ns, each)).fetchone()
        if row is not None:
            end_ns = min(end_ns, max(row[0], start_ns + 1))
    return end_ns


def doubts_of(
    times_ns: Times, qualities: Qualities | None, runs: Iterable[Run], start_ns: int, end_ns: int
) -> Doubts:
    """Return what is doubtful in a range, of readings in order of time; `qualities`: None, all are good."""
    first, last = np.searchsorted(times_ns, (start_ns, end_ns)).tolist()
    suspects = _suspects(qualities)
    suspects = suspects[(suspects >= first) & (suspects < last)]
    found = {}
    if qualities is not None and len(suspects):
        found = dict(_suspect(times_ns[suspects], qualities[suspects]))
    derived, end = [], 0
    for run in runs:
        begin, end = end, end + run.readings
        low, high = max(begin, first), min(end, last)
        if run.known is Known.DERIVED and low < high:
            span_ns = int(times_ns[low]), int(times_ns[high - 1])
            derived.append((*span_ns, run._replace(readings=high - low)))
    return {**found, **_derived(derived)} if derived else found


def _suspects(qualities: Qualities | None) -> npt.NDArray[np.intp]:
    """Return which readings are suspect: 1 to 127, as the wire has it."""
    if qualities is None:
        return _NONE
    return np.flatnonzero(
        qualities - np.uint8(1) < Quality.BAD - 1
    )  # below 0 it wraps, and is large


def _suspect(times_ns: Times, qualities: Qualities) -> Iterator[tuple[int, Stretches]]:
    for quality in np.unique(qualities).tolist():
        its_ns = times_ns[qualities == quality]
        yield quality, Stretches(its_ns, its_ns, np.ones_like(its_ns), np.zeros_like(its_ns))


def _derived(found: Iterable[tuple[int, int, Run]]) -> Doubts:
    rows = [
        (from_ns, to_ns, run.readings, LARGEST_NS if run.error_ns is None else run.error_ns)
        for from_ns, to_ns, run in found
    ]
    return {int(Quality.GOOD): Stretches(*np.array(rows, np.int64).T)}

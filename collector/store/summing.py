"""Summing up anew: a window of one series, its chunks held against their rows and against the rollups.

A reading may be no more where its summary still is, never the other way round; where as many readings
are there as the summaries tell of, these must be theirs.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from collector.store import chunks, rollups
from collector.store.chunks import ChunkError, Columns
from collector.store.cutting import Span, within_span
from collector.store.gathering import joined
from collector.store.history import hours_of, snapshot, starts_of
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets
from collector.store.rows import CHUNK

_ROWS_A_WINDOW = 96
_LEAST, _MOST = -(2**63), 2**63 - 1
_STARTS = (
    "SELECT from_ns FROM chunk WHERE series = ?1 UNION ALL SELECT from_ns FROM rollup WHERE series = ?1"
    " ORDER BY 1"
)
_CHUNKS = (
    f"SELECT from_ns, to_ns, {CHUNK}"
    " WHERE series = ? AND to_ns >= ? AND from_ns <= ? ORDER BY chunk.id"
)
_ROLLUPS = (
    "SELECT from_ns, to_ns, buckets, minutes, hours FROM rollup"
    " WHERE series = ? AND to_ns >= ? AND from_ns <= ? ORDER BY id"
)


class Found(NamedTuple):
    """Damage in a window."""

    what: str
    detail: str
    from_ns: int
    to_ns: int


class Window(NamedTuple):
    """The rows of a series that touch a span; its own are those that begin in it."""

    span: Span
    chunks: list[tuple[int, int, int, bytes, bytes | None]]
    rollups: list[tuple[int, int, int, bytes | None, bytes | None]]

    @classmethod
    def read(cls, database: sqlite3.Connection, series_id: int, span: Span) -> "Window":
        """Read a window, as it is at one instant."""
        which = (series_id, max(span.start_ns, _LEAST), min(span.end_ns - 1, _MOST))
        with snapshot(database):
            return cls(
                span,
                database.execute(_CHUNKS, which).fetchall(),
                database.execute(_ROLLUPS, which).fetchall(),
            )

    def owns(self, from_ns: int) -> bool:
        """Whether a row is counted here: each is in one window only."""
        return self.span.start_ns <= from_ns < self.span.end_ns

    @property
    def own_chunks(self) -> int:
        """How many chunks begin here."""
        return sum(self.owns(row[0]) for row in self.chunks)

    @property
    def own_rollups(self) -> int:
        """How many rows of rollups begin here."""
        return sum(self.owns(row[0]) for row in self.rollups)

    @property
    def own_readings(self) -> int:
        """How many readings the chunks that begin here say they hold."""
        return sum(row[2] for row in self.chunks if self.owns(row[0]))


def windows_of(database: sqlite3.Connection, series_id: int) -> Iterator[Span]:
    """Give the windows of a series: whole hours, end to end, from the beginning of time to its end."""
    starts_ns = [start_ns for (start_ns,) in database.execute(_STARTS, (series_id,))]
    begin_ns = _LEAST
    for start_ns in starts_ns[_ROWS_A_WINDOW::_ROWS_A_WINDOW]:
        edge_ns = start_ns - start_ns % HOUR_NS
        if edge_ns > begin_ns:
            yield Span(begin_ns, edge_ns)
            begin_ns = edge_ns
    yield Span(begin_ns, _MOST + 1)


def check_window(window: Window) -> list[Found]:
    """Return the damage in a window; where a row is damaged its readings are not summed up."""
    damages: list[Found] = []
    raw: list[Columns] = []
    minutes: list[Buckets] = []
    hours: list[Buckets] = []
    for chunk in window.chunks:
        try:
            raw.append(_decoded_chunk(*chunk))
        except ChunkError as error:
            damages.append(Found("chunk", str(error), *chunk[:2]))
    for row in window.rollups:
        try:
            its_minutes, its_hours = _decoded_rollup(*row)
            minutes += [] if its_minutes is None else [its_minutes]
            hours.append(its_hours)
        except ChunkError as error:
            # A row names the begin of its last minute.
            damages.append(Found("rollup", str(error), row[0], row[1] + MINUTE_NS - 1))
    if not damages and raw:
        whole, has_all_minutes = joined(raw), len(minutes) == len(hours)
        if has_all_minutes:
            damages += _compared(window.span, whole, minutes, MINUTE_NS)
        if not damages:
            damages += _compared(window.span, whole, hours, HOUR_NS)
    return [each for each in damages if window.owns(each.from_ns)]


def _decoded_chunk(
    from_ns: int, to_ns: int, readings: int, data: bytes, shared: bytes | None
) -> Columns:
    try:
        columns = chunks.decode_row(data, readings, shared)
    except TypeError:
        raise ChunkError("no bytes stand where they should") from None
    times_ns = columns.times_ns
    if (times_ns[1:] < times_ns[:-1]).any():
        raise ChunkError("the readings are not in order of time")
    if (int(times_ns[0]), int(times_ns[-1])) != (from_ns, to_ns):
        raise ChunkError("the row names other times than its readings have")
    return columns


def _decoded_rollup(
    from_ns: int, to_ns: int, count: int, minutes: bytes | None, hours: bytes | None
) -> tuple[Buckets | None, Buckets]:
    """Return the minutes, if they are kept, and the hours."""
    try:
        its_hours = None if hours is None else rollups.decode(hours)
        its_minutes = None if minutes is None else rollups.decode(minutes)
    except TypeError:
        raise ChunkError("no bytes stand where they should") from None
    if its_minutes is None:
        if its_hours is None:
            raise ChunkError("it has neither minutes nor hours")
        if int(its_hours.starts_ns[0]) != from_ns or len(its_hours.starts_ns) != count:
            raise ChunkError("the row names other hours than it holds")
        return None, its_hours
    first_ns, last_ns = int(its_minutes.starts_ns[0]), int(its_minutes.starts_ns[-1])
    if (first_ns - first_ns % HOUR_NS, last_ns, len(its_minutes.starts_ns)) != (
        from_ns,
        to_ns,
        count,
    ):
        raise ChunkError("the row names other minutes than it holds")
    made = hours_of(its_minutes)
    if its_hours is not None and not _is_same(made, its_hours).all():
        raise ChunkError("its hours are not those of its minutes")
    return its_minutes, made if its_hours is None else its_hours


def _compared(span: Span, raw: Columns, summaries: list[Buckets], width_ns: int) -> Iterator[Found]:
    """Give each bucket that says something else than the readings that lie in it."""
    inside = within_span(raw.times_ns, span)
    times_ns, values = raw.times_ns[inside], raw.values[inside]
    if not len(times_ns):
        return
    made = rollups.summarised(starts_of(times_ns, width_ns), times_ns, values)
    told = rollups.merged(summaries) if summaries else rollups.empty(made.starts_ns[:0])
    places = np.searchsorted(told.starts_ns, made.starts_ns)
    clipped = np.minimum(places, max(len(told.starts_ns) - 1, 0))
    if not len(told.starts_ns):
        has_one = np.zeros(len(made.starts_ns), np.bool_)
    else:
        has_one = told.starts_ns[clipped] == made.starts_ns
    wrong = ~has_one
    if has_one.any():
        its = rollups.chosen(told, clipped[has_one])
        mine = rollups.chosen(made, np.flatnonzero(has_one))
        held, said = mine.counts + mine.bads, its.counts + its.bads
        wrong[np.flatnonzero(has_one)] = (held > said) | ((held == said) & ~_is_same(mine, its))
    if wrong.any():
        first_ns, last_ns = made.starts_ns[wrong][[0, -1]].tolist()
        detail = f"{int(wrong.sum())} summaries are not those of the readings"
        yield Found("rollup", detail, first_ns, last_ns + width_ns - 1)


def _is_same(one: Buckets, other: Buckets) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say of each bucket whether both tell the same; which of readings of one time was last, they may not."""
    if one.starts_ns.tolist() != other.starts_ns.tolist():
        return np.zeros(1, np.bool_)
    same = np.ones(len(one.starts_ns), np.bool_)
    for name in ("counts", "bads", "first_ns", "last_ns"):
        same &= getattr(one, name) == getattr(other, name)
    for name in ("minima", "maxima"):
        first, second = getattr(one, name), getattr(other, name)
        same &= (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore", over="ignore"):
        same &= np.isclose(one.totals, other.totals, rtol=1e-6, atol=1e-6, equal_nan=True) | (
            ~np.isfinite(one.totals) | ~np.isfinite(other.totals)
        )
    return same

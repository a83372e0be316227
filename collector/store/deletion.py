"""Deleting series, or a range of time of them: in small steps, between which others commit.

First what waits of the devices concerned is sealed, since a batch holds many series; then window by
window the chunks and rollups are cut, each window in one transaction: a kill leaves some windows
deleted and the rest as it was. Batches whose time is unknown cannot be sealed: their readings stay,
and are counted. Marks are never touched.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from collector.store import chunks, rollups
from collector.store.chunks import ChunkError, Columns
from collector.store.cutting import Span, at_the_edges, hours_without, minutes_without, without
from collector.store.database import open_for_reading
from collector.store.history import stored_series
from collector.store.parts import parts_of, within
from collector.store.reader import Reader
from collector.store.removal import Cut, Owner, owner_of
from collector.store.rollups import HOUR_NS, MINUTE_NS
from collector.store.rows import BATCH, CHUNK, batch_row
from collector.store.sealer import Commit
from collector.store.sealing import Chunk, Rollup, chunks_of
from collector.store.unsealed import DAY_NS

_log = structlog.get_logger()

# A window begins at about so many rows of chunks and rollups together.
_ROWS_A_WINDOW = 48
_EARLIEST_NS, _LATEST_NS = -(2**63), 2**63 - 1
_CHUNKS = (
    f"SELECT chunk.id, from_ns, to_ns, {CHUNK}"
    " WHERE series = ? AND to_ns >= ? AND from_ns <= ? ORDER BY chunk.id"
)
_ROLLUPS = (
    "SELECT id, from_ns, to_ns, minutes, hours FROM rollup"
    " WHERE series = ? AND to_ns >= ? AND from_ns <= ? ORDER BY id"
)
_STARTS = (
    "SELECT from_ns FROM chunk WHERE series = ?1 AND to_ns >= ?2 AND from_ns <= ?3"
    " UNION ALL SELECT from_ns FROM rollup WHERE series = ?1 AND to_ns >= ?2 AND from_ns <= ?3"
)


class Selection(NamedTuple):
    """Which series, and from when up to before when (UTC, ns); None: whatever there is."""

    pattern: str
    start_ns: int | None = None
    end_ns: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is whole series."""
        return self.start_ns is None and self.end_ns is None

    @property
    def span(self) -> Span:
        """The range, as a span that ends somewhere."""
        start_ns = _EARLIEST_NS if self.start_ns is None else self.start_ns
        return Span(start_ns, _LATEST_NS + 1 if self.end_ns is None else self.end_ns)


class Deleted(msgspec.Struct):
    """How many series had something deleted, how many readings went, and how many stay all the same.

    `undated` have no known time, or cannot be sealed; `damaged_chunks` cannot be cut.
    """

    series: int = 0
    readings: int = 0
    undated: int = 0
    damaged_chunks: int = 0


class _Left(NamedTuple):
    """What a window leaves of the chunks that it touches."""

    gone: list[int]
    readings: int
    columns: list[Columns]  # all that may lie in the minutes at the edges
    rewritten: list[Chunk]
    damaged: int


class Deletion:
    """One deletion; whoever runs it takes its `steps` one by one.

    Args:
        path: the store.
        selection: what is to go.
        seal: seals some of a device; says whether there was any.
        commit: does something in a transaction of its own.
    """

    def __init__(
        self,
        path: Path,
        selection: Selection,
        seal: Callable[[int], bool],
        commit: Commit,
    ) -> None:
        self.deleted = Deleted()
        self._path = path
        self._selection = selection
        self._seal = seal
        self._commit = commit

    def steps(self, now_ns: int) -> Iterator[None]:
        """Do it, step by step; `deleted` then says what came of it."""
        with _opened(self._path) as (reader, database):
            last_row = reader.last_row_id()
            devices = [device.id for device in reader.devices(self._selection.pattern)]
            for device_id in devices:
                while self._seal(device_id):
                    yield
            for series in stored_series(database, self._selection.pattern):
                yield from self._series(database, owner_of(database, series.id), now_ns)
            self.deleted.undated = sum(
                _left_unsealed(database, device_id, self._selection, last_row)
                for device_id in devices
            )
        start_ns, end_ns = self._selection[1:]
        _log.warning(
            "readings_deleted",
            pattern=self._selection.pattern,
            start_ns=start_ns,
            end_ns=end_ns,
            **msgspec.to_builtins(self.deleted),
        )

    def _series(self, database: sqlite3.Connection, owner: Owner, now_ns: int) -> Iterator[None]:
        before, newest_ns = self.deleted.readings, _newest_ns(database, owner)
        damaged = self.deleted.damaged_chunks
        for window in _windows(database, owner, self._selection.span):
            while not self._cut_out(database, owner, window):
                pass  # it was merged meanwhile
            yield
        self.deleted.series += self.deleted.readings > before
        is_silent = newest_ns is None or newest_ns < now_ns - DAY_NS
        if self._selection.is_whole and is_silent and damaged == self.deleted.damaged_chunks:
            self._commit(lambda group: group.removal.forget(owner))

    def _cut_out(self, database: sqlite3.Connection, owner: Owner, window: Span) -> bool:
        """Delete what lies in a window; say whether it is done."""
        cut, damaged = _cut(database, owner, window)
        if cut.chunk_ids or cut.rollup_ids:
            is_done, _ = self._commit(lambda group: group.removal.cut(owner, cut))
            if not is_done:
                return False
        self.deleted.readings += cut.readings
        self.deleted.damaged_chunks += damaged
        return True


def _cut(database: sqlite3.Connection, owner: Owner, span: Span) -> tuple[Cut, int]:
    """Return what is to be done about a span, and how many chunks are too damaged for that."""
    left = _chunks_left(database, owner, span)
    rollup_ids, rows = _rollups_left(database, owner, span)
    if left.gone or rollup_ids:
        rows += at_the_edges(owner.name, left.columns, span)
    return Cut(left.gone, rollup_ids, left.rewritten, rows, left.readings), left.damaged


def _chunks_left(database: sqlite3.Connection, owner: Owner, span: Span) -> _Left:
    """Return what is left of the chunks that touch a span, or the minutes at its edges."""
    gone: list[int] = []
    columns: list[Columns] = []
    rewritten: list[Chunk] = []
    removed = damaged = 0
    which = (owner.series_id, *bound(span.widened(MINUTE_NS)))
    for row_id, from_ns, to_ns, readings, data, shared in database.execute(_CHUNKS, which):
        if span.covers(from_ns, to_ns):
            gone.append(row_id)
            removed += readings
            continue
        try:
            whole = chunks.decode_row(data, readings, shared)
        except ChunkError:
            damaged += span.touches(from_ns, to_ns)
            continue
        rest = without(whole, span)
        count = 0 if rest is None else len(rest.times_ns)
        if count < readings:
            gone.append(row_id)
            removed += readings - count
        if rest is not None:
            columns.append(rest)
            if count < readings:
                rewritten += chunks_of({owner.name: rest})[1]
    return _Left(gone, removed, columns, rewritten, damaged)


def _rollups_left(
    database: sqlite3.Connection, owner: Owner, span: Span
) -> tuple[list[int], list[Rollup]]:
    """Return the rows of rollups that a span touches, and what is left of them; damaged ones stay."""
    gone: list[int] = []
    left: list[Rollup] = []
    which = (owner.series_id, *bound(span.widened(HOUR_NS)))
    for row_id, from_ns, to_ns, minutes, hours in database.execute(_ROLLUPS, which):
        if span.covers(from_ns, to_ns + MINUTE_NS - 1):
            gone.append(row_id)
            continue
        try:
            buckets = rollups.decode((hours if minutes is None else minutes) or b"")
        except ChunkError:
            continue
        cut = hours_without if minutes is None else minutes_without
        row = cut(owner.name, buckets, span)
        if row is None or row.buckets < len(buckets.starts_ns):
            gone.append(row_id)
            left += [] if row is None else [row]
    return gone, left


def _windows(database: sqlite3.Connection, owner: Owner, span: Span) -> Iterator[Span]:
    """Give the windows that a span is cut out in: parts of it, end to end."""
    starts_ns = sorted(
        start_ns for (start_ns,) in database.execute(_STARTS, (owner.series_id, *bound(span)))
    )
    begin_ns = span.start_ns
    for start_ns in starts_ns[_ROWS_A_WINDOW::_ROWS_A_WINDOW]:
        edge_ns = start_ns - start_ns % HOUR_NS
        if begin_ns < edge_ns < span.end_ns:
            yield Span(begin_ns, edge_ns)
            begin_ns = edge_ns
    yield Span(begin_ns, span.end_ns)


def _newest_ns(database: sqlite3.Connection, owner: Owner) -> int | None:
    row = database.execute("SELECT max(to_ns) FROM chunk WHERE series = ?", (owner.series_id,))
    newest_ns: int | None = row.fetchone()[0]
    return newest_ns


def _left_unsealed(
    database: sqlite3.Connection, device_id: int, selection: Selection, last_row: int
) -> int:
    """Return how many readings stay that may be of the selection, because they could not be sealed."""
    span = selection.span
    rows = database.execute(
        f"SELECT {BATCH} WHERE device = ? AND to_ns >= ? AND from_ns <= ? AND batch.id <= ?",
        (device_id, *bound(span), last_row),
    )
    found = 0
    for part in (part for row in rows for part in parts_of(batch_row(row), selection.pattern)):
        if part is not None:
            found += len(within(part, span.start_ns, span.end_ns).times_ns)
    return found


def bound(span: Span) -> tuple[int, int]:
    """Return the first and the last instant of a span, as far as 64 bits can say them."""
    return max(span.start_ns, _EARLIEST_NS), min(span.end_ns - 1, _LATEST_NS)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Reader, sqlite3.Connection]]:
    with closing(Reader(path)) as reader, closing(open_for_reading(path)) as database:
        yield reader, database

"""Retention: what is kept no longer goes, series by series, in small steps.

Whole chunks and whole rows of rollups go, each when all of it is old enough; nothing is cut. A summary
outlives the readings that it was made of: whoever has a reading has its minute and its hour, too.

Age is counted from the newest reading of the store, or from now if that is earlier: a clock that runs
ahead deletes nothing by itself, and where nothing comes any more nothing goes.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from collector.errors import RefusedError
from collector.store import rollups
from collector.store.chunks import ChunkError
from collector.store.cutting import hours_row
from collector.store.database import open_for_reading
from collector.store.gathering import Named
from collector.store.history import hours_of, stored_series
from collector.store.removal import Owner, Removal, owner_of
from collector.store.rollups import MINUTE_NS
from collector.store.sealer import Commit
from collector.store.sealing import Rollup
from collector.store.sizes import used
from collector.store.unsealed import DAY_NS

_log = structlog.get_logger()

_LOOK_EVERY_NS = 5 * MINUTE_NS
# So many rows go in one transaction.
_ROWS_A_STEP = 48
_CHUNKS = "SELECT id, readings FROM chunk WHERE series = ? AND to_ns < ? ORDER BY to_ns LIMIT ?"
# `to_ns` is when the last minute begins.
_MINUTES = (
    "SELECT id, minutes, hours FROM rollup WHERE series = ?1 AND to_ns <= ?2 AND minutes IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.series = ?1 AND chunk.to_ns >= rollup.from_ns"
    " AND chunk.from_ns < rollup.to_ns + 60000000000) ORDER BY to_ns LIMIT ?3"
)
_ROWS = (
    "SELECT id FROM rollup WHERE series = ?1 AND to_ns <= ?2"
    " AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.series = ?1 AND chunk.to_ns >= rollup.from_ns"
    " AND chunk.from_ns < rollup.to_ns + 60000000000) ORDER BY to_ns LIMIT ?3"
)


class Keep(NamedTuple):
    """How long readings, minutes and hours of the series that a pattern fits are kept; None: for ever."""

    pattern: str
    raw_ns: int | None = None
    minute_ns: int | None = None
    hour_ns: int | None = None


class Limits(NamedTuple):
    """What lies before these instants (UTC, ns) is kept no longer; None: everything is."""

    raw_ns: int | None = None
    minute_ns: int | None = None
    hour_ns: int | None = None


def limits_of(series: str, rules: Sequence[Keep], now_ns: int) -> Limits:
    """Return the limits of a series: the first rule whose pattern fits decides."""
    for rule in rules:
        if fnmatchcase(series, rule.pattern):
            return Limits(*(None if kept is None else now_ns - kept for kept in rule[1:]))
    return Limits()


class Retention:
    """Applies rules to one store; `rules` may be changed from any thread.

    Raises:
        StoreError: it cannot be read.
    """

    def __init__(self, path: Path, commit: Commit) -> None:
        self._database = open_for_reading(path)
        self._commit = commit
        self._rules: Sequence[Keep] = ()
        self._work: Iterator[None] = iter(())
        self._next_look_ns = -(2**63)
        self._noted_day: int | None = None
        self._given_up: set[int] = set()

    def close(self) -> None:
        """Close the connection."""
        self._work = iter(())
        self._database.close()

    def apply(self, rules: Sequence[Keep]) -> None:
        """Let these rules hold from now on; whoever runs this one looks at once."""
        if rules != self._rules:
            self._rules = rules
            self._next_look_ns = -(2**63)

    def step(self, now_ns: int) -> bool:
        """Do the next thing, if it is time for one; say whether there was any."""
        if now_ns >= self._next_look_ns:
            self._next_look_ns = now_ns + _LOOK_EVERY_NS
            self._note_size(now_ns)
            self._work = self._round(self._rules, now_ns)
        return next(self._work, self) is None

    def _note_size(self, now_ns: int) -> None:
        """Note how large the store is, once a day: what it grows is told by that."""
        day = now_ns // DAY_NS
        if day != self._noted_day:
            self._noted_day = day
            used_bytes = used(self._database)
            try:
                self._commit(lambda group: group.removal.note_size(day, used_bytes))
            except RefusedError as error:
                _log.error("size_not_noted", detail=str(error), exc_info=error)

    def _round(self, rules: Sequence[Keep], now_ns: int) -> Iterator[None]:
        """Go through all series once; give None after each step."""
        if not rules:
            return
        named = stored_series(self._database, "*")
        now_ns = min(now_ns, max((self._newest_ns(each.id) for each in named), default=now_ns))
        for series in named:
            if series.id in self._given_up:
                continue
            name = series.key.series
            owner = owner_of(self._database, series.id)
            try:
                yield from self._series(name, owner, limits_of(name, rules, now_ns))
            except RefusedError as error:
                self._given_up.add(series.id)
                _log.error("retention_failed", series=name, detail=str(error), exc_info=error)

    def _series(self, name: str, owner: Owner, limits: Limits) -> Iterator[None]:
        gone = 0
        for readings in self._chunks(owner, limits.raw_ns):
            gone += readings
            yield
        if gone:
            _log.info("readings_expired", series=name, readings=gone)
        while self._minutes(owner, limits.minute_ns) or self._rows(owner, limits.hour_ns):
            yield

    def _newest_ns(self, series_id: int) -> int:
        (newest_ns,) = self._database.execute(
            "SELECT max(to_ns) FROM chunk WHERE series = ?", (series_id,)
        ).fetchone()
        return -(2**63) if newest_ns is None else int(newest_ns)

    def _chunks(self, owner: Owner, before_ns: int | None) -> Iterator[int]:
        """Delete chunks, some at a time; give how many readings went."""
        while before_ns is not None:
            which = (owner.series_id, _bounded(before_ns), _ROWS_A_STEP)
            rows = self._database.execute(_CHUNKS, which).fetchall()
            if not rows:
                return
            ids, readings = [row_id for row_id, _ in rows], sum(held for _, held in rows)
            expire = partial(Removal.expire_chunks, owner=owner, chunk_ids=ids, readings=readings)
            is_done, _ = self._commit(lambda group, expire=expire: expire(group.removal))  # type: ignore[misc]
            yield readings if is_done else 0

    def _minutes(self, owner: Owner, before_ns: int | None) -> bool:
        rows = self._old(_MINUTES, owner, before_ns)
        left = [_without_minutes(owner.name, minutes, hours) for _, minutes, hours in rows]
        ids = [row_id for row_id, *_ in rows]
        self._expire(owner, ids, [row for row in left if row is not None])
        return bool(rows)

    def _rows(self, owner: Owner, before_ns: int | None) -> bool:
        ids = [row_id for (row_id,) in self._old(_ROWS, owner, before_ns)]
        self._expire(owner, ids, [])
        return bool(ids)

    def _old(self, query: str, owner: Owner, before_ns: int | None) -> list[tuple[Any, ...]]:
        if before_ns is None:
            return []
        which = (owner.series_id, _bounded(before_ns - MINUTE_NS), _ROWS_A_STEP)
        return self._database.execute(query, which).fetchall()

    def _expire(self, owner: Owner, ids: list[int], left: list[Rollup]) -> None:
        if ids:
            self._commit(lambda group: group.removal.expire_rollups(owner, ids, left))


def _without_minutes(name: Named, minutes: bytes, hours: bytes | None) -> Rollup | None:
    """Return the row with its hours alone; None for one that is damaged: nothing is left of it."""
    try:
        return hours_row(
            name, hours_of(rollups.decode(minutes)) if hours is None else rollups.decode(hours)
        )
    except ChunkError:
        return None


def _bounded(time_ns: int) -> int:
    return max(time_ns, -(2**63))

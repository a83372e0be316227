"""/api/v1/live: what was committed, as Server-Sent Events, for all listeners read once.

    id: ROW, data: {"readings": [pieces]}   what one row of the store holds of the series asked for
    event: missed                           rows that are gone already: ask /api/v1/readings
    event: dropped                          so many events this listener was too slow for
    event: alert                            an alert that has come, changed or is over

Rows of the store have numbers that only grow, without holes until they are sealed: who comes back
with Last-Event-ID gets what is still there, and is told where there is a hole.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from functools import partial
from typing import Any

import orjson

from collector.following import Following, Row, decoded
from collector.store import BatchRow, Part, Reader, RowHead
from collector.web.encoding import Clock, encoded
from collector.web.pieces import pieces_of
from collector.web.problems import Refused
from collector.web.reading import Reading

MAX_LISTENERS = 32
# How many hear of what was before they came, at a time.
MAX_CATCHING_UP = 4
# What waits for one listener: beyond, the oldest goes.
MAX_WAITING = 256
HEARTBEAT_S = 15.0
# How often the store is looked into at most.
_LOOK_EVERY_S = 0.1
_BEGIN = b"retry: 2000\n\n"
_HEARTBEAT = b": alive\n\n"


class _Row:
    """A row, decoded; its pieces are written once for all who want them alike."""

    def __init__(self, row: Row) -> None:
        self.id = row.id
        self._parts = row.parts
        self._written: dict[tuple[str, str], bytes] = {}

    def event(self, matches: Callable[[str], Any], clock: Clock) -> bytes:
        """Return the event of the series that match; nothing where there is none."""
        pieces = [self._piece(part, clock) for part in self._parts if matches(part.series)]
        if not pieces:
            return b""
        return b'id: %d\ndata: {"readings":[%s]}\n\n' % (self.id, b",".join(pieces))

    def _piece(self, part: Part, clock: Clock) -> bytes:
        key = (part.series, clock.form)
        if key not in self._written:
            self._written[key] = b",".join(encoded(each, clock) for each in pieces_of(part))
        return self._written[key]


class Listener:
    """One who listens; what waits for them is bounded. `at_row`: what they have heard of.

    `dropped` counts what they were too slow for.
    """

    def __init__(self, pattern: str, clock: Clock, at_row: int) -> None:
        self.at_row = at_row
        self.dropped = 0
        self._is_over = False
        self.matches = re.compile(translate(pattern)).match
        self.clock = clock
        self._waiting: deque[bytes] = deque()
        self._dropped_untold = 0
        self._news = asyncio.Event()

    def heard(self, row: _Row) -> Iterator[bytes]:
        """Give what a row means to them, if they have not heard of it yet."""
        if row.id > self.at_row:
            yield from self.passed(row.id - 1)
            self.at_row = row.id
            if event := row.event(self.matches, self.clock):
                yield event

    def passed(self, row_id: int) -> Iterator[bytes]:
        """Give what it means that there is nothing more up to a row: what they missed."""
        if row_id > self.at_row:
            missed = {"from_row": self.at_row + 1, "to_row": row_id}
            self.at_row = row_id
            yield _told("missed", missed)

    def put(self, events: Iterable[bytes]) -> None:
        """Let events wait for them; where there are too many, the oldest goes."""
        for event in events:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
                self._dropped_untold += 1
            self._waiting.append(event)
            self._news.set()

    def end(self) -> None:
        """Let it end."""
        self._is_over = True
        self._news.set()

    async def events(self) -> AsyncIterator[bytes]:
        """Give what waits, as it comes, until it is over."""
        while not self._is_over:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                yield _HEARTBEAT
                continue
            self._news.clear()
            while self._waiting:
                if self._dropped_untold:
                    events, self._dropped_untold = self._dropped_untold, 0
                    yield _told("dropped", {"events": events})
                yield self._waiting.popleft()


class Hub:
    """Brings what was committed to all who listen. `dropped` counts what all were too slow for."""

    look_every_s = _LOOK_EVERY_S

    def __init__(self, reading: Reading, following: Following) -> None:
        self._reading = reading
        self._following = following
        self._listeners: set[Listener] = set()
        self._present: set[Listener] = set()  # those that have caught up
        self._catching_up = asyncio.Semaphore(MAX_CATCHING_UP)
        self._dropped = 0
        following.follow(self)

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def dropped(self) -> int:
        """How many events were dropped."""
        return self._dropped + sum(each.dropped for each in self._listeners)

    @property
    def at_row(self) -> int | None:
        """What all have heard of who have caught up; None: nobody has."""
        return min((each.at_row for each in self._present), default=None)

    def is_wanted(self, _row: RowHead) -> bool:
        """Say that each row is worth to be decoded while anybody listens."""
        return bool(self._present)

    def heard(self, rows: Sequence[Row]) -> None:
        """Bring rows to who listens."""
        for row in map(_Row, rows):
            for listener in self._present:
                listener.put(listener.heard(row))

    def passed(self, row_id: int) -> None:
        """Tell who has missed something that there is nothing more up to a row."""
        for listener in self._present:
            listener.put(listener.passed(row_id))

    def tell(self, event: str, series: str | None, facts: Callable[[Clock], Any]) -> None:
        """Tell who listens of something beside readings; `series`: of which it is, None: of many."""
        for listener in self._present:
            if series is None or listener.matches(series):
                listener.put([_told(event, facts(listener.clock))])

    async def listen(self, pattern: str, clock: Clock, after_row: int | None) -> Listener:
        """Let somebody listen, from behind a row on, or from now on; `leave` has to follow.

        Raises:
            Refused: too many do.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise Refused(503, f"{MAX_LISTENERS} listen already", {"Retry-After": "30"})
        newest = await self._reading.do(Reader.last_row_id)
        if after_row is not None and after_row > newest:
            after_row = -1  # of another store, or of one that was set back: all of this is missed
        listener = Listener(pattern, clock, newest if after_row is None else after_row)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Let somebody listen no more."""
        if listener in self._listeners:
            self._listeners.discard(listener)
            self._present.discard(listener)
            self._dropped += listener.dropped

    async def events(self, listener: Listener) -> AsyncIterator[bytes]:
        """Give what they have not heard of yet, at their own pace, and then what comes."""
        yield _BEGIN
        async with self._catching_up:
            is_behind = True
            while is_behind:
                rows, newest = await self._reading.do(partial(_behind, at_row=listener.at_row))
                for row in rows:
                    for event in listener.heard(_Row(decoded(row))):
                        yield event
                is_behind = bool(rows)
            for event in listener.passed(newest):
                yield event
        self._present.add(listener)
        self._following.committed()  # what was meanwhile
        async for event in listener.events():
            yield event

    def close(self) -> None:
        """End all."""
        for listener in self._listeners:
            listener.end()


def _behind(reader: Reader, at_row: int) -> tuple[list[BatchRow], int]:
    """Return the rows behind one; where there are none, up to which there were some."""
    newest = reader.last_row_id()
    return reader.after(at_row), newest


def _told(event: str, facts: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), orjson.dumps(facts))

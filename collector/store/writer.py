"""The writer: the one thread that changes the store, and what others ask of it.

Whatever waits when a commit ends goes into the next one, so the writer never waits for company and
many sessions share one fsync. Whoever asked is told after COMMIT, on the event loop, never before.
An error of the file ends the writer: nothing more is acknowledged, and the program must end.
`pending_bytes` is what waits; to keep that bounded is for those who ask.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from collector.measuring import Measured
from collector.store.group import GroupCommit, Request
from collector.store.requests import Holding, Stored
from wire.bodies import Describe, End, Gap, OpenDatagrams
from wire.receiver import Arrived

# A request of a few numbers counts so much.
_SMALL_BYTES = 256
# What a request that brings no batch counts as waiting: descriptions can be long, and are rare.
REQUEST_BYTES = 1024 * 1024

# One group takes this many requests at most, so that the first of them does not wait for ever.
_GROUP_REQUESTS = 4096


class _Asked(NamedTuple):
    request: Request
    done: Callable[[Any], None]
    size_bytes: int


class Writer:
    """Commits what sessions bring.

    Args:
        database: opened for writing; it belongs to the writer's thread from `start` on.
        call_soon: runs a function on the event loop, from any thread.
        delivered: told after every group, on the event loop, when its requests were answered.
        failed: told once, on the event loop, when the store cannot be written any more.
        is_revoked: whether nothing more of a device may be stored; what it asks for is answered by
            `Revoked` then. The writer's thread asks, before each commit.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        call_soon: Callable[..., object],
        delivered: Callable[[], None],
        failed: Callable[[Exception], None],
        is_revoked: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.pending_bytes = 0
        self._is_dating = False
        self._database = database
        self._group = GroupCommit(database, is_revoked)
        self._call_soon = call_soon
        self._delivered = delivered
        self._failed = failed
        self._requests: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    @property
    def commits(self) -> int:
        """How many transactions were committed."""
        return self._group.commits

    def start(self) -> None:
        """Start the thread; go on with what a former run has left to be dated anew."""
        if self._group.has_stale:
            self._date_anew()
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Commit what waits, close the file, end the thread; say whether it ended in time."""
        self._requests.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_stuck(self, now_s: float, after_s: float) -> bool:
        """Say whether one commit has lasted longer than `after_s` (time.monotonic)."""
        since_s = self._group.busy_since_s
        return since_s is not None and now_s - since_s > after_s

    def describe(self, device: str, description: Describe, done: Callable[[None], None]) -> None:
        """Keep what a device says of its series."""
        self._ask(Request(device, lambda group, _: group.describe(device, description)), done)

    def hold(self, device: str, holding: Holding, done: Callable[[dict[bytes, int]], None]) -> None:
        """Take note of all that a device holds; `done` gets the marks of its epochs."""
        self._ask(Request(device, lambda group, _: group.hold(device, holding)), done)

    def store(
        self, device: str, batches: Sequence[Arrived], done: Callable[[Stored], None]
    ) -> None:
        """Commit batches of one device, those of each epoch in order."""
        request = Request(device, lambda group, part: group.store(device, part), batches)
        self._ask(request, done, _size_bytes(batches))

    def record_gap(self, device: str, gap: Gap, done: Callable[[int | None], None]) -> None:
        """Commit a gap; `done` gets the mark, or None where the gap itself leaves a hole."""
        self._ask(Request(device, lambda group, _: group.record_gap(device, gap)), done)

    def end(self, device: str, end: End, done: Callable[[int], None]) -> None:
        """Commit the end of an epoch; `done` gets its mark."""
        self._ask(Request(device, lambda group, _: group.end(device, end)), done)

    def open_datagrams(
        self, device: str, wish: OpenDatagrams, done: Callable[[bool], None]
    ) -> None:
        """Commit that batches of an epoch will come as datagrams; `done` gets whether they may."""
        self._ask(Request(device, lambda group, _: group.open_datagrams(device, wish)), done)

    def store_datagrams(
        self, device: str, epoch: bytes, batches: Sequence[Arrived], done: Callable[[object], None]
    ) -> None:
        """Commit batches of a datagram epoch; no seq may come here twice, in any order they may."""
        request = Request(
            device,
            lambda group, part: group.store_datagrams(device, epoch, part),
            batches,
            in_order=False,
        )
        self._ask(request, done, _size_bytes(batches))

    def measured(self, device: str, measured: Measured, done: Callable[[object], None]) -> None:
        """Commit what was measured of a device's clock."""
        request = Request(device, lambda group, _: group.measured(device, measured))
        self._ask(request, done, _SMALL_BYTES)

    def catch_up(self, done: Callable[[object], None]) -> None:
        """Call `done` when all that was asked before is committed, or refused."""
        self._ask(Request("", lambda _group, _part: None), done)

    def _ask(
        self, request: Request, done: Callable[[Any], None], size_bytes: int = REQUEST_BYTES
    ) -> None:
        self.pending_bytes += size_bytes
        self._requests.put(_Asked(request, done, size_bytes))

    def _run(self) -> None:
        try:
            while asked := self._take():
                answers = self._group.commit([each.request for each in asked])
                self._call_soon(self._deliver, asked, answers)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is committed any more
            self._call_soon(self._failed, error)
        finally:
            self._database.close()

    def _take(self) -> list[_Asked]:
        """Wait for a request; return it with all others that wait. Empty: it is time to end."""
        group: list[_Asked] = []
        try:
            while len(group) < _GROUP_REQUESTS:
                request = self._requests.get(block=not group)
                if request is None:
                    if group:
                        self._requests.put(None)
                    break
                group.append(request)
        except queue.Empty:
            pass
        return group

    def _deliver(self, asked: Sequence[_Asked], answers: Sequence[Any]) -> None:
        for each, answer in zip(asked, answers, strict=True):
            self.pending_bytes -= each.size_bytes
            each.done(answer)
        self._delivered()
        if self._group.has_stale and not self._is_dating:
            self._date_anew()

    def _date_anew(self, is_more: object = True) -> None:
        """Ask for another step, behind what waits by now: it goes into the next group."""
        self._is_dating = is_more is True
        if self._is_dating:
            self._ask(
                Request("", lambda group, _: group.date_anew()), self._date_anew, _SMALL_BYTES
            )


def _size_bytes(batches: Sequence[Arrived]) -> int:
    return sum(len(arrived.sealed) for arrived in batches)

"""The writer: the one thread that changes the store, and what others ask of it.

Whatever waits when a commit ends goes into the next one, so the writer never waits for company and
many sessions share one fsync. Whoever asked is told after COMMIT, on the event loop, never before.
An error of the file ends the writer: nothing more is acknowledged, and the program must end.
`pending_bytes` is what waits; to keep that bounded is for those who ask.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from collector.errors import RefusedError
from collector.measuring import Measured
from collector.store.group import GroupCommit, Request
from collector.store.holds import Holds
from collector.store.requests import Holding, Stored
from collector.store.transaction import Transaction
from collector.store.unsealed import MAX_RIPE_BYTES, Unsealed
from wire.bodies import Describe, End, Gap, OpenDatagrams
from wire.receiver import Arrived

_T = TypeVar("_T")

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


class _Job(NamedTuple):
    """Something that is done in a transaction of its own."""

    work: Callable[[Transaction], Any]
    future: "Future[tuple[Any, float]]"


class Writer:
    """Commits what sessions bring.

    `holds` are how long it was held by work that no session asked for.

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
        self._has_ended = False
        self._database = database
        self._group = GroupCommit(database, is_revoked)
        self._call_soon = call_soon
        self._delivered = delivered
        self._failed = failed
        self.holds = Holds()
        self._requests: queue.SimpleQueue[_Asked | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    @property
    def commits(self) -> int:
        """How many transactions were committed."""
        return self._group.commits

    @property
    def unsealed(self) -> Unsealed:
        """What waits to be sealed."""
        return self._group.unsealed

    @property
    def is_behind_sealing(self) -> bool:
        """Whether so much waits to be sealed that no more should come for now."""
        return self.unsealed.ripe_bytes() > MAX_RIPE_BYTES

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

    def do(self, work: Callable[[Transaction], _T]) -> "Future[tuple[_T, float]]":
        """Do something in a transaction of its own; the event loop must not wait for it.

        The writer's thread does it between two groups. The answer comes with how long it took, in seconds; one
        that is refused (RefusedError) ends nothing.
        """
        future: Future[tuple[_T, float]] = Future()
        self._requests.put(_Job(work, future))
        if self._has_ended:
            self._give_up_jobs()
        return future

    def _ask(
        self, request: Request, done: Callable[[Any], None], size_bytes: int = REQUEST_BYTES
    ) -> None:
        self.pending_bytes += size_bytes
        self._requests.put(_Asked(request, done, size_bytes))

    def _run(self) -> None:
        try:
            is_last = False
            while not is_last:
                asked, then = self._take()
                if asked:
                    answers = self._group.commit([each.request for each in asked])
                    self._call_soon(self._deliver, asked, answers)
                if isinstance(then, _Job):
                    self._work(then)
                is_last = then is None
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is committed any more
            self._call_soon(self._failed, error)
        finally:
            self._has_ended = True  # from here on whoever brings a job gives it up
            self._give_up_jobs()
            self._database.close()

    def _take(self) -> "tuple[list[_Asked], _Job | _Asked | None]":
        """Wait for a request; return it with all others that wait, and what comes behind them.

        That is a job, or None where it is time to end.
        """
        group: list[_Asked] = []
        try:
            while len(group) < _GROUP_REQUESTS:
                request = self._requests.get(block=not group)
                if not isinstance(request, _Asked):
                    return group, request
                group.append(request)
        except queue.Empty:
            pass
        return group, group[-1]

    def _work(self, job: _Job) -> None:
        began_s = time.perf_counter()
        try:
            answer = self._group.work(job.work)
        except RefusedError as error:
            job.future.set_exception(error)
            return
        except BaseException as error:
            job.future.set_exception(error)
            raise
        held_s = time.perf_counter() - began_s
        self.holds.note(held_s)
        job.future.set_result((answer, held_s))
        self._call_soon(self._delivered)

    def _give_up_jobs(self) -> None:
        """Let nobody wait for what will not be done."""
        with suppress(queue.Empty):
            while True:
                left = self._requests.get_nowait()
                if isinstance(left, _Job):
                    left.future.cancel()

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

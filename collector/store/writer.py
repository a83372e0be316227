"""The writer: the one thread that changes the store, and group commit over all sessions.

Whatever waits when a commit ends goes into the next one, so the writer never waits for company and
many sessions share one fsync. Whoever asked is told after COMMIT, on the event loop, never before.
An error of the file ends the writer: nothing more is acknowledged, and the program must end.
`pending_bytes` is what waits; to keep that bounded is for those who ask.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from collector.store.transaction import Transaction
from wire.frames import Describe, Gap
from wire.receiver import Arrived

# What a request that brings no batch counts as waiting: descriptions can be long, and are rare.
REQUEST_BYTES = 1024 * 1024
_log = structlog.get_logger()

# One group takes this many requests at most, so that the first of them does not wait for ever.
_GROUP_REQUESTS = 4096


class Stored(NamedTuple):
    """What came of batches: the marks of their epochs, and whether one left a hole."""

    marks: Mapping[bytes, int]
    hole: bool


class _Request(NamedTuple):
    apply: Callable[[Transaction], Any]
    done: Callable[[Any], None]
    size_bytes: int


class Writer:
    """Commits what sessions bring.

    Args:
        database: opened for writing; it belongs to the writer's thread from `start` on.
        call_soon: runs a function on the event loop, from any thread.
        delivered: told after every group, on the event loop, when its requests were answered.
        failed: told once, on the event loop, when the store cannot be written any more.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        call_soon: Callable[..., object],
        delivered: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.pending_bytes = 0
        self.commits = 0
        self._database = database
        self._transaction = Transaction(database)
        self._call_soon = call_soon
        self._delivered = delivered
        self._failed = failed
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._busy_since_s: float | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Commit what waits, close the file, end the thread; say whether it ended in time."""
        self._requests.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_stuck(self, now_s: float, after_s: float) -> bool:
        """Say whether one commit has lasted longer than `after_s` (time.monotonic)."""
        since_s = self._busy_since_s
        return since_s is not None and now_s - since_s > after_s

    def describe(self, device: str, description: Describe, done: Callable[[None], None]) -> None:
        """Keep what a device says of its series."""
        self._put(lambda transaction: transaction.describe(device, description), done)

    def marks(
        self, device: str, epochs: Iterable[bytes], done: Callable[[dict[bytes, int]], None]
    ) -> None:
        """Ask for the marks of epochs."""
        self._put(lambda transaction: transaction.marks(device, epochs), done)

    def store(
        self, device: str, batches: Sequence[Arrived], done: Callable[[Stored], None]
    ) -> None:
        """Commit batches of one device, in order."""
        size_bytes = sum(len(arrived.sealed) for arrived in batches)
        self._put(lambda transaction: Stored(*transaction.store(device, batches)), done, size_bytes)

    def record_gap(self, device: str, gap: Gap, done: Callable[[int | None], None]) -> None:
        """Commit a gap; `done` gets the mark, or None where the gap itself left a hole."""
        self._put(lambda transaction: transaction.record_gap(device, gap), done)

    def _put(
        self,
        apply: Callable[[Transaction], Any],
        done: Callable[[Any], None],
        size_bytes: int = REQUEST_BYTES,
    ) -> None:
        self.pending_bytes += size_bytes
        self._requests.put(_Request(apply, done, size_bytes))

    def _run(self) -> None:
        try:
            while group := self._take():
                self._busy_since_s = time.monotonic()
                answers = self._commit(group)
                self._busy_since_s = None
                self._call_soon(self._deliver, group, answers)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is committed any more
            self._call_soon(self._failed, error)
        finally:
            self._database.close()

    def _take(self) -> list[_Request]:
        """Wait for a request; return it with all others that wait. Empty: it is time to end."""
        group: list[_Request] = []
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

    def _commit(self, group: Sequence[_Request]) -> list[Any]:
        self._begin()
        answers = [request.apply(self._transaction) for request in group]
        self._transaction.commit()
        self.commits += 1
        return answers

    def _begin(self) -> None:
        """Begin a group; wait for whoever holds the file, which is no fault of the file."""
        is_told = False
        while True:
            try:
                self._transaction.begin(time.time_ns())
                return
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if not is_told:
                    _log.warning("store_locked", detail="another program holds the store; waiting")
                is_told = True

    def _deliver(self, group: Sequence[_Request], answers: Sequence[Any]) -> None:
        for request, answer in zip(group, answers, strict=True):
            self.pending_bytes -= request.size_bytes
            request.done(answer)
        self._delivered()

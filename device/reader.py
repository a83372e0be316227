"""A reader: one sensor's adapter, and the one thread that may touch it.

Drivers block, hang and fail; none of it may reach the main loop. At most one read of a sensor is
under way: while a driver hangs, further reads of it end at once as timed out, and the other sensors
do not notice. The thread is a daemon, so a hung driver cannot keep the agent from stopping.
"""

import asyncio
import queue
import threading
from collections.abc import Sequence
from typing import NamedTuple

from device.clock import boottime_ns
from device.sensors import Adapter, Sample
from wire.readings import Quality


class Outcome(NamedTuple):
    """What came of one read.

    `began_ns` is CLOCK_BOOTTIME. `quality` is GOOD, and `samples` hold what was read, or it says
    why there are none, and `message` says more.
    """

    began_ns: int
    took_s: float
    samples: Sequence[Sample]
    quality: Quality
    message: str = ""


class _Job(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Outcome]"
    deadline: asyncio.TimerHandle


class Reader:
    """Opens, reads and closes one adapter, off the main loop."""

    def __init__(self, name: str, adapter: Adapter) -> None:
        self.adapter = adapter
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"sensor-{name}", daemon=True)
        self._busy_since_ns: int | None = None
        self._is_open = False

    def read(self, timeout_s: float) -> "asyncio.Future[Outcome]":
        """Begin a read; its outcome comes within the timeout, whatever the driver does.

        A plain future and a timer: on a Pi, tasks would cost more than most reads.
        """
        loop, now_ns = asyncio.get_running_loop(), boottime_ns()
        future: asyncio.Future[Outcome] = loop.create_future()
        if self._busy_since_ns is not None:
            busy_s = (now_ns - self._busy_since_ns) / 1e9
            message = f"the driver still hangs in a read begun {busy_s:.1f} s ago"
            future.set_result(_timed_out(now_ns, 0.0, message))
            return future
        if not self._thread.is_alive():
            self._thread.start()
        self._busy_since_ns = now_ns
        late = _timed_out(now_ns, timeout_s, f"no answer within {timeout_s:g} s")
        deadline = loop.call_later(timeout_s, _settle, future, late)
        self._jobs.put(_Job(loop, future, deadline))
        return future

    def stop(self) -> None:
        """Let the thread close the adapter and end, as soon as it is free."""
        self._jobs.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; say whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            outcome = self._outcome()
            try:
                job.loop.call_soon_threadsafe(self._finish, job, outcome)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
        self.adapter.close()

    def _outcome(self) -> Outcome:
        began_ns = boottime_ns()
        quality = Quality.READ_FAILED if self._is_open else Quality.NOT_OPEN
        try:
            if not self._is_open:
                self.adapter.open()
                self._is_open, quality, began_ns = True, Quality.READ_FAILED, boottime_ns()
            samples = self.adapter.read()
        except BaseException as error:  # noqa: BLE001 - a driver may raise anything, SystemExit too
            return Outcome(began_ns, _since_s(began_ns), (), quality, _told(error))
        return Outcome(began_ns, _since_s(began_ns), samples, Quality.GOOD)

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        self._busy_since_ns = None
        job.deadline.cancel()
        _settle(job.future, outcome)


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    """Give the outcome, unless the read has one: what comes after the deadline is too late."""
    if not future.done():
        future.set_result(outcome)


def _timed_out(began_ns: int, took_s: float, message: str) -> Outcome:
    return Outcome(began_ns, took_s, (), Quality.TIMED_OUT, message)


def _since_s(began_ns: int) -> float:
    return (boottime_ns() - began_ns) / 1e9


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

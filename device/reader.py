"""A reader: one sensor's adapter, and how it is opened, read, tried again and given up.

Drivers block, hang and fail; none of it may reach the main loop. At most one read of a sensor is
under way: while a driver hangs, further reads of it end at once as timed out, and the sensors of
other lanes do not notice. Where a read has hung for long its thread is left behind, and another
adapter is built in the place of the one that it holds.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from device.clock import boottime_ns
from device.lanes import Lane
from device.recovery import Recovery, pauses_s
from device.sensors import Adapter, Emit, Sample, told
from wire.readings import Quality

_log = structlog.get_logger()

# A driver that has not come back by then, or within two timeouts, is not waited for any more.
HUNG_S = 30.0


class Outcome(NamedTuple):
    """What came of one read.

    `began_ns` is CLOCK_BOOTTIME, behind an opening; `took_s` is all of it, that and former tries too.
    `quality` is GOOD, and `samples` hold what was read, or it says
    why there are none, and `message` says more. `retries`: so many tries failed before.
    """

    began_ns: int
    took_s: float
    samples: Sequence[Sample]
    quality: Quality
    message: str = ""
    retries: int = 0


class Reader:
    """Opens, reads and closes one adapter, off the main loop, on its `lane`.

    `rebuild` makes an adapter like the present one. `abandoned` counts those that hang in a thread
    which was left behind.
    """

    def __init__(
        self, lane: Lane, adapter: Adapter, rebuild: Callable[[], Adapter] | None = None
    ) -> None:
        self.lane = lane
        self.abandoned = 0
        self._rebuild = rebuild
        self._held = _Held(adapter)
        self._emit: Emit | None = None
        self._turn: _Turn | None = None
        self._last: Outcome | None = None
        self._used = False
        self._closed = threading.Event()

    @property
    def adapter(self) -> Adapter:
        """The one that is read now."""
        return self._held.adapter

    def listen(self, emit: Emit) -> None:
        """Let the adapter, and those that come in its place, say what happens between reads."""
        self._emit = emit
        self.adapter.listen(emit)

    def read(self, timeout_s: float) -> "asyncio.Future[Outcome]":
        """Begin a read; its outcome comes within the timeout, whatever the driver does.

        A plain future and a timer: on a Pi, tasks would cost more than most reads.
        """
        loop, now_ns = asyncio.get_running_loop(), boottime_ns()
        future: asyncio.Future[Outcome] = loop.create_future()
        if self._turn is not None:
            self.lane.give_up(round(max(HUNG_S, 2 * timeout_s) * 1e9))
        if self._turn is not None:
            future.set_result(_timed_out(now_ns, 0.0, self._turn.told(now_ns)))
        elif wait_s := self._held.recovery.wait_s(now_ns / 1e9):
            future.set_result(self._not_tried(now_ns, wait_s))
        else:
            self._used = True
            self._turn = _Turn(self._held, self, loop, future, now_ns, timeout_s)
            self.lane.put(self._turn)
        return future

    @property
    def is_busy(self) -> bool:
        """Whether a read is under way, or hangs."""
        return self._turn is not None

    def hurry(self) -> None:
        """Let the next read be tried whatever failed before."""
        self._held.recovery.hurry()

    def stop(self) -> None:
        """Let the lane close the adapter, as soon as it is free."""
        if self._used:
            self.lane.put(_Close(self._held, self._closed))
        else:
            self._closed.set()
        self.lane.leave()

    def join(self, timeout_s: float) -> bool:
        """Wait for the adapter to be closed, and the lane to end if nobody else is on it."""
        until_s = time.monotonic() + timeout_s
        if not self._closed.wait(timeout_s):
            return False
        return bool(self.lane.users) or self.lane.join(max(0.0, until_s - time.monotonic()))

    def finish(self, turn: "_Turn", outcome: Outcome) -> None:
        """Take what a turn gave, unless it was given up; on the main loop."""
        if turn is self._turn:
            self._turn = None
            self._last = outcome
            turn.settle(outcome)

    def replace(self, turn: "_Turn") -> None:
        """Go on with another adapter: the present one hangs in a thread that was left behind."""
        if turn is not self._turn:
            return
        self._turn = None
        self.abandoned += 1
        _log.error("driver_abandoned", lane=self.lane.name, abandoned=self.abandoned)
        self.lane.put(_Close(self._held, threading.Event()))
        self._held = _Held(self._rebuild() if self._rebuild else self.adapter)
        if self._emit is not None:
            self.adapter.listen(self._emit)

    def _not_tried(self, now_ns: int, wait_s: float) -> Outcome:
        last = self._last or _timed_out(now_ns, 0.0, "")
        message = f"{last.message}; next try in {wait_s:.0f} s"
        return Outcome(now_ns, 0.0, (), last.quality, message)


class _Held:
    """An adapter, whether it is open, and how it fails; touched by the lane's thread."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.recovery = Recovery()
        self._is_open = False
        self._is_touched = False

    def close(self) -> None:
        """Close the adapter, where it was opened, or that was tried, since the last time."""
        if self._is_touched:
            self._is_open = self._is_touched = False
            self.adapter.close()

    def outcome(self, until_s: float) -> Outcome:
        """Open the adapter where it is not, and read it, more than once where that may help."""
        asked_ns = began_ns = boottime_ns()
        retries = 0
        quality = Quality.READ_FAILED if self._is_open else Quality.NOT_OPEN
        pauses = pauses_s(asked_ns / 1e9, until_s)
        while True:
            try:
                if not self._is_open:
                    self._is_touched = True
                    self.adapter.open()
                    self._is_open, quality = True, Quality.READ_FAILED
                    began_ns = boottime_ns()
                samples = self.adapter.read()
            except BaseException as error:  # noqa: BLE001 - a driver may raise anything, SystemExit too
                pause_s = next(pauses, None) if self._may_pass(error) else None
                if pause_s is None:
                    self._failed()
                    return Outcome(began_ns, _since_s(asked_ns), (), quality, told(error), retries)
                retries += 1
                time.sleep(pause_s)
                began_ns = boottime_ns()
            else:
                self.recovery.succeeded()
                return Outcome(began_ns, _since_s(asked_ns), samples, Quality.GOOD, "", retries)

    def _may_pass(self, error: BaseException) -> bool:
        return self._is_open and isinstance(error, OSError | RuntimeError)

    def _failed(self) -> None:
        now_s = boottime_ns() / 1e9
        if not self._is_open:
            self.recovery.open_failed(now_s)
            self.close()
        elif self.recovery.read_failed(now_s):
            self.close()


class _Turn:
    """One read under way. Where nobody waits any more when its turn comes it is not begun."""

    def __init__(
        self,
        held: _Held,
        reader: Reader,
        loop: asyncio.AbstractEventLoop,
        future: "asyncio.Future[Outcome]",
        asked_ns: int,
        timeout_s: float,
    ) -> None:
        self._held = held
        self._reader = reader
        self._loop = loop
        self._future = future
        self._asked_ns = asked_ns
        self._timeout_s = timeout_s
        self._begun = False
        self._late = False
        self._deadline = loop.call_later(timeout_s, self._too_late)

    def run(self) -> None:
        """Read, on the lane's thread."""
        self._begun = True
        if self._late:
            outcome = _timed_out(self._asked_ns, self._timeout_s, self.told(boottime_ns()))
        else:
            until_s = self._asked_ns / 1e9 + self._timeout_s
            outcome = self._held.outcome(until_s)
        try:
            self._loop.call_soon_threadsafe(self._reader.finish, self, outcome)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def left_behind(self) -> None:
        """Let the reader go on without what hangs."""
        self._reader.replace(self)

    def settle(self, outcome: Outcome) -> None:
        """Give the outcome, unless there is one: what comes after the deadline is too late."""
        self._deadline.cancel()
        if not self._future.done():
            self._future.set_result(outcome)

    def told(self, now_ns: int) -> str:
        """Say why there is no answer yet."""
        if not self._begun:
            return f"{self._reader.lane.name} is busy with another of its sensors"
        return f"the driver still hangs in a read begun {(now_ns - self._asked_ns) / 1e9:.1f} s ago"

    def _too_late(self) -> None:
        self._late = True
        message = f"no answer within {self._timeout_s:g} s"
        if not self._begun:
            message += f": {self.told(boottime_ns())}"
        if not self._future.done():
            self._future.set_result(_timed_out(self._asked_ns, self._timeout_s, message))


class _Close:
    """Closes an adapter in its turn."""

    def __init__(self, held: _Held, closed: threading.Event) -> None:
        self._held = held
        self._closed = closed

    def run(self) -> None:
        """Close it; an adapter's close does not raise."""
        self._held.close()
        self._closed.set()

    def left_behind(self) -> None:
        """It hangs even in that; nothing more can be done."""


def _timed_out(began_ns: int, took_s: float, message: str) -> Outcome:
    return Outcome(began_ns, took_s, (), Quality.TIMED_OUT, message)


def _since_s(began_ns: int) -> float:
    return (boottime_ns() - began_ns) / 1e9

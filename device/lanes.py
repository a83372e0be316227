"""Lanes: the threads on which adapters are called, one call at a time each.

A sensor has a lane of its own, but for those that share something that only one may use at a time, as
the chips of one I2C bus do. A call that hangs stops its lane and no other. A thread that has hung for
too long is left to itself: the lane goes on with another one, as long as those left behind are few.
The threads are daemons, so a hung driver cannot keep the agent from stopping.
"""

import contextlib
import queue
import threading
import time
from typing import Protocol

from device.clock import boottime_ns

# Each takes a stack, and whatever the driver holds; more than this, and the machine is ill.
_MAX_LEFT_BEHIND = 3


class Call(Protocol):
    """What a lane does: one call of a driver."""

    def run(self) -> None:
        """Do it, on the lane's thread; must not raise."""

    def left_behind(self) -> None:
        """Note that it hangs and is not waited for any more; on the thread of who gave it up."""


class Lane:
    """One thread and the calls that wait for it; those are bounded by who asks, one each.

    `abandoned` counts the threads that were left behind, ever; `users` who may still ask.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.abandoned = 0
        self.users = 0
        self._left: list[_Worker] = []
        self._worker = _Worker(name)

    def put(self, call: Call) -> None:
        """Let it be done in its turn."""
        self._worker.put(call)

    @property
    def busy_since_ns(self) -> int | None:
        """When the call under way began (CLOCK_BOOTTIME), if there is one."""
        under_way = self._worker.under_way
        return None if under_way is None else under_way[1]

    def give_up(self, hung_ns: int) -> bool:
        """Go on with another thread where the call under way is older than `hung_ns`.

        False where it is not, or too many hang already.
        """
        under_way = self._worker.under_way
        if under_way is None or boottime_ns() - under_way[1] < hung_ns:
            return False
        self._left = [worker for worker in self._left if worker.is_alive()]
        if len(self._left) >= _MAX_LEFT_BEHIND:
            return False
        hung, self._worker = self._worker, _Worker(self.name)
        self._left.append(hung)
        self.abandoned += 1
        under_way[0].left_behind()
        for call in hung.take_back():
            self._worker.put(call)
        return True

    def leave(self) -> None:
        """Note that one user is gone; behind the last the thread ends, once it has done what waits."""
        self.users -= 1
        if not self.users:
            self._worker.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, and those left behind; say whether all have ended."""
        until_s = time.monotonic() + timeout_s
        workers = [self._worker, *self._left]
        return all(worker.join(max(0.0, until_s - time.monotonic())) for worker in workers)


class Lanes:
    """The lanes that sensors share, by name."""

    def __init__(self) -> None:
        self._shared: dict[str, Lane] = {}

    def of(self, sensor: str, shared: str) -> Lane:
        """Return the lane `shared`, where that is a name, else one of the sensor's own; to be left."""
        lane = self._shared.get(shared)
        if lane is None or not lane.users:
            lane = Lane(shared or f"sensor-{sensor}")
        if shared:
            self._shared[shared] = lane
        lane.users += 1
        return lane


class _Worker:
    """A thread that begins with its first call, and ends with None; `under_way`: what, since when."""

    def __init__(self, name: str) -> None:
        self.under_way: tuple[Call, int] | None = None
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def put(self, call: Call | None) -> None:
        if call is not None and self._thread.ident is None:
            self._thread.start()
        self._calls.put(call)

    def take_back(self) -> list[Call]:
        """Return what waits, and let the thread end should its call ever return."""
        waiting: list[Call] = []
        with contextlib.suppress(queue.Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    waiting.append(call)
        self._calls.put(None)
        return waiting

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> bool:
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            self.under_way = call, boottime_ns()
            call.run()
            self.under_way = None
            del call  # else it is kept until the next one comes

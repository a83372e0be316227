"""Events: what adapters say between reads, on its way from their threads to the main loop.

Bounded for each sensor: one that says more than can be taken loses its newest, counted, and the others
do not notice.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from device.sensors import Emit, Sample

_MAX_WAITING = 1000


class Event(NamedTuple):
    """What a sensor said, and when it happened (CLOCK_BOOTTIME, ns)."""

    sensor: str
    time_ns: int
    samples: Sequence[Sample]


class Events:
    """Hands each event to `take`, on the loop that `start` names, in the order in which they came.

    `dropped` counts those that were lost, by sensor.
    """

    def __init__(self, take: Callable[[Event], None]) -> None:
        self.dropped: Counter[str] = Counter()
        self._take = take
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._counts: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Take events from now on, on the running loop; what came before is nobody's."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Take none from now on."""
        with self._lock:
            self._loop = None
            self._waiting.clear()
            self._counts.clear()

    def emitter(self, sensor: str) -> Emit:
        """Return what the adapter of a sensor is to call."""

        def emit(time_ns: int, samples: Sequence[Sample]) -> None:
            self._put(Event(sensor, time_ns, samples))

        return emit

    def _put(self, event: Event) -> None:
        with self._lock:
            if self._loop is None:
                return
            if self._counts[event.sensor] >= _MAX_WAITING:
                self.dropped[event.sensor] += 1
                return
            self._counts[event.sensor] += 1
            self._waiting.append(event)
            if len(self._waiting) > 1:
                return  # they are about to be taken
            loop = self._loop
        try:
            loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: nobody listens any more
            return

    def _drain(self) -> None:
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
            self._counts.clear()
        for event in events:
            self._take(event)

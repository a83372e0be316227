"""The sampler: reads each sensor when it is due, and hands on what it gave then and between its reads.

It keeps the grid and nothing else: a sensor that is slow, hung or failing costs the others nothing.
While the spool is full nothing is read, because nothing could be kept; what was left out is counted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from device.clock import boottime_ns
from device.events import Event, Events
from device.reader import Outcome
from device.schedule import TICK_NS, Due, Schedule, reading_time_ns, tick_of
from device.sensor import Sensor
from wire.blocks import Point

_log = structlog.get_logger()

Accept = Callable[[str, int, Sequence[Point]], bool]

_WAIT_S = 10.0


class Sampler:
    """Runs the schedule of all sensors.

    Args:
        sensors: by name; `use` changes this very dictionary, so who has it sees what there is now.
        has_room: whether what is read now could be kept.
        accept: takes sensor, time (CLOCK_BOOTTIME, ns) and points of one read; False if refused.
        description_changed: called when a sensor's channels or interval are another than before.
        edge_accepted: called when something was accepted that is not to wait.

    `events` are those that sensors gave between their reads.
    """

    def __init__(
        self,
        sensors: dict[str, Sensor],
        has_room: Callable[[], bool],
        accept: Accept,
        description_changed: Callable[[], None],
        edge_accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self.events = Events(self._happened)
        self.skipped_reads = 0
        self.next_due_ns = boottime_ns()
        self.sensors = sensors
        self._has_room = has_room
        self._accept = accept
        self._description_changed = description_changed
        self._edge_accepted = edge_accepted
        self._schedule = Schedule({name: s.interval_s for name, s in sensors.items()})
        self._is_running = False
        self._fresh = set(sensors)  # to be read at the next tick, whatever their own is
        self._done = 0  # the last tick that was looked at
        self._wait: asyncio.Future[None] | None = None
        self._reading: set[str] = set()
        self._channels = {name: sensor.channels for name, sensor in sensors.items()}
        self._stopped_at = 0
        self._is_stopped = False
        for sensor in sensors.values():
            self._listen(sensor)

    async def run(self) -> None:
        """Read every sensor at the next tick, then each on its schedule, until cancelled."""
        self._done = tick_of(boottime_ns())
        self._is_running = True
        self.events.start()
        try:
            while True:
                self._look_ahead()
                await self._until_due()
                self._catch_up()
        finally:
            self._is_running = False  # what is read from now on is nobody's
            self.events.stop()

    def set_interval(self, sensor: str, interval_s: float) -> None:
        """Read a sensor at another interval, from the next tick on and until the end.

        Raises:
            KeyError: no such sensor.
        """
        changed = self.sensors[sensor]
        if self._is_running:
            self._catch_up()  # what is due by now is due by the former interval
        changed.interval_s = interval_s
        self._schedule.set_interval(sensor, interval_s)
        if self._is_running:
            self._look_ahead()
            _wake(self._wait)
        self._description_changed()

    def use(self, sensors: Mapping[str, Sensor]) -> None:
        """Read these from now on, in this order; who stays keeps its place on the grid.

        Who is new is read at the next tick. A read under way of one that is gone is let go.
        """
        if self._is_running:
            self._catch_up()
        former = dict(self.sensors)
        self.sensors.clear()
        self.sensors.update(sensors)
        for name, sensor in former.items():
            if sensors.get(name) is not sensor:
                self._forget(name)
        for name, sensor in sensors.items():
            if former.get(name) is not sensor:
                self._schedule.set_interval(name, sensor.interval_s)
                self._fresh.add(name)
                self._listen(sensor)
            self._channels[name] = sensor.channels
        if self._is_running:
            self._look_ahead()
            _wake(self._wait)

    def _forget(self, name: str) -> None:
        self._schedule.remove(name)
        self._reading.discard(name)
        self._fresh.discard(name)
        del self._channels[name]

    def is_on_time(self, now_ns: int, grace_s: float) -> bool:
        """Say whether sampling goes on: the next due tick is not long past.

        A hung sensor and a full spool are states, not hangs: ticks go by with them as well.
        """
        return now_ns < self.next_due_ns + grace_s * 1e9

    def _look_ahead(self) -> None:
        tick = self._done + 1 if self._fresh else self._schedule.next_tick(self._done)
        self.next_due_ns = tick * TICK_NS

    async def _until_due(self) -> None:
        await asyncio.sleep(0)  # also when late: others must get their turn
        loop = asyncio.get_running_loop()
        # The loop's clock stands still in suspend and CLOCK_BOOTTIME does not: long waits are cut.
        while (left_ns := self.next_due_ns - boottime_ns()) > 0:
            self._wait = loop.create_future()
            timer = loop.call_later(min(left_ns / 1e9, _WAIT_S), _wake, self._wait)
            try:
                await self._wait
            finally:
                timer.cancel()

    def _catch_up(self) -> None:
        """Begin every read that has become due; each sensor is read once for all of its ticks."""
        now = tick_of(boottime_ns())
        if now <= self._done:
            return
        due = self._schedule.due_between(self._done, now)
        if self._fresh:
            first = [Due(name, self._done + 1, 0) for name in self.sensors if name in self._fresh]
            due = first + [each for each in due if each.name not in self._fresh]
        self._fresh.clear()
        self._done = now
        self._start(due)

    def _start(self, due: Sequence[Due]) -> None:
        if not self._may_read(len(due)):
            return
        for name, tick, missed in due:
            self.skipped_reads += missed
            if name in self._reading:
                self.skipped_reads += 1
                continue
            # A read that somebody else has asked for is joined: it is ours too.
            self._reading.add(name)
            sensor = self.sensors[name]
            sensor.read().add_done_callback(partial(self._took, sensor, tick * TICK_NS))

    def _took(self, sensor: Sensor, due_ns: int, read: "asyncio.Future[Outcome]") -> None:
        if self.sensors.get(sensor.name) is not sensor:
            self.skipped_reads += 1
            return
        self._reading.discard(sensor.name)
        if read.cancelled() or not self._is_running:
            return
        outcome = read.result()
        self._watch_channels(sensor)
        time_ns = reading_time_ns(due_ns, outcome.began_ns, round(sensor.interval_s * 1e9))
        points = sensor.points(outcome, time_ns)
        if points and not self._accept(sensor.name, time_ns, points):
            self._may_read(1)

    def _listen(self, sensor: Sensor) -> None:
        if sensor.reader.adapter.is_event_driven:
            sensor.listen(self.events.emitter(sensor.name))

    def _happened(self, event: Event) -> None:
        sensor = self.sensors.get(event.sensor)
        if sensor is None or not self._is_running:
            return
        if not self._has_room():
            self.events.dropped[event.sensor] += 1
            return
        self._watch_channels(sensor)
        points = sensor.event_points(event.time_ns, event.samples)
        if points and self._accept(sensor.name, event.time_ns, points):
            self._edge_accepted()

    def _may_read(self, reads: int) -> bool:
        room = self._has_room()
        if not room:
            if not self._is_stopped:
                self._stopped_at = self.skipped_reads
                _log.error("sampling_stopped", reason="spool_full")
            self.skipped_reads += reads
        elif self._is_stopped:
            skipped = self.skipped_reads - self._stopped_at
            _log.warning("sampling_resumed", skipped_reads=skipped)
        self._is_stopped = not room
        return room

    def _watch_channels(self, sensor: Sensor) -> None:
        if sensor.channels == self._channels[sensor.name]:
            return
        self._channels[sensor.name] = sensor.channels
        self._description_changed()


def _wake(wait: "asyncio.Future[None] | None") -> None:
    if wait is not None and not wait.done():
        wait.set_result(None)

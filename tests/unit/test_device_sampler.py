"""device.sampler: the schedule in real time, and that nobody's trouble is another's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from device import sampler
from device.clock import boottime_ns
from device.sampler import Sampler
from device.schedule import TICK_NS, offset_ticks, tick_of
from device.sensor import Sensor
from device.sensors import Channel, Sample
from kit.adapters import VALUE, Hang, ScriptedAdapter, counted, sensor_of
from kit.waiting import WITHIN_S, until
from wire.blocks import Point
from wire.readings import Quality

SHORT_S = 0.05


class Rig:
    """A sampler whose spool is a list: `got` is what it accepted; full while `is_full`."""

    def __init__(self, *sensors: Sensor) -> None:
        self.got: list[tuple[str, int, Sequence[Point]]] = []
        self.is_full = False
        self.refuses = False
        self.changes = 0
        self.faults: list[dict[str, Any]] = []
        self.sampler = Sampler(
            {sensor.name: sensor for sensor in sensors},
            lambda: not self.is_full,
            self._accept,
            self._description_changed,
        )

    def times_ns(self, sensor: str = "air") -> list[int]:
        """When a sensor was read, as accepted."""
        return [time_ns for name, time_ns, _ in self.got if name == sensor]

    def count(self, sensor: str = "air") -> int:
        """How many reads of a sensor were accepted."""
        return len(self.times_ns(sensor))

    def _accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        if self.refuses:
            self.is_full = True
            return False
        self.got.append((sensor, time_ns, points))
        return True

    def _description_changed(self) -> None:
        self.changes += 1


@asynccontextmanager
async def sampling(*sensors: Sensor) -> AsyncIterator[Rig]:
    """A sampler that runs; in the end no fault may have reached the loop."""
    rig = Rig(*sensors)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: rig.faults.append(context))
    task = asyncio.create_task(rig.sampler.run())
    try:
        yield rig
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for sensor in sensors:
            sensor.reader.stop()
    for sensor in sensors:
        assert await asyncio.to_thread(sensor.reader.join, WITHIN_S)
    assert rig.faults == []


def test_readings_lie_on_the_grid() -> None:
    """Each tick at most once, in order; a read that began in time has the time of its tick."""

    def on_grid(rig: Rig) -> list[int]:
        return [time_ns for time_ns in rig.times_ns() if time_ns % TICK_NS == 0]

    async def scenario() -> Rig:
        async with sampling(sensor_of(ScriptedAdapter())) as rig:
            await until(lambda: len(on_grid(rig)) >= 5)
        return rig

    rig = asyncio.run(scenario())
    times_ns = rig.times_ns()
    assert times_ns == sorted(times_ns)
    assert all(time_ns % 1_000_000 == 0 for time_ns in times_ns), "else in whole milliseconds"
    assert len(set(on_grid(rig))) == len(on_grid(rig))
    assert times_ns[-1] <= boottime_ns()
    values = [points[0].value for _, _, points in rig.got]
    assert values == [float(number) for number in range(1, len(values) + 1)]


def test_every_sensor_is_read_at_once_then_on_its_own_ticks() -> None:
    """A start gives first values without waiting for an interval; then each keeps its offset."""
    slow, fast = (
        sensor_of(ScriptedAdapter(), "hourly", interval_s=3600),
        sensor_of(ScriptedAdapter()),
    )
    third = sensor_of(ScriptedAdapter(), "third", interval_s=0.3)

    async def scenario() -> Rig:
        async with sampling(slow, fast, third) as rig:
            await until(lambda: rig.count("third") >= 4 and rig.count("hourly"))
        return rig

    rig = asyncio.run(scenario())
    assert rig.count("hourly") == 1
    on_grid = [
        time_ns // TICK_NS for time_ns in rig.times_ns("third")[1:] if time_ns % TICK_NS == 0
    ]
    assert all(tick % 3 == offset_ticks("third", 3) for tick in on_grid)


def test_hung_sensor_costs_the_others_nothing() -> None:
    """While one hangs the other goes on; the hang is bad readings, and in the end good ones."""
    hang = Hang()
    hung = sensor_of(ScriptedAdapter(hang), "hung", timeout_s=SHORT_S)

    async def scenario() -> Rig:
        async with sampling(hung, sensor_of(ScriptedAdapter())) as rig:
            await until(lambda: rig.count() >= 10 and rig.count("hung") >= 2)
            bad = [points[0].quality for name, _, points in rig.got if name == "hung"]
            assert set(bad) == {Quality.TIMED_OUT}
            hang.release()
            await until(lambda: rig.got[-1][0] == "hung" and not rig.got[-1][2][0].quality)
        return rig

    with capture_logs() as entries:
        asyncio.run(scenario())
    assert [each["event"] for each in entries] == ["sensor_failed", "sensor_recovered"]


def test_slow_sensor_is_not_read_twice_at_once() -> None:
    """Ticks that come while it is still at it are left out, and counted."""
    hang = Hang()
    slow = sensor_of(ScriptedAdapter(hang))

    async def scenario() -> Rig:
        async with sampling(slow) as rig:
            await until(lambda: rig.sampler.skipped_reads >= 3)
            assert rig.count() == 0
            hang.release()
            await until(lambda: rig.count() >= 2)
        return rig

    rig = asyncio.run(scenario())
    assert [points[0].value for _, _, points in rig.got][:2] == [1.0, 2.0]


def test_full_spool_stops_the_reading_and_says_so_once() -> None:
    """Nothing is read that cannot be kept; when there is room again, how much was left out."""
    adapter = ScriptedAdapter()

    async def scenario() -> int:
        async with sampling(sensor_of(adapter), sensor_of(adapter, "host")) as rig:
            await until(lambda: rig.count() >= 2)
            rig.refuses = True
            before = rig.sampler.skipped_reads
            await until(lambda: rig.sampler.skipped_reads >= before + 6)
            reads = len(adapter.calls)
            await until(lambda: rig.sampler.skipped_reads >= before + 10)
            assert len(adapter.calls) == reads, "read although the spool is full"
            rig.is_full = rig.refuses = False
            count = rig.count()
            await until(lambda: rig.count() >= count + 2)
            return rig.sampler.skipped_reads - before

    with capture_logs() as entries:
        skipped = asyncio.run(scenario())
    stopped, resumed = [each for each in entries if each["event"].startswith("sampling_")]
    assert (stopped["event"], stopped["reason"]) == ("sampling_stopped", "spool_full")
    assert resumed["event"] == "sampling_resumed"
    assert 10 <= resumed["skipped_reads"] <= skipped


def test_refused_reads_are_counted() -> None:
    """What was read and then refused is left out as much as what was not read."""

    async def scenario() -> None:
        async with sampling(sensor_of(ScriptedAdapter(), interval_s=3600)) as rig:
            rig.refuses = True
            await until(lambda: rig.sampler.skipped_reads)
            assert (rig.sampler.skipped_reads, rig.got) == (1, [])

    with capture_logs():
        asyncio.run(scenario())


def jumping(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The sampler's clock, which can be put forward by seconds: a suspend, or a long stall."""
    forward_ns = 0

    def jump(by_s: float) -> None:
        nonlocal forward_ns
        forward_ns += round(by_s * 1e9)

    monkeypatch.setattr(sampler, "boottime_ns", lambda: boottime_ns() + forward_ns)
    return jump


def test_missed_ticks_are_counted_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a suspend of a day a sensor is read once, not 864 000 times, and the rest is counted."""
    jump = jumping(monkeypatch)
    adapter = ScriptedAdapter()

    async def scenario() -> None:
        async with sampling(sensor_of(adapter)) as rig:
            await until(lambda: rig.count() >= 2)
            calls, began_ns = len(adapter.calls), boottime_ns()
            jump(86_400.0)
            await until(lambda: rig.sampler.skipped_reads >= 864_000 - 5)
            passed = tick_of(boottime_ns() - began_ns) + 2
            assert len(adapter.calls) - calls <= passed
            assert rig.sampler.skipped_reads <= 864_000 + passed

    asyncio.run(scenario())


def test_read_that_somebody_asked_for_is_the_schedules_too() -> None:
    """A tick that falls into a `read` takes its outcome instead of leaving a hole."""
    hang = Hang()

    async def scenario() -> None:
        sensor = sensor_of(ScriptedAdapter(hang))
        asked = sensor.read()
        async with sampling(sensor) as rig:
            await until(lambda: rig.sampler.skipped_reads >= 2)  # our own join is under way
            assert rig.count() == 0
            hang.release()
            await asked
            await until(lambda: rig.count() >= 1)

    asyncio.run(scenario())


def test_stall_does_not_heap_up_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks made up for do not wait in line behind a read that takes long."""
    jump = jumping(monkeypatch)
    hang = Hang()
    adapter = ScriptedAdapter(hang)

    async def scenario() -> None:
        async with sampling(sensor_of(adapter)) as rig:
            await until(hang.begun.is_set)
            jump(5.0)
            await until(lambda: rig.sampler.skipped_reads >= 5)
            assert adapter.names == ["open", "read"]
            hang.release()
            await until(lambda: rig.count() >= 1)

    asyncio.run(scenario())


def test_shorter_interval_begins_at_once() -> None:
    """Nobody waits for the end of an hour; the collector is told of it, and the others go on."""
    hourly = sensor_of(ScriptedAdapter(), "hourly", interval_s=3600)

    async def scenario() -> None:
        async with sampling(hourly, sensor_of(ScriptedAdapter(), interval_s=3600)) as rig:
            await until(lambda: rig.count() and rig.count("hourly"))
            rig.sampler.set_interval("hourly", 0.1)
            assert (rig.changes, hourly.interval_s) == (1, 0.1)
            assert rig.sampler.next_due_ns <= boottime_ns() + 2 * TICK_NS
            await until(lambda: rig.count("hourly") >= 5)
            assert (rig.count(), hourly.description().interval_s) == (1, 0.1)
            assert rig.sampler.is_on_time(boottime_ns(), 10.0)

    asyncio.run(scenario())


def test_longer_interval_ends_the_reads() -> None:
    """What is due by then is read; the next is on the grid of the new interval."""

    async def scenario() -> None:
        async with sampling(sensor_of(ScriptedAdapter()), sensor_of(ScriptedAdapter(), "b")) as rig:
            await until(lambda: rig.count() >= 3)
            rig.sampler.set_interval("air", 86_400.0)
            await asyncio.sleep(0)
            count, others = rig.count(), rig.count("b")
            await until(lambda: rig.count("b") >= others + 5)
            assert rig.count() <= count + 1, "but for the one under way"

    asyncio.run(scenario())


def test_change_of_interval_loses_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks that passed unread before the change are skipped by the former interval, no others."""
    jump = jumping(monkeypatch)

    async def scenario() -> None:
        async with sampling(sensor_of(ScriptedAdapter())) as rig:
            await until(lambda: rig.count() >= 2)
            before = rig.sampler.skipped_reads
            jump(100.0)
            rig.sampler.set_interval("air", 3600.0)
            skipped = rig.sampler.skipped_reads - before
            assert 998 <= skipped <= 1001
            jump(3600.0)
            rig.sampler.set_interval("air", 0.1)
            assert rig.sampler.skipped_reads - before <= skipped + 2

    asyncio.run(scenario())


def test_interval_set_before_the_start_holds() -> None:
    """And every sensor is still read at the start."""

    async def scenario() -> None:
        air = sensor_of(ScriptedAdapter(), interval_s=3600)
        rig = Rig(air)
        rig.sampler.set_interval("air", 0.1)
        task = asyncio.create_task(rig.sampler.run())
        await asyncio.sleep(0)
        rig.sampler.set_interval("air", 0.2)  # before the first tick
        await until(lambda: rig.count() >= 3)
        task.cancel()
        await asyncio.wait([task])
        air.reader.stop()

    asyncio.run(scenario())


def test_interval_of_an_unknown_sensor_is_an_error() -> None:
    """And changes nothing."""
    rig = Rig(sensor_of(ScriptedAdapter()))
    with pytest.raises(KeyError):
        rig.sampler.set_interval("ari", 1.0)
    assert rig.changes == 0


def test_sampler_knows_whether_it_is_on_time() -> None:
    """The watchdog of systemd hangs on this: late by more than the grace is not alive."""

    async def scenario() -> None:
        async with sampling(sensor_of(ScriptedAdapter(), interval_s=3600)) as rig:
            await until(lambda: rig.count() >= 1)
            due_ns = rig.sampler.next_due_ns
            assert rig.sampler.is_on_time(boottime_ns(), 10.0)
            assert rig.sampler.is_on_time(due_ns + 9 * 10**9, 10.0)
            assert not rig.sampler.is_on_time(due_ns + 10 * 10**9, 10.0)

    asyncio.run(scenario())


def test_new_channels_are_told_once() -> None:
    """An adapter that learns its channels at `open` is described again."""
    adapter = ScriptedAdapter(channels=())

    def gives(number: int) -> list[Sample]:
        channel = Channel("extra", "lx")
        adapter.channels = (VALUE,) if number < 3 else (VALUE, channel)
        return counted(number)

    adapter._gives = gives

    async def scenario() -> int:
        async with sampling(sensor_of(adapter)) as rig:
            await until(lambda: rig.count() >= 5)
        return rig.changes

    assert asyncio.run(scenario()) == 2


def test_what_is_read_after_the_end_is_nobodys() -> None:
    """Once `run` has ended nothing is accepted any more: the agent counts what is held then."""
    hang = Hang()

    async def scenario() -> Rig:
        async with sampling(sensor_of(ScriptedAdapter(hang))) as rig:
            await until(hang.begun.is_set)
        return rig

    async def released() -> Rig:
        task = asyncio.create_task(scenario())
        await until(hang.begun.is_set)
        asyncio.get_running_loop().call_later(SHORT_S, hang.release)
        return await task

    assert asyncio.run(released()).got == []


def test_other_sensors_are_taken_up_while_it_samples() -> None:
    """Who comes is read at once, who goes no more, and who stays keeps its ticks and its interval."""
    stays, goes = sensor_of(ScriptedAdapter(), "stays"), sensor_of(ScriptedAdapter(), "goes")
    hourly = sensor_of(ScriptedAdapter(), "hourly", interval_s=3600)

    async def scenario() -> None:
        async with sampling(stays, goes) as rig:
            seen = rig.sampler.sensors
            await until(lambda: rig.count("goes") >= 2)
            rig.sampler.set_interval("stays", 0.2)
            rig.sampler.use({"hourly": hourly, "stays": stays})
            assert list(seen) == ["hourly", "stays"]
            gone, stayed = rig.count("goes"), rig.count("stays")
            await until(lambda: rig.count("hourly") and rig.count("stays") >= stayed + 3)
            assert (rig.count("goes"), rig.count("hourly")) == (gone, 1)
            assert stays.interval_s == 0.2
            goes.reader.stop()
            hourly.reader.stop()

    asyncio.run(scenario())


def test_read_under_way_of_a_sensor_that_goes_is_let_go() -> None:
    """It is counted as skipped; who comes under the same name is read meanwhile."""
    hang = Hang()
    former, now = sensor_of(ScriptedAdapter(hang)), sensor_of(ScriptedAdapter())

    async def scenario() -> None:
        async with sampling(former) as rig:
            await until(hang.begun.is_set)
            rig.sampler.use({"air": now})
            await until(lambda: rig.count() >= 2)
            before = rig.sampler.skipped_reads
            hang.release()
            await until(lambda: former.reads)
            assert [points[0].value for _, _, points in rig.got][:2] == [1.0, 2.0]
            assert rig.sampler.skipped_reads > before
            now.reader.stop()

    asyncio.run(scenario())


def test_sampler_may_be_without_sensors_for_a_while() -> None:
    """While all of them are closed; ticks go by, so it is on time."""
    air = sensor_of(ScriptedAdapter())

    async def scenario() -> None:
        async with sampling(air) as rig:
            await until(lambda: rig.count() >= 1)
            rig.sampler.use({})
            begun_ns = rig.sampler.next_due_ns
            await until(lambda: rig.sampler.next_due_ns > begun_ns + TICK_NS)
            count = rig.count()
            rig.sampler.use({"air": air})
            await until(lambda: rig.count() > count)

    asyncio.run(scenario())


def test_sensors_taken_up_before_the_start_are_read_at_it() -> None:
    """As if they had been there from the first."""

    async def scenario() -> None:
        rig = Rig(sensor_of(ScriptedAdapter(), "goes"))
        hourly = sensor_of(ScriptedAdapter(), interval_s=3600)
        rig.sampler.use({"air": hourly})
        task = asyncio.create_task(rig.sampler.run())
        await until(lambda: rig.count() == 1)
        task.cancel()
        await asyncio.wait([task])
        hourly.reader.stop()

    asyncio.run(scenario())

"""device.reader: drivers that fail and hang, each in a real thread, and the loop that goes on."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from device import reader as reader_module
from device.clock import boottime_ns
from device.lanes import Lanes
from device.reader import Outcome, Reader
from device.sensors import Sample, SensorError
from kit.adapters import Hang, ScriptedAdapter, counted
from kit.waiting import WITHIN_S, until
from wire.readings import Quality

SHORT_S = 0.05
LONG_S = 60.0


def reader_for(adapter: ScriptedAdapter) -> Reader:
    """A reader with a lane of its own."""
    return Reader(Lanes().of("air", ""), adapter)


@contextmanager
def reader_of(adapter: ScriptedAdapter) -> Iterator[Reader]:
    """A reader that is stopped in the end."""
    reader = reader_for(adapter)
    try:
        yield reader
    finally:
        reader.stop()
        assert reader.join(WITHIN_S)


@contextmanager
def hung_reader() -> Iterator[tuple[Reader, Hang]]:
    """A reader whose driver hangs until released, at the latest in the end."""
    hang = Hang()
    reader = reader_for(ScriptedAdapter(hang))
    try:
        yield reader, hang
    finally:
        hang.release()
        reader.stop()
        assert reader.join(WITHIN_S)


async def all_of(*reads: Awaitable[Outcome]) -> list[Outcome]:
    """Outcomes, within the time of a test."""
    async with asyncio.timeout(WITHIN_S):
        return [await read for read in reads]


def test_reads_what_the_adapter_gives() -> None:
    """Opened once, read each time, each read with its own time."""
    adapter = ScriptedAdapter()

    async def scenario() -> None:
        with reader_of(adapter) as reader:
            before_ns = boottime_ns()
            (first,) = await all_of(reader.read(LONG_S))
            (second,) = await all_of(reader.read(LONG_S))
            assert before_ns <= first.began_ns < second.began_ns <= boottime_ns()
            assert [first.samples, second.samples] == [counted(1), counted(2)]
            assert first.quality is second.quality is Quality.GOOD
            assert 0 <= first.took_s < WITHIN_S

    asyncio.run(scenario())
    assert adapter.names == ["open", "read", "read", "close"]


def test_one_thread_touches_the_adapter() -> None:
    """Drivers need not be thread-safe: open, read and close come from one thread, not the loop's."""
    adapter = ScriptedAdapter()

    async def scenario() -> None:
        with reader_of(adapter) as reader:
            for _ in range(3):
                await all_of(reader.read(LONG_S))

    asyncio.run(scenario())
    (thread,) = {ident for _, ident in adapter.calls}
    assert thread != threading.get_ident()


def test_failed_open_is_tried_again() -> None:
    """A sensor that is plugged in later is found."""
    adapter = ScriptedAdapter(failing_opens=2)

    async def scenario() -> list[Outcome]:
        outcomes = []
        with reader_of(adapter) as reader:
            for _ in range(3):
                reader.hurry()
                outcomes += await all_of(reader.read(LONG_S))
        return outcomes

    first, second, third = asyncio.run(scenario())
    assert first.quality is second.quality is Quality.NOT_OPEN
    assert first.message == "OSError: no chip at 0x76"
    assert (third.quality, third.samples) == (Quality.GOOD, counted(1))
    assert adapter.names == ["open", "close", "open", "close", "open", "read", "close"]


class Unlikely(BaseException):
    """What no driver should raise."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("checksum"), "ValueError: checksum"),
        (LookupError(), "LookupError"),
        (SensorError("nothing was heard: is it on?"), "nothing was heard: is it on?"),
        (SystemExit("no bus"), "SystemExit: no bus"),
        (Unlikely(), "Unlikely"),
    ],
)
def test_whatever_a_driver_raises_is_a_failed_read(error: BaseException, message: str) -> None:
    """Not tried again, as it is no fault of a bus, but the next read works."""

    def gives(number: int) -> list[Sample]:
        if number == 1:
            raise error
        return counted(number)

    async def scenario() -> None:
        with reader_of(ScriptedAdapter(gives)) as reader:
            (failed,) = await all_of(reader.read(LONG_S))
            assert (failed.quality, failed.message) == (Quality.READ_FAILED, message)
            assert failed.samples == ()
            (good,) = await all_of(reader.read(LONG_S))
            assert good.samples == counted(2)

    asyncio.run(scenario())


def test_hung_read_is_given_up_at_its_deadline() -> None:
    """The outcome says that there was no answer, and within what time."""

    async def scenario() -> None:
        with hung_reader() as (reader, _):
            (late,) = await all_of(reader.read(SHORT_S))
            assert (late.quality, late.samples) == (Quality.TIMED_OUT, ())
            assert late.message == "no answer within 0.05 s"
            assert late.took_s == SHORT_S

    asyncio.run(scenario())


def test_reads_during_a_hang_end_at_once() -> None:
    """They wait for nothing, however long their timeout, and pile up nowhere."""

    async def scenario() -> None:
        with hung_reader() as (reader, hang):
            await all_of(reader.read(SHORT_S))
            for _ in range(100):
                read = reader.read(LONG_S)
                assert read.done()
                assert read.result().quality is Quality.TIMED_OUT
                assert "still hangs in a read begun" in read.result().message
            hang.release()
            await until(lambda: not reader.is_busy)
            (good,) = await all_of(reader.read(LONG_S))
            assert good.samples == counted(2), "only one read was under way"

    asyncio.run(scenario())


def test_late_answer_is_nobodys() -> None:
    """What a timed-out read gives in the end is not taken for the answer of the next one."""

    async def scenario() -> None:
        faults: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        with hung_reader() as (reader, hang):
            late = reader.read(SHORT_S)
            (outcome,) = await all_of(late)
            hang.release()
            await until(lambda: not reader.is_busy)
            assert late.result() is outcome
            assert outcome.quality is Quality.TIMED_OUT
            (next_one,) = await all_of(reader.read(LONG_S))
            assert (next_one.quality, next_one.samples) == (Quality.GOOD, counted(2))
        assert faults == []

    asyncio.run(scenario())


def test_hung_driver_leaves_the_others_alone() -> None:
    """Each sensor has its own thread: while one hangs, another is read a hundred times."""

    async def scenario() -> None:
        with hung_reader() as (hung, hang), reader_of(ScriptedAdapter()) as other:
            hanging = hung.read(LONG_S)
            for number in range(1, 101):
                (outcome,) = await all_of(other.read(LONG_S))
                assert outcome.samples == counted(number)
            assert not hanging.done()
            hang.release()
            await all_of(hanging)

    asyncio.run(scenario())


def test_stop_does_not_wait_for_a_hung_driver() -> None:
    """`join` says that it did not end; the thread is a daemon, and closes once it is free."""
    hang = Hang()
    adapter = ScriptedAdapter(hang)
    reader = reader_for(adapter)

    async def scenario() -> None:
        await all_of(reader.read(SHORT_S))

    asyncio.run(scenario())
    assert hang.begun.wait(WITHIN_S)
    reader.stop()
    assert reader.join(SHORT_S) is False
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "sensor-air")
    hang.release()
    assert reader.join(WITHIN_S) is True
    assert adapter.names == ["open", "read", "close"]


def test_reader_that_never_read_just_ends() -> None:
    """No thread, no open, no close."""
    adapter = ScriptedAdapter()
    reader = reader_for(adapter)
    reader.stop()
    assert reader.join(0)
    assert adapter.names == []


def test_failed_open_is_closed_too() -> None:
    """An adapter that took half of its hardware gives it back."""
    adapter = ScriptedAdapter(failing_opens=1)

    async def scenario() -> None:
        with reader_of(adapter) as reader:
            await all_of(reader.read(LONG_S))

    asyncio.run(scenario())
    assert adapter.names == ["open", "close"]


@pytest.mark.parametrize("error", [OSError("EIO"), RuntimeError("checksum")])
def test_what_may_pass_is_tried_again_in_the_same_turn(error: Exception) -> None:
    """Buses and chips fail in passing; the outcome counts the tries."""

    def gives(number: int) -> list[Sample]:
        if number < 3:
            raise error
        return counted(number)

    async def scenario() -> None:
        with reader_of(ScriptedAdapter(gives)) as reader:
            (outcome,) = await all_of(reader.read(LONG_S))
            assert (outcome.samples, outcome.retries) == (counted(3), 2)

    asyncio.run(scenario())


def test_a_turn_has_few_tries() -> None:
    """Three, and then the read has failed."""

    def gives(number: int) -> list[Sample]:
        raise OSError(f"EIO {number}")

    async def scenario() -> None:
        with reader_of(ScriptedAdapter(gives)) as reader:
            (outcome,) = await all_of(reader.read(LONG_S))
            assert (outcome.message, outcome.retries) == ("OSError: EIO 3", 2)

    asyncio.run(scenario())


def test_sensor_that_fails_again_and_again_is_opened_anew() -> None:
    """After three turns it is closed, then left alone for a while, and the outcome says how long."""

    def gives(_: int) -> list[Sample]:
        raise SensorError("no echo")

    adapter = ScriptedAdapter(gives)

    async def scenario() -> None:
        with reader_of(adapter) as reader:
            outcomes = [(await all_of(reader.read(LONG_S)))[0] for _ in range(4)]
            assert [each.quality for each in outcomes] == [Quality.READ_FAILED] * 4
            assert adapter.names == ["open", "read", "read", "read", "close"]
            assert outcomes[3].message == "no echo; next try in 1 s"
            reader.hurry()
            await all_of(reader.read(LONG_S))
            assert adapter.names[5:] == ["open", "read"]

    asyncio.run(scenario())


def test_hung_driver_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has hung for long another adapter is read, and the first is closed, late as it is."""
    monkeypatch.setattr(reader_module, "HUNG_S", 0.0)
    hang = Hang()
    hung, fresh = ScriptedAdapter(hang), ScriptedAdapter()
    reader = Reader(Lanes().of("air", ""), hung, lambda: fresh)

    async def scenario() -> None:
        await all_of(reader.read(SHORT_S))
        while not (outcome := (await all_of(reader.read(SHORT_S)))[0]).samples:
            await asyncio.sleep(0)
        assert (outcome.samples, reader.adapter, reader.abandoned) == (counted(1), fresh, 1)
        assert reader.lane.abandoned == 1

    with capture_logs() as entries:
        asyncio.run(scenario())
    assert [entry["event"] for entry in entries] == ["driver_abandoned"]
    assert "close" in hung.names
    hang.release()
    reader.stop()
    assert reader.join(WITHIN_S)
    assert fresh.names == ["open", "read", "close"]


def test_sensors_of_one_lane_take_turns() -> None:
    """All their calls come from one thread; the second waits for the first, and is read."""
    lanes = Lanes()
    adapters = [ScriptedAdapter(), ScriptedAdapter()]
    readers = [Reader(lanes.of("air", "i2c-1"), adapter) for adapter in adapters]

    async def scenario() -> None:
        outcomes = await all_of(*(reader.read(LONG_S) for reader in readers))
        assert [each.samples for each in outcomes] == [counted(1)] * 2

    asyncio.run(scenario())
    for reader in readers:
        reader.stop()
    assert all(reader.join(WITHIN_S) for reader in readers)
    assert len({thread for adapter in adapters for _, thread in adapter.calls}) == 1


def test_lane_that_hangs_is_named_to_those_who_wait() -> None:
    """A chip behind one that hangs says which bus it waits for; it is not read when nobody waits."""
    lanes, hang = Lanes(), Hang()
    waiting = ScriptedAdapter()
    readers = [
        Reader(lanes.of("air", "i2c-1"), ScriptedAdapter(hang)),
        Reader(lanes.of("soil", "i2c-1"), waiting),
    ]

    async def scenario() -> None:
        _, late = await all_of(*(reader.read(SHORT_S) for reader in readers))
        assert late.quality is Quality.TIMED_OUT
        assert late.message.endswith("i2c-1 is busy with another of its sensors")
        hang.release()
        await until(lambda: not readers[1].is_busy)
        assert waiting.names == []

    asyncio.run(scenario())
    for reader in readers:
        reader.stop()

"""device.events: from any thread to the loop, in order, bounded for each sensor."""

import asyncio
import threading

from device.events import Event, Events
from device.sensors import Sample
from kit.waiting import until


def sample(value: float) -> list[Sample]:
    """What an adapter says."""
    return [Sample("value", value, "")]


def test_events_of_a_thread_come_in_order() -> None:
    """On the loop's thread, whoever emitted them."""
    taken: list[tuple[Event, int]] = []

    async def scenario() -> None:
        events = Events(lambda event: taken.append((event, threading.get_ident())))
        events.start()
        emit = events.emitter("door")
        thread = threading.Thread(target=lambda: [emit(n, sample(n)) for n in range(100)])
        thread.start()
        await until(lambda: len(taken) == 100)
        thread.join()
        assert events.dropped.total() == 0

    asyncio.run(scenario())
    assert [event for event, _ in taken] == [Event("door", n, sample(n)) for n in range(100)]
    assert {thread for _, thread in taken} == {threading.get_ident()}


def test_flood_of_one_sensor_is_bounded_and_counted() -> None:
    """The newest of it are lost; another sensor loses nothing."""
    taken: list[Event] = []

    async def scenario() -> None:
        events = Events(taken.append)
        events.start()
        flood, other = events.emitter("door"), events.emitter("lid")
        for n in range(1500):
            flood(n, sample(n))
        other(0, sample(0))
        await until(lambda: bool(taken) and taken[-1].sensor == "lid")
        assert events.dropped == {"door": 500}
        flood(1500, sample(1500))
        await until(lambda: taken[-1].time_ns == 1500)

    asyncio.run(scenario())
    assert [event.time_ns for event in taken if event.sensor == "door"] == [*range(1000), 1500]


def test_nobody_listens_before_and_after() -> None:
    """An adapter may go on speaking when the agent is no longer there."""
    taken: list[Event] = []
    events = Events(taken.append)
    emit = events.emitter("door")
    emit(1, sample(1))

    async def scenario() -> None:
        events.start()
        emit(2, sample(2))
        events.stop()
        emit(3, sample(3))
        await asyncio.sleep(0)

    asyncio.run(scenario())
    emit(4, sample(4))
    events._loop = asyncio.new_event_loop()
    events._loop.close()
    emit(5, sample(5))
    assert taken == []

"""device.lanes: real threads, one call at a time, and what becomes of one that hangs."""

import threading

import pytest

from device.lanes import Lane, Lanes
from kit.waiting import WITHIN_S, wait_until


class Noted:
    """A call that notes its thread; with `until` it hangs."""

    def __init__(self, until: threading.Event | None = None) -> None:
        self.thread: str | None = None
        self.done = threading.Event()
        self.was_left = False
        self._until = until

    def run(self) -> None:
        """Note it, or hang first."""
        self.thread = f"{threading.current_thread().name}-{threading.get_ident()}"
        if self._until is not None:
            assert self._until.wait(WITHIN_S)
        self.done.set()

    def left_behind(self) -> None:
        """Note that too."""
        self.was_left = True


@pytest.fixture
def lane() -> Lane:
    """A lane with one user."""
    return Lanes().of("air", "")


def test_calls_are_made_in_turn_on_one_thread(lane: Lane) -> None:
    """Which is named after the sensor, and ends behind the last user."""
    calls = [Noted() for _ in range(5)]
    for call in calls:
        lane.put(call)
    assert all(call.done.wait(WITHIN_S) for call in calls)
    (thread,) = {call.thread for call in calls}
    assert thread is not None
    assert thread.startswith("sensor-air-")
    lane.leave()
    assert lane.join(WITHIN_S)


def test_lane_without_a_call_has_no_thread(lane: Lane) -> None:
    """A sensor that is never read costs nothing."""
    before = threading.active_count()
    lane.leave()
    assert lane.join(0)
    assert threading.active_count() == before


def test_lane_is_shared_while_it_is_used() -> None:
    """By name; who comes behind the last gets a new one."""
    lanes = Lanes()
    first = lanes.of("air", "i2c-1")
    assert lanes.of("soil", "i2c-1") is first
    assert lanes.of("door", "i2c-3") is not first
    assert lanes.of("lid", "") is not lanes.of("lid", "")
    first.leave()
    assert lanes.of("well", "i2c-1") is first
    first.leave()
    first.leave()
    assert lanes.of("air", "i2c-1") is not first


def test_thread_that_hangs_is_left_behind(lane: Lane) -> None:
    """What waited behind its call is done by another, in order; the call is told."""
    until = threading.Event()
    hung, waiting = Noted(until), [Noted(), Noted()]
    for call in (hung, *waiting):
        lane.put(call)
    wait_until(lambda: lane.busy_since_ns is not None)
    assert not lane.give_up(3600 * 10**9), "not yet"
    assert lane.give_up(0)
    assert all(call.done.wait(WITHIN_S) for call in waiting)
    assert (hung.was_left, hung.done.is_set(), lane.abandoned) == (True, False, 1)
    assert hung.thread not in {call.thread for call in waiting}
    until.set()
    lane.leave()
    assert lane.join(WITHIN_S), "its thread has ended too"


def test_few_are_left_behind(lane: Lane) -> None:
    """Beyond that the lane waits, since something is wrong that threads do not mend."""
    until = threading.Event()
    for _ in range(4):
        lane.put(Noted(until))
        wait_until(lambda: lane.busy_since_ns is not None)
        lane.give_up(0)
    assert lane.abandoned == 3
    until.set()
    lane.leave()
    assert lane.join(WITHIN_S)


def test_idle_lane_is_not_given_up(lane: Lane) -> None:
    """There is nothing that hangs."""
    assert not lane.give_up(0)
    lane.leave()

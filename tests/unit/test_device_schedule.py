"""device.schedule: the grid, held against counting it out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.schedule import (
    TICK_NS,
    Schedule,
    interval_ticks,
    offset_ticks,
    reading_time_ns,
    tick_of,
)

NAMES = st.from_regex("[a-z][a-z0-9_]{0,10}", fullmatch=True)
INTERVALS_S = st.integers(1, 300).map(lambda ticks: ticks / 10)
SENSORS = st.dictionaries(NAMES, INTERVALS_S, min_size=1, max_size=5)
TICKS = st.integers(0, 10**10)


def counted_out(intervals_s: dict[str, float], tick: int) -> list[str]:
    """The sensors due at a tick, straight from the rule."""
    return [
        name
        for name, interval_s in intervals_s.items()
        if (tick - offset_ticks(name, round(interval_s * 10))) % round(interval_s * 10) == 0
    ]


@settings(deadline=None)
def due_at(schedule: Schedule, tick: int) -> list[str]:
    """The sensors due at one tick."""
    return [due.name for due in schedule.due_between(tick - 1, tick)]


@given(SENSORS, TICKS)
def test_next_tick_is_the_first_at_which_any_is_due(
    intervals_s: dict[str, float], after: int
) -> None:
    """No due tick is passed over, and none is named at which nothing is due."""
    schedule = Schedule(intervals_s)
    tick = after + 1
    while not counted_out(intervals_s, tick):
        tick += 1
    assert schedule.next_tick(after) == tick
    assert due_at(schedule, tick) == counted_out(intervals_s, tick)


@settings(deadline=None)
@given(SENSORS, TICKS)
def test_every_sensor_keeps_its_interval(intervals_s: dict[str, float], start: int) -> None:
    """Within its interval from any tick on, a sensor is due exactly once."""
    schedule = Schedule(intervals_s)
    for name, interval_s in intervals_s.items():
        ticks = range(start, start + interval_ticks(interval_s))
        assert sum(name in due_at(schedule, tick) for tick in ticks) == 1


def test_a_week_does_not_drift() -> None:
    """Each step is the interval, to the tick, and the last is where the first says it must be."""
    schedule = Schedule({"air": 10.0})
    week = 7 * 24 * 3600 * 10
    first = tick = schedule.next_tick(0)
    for _ in range(week // 100):
        assert schedule.next_tick(tick) == tick + 100
        tick = schedule.next_tick(tick)
    assert tick == first + week


@settings(deadline=None)
@given(NAMES, st.integers(1, 864_000))
def test_offset_lies_within_the_interval(name: str, interval: int) -> None:
    """So that every sensor is read once in each interval."""
    assert 0 <= offset_ticks(name, interval) < interval


@settings(deadline=None)
@given(SENSORS, INTERVALS_S, TICKS, st.data())
def test_new_interval_is_as_if_it_had_always_been(
    intervals_s: dict[str, float], interval_s: float, after: int, data: st.DataObject
) -> None:
    """The sensor moves to the grid of its new interval; the others stay where they are."""
    name = data.draw(st.sampled_from(sorted(intervals_s)))
    schedule = Schedule(intervals_s)
    schedule.set_interval(name, interval_s)
    fresh = Schedule({**intervals_s, name: interval_s})
    assert schedule.next_tick(after) == fresh.next_tick(after)
    assert schedule.due_between(after, after + 50) == fresh.due_between(after, after + 50)


def test_offset_is_the_same_in_every_process() -> None:
    """A restart goes on on the same grid: no hash that changes with each start."""
    assert [offset_ticks(name, 100) for name in ("air", "host", "door")] == [19, 33, 1]


def test_sensors_are_spread() -> None:
    """Twenty sensors of ten seconds are not all read at once."""
    schedule = Schedule({f"sensor_{number}": 10.0 for number in range(20)})
    assert max(len(due_at(schedule, tick)) for tick in range(100)) <= 4


@pytest.mark.parametrize(
    ("interval_s", "ticks"), [(0.1, 1), (0.3, 3), (0.7, 7), (10.0, 100), (86400.0, 864_000), (0, 1)]
)
def test_interval_in_ticks(interval_s: float, ticks: int) -> None:
    """Binary fractions make no tick more or less; there is always one."""
    assert interval_ticks(interval_s) == ticks


@settings(deadline=None)
@given(st.integers(0, 10**18))
def test_time_lies_in_its_tick(time_ns: int) -> None:
    """A tick is 100 ms, from its own time on."""
    assert tick_of(time_ns) * TICK_NS <= time_ns < (tick_of(time_ns) + 1) * TICK_NS


@settings(deadline=None)
@given(TICKS, st.integers(-(10**9), 10**9), st.integers(1, 864_000))
def test_reading_time_is_the_grids_or_its_own(tick: int, late_ns: int, interval: int) -> None:
    """The grid's within 1 % of the interval and 50 ms, else the read's own in whole milliseconds."""
    due_ns, interval_ns = tick * TICK_NS, interval * TICK_NS
    time_ns = reading_time_ns(due_ns, due_ns + late_ns, interval_ns)
    if 0 <= late_ns <= min(interval_ns / 100, 50_000_000):
        assert time_ns == due_ns
    else:
        assert time_ns % 1_000_000 == 0
        assert 0 <= due_ns + late_ns - time_ns < 1_000_000
    assert time_ns <= due_ns + late_ns, "a reading is never from the future"


@pytest.mark.parametrize(
    ("interval_s", "late_ms", "is_on_grid"),
    [
        (0.1, 1, True),
        (0.1, 2, False),
        (1, 10, True),
        (1, 11, False),
        (60, 50, True),
        (60, 51, False),
    ],
)
def test_what_is_close_enough(interval_s: float, late_ms: int, is_on_grid: bool) -> None:
    """The two limits at their edges."""
    due_ns = 42 * TICK_NS
    time_ns = reading_time_ns(due_ns, due_ns + late_ms * 10**6, round(interval_s * 10**9))
    assert (time_ns == due_ns) is is_on_grid


@given(st.integers(0, 10**9), st.integers(1, 3000))
def test_what_was_missed_is_read_once_and_counted(after: int, span: int) -> None:
    """After a stall each sensor is due once, at its last tick; the ticks before that are counted."""
    schedule = Schedule({"fast": 0.1, "slow": 7.0, "rare": 3600.0})
    each_tick = [
        name for tick in range(after + 1, after + span + 1) for name in due_at(schedule, tick)
    ]
    found = schedule.due_between(after, after + span)
    assert {due.name: due.missed + 1 for due in found} == {
        name: each_tick.count(name) for name in each_tick
    }
    for due in found:
        assert after < due.tick <= after + span
        assert due.name in due_at(schedule, due.tick)


def test_sensor_that_is_taken_out_is_due_no_more() -> None:
    """The others keep their ticks; without any there is nothing to wait for but the next tick."""
    schedule, alone = Schedule({"air": 0.3, "door": 0.1}), Schedule({"air": 0.3})
    schedule.remove("door")
    assert schedule.due_between(0, 100) == alone.due_between(0, 100)
    assert schedule.next_tick(7) == alone.next_tick(7)
    schedule.remove("air")
    assert schedule.due_between(0, 100) == []
    assert schedule.next_tick(7) == 8

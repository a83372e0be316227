"""When each sensor is read: one grid of 100 ms ticks of CLOCK_BOOTTIME, common to all. Pure.

A sensor with an interval of k ticks is read at every tick that is its offset modulo k. Ticks are
counted from boot, so nothing drifts and a restart goes on on the same grid. The offset comes from
the sensor's name: stable whatever else is in the YAML, and not the same for all.
"""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

TICK_NS = 100_000_000
_CLOSE_ENOUGH = 100  # a read that begins within 1/100 of its interval is on time ...
_CLOSE_ENOUGH_NS = 50_000_000  # ... and never later than this


def tick_of(time_ns: int) -> int:
    """Return the tick that a time falls into."""
    return time_ns // TICK_NS


def interval_ticks(interval_s: float) -> int:
    """Return an interval in ticks, at least one."""
    return max(1, round(interval_s * 1e9 / TICK_NS))


def offset_ticks(name: str, interval: int) -> int:
    """Return where in its interval a sensor is read, in ticks."""
    return zlib.crc32(name.encode()) % interval


def reading_time_ns(due_ns: int, began_ns: int, interval_ns: int) -> int:
    """Return the time of a scheduled reading: the grid's where the read began close enough to it.

    Else its own, in whole milliseconds.
    """
    late_ns = began_ns - due_ns
    if 0 <= late_ns <= min(interval_ns // _CLOSE_ENOUGH, _CLOSE_ENOUGH_NS):
        return due_ns
    return began_ns // 1_000_000 * 1_000_000


class Due(NamedTuple):
    """A sensor to read now; `missed` counts its ticks that have passed unread before `tick`."""

    name: str
    tick: int
    missed: int


class Schedule:
    """The ticks of all sensors. `intervals_s` maps a sensor's name to its interval."""

    def __init__(self, intervals_s: Mapping[str, float]) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        for name, interval_s in intervals_s.items():
            self.set_interval(name, interval_s)

    def set_interval(self, name: str, interval_s: float) -> None:
        """Read a sensor at another interval from now on; its offset changes with it."""
        interval = interval_ticks(interval_s)
        self._places[name] = (interval, offset_ticks(name, interval))

    def remove(self, name: str) -> None:
        """Read a sensor no more."""
        del self._places[name]

    def due_between(self, after: int, upto: int) -> list[Due]:
        """Return the sensors due later than `after`, up to `upto`: once each, at their last tick."""
        found = []
        for name, (interval, offset) in self._places.items():
            last = upto - (upto - offset) % interval
            if last > after:
                found.append(Due(name, last, (last - after - 1) // interval))
        return found

    def next_tick(self, after: int) -> int:
        """Return the first tick later than `after` at which any sensor is due; without any, the next."""
        return min(
            (
                after + 1 + (offset - after - 1) % interval
                for interval, offset in self._places.values()
            ),
            default=after + 1,
        )

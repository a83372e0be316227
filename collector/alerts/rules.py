"""Rules: what of the readings of each series is beyond what the YAML allows. Pure: the time is an argument.

A rule judges a reading by the reading's own time. What was judged is not judged again, and what is
older than that is left alone. A reading that arrives later than twice its interval (and 10 s) fires
nothing; that something is over it may say. Readings whose time nobody knows, or that lie in the
future, are not judged.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import translate
from typing import NamedTuple

import numpy as np

from collector.alert_settings import RuleSettings
from collector.alerts.conditions import Condition, condition_of
from collector.alerts.signals import Level, Signal
from collector.clock import Known
from collector.store import DatedReading, Part
from config.quantities import format_duration

# How late any reading may come: batches gather for a second, and links have their moments.
_LATE_S = 10.0
_LATE_INTERVALS = 2.0


class Pace(NamedTuple):
    """How often a series is read, and how long its last value may be taken for its present one."""

    interval_s: float
    holds_s: float

    @property
    def late_ns(self) -> int:
        """How much later than its own time a reading may come."""
        return round(max(_LATE_S, _LATE_INTERVALS * self.interval_s) * 1e9)


class _Rule(NamedTuple):
    """A rule, ready to be applied."""

    name: str
    matches: Callable[[str], object]
    for_ns: int
    condition: Callable[[], Condition]


class _Told(NamedTuple):
    """What was last wrong."""

    words: str = ""
    value: float | None = None


class _Watch:
    """One rule on one series. `since_ns`: since when it is tripped; None: it is not."""

    def __init__(self, rule: _Rule, series: str) -> None:
        self._rule = rule
        self._series = series
        self._condition = rule.condition()
        self.level = Level.OFF
        self._since_ns: int | None = None
        self._last_ns = 0
        self._told = _Told()

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self._rule.name

    def restore(self, signal: Signal, now_ns: int) -> None:
        """Go on where a former run stopped."""
        self.level, self._since_ns, self._last_ns = signal.level, signal.since_ns, now_ns
        self._told = _Told(signal.words, signal.value)

    def take(self, part: Part, fresh_ns: int, holds_ns: int) -> Iterator[Signal]:
        """Judge readings that are newer than all before; give what that changes."""
        if self._since_ns is None and self._condition.is_calm(part):
            return
        marks = self._condition.marks(part)
        if self.level is Level.ON and not marks.clears.any():
            self._last_ns = int(part.times_ns[-1])
            return
        places = marks.places.tolist()
        times = part.times_ns[marks.places].tolist()
        told = zip(places, times, marks.trips.tolist(), marks.clears.tolist(), strict=True)
        for place, time_ns, trips, clears in told:
            level = self._judged(time_ns, trips, clears, time_ns >= fresh_ns, holds_ns)
            if trips:
                self._tell(part, place)
            if level is not self.level:
                self.level = level
                yield self._signal()

    def due(self, now_ns: int, pace: Pace, newest_ns: int) -> Iterator[Signal]:
        """Give what becomes of a value that was told once, and holds: no reading came after it."""
        if self.level is not Level.PENDING or self._since_ns is None:
            return
        is_held = newest_ns <= self._last_ns >= now_ns - round(pace.holds_s * 1e9)
        if is_held and now_ns - self._since_ns >= self._rule.for_ns + pace.late_ns:
            self.level = Level.ON
            yield self._signal()

    def _judged(
        self, time_ns: int, trips: bool, clears: bool, is_fresh: bool, holds_ns: int
    ) -> Level:
        is_gap = time_ns - self._last_ns > holds_ns
        self._last_ns = time_ns
        if clears:
            self._since_ns = None
            return Level.OFF
        if self.level is not Level.ON and is_gap:
            self._since_ns = None  # nobody knows what it was meanwhile
        if trips and self._since_ns is None:
            self._since_ns = time_ns
        if self._since_ns is None:
            return Level.OFF
        if self.level is Level.ON or not is_fresh:
            return self.level
        is_due = time_ns - self._since_ns >= self._rule.for_ns
        return Level.ON if is_due else Level.PENDING

    def _tell(self, part: Part, place: int) -> None:
        value = float(part.values[place])
        words = f"{self._series} {self._condition.words(part, place)}"
        self._told = _Told(words, value if math.isfinite(value) else None)

    def _signal(self) -> Signal:
        words, value = self._told
        if self.level is Level.ON and self._rule.for_ns:
            words = f"{words}, for {format_duration(self._rule.for_ns / 1e9)}"
        return Signal(self._rule.name, self._series, self.level, self._since_ns or 0, words, value)


class Rules:
    """The rules of one collector, and how all series stand to them."""

    def __init__(self, rules: Mapping[str, RuleSettings]) -> None:
        self._rules = [_rule(name, rule) for name, rule in rules.items()]
        self._watches: dict[str, list[_Watch]] = {}
        self._judged_ns: dict[str, int] = {}
        self._pending: set[str] = set()
        self._times_ns = np.empty(0, np.int64)  # those that were looked at last
        self._is_in_order = True

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def names(self) -> set[str]:
        """Their names."""
        return {rule.name for rule in self._rules}

    def restore(self, signal: Signal, now_ns: int) -> bool:
        """Go on with what a former run said; False: no rule says so any more."""
        for watch in self._of(signal.subject):
            if watch.name == signal.rule:
                watch.restore(signal, now_ns)
                self._note(signal.subject)
                return True
        return False

    def forget(self, series: str) -> None:
        """Forget a series; what is known of it is over."""
        self._watches.pop(series, None)
        self._judged_ns.pop(series, None)
        self._pending.discard(series)

    def take(self, part: Part, pace: Pace, now_ns: int) -> list[Signal]:
        """Judge some readings of one series; return what that changes."""
        watches = self._of(part.series)
        if not watches or not len(part.times_ns) or part.datings[0].known is Known.UNKNOWN:
            return []
        judged_ns = self._judged_ns.get(part.series, 0)
        latest_ns = now_ns + pace.late_ns
        if not self._is_plain(part, judged_ns, latest_ns):
            part = _new_of(part, judged_ns, latest_ns)
            if not len(part.times_ns):
                return []
        self._judged_ns[part.series] = int(part.times_ns[-1])
        fresh_ns, holds_ns = now_ns - pace.late_ns, round(pace.holds_s * 1e9)
        found = [signal for watch in watches for signal in watch.take(part, fresh_ns, holds_ns)]
        if found:
            self._note(part.series)
        return found

    def look(self, pace_of: Callable[[str], Pace], now_ns: int) -> Iterator[Signal]:
        """Give what becomes of values that were told once, and hold: of a deadband, or of edges."""
        for series in list(self._pending):
            for watch in self._of(series):
                newest_ns = self._judged_ns.get(series, 0)
                yield from watch.due(now_ns, pace_of(series), newest_ns)
            self._note(series)

    def _is_plain(self, part: Part, judged_ns: int, latest_ns: int) -> bool:
        """Say whether all of a part is new and possible, and in order of time."""
        times_ns = part.times_ns
        if times_ns is not self._times_ns:  # the channels of a sensor share theirs
            self._times_ns = times_ns
            self._is_in_order = len(times_ns) == 1 or bool(np.all(times_ns[1:] > times_ns[:-1]))
        return self._is_in_order and judged_ns < times_ns[0] and times_ns[-1] <= latest_ns

    def _note(self, series: str) -> None:
        if any(watch.level is Level.PENDING for watch in self._of(series)):
            self._pending.add(series)
        else:
            self._pending.discard(series)

    def _of(self, series: str) -> list[_Watch]:
        if series not in self._watches:
            self._watches[series] = [
                _Watch(rule, series) for rule in self._rules if rule.matches(series)
            ]
        return self._watches[series]


def _rule(name: str, rule: RuleSettings) -> _Rule:
    matches = re.compile(translate(rule.series)).match
    return _Rule(name, matches, round(rule.for_s * 1e9), condition_of(rule))


def _new_of(part: Part, judged_ns: int, latest_ns: int) -> Part:
    """Return what of a part is new and can be true, in order of time."""
    places = np.flatnonzero((part.times_ns > judged_ns) & (part.times_ns <= latest_ns))
    places = places[np.argsort(part.times_ns[places], kind="stable")]
    return Part(
        part.series, part.unit, part.times_ns[places], part.values[places],
        part.qualities[places], part.datings[places], part.boot,
    )  # fmt: skip


def part_of(reading: DatedReading) -> Part:
    """Return one reading as a part."""
    datings = np.empty(1, np.object_)
    datings[0] = reading.dating
    return Part(
        reading.series,
        reading.unit,
        np.array([reading.time_ns or 0], np.int64),
        np.array([reading.value]),
        np.array([reading.quality], np.uint8),
        datings,
    )

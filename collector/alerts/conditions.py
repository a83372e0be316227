"""Conditions: whether a reading trips a rule, and whether it clears it. Pure.

Between the two lies the hysteresis: what tripped stays so until a reading clears it.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from collector.alert_settings import RuleSettings
from collector.store import Part
from config.quantities import format_duration
from wire.readings import Quality, grade, in_words, reason

# A window of time is kept as so many minima and maxima.
_BUCKETS = 32

Flags: TypeAlias = npt.NDArray[np.bool_]


class Marks(NamedTuple):
    """Of each reading that the rule judges: its place, whether it trips, and whether it clears."""

    places: npt.NDArray[np.int64]
    trips: Flags
    clears: Flags


class Condition(Protocol):
    """What one rule asks of the readings of one series, in order."""

    def is_calm(self, part: Part) -> bool:
        """Say whether surely none of some readings trips it; else they are to be judged."""

    def marks(self, part: Part) -> Marks:
        """Judge some readings."""

    def words(self, part: Part, place: int) -> str:
        """Say what is wrong with a reading."""


def condition_of(rule: RuleSettings) -> Callable[[], Condition]:
    """Return what makes the condition of a rule, for each series anew: it may remember."""
    if rule.quality is not None:
        worst = Quality.BAD if rule.quality == "bad" else Quality.SUSPECT
        return lambda: _Grade(int(worst))
    if rule.within_s is not None:
        return lambda: _Change(rule)
    return lambda: _Limits(rule)


def _good(qualities: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the places of what can be trusted: a doubtful value must not wake anybody."""
    if not qualities.any():
        return np.arange(len(qualities))
    return np.flatnonzero(qualities == Quality.GOOD)


class _Limits:
    """Above or below a limit."""

    def __init__(self, rule: RuleSettings) -> None:
        self._above = math.inf if rule.above is None else rule.above
        self._below = -math.inf if rule.below is None else rule.below
        self._clear_high = self._above if rule.clear is None or rule.above is None else rule.clear
        self._clear_low = self._below if rule.clear is None or rule.below is None else rule.clear

    def is_calm(self, part: Part) -> bool:
        highest, lowest = np.fmax.reduce(part.values), np.fmin.reduce(part.values)
        return not (highest > self._above or lowest < self._below)

    def marks(self, part: Part) -> Marks:
        places = _good(part.qualities)
        found = part.values[places]
        trips = (found > self._above) | (found < self._below)
        return Marks(places, trips, (found <= self._clear_high) & (found >= self._clear_low))

    def words(self, part: Part, place: int) -> str:
        if part.values[place] > self._above:
            return f"is {_value(part, place)}, above {self._above:g}"
        return f"is {_value(part, place)}, below {self._below:g}"


class _Change:
    """Rises or falls within some time."""

    def __init__(self, rule: RuleSettings) -> None:
        assert rule.within_s is not None, "it is checked with the settings"
        self._sign = 1.0 if rule.rises is not None else -1.0
        self._limit = (rule.rises if rule.rises is not None else rule.falls) or 0.0
        self._clear = rule.clear
        self._within_ns = round(rule.within_s * 1e9)
        self._within = format_duration(rule.within_s)
        self._bucket_ns = max(1, self._within_ns // _BUCKETS)
        # The least of each bucket, (begin, value), as far as it can become that of a window: they rise.
        self._least: deque[tuple[int, float]] = deque()

    def is_calm(self, part: Part) -> bool:
        first_ns, last_ns = int(part.times_ns[0]), int(part.times_ns[-1])
        if first_ns // self._bucket_ns != last_ns // self._bucket_ns or part.qualities.any():
            return False
        turned = part.values if self._sign > 0 else -part.values
        self._forget(first_ns)
        least = float(turned.min())
        if self._least:
            least = min(least, self._least[0][1])
        if float(turned.max()) - least >= self._limit:
            return False
        self._note(last_ns, float(turned.min()))
        return True

    def marks(self, part: Part) -> Marks:
        places = _good(part.qualities)
        turned = (part.values[places] * self._sign).tolist()
        pairs = zip(part.times_ns[places].tolist(), turned, strict=True)
        changes = np.array([self._change(time_ns, value) for time_ns, value in pairs])
        trips = changes >= self._limit
        return Marks(places, trips, ~trips if self._clear is None else changes <= self._clear)

    def words(self, part: Part, place: int) -> str:
        verb = "rose" if self._sign > 0 else "fell"
        return (
            f"is {_value(part, place)}: it {verb} by {self._limit:g} or more within {self._within}"
        )

    def _change(self, time_ns: int, value: float) -> float:
        """Return how far a value is above the least of its window."""
        self._forget(time_ns)
        self._note(time_ns, value)
        return value - self._least[0][1]

    def _forget(self, time_ns: int) -> None:
        """Forget what the window of a moment does not reach back to."""
        while self._least and self._least[0][0] < time_ns - self._within_ns:
            self._least.popleft()

    def _note(self, time_ns: int, value: float) -> None:
        """Take a value; those before it that are not less can never be the least again."""
        while self._least and self._least[-1][1] >= value:
            self._least.pop()
        bucket_ns = time_ns - time_ns % self._bucket_ns
        if not self._least or self._least[-1][0] < bucket_ns:
            self._least.append((bucket_ns, value))


class _Grade:
    """Of a quality, or worse."""

    def __init__(self, worst: int) -> None:
        self._worst = worst

    def is_calm(self, part: Part) -> bool:
        return bool(part.qualities.max() < self._worst)

    def marks(self, part: Part) -> Marks:
        trips = part.qualities >= self._worst
        return Marks(np.arange(len(trips)), trips, ~trips)

    def words(self, part: Part, place: int) -> str:
        quality = int(part.qualities[place])
        return f"is {in_words(grade(quality), reason(quality))}"


def _value(part: Part, place: int) -> str:
    return f"{part.values[place]:.6g} {part.unit}".rstrip()

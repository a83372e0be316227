"""Filters: what becomes of the samples of one channel, in one order. Pure; time is an argument.

    plausibility   sentinels, min and max: no value; max_rate, stuck_after: a doubtful one
    calibration    points, or scale and offset
    smoothing      median_of or mean_of the last samples that nothing is wrong with
    rounding       round
    report         deadband and max_interval: what says nothing new is left out

Plausibility is judged of what the sensor gave, in its own unit. A sample that is bad or suspect goes its
way at once, past smoothing and whatever would leave it out: a fault is news.
"""

import math
import statistics
from bisect import bisect_right
from collections import deque
from typing import NamedTuple

from device.channel_settings import ChannelSettings
from device.sensors import Sample
from wire.blocks import Point
from wire.readings import Quality

# One reading is no proof of a sensor that hangs.
_STUCK_AFTER_SAMPLES = 3


class Filtered(NamedTuple):
    """A point, why it is not good in words for people, and whether it is worth to be kept."""

    point: Point
    detail: str = ""
    is_news: bool = True


class ChannelFilter:
    """The filters of one channel, in force from the first sample on; times are CLOCK_BOOTTIME, ns."""

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._rate = None if settings.max_rate is None else _Rate(settings.max_rate)
        self._stuck = None if settings.stuck_after_s is None else _Stuck(settings.stuck_after_s)
        self._window: deque[float] = deque(maxlen=settings.median_of or settings.mean_of or 1)
        self._points = tuple(sorted(settings.points.items()))
        self._report = _Report(settings.deadband, settings.max_interval_s)

    def take(self, time_ns: int, sample: Sample) -> Filtered:
        """Return what a sample becomes."""
        value, quality, detail = self._judged(time_ns, sample)
        if quality < Quality.BAD:
            value = self._calibrated(value)
            if quality == Quality.GOOD:
                value = self._smoothed(value)
            if self._settings.round is not None:
                value = round(value, self._settings.round) + 0.0  # never -0.0
        unit = sample.unit if self._settings.unit is None else self._settings.unit
        is_news = self._report.is_news(time_ns, value, quality)
        return Filtered(Point(sample.channel, unit, value, quality), detail, is_news)

    def _judged(self, time_ns: int, sample: Sample) -> tuple[float, int, str]:
        value, quality = sample.value, sample.quality
        if quality >= Quality.BAD or not math.isfinite(value):
            return math.nan, max(quality, Quality.BAD) if quality else Quality.NO_VALUE, ""
        if value in self._settings.sentinels:
            return math.nan, Quality.SENTINEL, f"{value:g} is among its `sentinels`"
        if (low := self._settings.min) is not None and value < low:
            return math.nan, Quality.OUT_OF_RANGE, f"{value:g} is below `min`, {low:g}"
        if (high := self._settings.max) is not None and value > high:
            return math.nan, Quality.OUT_OF_RANGE, f"{value:g} is above `max`, {high:g}"
        return self._doubted(time_ns, value, quality)

    def _doubted(self, time_ns: int, value: float, quality: int) -> tuple[float, int, str]:
        # Both look at every sample, whatever else is wrong with it.
        is_jump = self._rate is not None and self._rate.is_jump(time_ns, value)
        is_stuck = self._stuck is not None and self._stuck.is_stuck(time_ns, value)
        if quality != Quality.GOOD:
            return value, quality, ""
        if is_jump:
            return value, Quality.JUMPED, f"faster than `max_rate`, {self._settings.max_rate:g}/s"
        if is_stuck:
            after_s = self._settings.stuck_after_s
            return value, Quality.STUCK, f"{value:g} all the time for more than {after_s:g} s"
        return value, quality, ""

    def _calibrated(self, value: float) -> float:
        if self._points:
            return interpolated(self._points, value)
        return value * self._settings.scale + self._settings.offset

    def _smoothed(self, value: float) -> float:
        if self._window.maxlen == 1:
            return value
        self._window.append(value)
        if self._settings.median_of:
            return statistics.median(self._window)
        return statistics.fmean(self._window)


def interpolated(points: tuple[tuple[float, float], ...], value: float) -> float:
    """Return the value on the line through the two nearest points; the outer lines go on.

    `points` are (given, true), two or more, in rising order of what is given.
    """
    at = bisect_right([given for given, _ in points], value)
    left = min(max(at - 1, 0), len(points) - 2)
    (given, true), (next_given, next_true) = points[left], points[left + 1]
    return true + (value - given) * (next_true - true) / (next_given - given)


class _Rate:
    """Tells a spike from a step: what jumps is doubted once, and believed where it stays there."""

    def __init__(self, most_per_s: float) -> None:
        self._most_per_s = most_per_s
        self._base: tuple[int, float] | None = None
        self._doubted: tuple[int, float] | None = None

    def is_jump(self, time_ns: int, value: float) -> bool:
        if self._base is None or self._near(self._base, time_ns, value):
            self._base, self._doubted = (time_ns, value), None
            return False
        if self._doubted is not None and self._near(self._doubted, time_ns, value):
            self._base, self._doubted = (time_ns, value), None
            return False
        self._doubted = time_ns, value
        return True

    def _near(self, known: tuple[int, float], time_ns: int, value: float) -> bool:
        return abs(value - known[1]) <= self._most_per_s * abs(time_ns - known[0]) / 1e9


class _Stuck:
    """Tells a sensor that hangs: what it measures never stays the same to the last digit."""

    def __init__(self, after_s: float) -> None:
        self._after_ns = round(after_s * 1e9)
        self._value = math.nan
        self._since_ns = 0
        self._samples = 0

    def is_stuck(self, time_ns: int, value: float) -> bool:
        if value != self._value:
            self._value, self._since_ns, self._samples = value, time_ns, 0
        self._samples += 1
        is_long = time_ns - self._since_ns >= self._after_ns
        return is_long and self._samples >= _STUCK_AFTER_SAMPLES


class _Report:
    """Report by exception: a value is news where it has moved, its quality changed, or time is up."""

    def __init__(self, deadband: float | None, max_interval_s: float) -> None:
        self._deadband = deadband
        self._max_interval_ns = round(max_interval_s * 1e9)
        self._last: tuple[int, float, int] | None = None

    def is_news(self, time_ns: int, value: float, quality: int) -> bool:
        if self._deadband is None:
            return True
        if self._last is not None:
            last_ns, last, last_quality = self._last
            has_moved = quality < Quality.BAD and abs(value - last) > self._deadband
            is_due = time_ns - last_ns >= self._max_interval_ns
            if quality == last_quality and not (has_moved or is_due):
                return False
        self._last = time_ns, value, quality
        return True

"""The values of synthetic sensors: plain functions of time and of the number of the read. Pure.

A shape is called once a read with the read's number `n` (from 1), the time in seconds, and the
number of channels; it returns one value a channel.
"""

import math
import random
from dataclasses import dataclass
from typing import Protocol

_DECIMALS = 3


class Shape(Protocol):
    """What gives the values of each read."""

    def values(self, n: int, time_s: float, channels: int) -> list[float]:
        """Return one value a channel; raises where the read is to fail."""


@dataclass(frozen=True)
class Sine:
    """A sine: at its mean, rising, at time 0."""

    period: float
    amplitude: float
    mean: float

    def values(self, _n: int, time_s: float, channels: int) -> list[float]:
        """Return the sine at this time, rounded."""
        turn = time_s % self.period / self.period
        return [_rounded(self.mean + self.amplitude * math.sin(math.tau * turn))] * channels


@dataclass(frozen=True)
class Step:
    """A rectangle: low in the first half of each period, high in the second."""

    period: float
    low: float
    high: float

    def values(self, _n: int, time_s: float, channels: int) -> list[float]:
        """Return the level at this time."""
        is_low = time_s % self.period < self.period / 2
        return [float(self.low if is_low else self.high)] * channels


class Walk:
    """A random walk of each channel; the same `seed` gives the same walk, None another each time."""

    def __init__(self, start: float, step: float, seed: int | None) -> None:
        self._start = start
        self._step = step
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._at: list[float] = []

    def values(self, _n: int, _time_s: float, channels: int) -> list[float]:
        """Move each channel by up to `step` either way."""
        before = self._at or [self._start] * channels
        self._at = [_rounded(at + self._random.uniform(-self._step, self._step)) for at in before]
        return self._at


@dataclass(frozen=True)
class Counter:
    """Counts the reads: `start` + 1 at the first."""

    start: int = 0

    def values(self, n: int, _time_s: float, channels: int) -> list[float]:
        """Return the count."""
        return [float(self.start + n)] * channels


@dataclass(frozen=True)
class Stuck:
    """One value for ever."""

    value: float

    def values(self, _n: int, _time_s: float, channels: int) -> list[float]:
        """Return the value."""
        return [float(self.value)] * channels


def _rounded(value: float) -> float:
    return round(value, _DECIMALS) + 0.0  # never -0.0

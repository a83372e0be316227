"""How long the writer was held: a histogram, so that it stays small whatever happens.

Its steps are a tenth of their value, and what is told is the upper end of one: never too little.
"""

import math
import threading

import msgspec

_STEP = 1.1
_SMALLEST_S = 1e-5
_STEPS = 160  # up to 40 s


class HoldsStatus(msgspec.Struct, frozen=True):
    """How often the writer was held by sealing and its like, and for how long at most."""

    count: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


class Holds:
    """Durations, counted."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._counts = [0] * _STEPS
        self._lock = threading.Lock()

    def note(self, duration_s: float) -> None:
        """Count one."""
        step = math.ceil(math.log(max(duration_s, _SMALLEST_S) / _SMALLEST_S, _STEP))
        with self._lock:
            self._counts[min(step, _STEPS - 1)] += 1
            self.longest_s = max(self.longest_s, duration_s)

    def status(self) -> HoldsStatus:
        """Return what they come to."""
        with self._lock:
            counts, longest_s = list(self._counts), self.longest_s
        p50_s, p99_s = (min(_quantile_s(counts, share), longest_s) for share in (0.5, 0.99))
        return HoldsStatus(
            sum(counts), *(round(each * 1e3, 3) for each in (p50_s, p99_s, longest_s))
        )


def _quantile_s(counts: list[int], share: float) -> float:
    wanted, seen = share * sum(counts), 0
    for step, count in enumerate(counts):
        seen += count
        if count and seen >= wanted:
            return _SMALLEST_S * _STEP**step
    return 0.0

"""How long to wait before the next try: doubling, with full jitter, bounded. Pure."""

import random
from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 60.0
# Where the collector does not know this device's key, only a person can change that.
FIRST_REFUSED_S = 60.0
LONGEST_REFUSED_S = 3600.0


class Backoff:
    """The waits of one link. `fraction` gives the jitter, from 0 to 1."""

    def __init__(self, fraction: Callable[[], float] = random.random) -> None:
        self._fraction = fraction
        self._ceiling_s = FIRST_S
        self._refused_s = FIRST_REFUSED_S

    def next_s(self, at_least_s: float = 0.0) -> float:
        """Return the wait before the next try, `at_least_s` where the peer asked for it."""
        wait_s = self._ceiling_s * self._fraction()
        self._ceiling_s = min(self._ceiling_s * 2, LONGEST_S)
        return max(wait_s, at_least_s)

    def refused_s(self) -> float:
        """Return the wait after the collector did not know this device's key."""
        wait_s = self._refused_s
        self._refused_s = min(self._refused_s * 2, LONGEST_REFUSED_S)
        return wait_s

    def reset(self) -> None:
        """Begin anew: a try has worked, or this device has joined."""
        self._ceiling_s = FIRST_S
        self._refused_s = FIRST_REFUSED_S

"""How long to wait before the next try: doubling, with full jitter, bounded. Pure."""

import random
from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 60.0


class Backoff:
    """The waits of one link. `fraction` gives the jitter, from 0 to 1."""

    def __init__(self, fraction: Callable[[], float] = random.random) -> None:
        self._fraction = fraction
        self._ceiling_s = FIRST_S

    def next_s(self, at_least_s: float = 0.0) -> float:
        """Return the wait before the next try, `at_least_s` where the peer asked for it."""
        wait_s = self._ceiling_s * self._fraction()
        self._ceiling_s = min(self._ceiling_s * 2, LONGEST_S)
        return max(wait_s, at_least_s)

    def reset(self) -> None:
        """Begin anew: a try has worked."""
        self._ceiling_s = FIRST_S

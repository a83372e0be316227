"""Recovery: when a sensor that fails is tried again, and when it is opened anew. Pure.

A read that fails is tried again at once, in the same turn: buses and chips fail in passing. One that
fails turn after turn is closed, and opened again after a wait that doubles, so that a sensor that was
unplugged costs nothing while it is gone and is found once it is back.
"""

from collections.abc import Iterator

# Pauses before the second and the third try of one turn.
PAUSES_S = (0.02, 0.1)
# Of consecutive failed turns; then the driver may hold what is no longer there.
REOPEN_AFTER = 3
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0


def pauses_s(began_s: float, until_s: float) -> Iterator[float]:
    """Give the pauses between the tries of one turn, as far as they leave time for another try."""
    left_s = until_s - began_s
    for pause_s in PAUSES_S:
        left_s -= pause_s
        if left_s < pause_s:
            return
        yield pause_s


class Recovery:
    """How one sensor fails, and when it may be tried; times are of any clock that does not jump."""

    def __init__(self) -> None:
        self._failures = 0
        self._wait_s = FIRST_WAIT_S
        self._next_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Return how long it is until the next try; 0: now."""
        return 0.0 if self._next_s is None else max(0.0, self._next_s - now_s)

    def succeeded(self) -> None:
        """Note a good read."""
        self._failures, self._wait_s, self._next_s = 0, FIRST_WAIT_S, None

    def read_failed(self, now_s: float) -> bool:
        """Note a turn whose tries all failed; say whether the sensor is to be closed now."""
        self._failures += 1
        if self._failures < REOPEN_AFTER:
            return False
        self.open_failed(now_s)
        return True

    def open_failed(self, now_s: float) -> None:
        """Note that it could not be opened, or is no longer open."""
        self._failures = 0
        self._next_s = now_s + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def hurry(self) -> None:
        """Let the next try be now: somebody asks for it."""
        self._next_s = None

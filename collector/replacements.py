"""Replacements: tells two devices of one name from one device that lost its link.

A device that comes back replaces a session whose far end is gone; two devices of one name replace
sessions that were alive, again and again. Nothing is asked or closed here: that is for sessions.
"""

from collections import deque

# So many replacements of a session that was alive, within so long, are no accident.
REPLACEMENTS = 3
WITHIN_S = 600.0


class Replacements:
    """Counts, for each device, how often a session was replaced that was alive.

    `now_s` is of a monotonic clock. What is older than WITHIN_S is forgotten.
    """

    def __init__(self) -> None:
        self._replaced_s: dict[str, deque[float]] = {}
        self._duplicate_until_s: dict[str, float] = {}

    def note(self, device: str, now_s: float) -> bool:
        """Note one; say whether two devices must be sharing the name."""
        self._forget(now_s)
        recent = self._replaced_s.setdefault(device, deque(maxlen=REPLACEMENTS))
        recent.append(now_s)
        if len(recent) < REPLACEMENTS:
            return False
        self._duplicate_until_s[device] = now_s + WITHIN_S
        return True

    def duplicate_identities(self, now_s: float) -> set[str]:
        """Return the names that two devices were found to share within the last WITHIN_S."""
        self._forget(now_s)
        return set(self._duplicate_until_s)

    def _forget(self, now_s: float) -> None:
        for device, until_s in list(self._duplicate_until_s.items()):
            if now_s >= until_s:
                del self._duplicate_until_s[device]
        for device, recent in list(self._replaced_s.items()):
            while recent and now_s >= recent[0] + WITHIN_S:
                recent.popleft()
            if not recent:
                del self._replaced_s[device]

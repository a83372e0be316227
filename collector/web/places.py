"""Places: how many HTTP connections there may be, in all, from other machines, and of one of these.

Pure. Some are kept for this machine itself, whoever else knocks. Of IPv6 another machine is its /64.
"""

from collections import Counter

from collector.admission import network

MAX_PLACES = 64
MAX_FROM_ELSEWHERE = 48
MAX_OF_ONE = 16


class Places:
    """The places of one door; `turned_away` counts who found none."""

    def __init__(self) -> None:
        self.turned_away = 0
        self._local = 0
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._local + self._of.total()

    def take(self, host: str, is_local: bool) -> bool:
        """Take a place for a connection from an IP address; False: there is none for it."""
        if not self._has_room(host, is_local):
            self.turned_away += 1
            return False
        if is_local:
            self._local += 1
        else:
            self._of[network(host)] += 1
        return True

    def leave(self, host: str, is_local: bool) -> None:
        """Give back a place that was taken."""
        if is_local:
            self._local -= 1
            return
        whose = network(host)
        self._of[whose] -= 1
        if not self._of[whose]:
            del self._of[whose]

    def _has_room(self, host: str, is_local: bool) -> bool:
        if len(self) >= MAX_PLACES:
            return False
        is_one_too_many = self._of[network(host)] >= MAX_OF_ONE
        return is_local or not (self._of.total() >= MAX_FROM_ELSEWHERE or is_one_too_many)

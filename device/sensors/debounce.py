"""Debounce: what of a contact's bouncing is news. Pure; time is an argument.

A change is told at once, with its own time, and then nothing for a while; when that is over the state
is looked at, and told if it is another one by then. So the first edge is never late and the last state
never lost, however it bounces; a pulse that is shorter than the while counts as one.
"""


class Debounce:
    """The state of one contact; times are CLOCK_BOOTTIME, ns."""

    def __init__(self, quiet_s: float, is_active: bool) -> None:
        self.is_active = is_active
        self._quiet_ns = round(quiet_s * 1e9)
        self._until_ns: int | None = None
        self._bounced_ns: int | None = None

    @property
    def settles_ns(self) -> int | None:
        """When `settle` is to be called; None: nothing is open."""
        return self._until_ns

    def edge(self, time_ns: int, is_active: bool) -> bool:
        """Take an edge, and the state behind it; say whether it is news."""
        if self._until_ns is not None:
            self._bounced_ns = time_ns
            return False
        return self._tell(time_ns, is_active)

    def settle(self, now_ns: int, is_active: bool) -> int | None:
        """Take the state when the while is over; return since when it is news, if it is."""
        bounced_ns, self._bounced_ns, self._until_ns = self._bounced_ns, None, None
        time_ns = now_ns if bounced_ns is None else bounced_ns
        return time_ns if self._tell(time_ns, is_active) else None

    def _tell(self, time_ns: int, is_active: bool) -> bool:
        if is_active is self.is_active:
            return False
        self.is_active = is_active
        self._until_ns = time_ns + self._quiet_ns if self._quiet_ns else None
        return True

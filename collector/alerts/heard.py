"""When a series and a device were heard of last, and whether that is too long ago. Pure.

All times are monotonic, in seconds.
"""

import math
from collections.abc import Mapping

from collector.alerts.expected import Expected
from collector.alerts.groups import Group


class Heard:
    """When something was heard of last, and whether that is too long ago."""

    __slots__ = ("after_s", "back_s", "heard_s", "is_silent")

    def __init__(self, heard_s: float, after_s: float) -> None:
        self.heard_s = heard_s
        self.after_s = after_s
        self.is_silent = False
        self.back_s: float | None = None

    def is_back(self, now_s: float, calm_s: float) -> bool:
        """Say whether it was heard for long enough; to be asked again and again while it is silent."""
        if now_s - self.heard_s > self.after_s / 2:
            self.back_s = None
        elif self.back_s is None:
            self.back_s = now_s
        return self.back_s is not None and now_s - self.back_s >= calm_s

    def mark(self, is_silent: bool) -> None:
        """Note that it is silent, or no more."""
        self.is_silent, self.back_s = is_silent, None


class HeardDevice(Heard):
    """A device; `heard_s` is of any of its series, `after_s` the shortest of theirs."""

    __slots__ = (
        "away_s",
        "base_s",
        "due_s",
        "expected",
        "group",
        "is_stopped",
        "not_before_s",
        "series",
    )

    def __init__(self, now_s: float, not_before_s: float) -> None:
        super().__init__(-math.inf, math.inf)
        self.expected: Mapping[str, Expected] = {}
        self.series: dict[str, Heard] = {}
        self.away_s: float | None = now_s
        self.base_s = -math.inf  # series are not silent since before
        self.due_s = -math.inf  # no series can fall silent before
        self.not_before_s = not_before_s
        self.is_stopped = False
        self.group: Group | None = None

    def resume(self, now_s: float) -> None:
        """Note that it is about to be here again: after long its series have their own time anew."""
        if self.away_s is not None and now_s - self.heard_s > self.after_s:
            self.base_s = max(self.base_s, now_s)

    def is_overdue(self, now_s: float) -> bool:
        """Say whether all its series are."""
        return bool(self.series) and all(
            now_s - max(each.heard_s, self.base_s) > each.after_s for each in self.series.values()
        )

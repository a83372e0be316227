"""How a sensor stands: the outcome of its last read, and the quality of what its channels gave last.

Logs when a fault begins, when it changes and when it is over. What passes by itself, such as one value
that jumped, is in the readings and not in the log.
"""

from collections.abc import Sequence

import structlog

from device.reader import Outcome
from wire.blocks import Point
from wire.readings import Quality, grade, reason

_log = structlog.get_logger()

_PASSING = frozenset({Quality.JUMPED, Quality.POWER_ON_VALUE})


class Standing:
    """How the sensor `name` does; `quality` is the worst that is true of it now, `detail` why."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._outcome: Outcome | None = None
        self._failed_reads = 0
        self._faults: dict[str, tuple[int, str]] = {}

    @property
    def quality(self) -> int | None:
        """Of the last read, or of the worst channel; None before anything was read."""
        if self._outcome is None or self._outcome.quality is not Quality.GOOD:
            return None if self._outcome is None else self._outcome.quality
        return max((quality for quality, _ in self._faults.values()), default=Quality.GOOD)

    @property
    def detail(self) -> str:
        """Why the quality is what it is, in words for people."""
        if self._outcome is not None and self._outcome.quality is not Quality.GOOD:
            return self._outcome.message
        return "; ".join(
            f"{channel}: {detail or reason(quality)}"
            for channel, (quality, detail) in self._faults.items()
        )

    @property
    def is_failing(self) -> bool:
        """Whether its last read failed, or a channel gives nothing."""
        return self.quality is not None and grade(self.quality) == "bad"

    def read(self, outcome: Outcome) -> None:
        """Note how a read went."""
        former, self._outcome = self._outcome, outcome
        if outcome.quality is Quality.GOOD:
            if self._failed_reads:
                _log.info("sensor_recovered", sensor=self._name, failed_reads=self._failed_reads)
            self._failed_reads = 0
            return
        self._failed_reads += 1
        if self._failed_reads == 1 or former is None or former.quality is not outcome.quality:
            _log.warning(
                "sensor_failed",
                sensor=self._name,
                reason=reason(outcome.quality),
                detail=outcome.message,
            )

    def judge(self, points: Sequence[Point], details: Sequence[str] = ()) -> None:
        """Note what channels gave, and why it is not good; not where the whole read failed."""
        if self._outcome is not None and self._outcome.quality is not Quality.GOOD:
            return
        for index, point in enumerate(points):
            if point.quality or self._faults:
                self._note(point, details[index] if details else "")

    def clear(self) -> None:
        """Forget the channels: they are others now."""
        self._faults.clear()

    def _note(self, point: Point, detail: str) -> None:
        former, _ = self._faults.get(point.channel, (Quality.GOOD, ""))
        if point.quality == Quality.GOOD:
            self._faults.pop(point.channel, None)
        else:
            self._faults[point.channel] = point.quality, detail
        if former == point.quality or {former, point.quality} - {Quality.GOOD} <= _PASSING:
            return
        where = f"{self._name}.{point.channel}"
        if point.quality == Quality.GOOD:
            _log.info("channel_recovered", channel=where)
        else:
            why = {"quality": grade(point.quality), "reason": reason(point.quality)}
            _log.warning("channel_not_good", channel=where, **why, detail=detail)

"""What is asked of /api/v1/readings."""

import re
from typing import NamedTuple

from collector.summaries import AGGREGATES
from collector.web.asked import Asked, Span, refused
from collector.web.encoding import FORMATS, TIMES, Clock
from config.problems import shown
from wire.readings import GRADES

PARAMETERS = (
    "pattern", "series", "start", "end", "last", "points", "every", "agg", "quality", "time", "format",
)  # fmt: skip
DEFAULT_RANGE = "1h"
MAX_POINTS = 100_000
_NAME = re.compile(r"[a-z0-9-]+/[a-z0-9_]+\.[a-z0-9_]+")


class Question(NamedTuple):
    """What is asked for: readings, or with `points` or `every_ns` their summaries."""

    pattern: str
    span: Span
    grades: frozenset[str] | None
    form: str
    clock: Clock
    points: int | None
    every_ns: int | None
    aggregate: str

    @property
    def is_summary(self) -> bool:
        """Whether summaries are asked for."""
        return self.points is not None or self.every_ns is not None


def question_of(asked: Asked) -> Question:
    """Return what is asked for.

    Raises:
        Refused: it is not understood.
    """
    pattern = pattern_of(asked)
    if asked.has("points") and asked.has("every"):
        raise refused("every", "one of points and every is enough")
    question = Question(
        pattern,
        asked.span(DEFAULT_RANGE),
        asked.some("quality", GRADES),
        asked.choice("format", FORMATS),
        Clock(asked.choice("time", TIMES), asked.zone),
        asked.number("points", 1, MAX_POINTS),
        asked.duration_ns("every"),
        asked.choice("agg", ("all", *AGGREGATES)),
    )
    if not question.is_summary and question.aggregate != "all":
        raise refused("agg", "it goes with points or every")
    return question


def pattern_of(asked: Asked) -> str:
    """Return the pattern that is asked for, or the name of the one series.

    Raises:
        Refused: it is both, or no name.
    """
    if asked.has("pattern") and asked.has("series"):
        raise refused("series", "one of pattern and series is enough")
    pattern = asked.text("series", "") or asked.pattern()
    if asked.has("series") and not _NAME.fullmatch(pattern):
        raise refused("series", f"`{shown(pattern)}` is no series. Accepted: device/sensor.channel")
    return pattern

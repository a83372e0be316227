"""collector.web.question: what may be asked of /api/v1/readings, and what not together."""

from zoneinfo import ZoneInfo

import pytest

from collector.web.asked import Asked
from collector.web.problems import Refused
from collector.web.question import PARAMETERS, Question, question_of


def question(query: str) -> Question:
    """What a query string asks."""
    return question_of(Asked(query, PARAMETERS, ZoneInfo("UTC")))


def test_everything_may_be_left_out() -> None:
    """All series, the last hour, as they are."""
    asked = question("")
    assert (asked.pattern, asked.form, asked.clock.form) == ("*", "json", "rfc3339")
    assert not asked.is_summary
    assert asked.grades is None


def test_everything_can_be_said() -> None:
    """A whole name is a pattern too."""
    asked = question("series=pi/air.temperature&every=1m&agg=max&quality=good&time=ns&format=csv")
    assert asked.pattern == "pi/air.temperature"
    assert (asked.every_ns, asked.aggregate, asked.points) == (60 * 10**9, "max", None)
    assert asked.is_summary
    assert asked.grades == {"good"}
    assert question("points=9").is_summary


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("pattern=*&series=a/b.c", "one of pattern and series is enough"),
        ("series=*", "`*` is no series. Accepted: device/sensor.channel"),
        ("points=1&every=1m", "one of points and every is enough"),
        ("agg=max", "agg: it goes with points or every"),
        ("agg=men&points=1", "Did you mean `mean`"),
        ("format=parquet", "Accepted: json, csv, columns"),
    ],
)
def test_what_does_not_go_together(query: str, part: str) -> None:
    """Each no says why."""
    with pytest.raises(Refused) as caught:
        question(query)
    assert part in caught.value.detail

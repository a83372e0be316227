"""collector.web.asked: query parameters, and what each no says."""

import time
from zoneinfo import ZoneInfo

import pytest

from collector.times import END_OF_TIME_NS
from collector.web.asked import Asked, Span
from collector.web.problems import Refused

ZONE = ZoneInfo("Asia/Seoul")
NAMES = ("pattern", "start", "end", "last", "points", "time", "quality", "every")


def asked(query: str) -> Asked:
    """What a query string asks."""
    return Asked(query, NAMES, ZONE)


def refusal(query: str, use: str = "span", *arguments: object) -> str:
    """Why a query string is refused when a parameter is used."""
    with pytest.raises(Refused) as caught:
        getattr(asked(query), use)(*arguments)
    assert caught.value.status == 400
    return caught.value.detail


@pytest.mark.parametrize(
    ("query", "part"),
    [
        (
            "strt=1",
            "no parameter `strt`. Did you mean `start`? Accepted: pattern, start, end, last",
        ),
        ("start=1&start=2", "start: it is given twice"),
        ("&".join("start=1" for _ in range(40)), "more than 32 parameters"),
        (
            "start=yesterday",
            "start: `yesterday` is no instant. Accepted: 2026-11-23T12:00:00+01:00",
        ),
        ("start=2026-11-23&end=2026-11-22", "end: the range ends before it begins"),
        ("last=1h&start=2026-11-23", "last: it stands alone"),
        ("last=1", "last: 1 of what? Write the unit too"),
    ],
)
def test_what_is_wrong_is_told(query: str, part: str) -> None:
    """With what is accepted."""
    with pytest.raises(Refused) as caught:
        asked(query).span("1h")
    assert part in caught.value.detail


@pytest.mark.parametrize(
    "start", ["2026-11-23T12:00:00%2B09:00", "2026-11-23T12:00:00+09:00", "2026-11-23%2012:00",
              "2026-11-23T03:00:00Z", "1795402800"],
)  # fmt: skip
def test_instants_as_people_and_programs_write_them(start: str) -> None:
    """Without an offset in the zone of the YAML; a `+` that became a space is one all the same."""
    assert asked(f"start={start}").span("1h") == Span(1795402800 * 10**9, END_OF_TIME_NS)


def test_ranges() -> None:
    """The last hour unless something else is asked for; `last` also with a minus; all where none is."""
    hour_ns, now_ns = 3600 * 10**9, time.time_ns()
    for query in ("", "last=1h", "last=-1h", "start=-1h", "start=1h"):
        span = asked(query).span("1h")
        assert abs(span.start_ns + hour_ns - now_ns) < 60 * 10**9
        assert span.end_ns == END_OF_TIME_NS
    assert asked("").span(None).start_ns == -END_OF_TIME_NS
    assert asked("end=2026-11-23").span("1h").start_ns == -END_OF_TIME_NS
    assert asked("last=9999999999y").span("1h").start_ns == -END_OF_TIME_NS


def test_words_and_numbers() -> None:
    """The first of the choices is the default; an empty parameter counts as left out."""
    assert asked("time=").choice("time", ("rfc3339", "ms")) == "rfc3339"
    assert asked("time=ms").choice("time", ("rfc3339", "ms")) == "ms"
    assert "Did you mean `ms`" in refusal("time=mss", "choice", "time", ("rfc3339", "ms"))
    assert asked("points=7").number("points", 1, 10) == 7
    assert asked("").number("points", 1, 10) is None
    for wrong in ("0", "11", "-1", "1.5", "x", "٣", "9999999999"):
        assert "Accepted: 1 to 10" in refusal(f"points={wrong}", "number", "points", 1, 10)
    assert asked("quality=good,bad").some("quality", ("good", "bad")) == {"good", "bad"}
    assert asked("").some("quality", ("good", "bad")) is None
    assert "Did you mean `good`" in refusal("quality=god", "some", "quality", ("good", "bad"))
    assert asked("every=1m").duration_ns("every") == 60 * 10**9
    assert "Write the unit too" in refusal("every=1", "duration_ns", "every")


def test_patterns_are_bounded() -> None:
    """They are matched against every name."""
    assert asked("pattern=green*").pattern() == "green*"
    assert "256 characters" in refusal(f"pattern={'*' * 257}", "pattern")

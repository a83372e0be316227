"""What is asked of each party over HTTP, and how many points its answer must have."""

import json
import struct
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, urlencode

from benchmarks.compare.web import Answer

DAY_S = 86_400
POINTS = 1000
_DEVICE = "d000"


class Span(NamedTuple):
    """Whole seconds (UTC), `end_s` not included."""

    start_s: int
    end_s: int

    @property
    def last_day(self) -> "Span":
        """The last 24 h of it."""
        return Span(self.end_s - DAY_S, self.end_s)

    @property
    def step_s(self) -> int:
        """How long one of the points is."""
        return (self.end_s - self.start_s) // POINTS


class Question(NamedTuple):
    """One way to ask; `points` counts what came, which is no part of the time."""

    name: str
    party: str
    target: Callable[[Span], str]
    points: Callable[[Answer], int]


def _readings(span: Span, **more: str | int) -> str:
    asked = {"start": span.start_s, "end": span.end_s, "time": "ms"} | more
    return "/api/v1/readings?" + urlencode(asked)


def _range(span: Span, **more: str | int) -> str:
    """Return the means of each step, as the ends of the steps have them."""
    query = f'avg_over_time({{__name__=~"bench_.+",device="{_DEVICE}"}}[{span.step_s}s])'
    asked = {
        "query": query,
        "start": span.start_s + span.step_s,
        "end": span.end_s,
        "step": f"{span.step_s}s",
    }
    return "/api/v1/query_range?" + urlencode(asked | more)


def _export(span: Span) -> str:
    match = f'{{__name__="bench_temperature",device="{_DEVICE}"}}'
    asked = {"match[]": match, "start": span.start_s, "end": span.end_s - 1}
    return "/api/v1/export?" + urlencode(asked)


def _influx(what: str, span: Span, more: str = "") -> str:
    where = f"time >= {span.start_s}s AND time < {span.end_s}s AND device = '{_DEVICE}'"
    query = f"SELECT {what} FROM bench WHERE {where} {more}"
    return "/query?db=bench&epoch=ms&q=" + quote(query)


def _exported(answer: Answer) -> int:
    return sum(len(json.loads(line)["values"]) for line in answer.body.splitlines())


def _ranged(answer: Answer) -> int:
    return sum(len(each["values"]) for each in json.loads(answer.body)["data"]["result"])


def _instant(answer: Answer) -> int:
    return len(json.loads(answer.body)["data"]["result"])


def _selected(answer: Answer) -> int:
    found = json.loads(answer.body)["results"][0]["series"]
    return sum((len(row) - 1) for series in found for row in series["values"])


def _given(answer: Answer) -> int:
    return sum(len(each["values"]) for each in json.loads(answer.body)["readings"])


def _summed_up(answer: Answer) -> int:
    return sum(len(each["times"]) for each in json.loads(answer.body)["summaries"])


def _last_ones(answer: Answer) -> int:
    return len(json.loads(answer.body)["latest"])


def _packed(answer: Answer) -> int:
    """Count what packed columns hold: 8 bytes, then heads with their length, and columns behind them."""
    at, count = 8, 0
    while at < len(answer.body):
        (length,) = struct.unpack_from("<I", answer.body, at)
        here = json.loads(answer.body[at + 4 : at + 4 + length]).get("count", 0)
        at += 4 + length + here * 16 + -(-here // 8) * 8
        count += here
    return count


DAY = "24 h raw"
MONTH = "30 days to 1000 points"
LATEST = "latest of 5000"
ONE = f"{_DEVICE}/s0.temperature"
EVERY = f"{_DEVICE}/*"

MONTH_QUESTIONS = [
    Question(DAY, "telegauge", lambda span: _readings(span.last_day, series=ONE), _given),
    Question(
        f"{DAY}, packed",
        "telegauge",
        lambda span: _readings(span.last_day, series=ONE, format="columns"),
        _packed,
    ),
    Question(DAY, "victoria-metrics", lambda span: _export(span.last_day), _exported),
    Question(DAY, "influxdb", lambda span: _influx("temperature", span.last_day), _selected),
    Question(
        MONTH, "telegauge", lambda span: _readings(span, pattern=EVERY, points=POINTS), _summed_up
    ),
    Question(MONTH, "victoria-metrics", lambda span: _range(span, nocache=1), _ranged),
    Question(f"{MONTH}, cached", "victoria-metrics", _range, _ranged),
    Question(
        MONTH,
        "influxdb",
        lambda span: _influx("mean(*)", span, f"GROUP BY time({span.step_s}s, {span.start_s}s)"),
        _selected,
    ),
]
LATEST_QUESTIONS = [
    Question(LATEST, "telegauge", lambda _: "/api/v1/latest", _last_ones),
    Question(
        LATEST,
        "victoria-metrics",
        lambda span: (
            "/api/v1/query?"
            + urlencode({"query": '{__name__=~"bench_.+"}', "time": span.end_s - 1, "nocache": 1})
        ),
        _instant,
    ),
    Question(
        LATEST,
        "influxdb",
        lambda _: (
            "/query?db=bench&epoch=ms&q=" + quote("SELECT last(*) FROM bench GROUP BY device")
        ),
        _selected,
    ),
]

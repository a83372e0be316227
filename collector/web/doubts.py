"""/api/v1/doubts: where readings are suspect, or their times were derived, in bounded memory."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import tzinfo
from functools import partial
from typing import Any, NamedTuple

import orjson
from starlette.responses import Response

from collector.doubts import Doubt, Doubting
from collector.grids import grid_for
from collector.store import Reader
from collector.summaries import bounded
from collector.web.asked import Asked, Span
from collector.web.encoding import TIMES, Clock, worded
from collector.web.question import MAX_POINTS, pattern_of
from collector.web.reading import Reading
from collector.web.readings import check_known
from collector.web.streaming import Streamed

_PARAMETERS = ("pattern", "series", "start", "end", "last", "points", "time")
_POINTS = 1000


class _Question(NamedTuple):
    pattern: str
    span: Span
    points: int
    clock: Clock


async def doubts(reading: Reading, query: str, zone: tzinfo) -> Response:
    """Answer the request."""
    asked = Asked(query, _PARAMETERS, zone)
    question = _Question(
        pattern_of(asked),
        asked.span(None),
        asked.number("points", 1, MAX_POINTS) or _POINTS,
        Clock(asked.choice("time", TIMES), zone),
    )
    if asked.has("series"):
        await reading.ask(partial(check_known, name=question.pattern))
    with ExitStack() as place:
        place.enter_context(reading.question())
        span, doubting = await reading.do(partial(_planned, question=question))
        parts = _told(reading, question.clock, span, doubting)
        return Streamed(parts, "application/json", place.pop_all().close)


def _planned(reader: Reader, question: _Question) -> tuple[Span, Doubting]:
    span = Span(*bounded(reader, question.pattern, *question.span))
    grid = grid_for(question.points, *span, question.clock.zone)
    return span, Doubting(question.pattern, span.end_ns, grid)


async def _told(
    reading: Reading, clock: Clock, span: Span, doubting: Doubting
) -> AsyncIterator[bytes]:
    facts = {
        "start": clock.bound(span.start_ns),
        "end": clock.bound(span.end_ns),
        "every_ns": doubting.grid.width_ns,
    }
    yield orjson.dumps(facts)[:-1] + b',"doubts":['
    between, at_ns = b"", span.start_ns
    while at_ns < span.end_ns:
        found, at_ns = await reading.do(partial(doubting.step, at_ns=at_ns))
        if at_ns >= span.end_ns:
            found += doubting.rest()
        if found:
            yield between + b",\n".join(orjson.dumps(_facts(each, clock)) for each in found)
            between = b",\n"
    yield b"]}\n"


def _facts(doubt: Doubt, clock: Clock) -> dict[str, Any]:
    return {
        "series": doubt.key.series,
        "unit": doubt.key.unit,
        "device": doubt.key.series.partition("/")[0],
        "kind": doubt.kind,
        "reasons": [worded(quality) for quality in doubt.qualities],
        "from": clock.one(doubt.from_ns),
        "to": clock.one(doubt.to_ns),
        "readings": doubt.readings,
        "time_error_ns": doubt.error_ns,
    }

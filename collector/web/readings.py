"""/api/v1/readings: the readings of a range of time, as they are or summarised, in bounded memory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import tzinfo
from functools import partial
from typing import NamedTuple

import numpy as np
from starlette.responses import Response

from collector.query import of_grades
from collector.store import Range, Reader
from collector.summaries import bounded
from collector.web.asked import Asked, Span
from collector.web.encoding import FORMATS, Format
from collector.web.pieces import pieces_of
from collector.web.problems import Refused
from collector.web.question import PARAMETERS, Question, question_of
from collector.web.reading import Reading
from collector.web.streaming import Streamed
from collector.web.summing import Summing, planned
from config.problems import did_you_mean

# What is read and sent at a time: a megabyte or two.
WINDOW_READINGS = 25_000
# How much further the next window looks than this one had readings for: chunks that begin together may
# hold more than a window, and so may what is not sealed yet.
FURTHER = 4
LEAST_NS = 10**9


class _Read(NamedTuple):
    """What one window gave, where it ended, and how wide the next one may be."""

    data: bytes
    undecodable: int
    cut_ns: int
    width_ns: int


async def readings(reading: Reading, query: str, zone: tzinfo) -> Response:
    """Answer the request."""
    asked = Asked(query, PARAMETERS, zone)
    question = question_of(asked)
    if asked.has("series"):
        await reading.ask(partial(check_known, name=question.pattern))
    with ExitStack() as place:
        place.enter_context(reading.question())
        form = FORMATS[question.form](question.clock)
        if question.is_summary:
            summing = await reading.do(partial(planned, wanted=question, zone=zone))
            parts = _summed(reading, summing)
        else:
            first = await reading.do(partial(_first, question=question))
            parts = _raw(reading, question, form, first)
        return Streamed(parts, form.media_type, place.pop_all().close)


async def _summed(reading: Reading, summing: Summing) -> AsyncIterator[bytes]:
    yield summing.begin()
    at_ns = summing.span.start_ns
    while at_ns < summing.span.end_ns:
        data, at_ns = await reading.do(partial(summing.step, at_ns=at_ns))
        if data:
            yield data
    yield summing.end()


async def _raw(
    reading: Reading, question: Question, form: Format, first: Span
) -> AsyncIterator[bytes]:
    span = question.span
    yield form.begin(*span)
    at_ns, look_ns, undecodable = span.start_ns, first.end_ns, 0
    width_ns = look_ns - first.start_ns
    while at_ns < span.end_ns:
        look = Span(at_ns, min(look_ns, span.end_ns))
        step = partial(_window, question=question, form=form, look=look, width_ns=width_ns)
        read = await reading.do(step)
        undecodable += read.undecodable
        if read.data:
            yield read.data
        at_ns, width_ns = read.cut_ns, read.width_ns
        look_ns = at_ns + width_ns
    yield form.end(undecodable)


def _first(reader: Reader, question: Question) -> Span:
    """Return where readings begin, and up to where the first window looks: as if there were one a second."""
    span = question.span
    first_ns, _ = bounded(reader, question.pattern, *span)
    series = max(1, len(reader.series(question.pattern)))
    return Span(first_ns, first_ns + max(WINDOW_READINGS * 10**9 // series, LEAST_NS))


def _window(reader: Reader, question: Question, form: Format, look: Span, width_ns: int) -> _Read:
    """Read and write a window that ends where it looks to, or before."""
    cut_ns = reader.window_end(question.pattern, *look, WINDOW_READINGS)
    found = reader.range(question.pattern, look.start_ns, cut_ns, question.span)
    data = b"".join(_written(found, question, form))
    its_ns = _width_ns(found, look.start_ns, cut_ns)
    width_ns = width_ns if its_ns is None else max(its_ns, LEAST_NS)
    return _Read(data, found.undecodable, cut_ns, width_ns * FURTHER)


def _written(found: Range, question: Question, form: Format) -> Iterator[bytes]:
    for part in found.parts:
        wanted = part if question.grades is None else of_grades(part, question.grades)
        if len(wanted.values):
            yield from (form.piece(piece) for piece in pieces_of(wanted))


def _width_ns(found: Range, start_ns: int, cut_ns: int) -> int | None:
    """Return from when to when a window has readings; None where it has none."""
    # Those of unknown time may stand anywhere else.
    its = [
        part.times_ns[slice(*np.searchsorted(part.times_ns, (start_ns, cut_ns)))]
        for part in found.parts
    ]
    spans = [(times_ns[0], times_ns[-1]) for times_ns in its if len(times_ns)]
    if not spans:
        return None
    return int(max(last for _, last in spans)) - int(min(first for first, _ in spans))


def check_known(reader: Reader, name: str) -> None:
    """Refuse a series that no device has described.

    Raises:
        Refused: it is one.
    """
    if not reader.series(name):
        names = [each.name for each in reader.series()]
        raise Refused(
            404, f"no series `{name}` is known.{did_you_mean(name, names)}", parameter="series"
        )

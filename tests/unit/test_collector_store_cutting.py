"""collector.store.cutting: what is left without a span, and what its minutes and hours say then."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Known
from collector.store import rollups
from collector.store.chunks import Columns, Run
from collector.store.cutting import (
    Span,
    at_the_edges,
    hours_row,
    hours_without,
    minutes_without,
    within_span,
    without,
)
from collector.store.gathering import Named
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets
from collector.store.sealing import Rollup
from kit.columns import LEAST, MOST, bits

NAME = Named("probe", "c", "V")
BEGIN_NS = 500_000 * HOUR_NS

# Near the edges of minutes, and on them: there it is decided what a span holds.
moments_ns = st.one_of(
    st.integers(0, 4 * 60).map(lambda minute: BEGIN_NS + minute * MINUTE_NS),
    st.integers(0, 4 * HOUR_NS).map(lambda off_ns: BEGIN_NS + off_ns),
    st.integers(-2, 2).map(lambda off_ns: BEGIN_NS + HOUR_NS + off_ns),
)
spans = st.tuples(moments_ns, moments_ns).map(lambda both: Span(min(both), max(both) + 1))


@st.composite
def readings(draw: st.DrawFn) -> Columns:
    """Readings of some hours in order of time, the first of which are known in another way."""
    times_ns = sorted(draw(st.lists(moments_ns, min_size=1, max_size=40)))
    count = len(times_ns)
    tenths = draw(st.lists(st.integers(-99, 99), min_size=count, max_size=count))
    values = np.array(tenths) / 10
    values[draw(st.integers(0, count - 1))] = draw(st.sampled_from([np.nan, -0.0, 2.5]))
    first = draw(st.integers(1, count))
    runs = [Run(first, Known.DERIVED, 5), Run(count - first, Known.SYNCED, 0)]
    return Columns(
        np.array(times_ns),
        values,
        np.arange(count, dtype=np.uint8),
        tuple(run for run in runs if run.readings),
    )


def listed(columns: Columns | None) -> list[tuple[object, ...]]:
    """Readings one by one, each with how its time is known."""
    if columns is None:
        return []
    known = [run[1:] for run in columns.runs for _ in range(run.readings)]
    each = (columns.times_ns.tolist(), bits(columns.values), columns.qualities.tolist(), known)
    return list(zip(*each, strict=True))


def summed_up(columns: Columns | None, width_ns: int) -> Buckets:
    """The summaries of readings."""
    if columns is None:
        return rollups.empty(np.empty(0, np.int64))
    return rollups.by_width(columns.times_ns, columns.values, width_ns)


def told(
    rows: list[Rollup | None], blob: Callable[[Rollup], bytes | None]
) -> list[tuple[object, ...]]:
    """The buckets of rows, one by one, in order of time, to the bit."""
    data = [blob(row) for row in rows if row is not None]
    return listed_buckets([rollups.decode(each) for each in data if each is not None])


def listed_buckets(several: list[Buckets]) -> list[tuple[object, ...]]:
    """Buckets one by one, in order of time, to the bit."""
    return sorted(each for its in several for each in zip(*map(bits, its), strict=True))


@given(columns=readings(), span=spans)
def test_readings_outside_are_left(columns: Columns, span: Span) -> None:
    """As they were, in their order; none where all lie within."""
    left = without(columns, span)
    assert listed(left) == [
        each
        for each in listed(columns)
        if not span.start_ns <= each[0] < span.end_ns  # type: ignore[operator]
    ]
    assert (left is None) == bool(within_span(columns.times_ns, span).all())


@given(columns=readings(), span=spans)
def test_minutes_are_those_of_what_is_left(columns: Columns, span: Span) -> None:
    """Those that the span does not touch as they were, those at its edges made anew."""
    left = without(columns, span)
    rows = [
        minutes_without(NAME, summed_up(columns, MINUTE_NS), span),
        *at_the_edges(NAME, [] if left is None else [left], span),
    ]
    assert told(rows, lambda row: row.minutes) == listed_buckets([summed_up(left, MINUTE_NS)])
    assert all(row is None or row.series == NAME for row in rows)


@given(columns=readings(), span=spans)
def test_hours_that_are_touched_go_whole(columns: Columns, span: Span) -> None:
    """Where only hours are kept, no readings are left to make one anew."""
    hours = summed_up(columns, HOUR_NS)
    row = hours_without(NAME, hours, span)
    first_ns, end_ns = span.start_ns // HOUR_NS * HOUR_NS, -(-span.end_ns // HOUR_NS) * HOUR_NS
    outside = (hours.starts_ns < first_ns) | (hours.starts_ns >= end_ns)
    wanted = rollups.chosen(hours, np.flatnonzero(outside))
    assert told([row], lambda row: row.hours) == listed_buckets([wanted])


@given(readings())
def test_row_of_hours_covers_all_their_minutes(columns: Columns) -> None:
    """Which minute was the last is known no more: whatever it was, a question finds the row."""
    minutes, row = summed_up(columns, MINUTE_NS), hours_row(NAME, summed_up(columns, HOUR_NS))
    assert row.minutes is None
    assert row.from_ns == minutes.starts_ns[0] // HOUR_NS * HOUR_NS
    assert row.to_ns >= minutes.starts_ns[-1]
    assert row.to_ns < minutes.starts_ns[-1] + HOUR_NS


@given(spans, moments_ns, st.integers(0, HOUR_NS))
def test_span_covers_and_touches(span: Span, from_ns: int, length_ns: int) -> None:
    """With both ends of what is asked for; widened, it touches no bucket that it does not cover."""
    to_ns = from_ns + length_ns
    ends = within_span(np.array([from_ns, to_ns]), span)
    assert span.covers(from_ns, to_ns) == ends.all()
    assert span.touches(from_ns, to_ns) == (ends.any() or from_ns <= span.start_ns <= to_ns)
    widened = span.widened(MINUTE_NS)
    assert widened.start_ns <= span.start_ns < widened.start_ns + MINUTE_NS
    assert widened.end_ns - MINUTE_NS < span.end_ns <= widened.end_ns
    assert widened.start_ns % MINUTE_NS == widened.end_ns % MINUTE_NS == 0


def test_span_may_reach_beyond_all_times() -> None:
    """Neither end has to fit into 64 bits, and widened it is no less."""
    whole = Span(LEAST, MOST + 1).widened(HOUR_NS)
    assert within_span(np.array([LEAST, 0, MOST]), whole).all()

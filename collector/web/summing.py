"""Summaries as JSON, CSV and packed columns: /api/v1/readings with `points` or `every`.

Buckets come from rollups where these are exact, so that minima and maxima are kept: no spike is lost.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from collector.store import Buckets, Key, Reader
from collector.summaries import (
    AGGREGATES,
    Grid,
    bounded,
    cut,
    grid_for,
    grid_of,
    summaries,
)
from collector.web.asked import Span, refused
from collector.web.encoding import MAGIC, Clock, block_head, quoted, split
from collector.web.question import Question

_Columns = Mapping[str, npt.NDArray[Any]]


class _Form(NamedTuple):
    begin: Callable[["Summing"], bytes]
    series: Callable[[Key, Buckets, _Columns, Clock], bytes]
    between: bytes
    end: bytes


class Summing:
    """The summaries of one question: what comes first, what each step gives, what comes last."""

    def __init__(self, wanted: Question, span: Span, grid: Grid) -> None:
        self.span = span
        self.grid = grid
        self.wanted = wanted
        self._form = _FORMS[wanted.form]
        self._between = b""

    def begin(self) -> bytes:
        """Return what comes first."""
        return self._form.begin(self)

    def step(self, reader: Reader, at_ns: int) -> tuple[bytes, int]:
        """Return the next buckets, and where the step after begins."""
        wanted = self.wanted
        to_ns = cut(reader, wanted.pattern, at_ns, self.span.end_ns, self.grid)
        found = summaries(reader, wanted.pattern, at_ns, to_ns, self.grid, wanted.grades)
        written = []
        for key, buckets in found.items():
            columns = columns_of(buckets, wanted.aggregate)
            written += [self._between, self._form.series(key, buckets, columns, wanted.clock)]
            self._between = self._form.between
        return b"".join(written), to_ns

    def end(self) -> bytes:
        """Return what comes last."""
        return self._form.end


def planned(reader: Reader, wanted: Question, zone: tzinfo) -> Summing:
    """Return what sums up what is wanted.

    Raises:
        Refused: there are no such buckets.
    """
    start_ns, end_ns = bounded(reader, wanted.pattern, *wanted.span)
    try:
        if wanted.every_ns is not None:
            grid = grid_of(wanted.every_ns, start_ns, end_ns, zone)
        else:
            grid = grid_for(wanted.points or 0, start_ns, end_ns, zone)
    except ValueError as error:
        raise refused("every" if wanted.every_ns is not None else "points", str(error)) from None
    return Summing(wanted, Span(start_ns, end_ns), grid)


def columns_of(buckets: Buckets, aggregate: str) -> _Columns:
    """Return what is told of buckets, by name: one aggregate, or all of them and what was bad."""
    if aggregate != "all":
        return {"values": AGGREGATES[aggregate](buckets)}
    whole = {"count": buckets.counts, "bad": buckets.bads}
    return whole | {
        name: AGGREGATES[name](buckets) for name in ("min", "max", "mean", "first", "last")
    }


def _json_begin(summing: Summing) -> bytes:
    clock = summing.wanted.clock
    facts = {
        "start": clock.bound(summing.span.start_ns),
        "end": clock.bound(summing.span.end_ns),
        "every_ns": summing.grid.width_ns,
    }
    return orjson.dumps(facts)[:-1] + b',"summaries":['


def _json(key: Key, buckets: Buckets, columns: _Columns, clock: Clock) -> bytes:
    plain = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    return orjson.dumps(
        {"series": key.series, "unit": key.unit, "times": clock.many(buckets.starts_ns), **plain},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _csv_begin(summing: Summing) -> bytes:
    names = {"all": "count,bad,min,max,mean,first,last"}
    wanted = summing.wanted.aggregate
    return f"time,series,unit,{names.get(wanted, wanted)}\n".encode()


def _csv(key: Key, buckets: Buckets, columns: _Columns, clock: Clock) -> bytes:
    of_series = f",{key.series},{quoted(key.unit)},".encode()
    fields = [split(np.ascontiguousarray(column)) for column in columns.values()]
    rows = zip(clock.words(buckets.starts_ns), zip(*fields, strict=True), strict=True)
    lines = (when + of_series + b",".join(row) + b"\n" for when, row in rows)
    return b"".join(lines).replace(b"null", b"")


def _packed(key: Key, buckets: Buckets, columns: _Columns, _clock: Clock) -> bytes:
    head = {"series": key.series, "unit": key.unit, "count": len(buckets.starts_ns)}
    return b"".join(
        (
            block_head(head | {"columns": list(columns)}),
            np.ascontiguousarray(buckets.starts_ns, "<i8").tobytes(),
            *(np.ascontiguousarray(column, "<f8").tobytes() for column in columns.values()),
        )
    )


_FORMS = {
    "json": _Form(_json_begin, _json, b",\n", b"]}\n"),
    "csv": _Form(_csv_begin, _csv, b"", b""),
    "columns": _Form(lambda _: MAGIC, _packed, b"", block_head({"end": True})),
}

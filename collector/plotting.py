"""Charts of buckets in a terminal, or in plain text where there is none: one for each unit.

In each place a line goes through the minimum and the maximum of a bucket, so that no spike is lost; where
a bucket has bad readings alone it is broken.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import groupby
from typing import NamedTuple, TextIO

import numpy as np
import plotille

from collector.store import Buckets, Key, merged
from collector.summaries import AGGREGATES
from collector.times import told

SECOND_NS = 10**9
# More lines than that nobody can tell apart.
MAX_SERIES = 8
_COLOURS = ("green", "yellow", "cyan", "magenta", "blue", "red", "white", "bright_black")
_MARKERS = "ox+*#%@="
# What plotille writes beside the chart: the scale, and the ends of the axes.
_BESIDE, _AROUND = 18, 8
_LEAST_COLUMNS, _LEAST_ROWS, _MOST_ROWS = 20, 6, 20
_EMPTY_DOTS = "\u2800"


class Canvas(NamedTuple):
    """What there is to draw on. Without dots a line is made of letters, one for each series."""

    columns: int
    rows: int
    zone: tzinfo
    is_coloured: bool
    has_dots: bool


class _Line(NamedTuple):
    key: Key
    runs: list[list[tuple[float, float]]]


def canvas_of(stream: TextIO, zone: tzinfo) -> Canvas:
    """Return what fits on a terminal; for a file 80 columns and no colours."""
    columns, rows = shutil.get_terminal_size()
    return Canvas(
        max(columns - _BESIDE, _LEAST_COLUMNS),
        min(max(rows - _AROUND, _LEAST_ROWS), _MOST_ROWS),
        zone,
        stream.isatty() and "NO_COLOR" not in os.environ,
        (stream.encoding or "").lower().replace("-", "") == "utf8",
    )


def charts(
    found: Iterable[tuple[Key, Buckets]], name: str | None, span: tuple[int, int], canvas: Canvas
) -> Iterator[str]:
    """Give the lines of a chart of each unit; `name`: of one aggregate, None: minima and maxima."""
    by_key: dict[Key, list[Buckets]] = {}
    for key, buckets in found:
        by_key.setdefault(key, []).append(buckets)
    by_unit = sorted(by_key, key=lambda key: (key.unit, key.series))
    for unit, keys in groupby(by_unit, key=lambda key: key.unit):
        lines = [_Line(key, _runs(merged(by_key[key]), name)) for key in keys]
        drawn = [line for line in lines if line.runs]
        for line in lines:
            if not line.runs:
                yield f"{line.key.series}: no readings with a value"
        for at in range(0, len(drawn), MAX_SERIES):
            yield from _chart(
                drawn[at : at + MAX_SERIES], "count" if name == "count" else unit, span, canvas
            )


def _runs(buckets: Buckets, name: str | None) -> list[list[tuple[float, float]]]:
    """Return the points to be joined, broken where a bucket has no value: seconds since 1970."""
    names = (name,) if name else ("min", "max")
    columns = [AGGREGATES[each](buckets) for each in names]
    are_there = np.all([np.isfinite(column) for column in columns], axis=0)
    if name != "count":
        are_there &= buckets.counts > 0
    runs: list[list[tuple[float, float]]] = []
    is_joined = False
    for start_ns, is_there, *values in zip(
        buckets.starts_ns.tolist(),
        are_there.tolist(),
        *map(np.ndarray.tolist, columns),
        strict=True,
    ):
        if is_there:
            if not is_joined:
                runs.append([])
            runs[-1] += [
                (start_ns / SECOND_NS, value) for value in _nearest_first(runs[-1], values)
            ]
        is_joined = is_there
    return runs


def _nearest_first(run: list[tuple[float, float]], values: list[float]) -> list[float]:
    """Return a minimum and a maximum, first the one that lies nearer to where the line is."""
    return sorted(set(values), key=lambda value: abs(value - run[-1][1]) if run else 0.0)


def _chart(
    lines: Sequence[_Line], unit: str, span: tuple[int, int], canvas: Canvas
) -> Iterator[str]:
    figure = plotille.Figure()
    figure.width, figure.height = canvas.columns, canvas.rows
    figure.with_colors, figure.color_mode = canvas.is_coloured, "names"
    figure.origin = False
    figure.x_label, figure.y_label = "", unit or "value"
    start_s, end_s = (each_ns / SECOND_NS for each_ns in span)
    firsts = [run[0][0] for line in lines for run in line.runs]
    figure.set_x_limits(min(start_s, *firsts), max(end_s, start_s + 1e-3))
    figure.set_y_limits(*_limits(lines))
    form = _time_form(end_s - start_s)
    figure.x_ticks_fkt = lambda at_s, _: datetime.fromtimestamp(at_s, canvas.zone).strftime(form)
    figure.y_ticks_fkt = lambda value, _: f"{value:10.5g}"
    has_letters = not canvas.has_dots or (len(lines) > 1 and not canvas.is_coloured)
    for number, line in enumerate(lines):
        for run in line.runs:
            times_s, values = zip(*run, strict=True)
            figure.plot(
                times_s,
                values,
                lc=_COLOURS[number] if canvas.is_coloured else None,
                interp="linear" if canvas.has_dots else None,
                marker=_MARKERS[number] if has_letters else None,
            )
    for row in figure.show().splitlines():
        yield row.replace(_EMPTY_DOTS, " ").removesuffix(" ()").rstrip()
    yield f"{told(span[0], canvas.zone)} to {told(span[1], canvas.zone)}"
    for number, line in enumerate(lines):
        mark = _MARKERS[number] if has_letters else "-"
        if canvas.is_coloured:
            mark = plotille.color(mark, fg=_COLOURS[number], mode="names")
        yield f"{mark} {line.key.series} [{line.key.unit}]"
    yield ""


def _limits(lines: Sequence[_Line]) -> tuple[float, float]:
    values = [value for line in lines for run in line.runs for _, value in run]
    least, most = min(values), max(values)
    margin = (most - least) * 0.05 or abs(most) * 0.05 or 1.0
    return least - margin, most + margin


def _time_form(span_s: float) -> str:
    """Return how times are written where nine letters have room."""
    if span_s <= 600:
        return "%H:%M:%S"
    if span_s <= 36 * 3600:
        return "%H:%M"
    return "%m-%d %Hh" if span_s <= 8 * 86_400 else "%m-%d" if span_s <= 366 * 86_400 else "%Y-%m"

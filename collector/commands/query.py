"""telegauge-collector query: the readings of a range of time, or what they come to."""

import argparse
import sys
from collections.abc import Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING

from collector.commands import add_pattern, add_range, open_reader, range_of, settings_of
from service.cli import UsageError
from wire.readings import GRADES

if TYPE_CHECKING:
    from collector.printing import Style
    from collector.query import DatedReading
    from collector.store import Buckets, Key, Reader
    from collector.summaries import Grid

HELP = "print or draw the readings of a range of time, or what they come to"
_DEFAULT_RANGE = "1h"
_AGGREGATES = ("mean", "min", "max", "first", "last", "count")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern, the range, how it is summed up, and the format."""
    add_pattern(parser)
    add_range(parser, _DEFAULT_RANGE)
    parser.add_argument(
        "--points", type=int, metavar="N", help="sum them up to at most so many points a series"
    )
    parser.add_argument(
        "--every", metavar="DURATION", help="sum them up by spans of time, such as 1m, 1h or 1d"
    )
    parser.add_argument(
        "--agg",
        choices=_AGGREGATES,
        help="only this of each span; left out: all of them. Of bad readings only how many is told",
    )
    parser.add_argument(
        "--quality",
        type=_grades,
        metavar="WORDS",
        help=f"only readings of these qualities: {', '.join(GRADES)}, or several with commas. "
        "Summed up, left out: good and suspect ones count, which is quicker than to choose",
    )
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json", "plot"),
        default="table",
        help="json: an object a line; plot: a chart of each unit, at most the minimum and the "
        "maximum of a span in each place, with gaps where readings are bad",
    )
    parser.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )


def run(options: argparse.Namespace) -> int:
    """Print a line a reading or span, series by series in order of time; 1 where there is none."""
    from collector.times import zone_of

    settings = settings_of(options)
    zone = zone_of(settings.time_zone)
    start_ns, end_ns = range_of(options, zone, _DEFAULT_RANGE)
    is_summed_up = bool(options.points is not None or options.every)
    if options.points is not None and options.every:
        raise UsageError("--points and --every: one of them is enough")
    if options.agg and not is_summed_up and options.format != "plot":
        raise UsageError("--agg needs --points or --every: what of what is it to be?")
    with open_reader(settings) as reader:
        question = _Question(reader, options, zone, start_ns, end_ns)
        if options.format == "plot":
            question.draw()
        elif is_summed_up:
            question.print_summaries()
        else:
            question.print_readings()
        return question.told()


class _Question:
    """One question on its way: what was found, and what could not be read."""

    def __init__(
        self,
        reader: "Reader",
        options: argparse.Namespace,
        zone: tzinfo,
        start_ns: int,
        end_ns: int,
    ) -> None:
        self._reader = reader
        self._options = options
        self._zone = zone
        self._range = start_ns, end_ns
        self._described = reader.series(options.pattern)
        self._has_any = False
        self._undecodable = 0

    def print_readings(self) -> None:
        """Print the readings themselves."""
        from collector import printing

        write = printing.FORMATS[self._options.format]
        for line in write(self._readings(), self._style()):
            print(line)

    def print_summaries(self) -> None:
        """Print a line a bucket."""
        from collector import bucket_lines

        write = bucket_lines.FORMATS[self._options.format]
        names = (self._options.agg,) if self._options.agg else _AGGREGATES
        found = self._summaries(*self._grid())
        for line in write(found, names, self._style()):
            print(line)

    def draw(self) -> None:
        """Print a chart of each unit."""
        from collector import plotting

        canvas = plotting.canvas_of(sys.stdout, self._zone)
        start_ns, end_ns, grid = self._grid(canvas.columns)
        found = list(self._summaries(start_ns, end_ns, grid))
        for line in plotting.charts(found, self._options.agg, (start_ns, end_ns), canvas):
            print(line)

    def told(self) -> int:
        """Say what is not there; return the exit code."""
        if self._undecodable:
            print(f"{self._undecodable} batches could not be read", file=sys.stderr)
        if not self._has_any:
            print(self._nothing(), file=sys.stderr)
        return 0 if self._has_any and not self._undecodable else 1

    def _readings(self) -> "Iterator[DatedReading]":
        from collector import query

        for found in query.streamed(self._reader, self._options.pattern, *self._range):
            self._undecodable = max(self._undecodable, found.undecodable)
            for part in found.parts:
                wanted = query.of_grades(part, self._options.quality or frozenset(GRADES))
                self._has_any |= len(wanted.times_ns) > 0
                yield from query.as_readings(wanted)

    def _grid(self, columns: int | None = None) -> "tuple[int, int, Grid]":
        from collector.summaries import bounded, grid_for, grid_of
        from config.quantities import parse_duration

        span = bounded(self._reader, self._options.pattern, *self._range)
        try:
            if self._options.every:
                every_ns = round(parse_duration(self._options.every) * 1e9)
                return *span, grid_of(every_ns, *span, self._zone)
            points = self._options.points if self._options.points is not None else columns
            return *span, grid_for(points or 0, *span, self._zone)
        except ValueError as error:
            raise UsageError(str(error)) from None

    def _summaries(
        self, start_ns: int, end_ns: int, grid: "Grid"
    ) -> "Iterator[tuple[Key, Buckets]]":
        from collector import query
        from collector.summaries import cut, summaries

        def is_small(pattern: str) -> bool:
            return cut(self._reader, pattern, start_ns, end_ns, grid) >= end_ns

        portions = query.portions(self._reader, self._options.pattern, start_ns, end_ns, is_small)
        for portion in portions:
            at_ns = start_ns
            while at_ns < end_ns:
                to_ns = cut(self._reader, portion.pattern, at_ns, end_ns, grid)
                found = summaries(
                    self._reader, portion.pattern, at_ns, to_ns, grid, self._options.quality
                )
                for key, buckets in found.items():
                    if portion.is_wanted(*key):
                        self._has_any = True
                        yield key, buckets
                at_ns = to_ns

    def _style(self) -> "Style":
        from collector.printing import Style

        decimals = {each.name: each.decimals for each in self._described}
        return Style(self._zone, decimals, max(map(len, decimals), default=0))

    def _nothing(self) -> str:
        pattern = self._options.pattern
        some = [each.name for each in self._reader.series()[:3]]
        if self._described or not some:
            return f"no readings of `{pattern}` in this range"
        return f"no series matches `{pattern}`. There are, for example: {', '.join(some)}"


def _grades(text: str) -> frozenset[str]:
    words = text.split(",")
    for word in words:
        if word not in GRADES:
            raise argparse.ArgumentTypeError(
                f"`{word}` is no quality. Accepted: {', '.join(GRADES)}, or several with commas"
            )
    return frozenset(words)

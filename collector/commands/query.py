"""telegauge-collector query: the readings of a range of time."""

import argparse
import sys
import time
from datetime import tzinfo

from collector.commands import add_pattern, open_reader, settings_of
from service.cli import UsageError

HELP = "print the readings of a range of time"
_DEFAULT_RANGE = "1h"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern, the range and the format."""
    add_pattern(parser)
    parser.add_argument(
        "--start",
        metavar="WHEN",
        help="from this instant on: '2026-11-23 12:00', RFC 3339, seconds since 1970, or 24h for that long ago",
    )
    parser.add_argument("--end", metavar="WHEN", help="up to before this instant; left out: no end")
    parser.add_argument(
        "--last", metavar="DURATION", help=f"from this long ago on; the default, {_DEFAULT_RANGE}"
    )
    parser.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="json: an object a line"
    )
    parser.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )


def run(options: argparse.Namespace) -> int:
    """Print a line a reading, series by series in order of time; 1 where there is none."""
    from collector import printing, query
    from collector.times import zone_of

    settings = settings_of(options)
    zone = zone_of(settings.time_zone)
    start_ns, end_ns = _range(options, zone)
    with open_reader(settings) as reader:
        decimals = {each.name: each.decimals for each in reader.series(options.pattern)}
        some = [each.name for each in reader.series()[:3]]
        answer = query.readings(reader, options.pattern, start_ns, end_ns)
    style = printing.Style(
        zone, decimals, max((len(part.series) for part in answer.series), default=0)
    )
    readings = (reading for part in answer.series for reading in query.as_readings(part))
    for line in printing.FORMATS[options.format](readings, style):
        print(line)
    if answer.undecodable_batches:
        print(f"{answer.undecodable_batches} batches could not be read", file=sys.stderr)
    if not answer.series:
        print(_nothing(options.pattern, bool(decimals), some), file=sys.stderr)
    return 0 if answer.series and not answer.undecodable_batches else 1


def _nothing(pattern: str, is_known: bool, some: list[str]) -> str:
    if is_known or not some:
        return f"no readings of `{pattern}` in this range"
    return f"no series matches `{pattern}`. There are, for example: {', '.join(some)}"


def _range(options: argparse.Namespace, zone: tzinfo) -> tuple[int, int]:
    from collector.times import END_OF_TIME_NS, parse_when
    from config.quantities import parse_duration

    if options.last and (options.start or options.end):
        raise UsageError("--last stands alone: it is a range of its own")
    now_ns = time.time_ns()
    try:
        last = options.last or _DEFAULT_RANGE
        start_ns = now_ns - round(parse_duration(last) * 1e9)
        if options.start or options.end:
            start_ns = parse_when(options.start or "0", zone, now_ns)
        end_ns = parse_when(options.end, zone, now_ns) if options.end else END_OF_TIME_NS
    except ValueError as error:
        raise UsageError(str(error)) from None
    if end_ns <= start_ns:
        raise UsageError("the range ends before it begins")
    return start_ns, end_ns

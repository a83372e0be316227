"""telegauge-collector series: what is measured, and the last reading of each."""

import argparse
import sys
from datetime import tzinfo
from math import isnan
from typing import TYPE_CHECKING

from collector.commands import add_pattern, open_reader, settings_of
from service import table
from service.cli import add_json, to_json

if TYPE_CHECKING:
    from collector.query import DatedReading
    from collector.store import SeriesRow

HELP = "list the series that match, with the last reading of each"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern and --json."""
    add_pattern(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print a line a series; 1 where none matches, or what is newest is damaged."""
    from collector.times import zone_of

    settings = settings_of(options)
    with open_reader(settings) as reader:
        series = reader.series(options.pattern)
        last, damaged = reader.latest(options.pattern)
    if options.json:
        print(to_json([_facts(each, last.get(each.name)) for each in series]))
    else:
        zone = zone_of(settings.time_zone)
        heads = ("SERIES", ">LAST", "UNIT", "QUALITY", "AT", ">INTERVAL", "DRIVER", "LABEL")
        rows = [_row(each, last.get(each.name), zone) for each in series]
        print("\n".join(table.lines(heads, rows)))
    if damaged:
        which = ", ".join(sorted(damaged))
        print(
            f"damaged: what is newest of {which} cannot be read. telegauge-collector verify says more",
            file=sys.stderr,
        )
    return 0 if series and not damaged else 1


def _facts(series: "SeriesRow", last: "DatedReading | None") -> dict[str, object]:
    from collector.printing import dating_facts, quality_told

    value = None if last is None or isnan(last.value) else last.value
    return {
        **series._asdict(),
        "last_value": value,
        "last_time_ns": last.time_ns if last else None,
        "last_quality": quality_told(last.quality) if last else None,
        **(
            {f"last_{name}": fact for name, fact in dating_facts(last.dating).items()}
            if last
            else {}
        ),
    }


def _row(series: "SeriesRow", last: "DatedReading | None", zone: tzinfo) -> tuple[str, ...]:
    from collector.printing import quality_told, shown
    from collector.times import told

    at = "-" if last is None else "unknown"
    if last is not None and last.time_ns is not None:
        at = told(last.time_ns, zone)
    return (
        series.name,
        shown(last.value, series.decimals) if last else "-",
        series.unit,
        quality_told(last.quality) if last else "",
        at,
        f"{series.interval_s:g} s",
        series.driver,
        series.label or "",
    )

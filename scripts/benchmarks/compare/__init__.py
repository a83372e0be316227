"""Ours against the servers that people would install instead, on the same data, in the same run."""

import argparse
from pathlib import Path
from typing import Any

from benchmarks.compare import billion, ingest, parties, peers, query, recorded, size, tables
from benchmarks.compare.results import Results

NAME = "compare"
HELP = "the same work with InfluxDB and VictoriaMetrics, as a table of ratios"
_PARTS = {"ingest": ingest, "size": size, "query": query, "billion": billion}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the parts, the parties, and the data."""
    parser.add_argument("parts", nargs="+", choices=_PARTS)
    parser.add_argument("--install", action="store_true", help="Debian's packages that are missing")
    parser.add_argument("--results", type=Path, help="a line of JSON a figure; what is there stays")
    parser.add_argument("--folder", type=Path, help="for the stores; left out: the usual one")
    parser.add_argument("--parties", nargs="+", choices=parties.ALL, default=[*parties.ALL])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readings", type=int, nargs="+", default=[2_000_000, 10_000_000])
    parser.add_argument("--per-batch", type=int, nargs="+", default=[1000, 100, 10])
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--channels", type=int, choices=(1, 10), default=10, help="of a sensor")
    parser.add_argument("--jitter-ms", type=int, default=0, help="of the times, at most")
    parser.add_argument("--grain-us", type=int, default=1000, help="of the jitter")
    parser.add_argument("--share", type=float, default=0.1, help="of the peak, for the latency")
    parser.add_argument("--series", type=int, default=390, help="of the store of a billion")
    parser.add_argument("--days", type=int, default=30, help="at 1 Hz of each of them")
    parser.add_argument("--paced-seconds", type=float, default=5.0, help="0: no latency")


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the parts that are asked for."""
    if options.install:
        peers.install()
        if "size" in options.parts:
            recorded.install()
    results = Results(options.results)
    for part in options.parts:
        _PARTS[part].run(options, results)
    return results.figures


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return the tables."""
    return tables.lines(figures)

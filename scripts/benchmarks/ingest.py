"""Ingest: real collector, real sockets, batches sealed beforehand, until the last acknowledgement."""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load import Sealed, sealed_sessions, send_all
from benchmarks.processes import BIN, collector_config, free_port, program
from benchmarks.rows import rows_per_second

NAME = "ingest"
HELP = "readings/s acknowledged after fsync, and CPU seconds a million"
_ROW_READINGS = 300_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare rounds, readings, sessions and sizes."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readings", type=int, default=10_000_000, help="a round and size")
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--per-batch", type=int, nargs="+", default=[1000, 100, 10])


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure in interleaved rounds; return a figure a round and size."""
    loads = {
        size: sealed_sessions(options.sessions, options.readings, size)
        for size in options.per_batch
    }
    figures = []
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-") as folder:
        for number in range(options.rounds):
            for size, load in loads.items():
                here = Path(folder) / f"{number}-{size}"
                figures.append(_round(here, size, load))
                rows = min(_ROW_READINGS, options.readings)
                rate, cpu_s = rows_per_second(here / "rows", rows, size)
                figures[-1] |= {"rows_readings_s": rate, "rows_cpu_s_per_million": cpu_s}
    return figures


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return the medians, a line a size, with the spread of the rate."""
    text = [
        "| readings a batch | readings/s (min to max) | collector CPU s/M | sender CPU s/M | peak RSS "
        "MB | bytes a reading | one row a reading: readings/s | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in sorted({each["per_batch"] for each in figures}, reverse=True):
        rounds = [each for each in figures if each["per_batch"] == size]
        rates = [each["readings_s"] for each in rounds]
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        ratio = statistics.median(each["readings_s"] / each["rows_readings_s"] for each in rounds)
        text.append(
            f"| {size} | {_short(middle['readings_s'])} ({_short(min(rates))} to "
            f"{_short(max(rates))}) | {middle['cpu_s_per_million']:.3f} | "
            f"{middle['sender_cpu_s_per_million']:.3f} | {middle['peak_rss_mb']:.0f} | "
            f"{middle['bytes_per_reading']:.2f} | {_short(middle['rows_readings_s'])} | {ratio:.0f} |"
        )
    return text


def _round(folder: Path, size: int, load: list[Sealed]) -> dict[str, Any]:
    port = free_port()
    readings = sum(each.readings for each in load)
    with program(BIN / "telegauge-collector", "serve", collector_config(port), folder) as collector:
        cpu_s, own_cpu_s = collector.cpu_s(), time.process_time()
        wall_s = asyncio.run(send_all(port, load))
        cpu_s, own_cpu_s = collector.cpu_s() - cpu_s, time.process_time() - own_cpu_s
        peak_rss_mb = collector.rss_mb("VmHWM")
    return {
        "per_batch": size,
        "readings": readings,
        "readings_s": readings / wall_s,
        "cpu_s_per_million": cpu_s / readings * 1e6,
        "sender_cpu_s_per_million": own_cpu_s / readings * 1e6,
        "peak_rss_mb": peak_rss_mb,
        "bytes_per_reading": (folder / "state" / "telegauge.db").stat().st_size / readings,
    }


def _short(rate: float) -> str:
    return f"{rate / 1e6:.2f} M" if rate >= 1e6 else f"{rate / 1e3:.0f} k"

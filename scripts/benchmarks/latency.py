"""Latency: from a batch's way into the socket to its acknowledgement, at a part of the peak load."""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.load import Sealed, sealed_sessions, send_all, send_paced
from benchmarks.processes import BIN, collector_config, free_port, program

NAME = "latency"
HELP = "how long an acknowledgement takes at a part of the peak load"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare rounds, seconds, sessions, sizes and the part."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="of paced load, a round and size"
    )
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--share", type=float, default=0.1, help="of the peak of the same round")
    parser.add_argument("--peak-readings", type=int, default=5_000_000, help="to find the peak")
    parser.add_argument("--per-batch", type=int, nargs="+", default=[1000, 100, 10])


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Find the peak, then send at a part of it, in interleaved rounds."""
    loads = {
        size: sealed_sessions(options.sessions, options.peak_readings, size)
        for size in options.per_batch
    }
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-") as folder:
        return [
            _round(Path(folder) / f"{number}-{size}", size, load, options)
            for number in range(options.rounds)
            for size, load in loads.items()
        ]


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return the medians of the rounds, a line a size."""
    text = [
        "| readings a batch | load, readings/s | ack p50 ms | p99 ms (min to max) | p99.9 ms |",
        "|---|---|---|---|---|",
    ]
    for size in sorted({each["per_batch"] for each in figures}, reverse=True):
        rounds = [each for each in figures if each["per_batch"] == size]
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        p99_ms = [each["p99_ms"] for each in rounds]
        text.append(
            f"| {size} | {middle['load_readings_s']:,.0f} | {middle['p50_ms']:.1f} | "
            f"{middle['p99_ms']:.1f} ({min(p99_ms):.1f} to {max(p99_ms):.1f}) | "
            f"{middle['p999_ms']:.1f} |"
        )
    return text


def _round(
    folder: Path, size: int, load: list[Sealed], options: argparse.Namespace
) -> dict[str, Any]:
    port = free_port()
    with program(
        BIN / "telegauge-collector", "serve", collector_config(port), folder / "peak"
    ) as _:
        peak_s = asyncio.run(send_all(port, load))
    readings_s = sum(each.readings for each in load) / peak_s * options.share
    wanted = max(options.sessions * size, round(readings_s * options.seconds))
    paced = sealed_sessions(options.sessions, wanted, size)
    every_s = size * options.sessions / readings_s
    port = free_port()
    with program(
        BIN / "telegauge-collector", "serve", collector_config(port), folder / "paced"
    ) as _:
        took_s = sorted(asyncio.run(send_paced(port, paced, every_s)))
    return {
        "per_batch": size,
        "load_readings_s": readings_s,
        "batches": len(took_s),
        "p50_ms": _quantile_ms(took_s, 0.5),
        "p99_ms": _quantile_ms(took_s, 0.99),
        "p999_ms": _quantile_ms(took_s, 0.999),
    }


def _quantile_ms(ordered_s: list[float], share: float) -> float:
    return ordered_s[min(len(ordered_s) - 1, int(share * len(ordered_s)))] * 1000

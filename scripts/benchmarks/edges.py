"""Edges: from a pin that moves to its reading in the collector's store, over loopback."""

import argparse
import random
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from collector.store import Reader
from kit.pinned import DOOR, Pinned, running

NAME = "edges"
HELP = "how long an edge takes from its pin to the collector's store"
_POLL_S = 0.0005


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how many edges, and how often."""
    parser.add_argument("--edges", type=int, default=300, help="a round")
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Drive a pin at random moments, and wait each time until a reader of the store sees it."""
    figures = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="tg-") as folder, running(Path(folder)) as pins:
            figures.append(_figures(sorted(_took_ms(pins, options.edges))))
    return figures


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return one line a round."""
    return [
        "| edges | p50 ms | p99 ms | most ms |",
        "|---|---|---|---|",
        *(
            f"| {each['edges']} | {each['p50_ms']:.1f} | {each['p99_ms']:.1f} | {each['most_ms']:.1f} |"
            for each in figures
        ),
    ]


def _took_ms(pins: Pinned, edges: int) -> list[float]:
    pause = random.Random(1)
    found = []
    with closing(Reader(pins.store)) as reader:
        for number in range(edges):
            time.sleep(pause.uniform(0.05, 0.15))
            seen = reader.last_row_id()
            pins.drive(DOOR, "high" if number % 2 else "low")
            while not _has_door(reader, seen):
                time.sleep(_POLL_S)
            found.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME) - pins.driven_ns()[-1]) / 1e6)
    return found


def _has_door(reader: Reader, seen: int) -> bool:
    """Say whether a row behind one of them holds the door; so small a batch is not deflated."""
    return any(b"door" in row.sealed for row in reader.after(seen))


def _figures(ordered_ms: list[float]) -> dict[str, Any]:
    return {
        "edges": len(ordered_ms),
        "p50_ms": ordered_ms[len(ordered_ms) // 2],
        "p99_ms": ordered_ms[int(0.99 * len(ordered_ms))],
        "most_ms": ordered_ms[-1],
    }

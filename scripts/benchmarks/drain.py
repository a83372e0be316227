"""Drain: a real agent sends a backlog of small batches from its card, through a slow link.

The backlog is made by the spool itself, in the agent's state folder; then the agent starts and finds it.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import BIN, collector_config, free_port, program
from device.clock import Clock, boot_id
from device.settings import SpoolSettings
from device.spool import open_spool
from kit.faultproxy import FaultProxy, Plan, Way
from service import control
from wire.blocks import Point
from wire.bodies import Moment

NAME = "drain"
HELP = "readings/s of an agent that sends a backlog of small batches through a slow link"
_MOVE_EVERY = 2000  # batches; they fit into the tier in memory
_LOOK_EVERY_S = 0.05
_WITHIN_S = 300.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare rounds, the backlog, and the link."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=50_000)
    parser.add_argument("--per-batch", type=int, default=10)
    parser.add_argument("--round-trip-ms", type=float, default=2.0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure in rounds, each with a backlog and a store of its own."""
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-") as folder:
        return [_round(Path(folder) / str(number), options) for number in range(options.rounds)]


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return the medians."""
    middle = {key: statistics.median(each[key] for each in figures) for key in figures[0]}
    rates = [each["readings_s"] for each in figures]
    return [
        "| readings a batch | round trip ms | readings/s (min to max) | agent CPU s/M | agent peak RSS MB |",
        "|---|---|---|---|---|",
        f"| {middle['per_batch']:.0f} | {middle['round_trip_ms']:g} | {middle['readings_s']:,.0f} "
        f"({min(rates):,.0f} to {max(rates):,.0f}) | {middle['cpu_s_per_million']:.1f} | "
        f"{middle['peak_rss_mb']:.0f} |",
    ]


def _round(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    state = folder / "device" / "state"
    state.mkdir(parents=True)
    asyncio.run(_fill(state, folder / "scratch", options.batches, options.per_batch))
    port = free_port()
    one_way_s = options.round_trip_ms / 2000
    plan = Plan(delay_s=dict.fromkeys(Way, one_way_s))
    with (
        program(BIN / "telegauge-collector", "serve", collector_config(port), folder / "collector"),
        FaultProxy(port, lambda _: plan) as proxy,
        program(
            BIN / "telegauge-device", "run", _device_config(proxy.port), folder / "device"
        ) as agent,
    ):
        readings, took_s = _watch(folder / "device" / "run" / "control")
        return {
            "per_batch": options.per_batch,
            "round_trip_ms": options.round_trip_ms,
            "readings": readings,
            "readings_s": readings / took_s,
            "cpu_s_per_million": agent.cpu_s() / readings * 1e6,
            "peak_rss_mb": agent.rss_mb("VmHWM"),
        }


def _device_config(port: int) -> str:
    return (
        f"name: bench\ncollector:\n  address: 127.0.0.1:{port}\nlogs:\n  level: warning\n"
        "sensors:\n  walk: {driver: 'synthetic:walk', interval: 1s}\n"
    )


async def _fill(state: Path, runtime: Path, batches: int, per_batch: int) -> None:
    """Spool a backlog on the card of a device that never met its collector."""
    clock, boot = Clock(), boot_id()
    runtime.mkdir()
    settings = SpoolSettings(max_bytes=2**30)
    spool = await open_spool(settings, runtime, state, lambda: Moment(boot, *clock.pair()))
    for number in range(batches):
        points = [
            Point(f"channel_{each}", "degC", 20.0 + (number + each) % 50 / 10, 0)
            for each in range(per_batch)
        ]
        spool.accept("bench", spool.now().boot_ns, points)
        spool.close_batch()
        if number % _MOVE_EVERY == 0:
            await spool.move()
    spool.end()
    assert await spool.close(60.0), "the card took it all"


def _watch(socket: Path) -> tuple[int, float]:
    """Wait until the backlog is gone; return how many readings that were, and the seconds."""
    until_s = time.monotonic() + _WITHIN_S
    most, began_s = 0, time.monotonic()
    while time.monotonic() < until_s:
        now_s = time.monotonic()
        status = control.ask(socket, "status", 10.0)
        held = int(status["spool"]["held_readings"])
        if held >= most:
            most, began_s = held, now_s
        elif held < most / 1000:
            return most - held, now_s - began_s
        time.sleep(_LOOK_EVERY_S)
    raise RuntimeError(f"{held} readings still wait after {_WITHIN_S:g} s: {status}")

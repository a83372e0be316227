"""Sensors: what an agent costs that reads many, of the kernel's files, once a second each.

The files are plain ones in a memory file system, so the conversion time of real chips is not in it.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.agent import lean_environment
from benchmarks.processes import BIN, collector_config, free_port, program

NAME = "sensors"
HELP = "CPU and memory of an agent with many sensors of the kernel's at 1 Hz"
_SHAPES = ((10, 10), (100, 1))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how long to look, and how often."""
    parser.add_argument("--seconds", type=float, default=60.0, help="a round, after 10 s to settle")
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the agent in an environment without extras against a real collector, and look."""
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-", dir="/dev/shm") as name:
        folder = Path(name)
        lean = lean_environment(folder)
        return [
            _round(folder / f"{number}-{sensors}", lean, sensors, channels, options.seconds)
            for number in range(options.rounds)
            for sensors, channels in _SHAPES
        ]


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return the medians of the rounds, a line a shape."""
    text = [
        "| sensors | channels each | % of a core (min to max) | RSS MB | peak RSS MB | threads |",
        "|---|---|---|---|---|---|",
    ]
    for sensors, channels in _SHAPES:
        rounds = [each for each in figures if each["sensors"] == sensors]
        cpu = [each["cpu_percent"] for each in rounds]
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        text.append(
            f"| {sensors} | {channels} | {middle['cpu_percent']:.2f} ({min(cpu):.2f} to {max(cpu):.2f}) | "
            f"{middle['rss_mb']:.1f} | {middle['peak_rss_mb']:.1f} | {middle['threads']:.0f} |"
        )
    return text


def _round(folder: Path, lean: Path, sensors: int, channels: int, seconds: float) -> dict[str, Any]:
    port = free_port()
    device = f"name: pi\ncollector: {{address: '127.0.0.1:{port}'}}\nsensors:\n" + "".join(
        _sensor(folder / "trees" / str(number), number, channels) for number in range(sensors)
    )
    with (
        program(BIN / "telegauge-collector", "serve", collector_config(port), folder / "collector"),
        program(lean / "telegauge-device", "run", device, folder / "device") as agent,
    ):
        time.sleep(10)
        began_s, cpu_s = time.monotonic(), agent.cpu_s()
        time.sleep(seconds)
        cpu_percent = (agent.cpu_s() - cpu_s) * 100 / (time.monotonic() - began_s)
        return {
            "sensors": sensors,
            "channels": channels,
            "cpu_percent": cpu_percent,
            "rss_mb": agent.rss_mb(),
            "peak_rss_mb": agent.rss_mb("VmHWM"),
            "threads": agent.threads(),
        }


def _sensor(root: Path, number: int, channels: int) -> str:
    """Make a converter's tree as the kernel would, and return its YAML."""
    chip = root / "sys/bus/iio/devices/iio:device0"
    chip.mkdir(parents=True)
    (chip / "name").write_text(f"ads{number}\n")
    for channel in range(channels):
        (chip / f"in_voltage{channel}_raw").write_text(f"{1000 + channel}\n")
        (chip / f"in_voltage{channel}_scale").write_text("0.125\n")
    return f"  s{number}: {{driver: 'iio:ads{number}', options: {{root: {root}}}, interval: 1s}}\n"

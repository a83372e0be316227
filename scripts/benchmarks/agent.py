"""The agent: memory and CPU with ten series at 1 Hz, in an environment of its own without extras."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import BIN, free_port, program

NAME = "agent"
HELP = "memory and CPU of an agent with ten series at 1 Hz, and of `check`"
_ROOT = Path(__file__).parents[2]
_SENSORS = """
sensors:
  door: {driver: 'gpiozero:DigitalInputDevice', options: {pin: 17, pull_up: true}, interval: 1s}
  host:
    driver: host
    interval: 1s
    channels: {load_1m: {}, load_5m: {}, load_15m: {}, cpu_used: {}, memory_used: {},
               memory_available: {}, disk_used: {}, disk_free: {}, uptime: {}}
"""
_PLAIN = "sensors:\n  host: {driver: host}\n"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how long to look, and how often."""
    parser.add_argument("--seconds", type=float, default=60.0, help="a round, after 10 s to settle")
    parser.add_argument("--rounds", type=int, default=5)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Install the project without extras, run it against a real collector, and look."""
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-") as name:
        folder = Path(name)
        lean = lean_environment(folder)
        return [
            _round(folder / str(number), lean, options.seconds) for number in range(options.rounds)
        ]


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return one line a round."""
    return [
        "| RSS MB | peak RSS MB | CPU ms a second | `check` CPU s |",
        "|---|---|---|---|",
        *(
            f"| {each['rss_mb']:.1f} | {each['peak_rss_mb']:.1f} | {each['cpu_ms_per_s']:.2f} | "
            f"{each['check_cpu_s']:.3f} |"
            for each in figures
        ),
    ]


def lean_environment(folder: Path) -> Path:
    """Install the project without extras into a new environment; return where its programs are."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", _ROOT], check=True, stdin=subprocess.DEVNULL
    )
    return python.parent


def _round(folder: Path, lean: Path, seconds: float) -> dict[str, Any]:
    port = free_port()
    listen = f"devices:\n  listen: 127.0.0.1:{port}\n"
    device = f"collector:\n  address: 127.0.0.1:{port}\n{_SENSORS}"
    with (
        program(BIN / "telegauge-collector", "serve", listen, folder / "collector"),
        program(
            lean / "telegauge-device", "run", device, folder / "device", GPIOZERO_PIN_FACTORY="mock"
        ) as agent,
    ):
        time.sleep(10)
        began_s, cpu_s = time.monotonic(), agent.cpu_s()
        time.sleep(seconds)
        cpu_ms_per_s = (agent.cpu_s() - cpu_s) * 1e3 / (time.monotonic() - began_s)
        figures = {
            "rss_mb": agent.rss_mb(),
            "peak_rss_mb": agent.rss_mb("VmHWM"),
            "cpu_ms_per_s": cpu_ms_per_s,
        }
    return figures | {"check_cpu_s": _check_cpu_s(lean, folder / "plain.yaml")}


def _check_cpu_s(lean: Path, file: Path) -> float:
    file.write_text(_PLAIN)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [lean / "telegauge-device", "check", "-c", file],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

"""Arm: the packages of arm64, emulated, against those of amd64: start-up and memory on one machine.

A figure of emulated memory counts the pages of the program alone: those of its own mappings, without
the emulator's and without what that has translated.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.processes import Measured
from kit import chroots
from kit.chroots import Chroot, Installed

NAME = "arm"
HELP = "start-up and memory of the arm64 packages under qemu-user, against amd64 (root)"
_ARCHITECTURES = ("amd64", "arm64")
_COLLECTOR = "devices:\n  listen: 127.0.0.1:8888\nlogs:\n  level: warning\n"
_DEVICE = "logs:\n  level: warning\nsensors:\n  host: {driver: host, interval: 1s}\n"
# qemu-user puts an arm64 program at 0x5500000000 and what follows; itself it lies far above.
_EMULATOR_FROM = 2**40
_ROWS = {
    "device_version_cpu_s": "`telegauge-device --version`, CPU s",
    "device_check_cpu_s": "`telegauge-device check`, CPU s",
    "device_start_cpu_s": "agent, until it answers, CPU s",
    "device_rss_mb": "agent, resident memory, MB",
    "device_process_mb": "agent, with the emulator, MB",
    "collector_version_cpu_s": "`telegauge-collector --version`, CPU s",
    "collector_check_cpu_s": "`telegauge-collector check`, CPU s",
    "collector_start_cpu_s": "collector, until it answers, CPU s",
    "collector_rss_mb": "collector, resident memory, MB",
    "collector_process_mb": "collector, with the emulator, MB",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the Debian, rounds, and how long the programs run before their memory is looked at."""
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Install each architecture once, then measure in turn."""
    for architecture in _ARCHITECTURES:
        if reason := chroots.why_not(options.suite, architecture):
            sys.exit(f"scripts/bench arm: {reason}")
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-") as folder, ExitStack() as stack:
        made = {
            each: stack.enter_context(chroots.chroot(options.suite, each, Path(folder, each)))
            for each in _ARCHITECTURES
        }
        return [
            {"architecture": each, **_round(debian, f"round-{number}", options.seconds)}
            for number in range(options.rounds)
            for each, debian in made.items()
        ]


def lines(figures: list[dict[str, Any]]) -> list[str]:
    """Return the medians, a line a figure, and their ratio."""
    middle = {
        (architecture, key): statistics.median(
            each[key] for each in figures if each["architecture"] == architecture
        )
        for architecture in _ARCHITECTURES
        for key in _ROWS
    }
    rows = [(title, middle["amd64", key], middle["arm64", key]) for key, title in _ROWS.items()]
    return [
        "| | amd64 | arm64, emulated | ratio |",
        "|---|---|---|---|",
        *(f"| {title} | {amd:.3g} | {arm:.3g} | {arm / amd:.2g} |" for title, amd, arm in rows),
    ]


def _round(debian: Chroot, name: str, seconds: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    for part in ("device", "collector"):
        for verb in ("--version", "check"):
            figures[f"{part}_{verb.strip('-')}_cpu_s"] = _cpu_s(debian, f"telegauge-{part}", verb)
    folder = debian.shared / name
    programs = {
        "collector": Installed(debian, "collector", "serve", folder / "collector", _COLLECTOR),
        "device": Installed(debian, "device", "run", folder / "device", _DEVICE),
    }
    try:
        for part, program in programs.items():
            program.start()
            figures[f"{part}_start_cpu_s"] = Measured(program.pid).cpu_s()
        time.sleep(seconds)
        for part, program in programs.items():
            figures[f"{part}_process_mb"] = Measured(program.pid).rss_mb()
            figures[f"{part}_rss_mb"] = _own_mb(program.pid)
    finally:
        for program in reversed(programs.values()):
            program.end()
    return figures


def _cpu_s(debian: Chroot, *command: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    debian.run(*command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _own_mb(pid: int) -> float:
    """Return what is resident of a program, in MB (10^6), without the emulator that runs it."""
    is_emulated = Path(f"/proc/{pid}/exe").readlink().name.startswith("qemu")
    below = _EMULATOR_FROM if is_emulated else 2**64
    own_kib, is_own = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *rest = line.split()
        if name == "Rss:":
            own_kib += is_own * int(rest[0])
        elif not name.endswith(":"):
            is_own = int(name.partition("-")[0], 16) < below
    return own_kib * 1024 / 1e6

"""A collector that takes TLS and keys alone, the devices that were let in, and strangers at its door."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from collector import trust_file
from collector.certificate import own_certificate
from collector.trust import Trust
from kit import programs
from kit.crowd import Plan
from kit.keys import joined
from kit.programs import ROOT, Program


class House:
    """A collector that takes TLS and keys alone, and devices that were let in."""

    def __init__(self, folder: Path, devices: list[str]) -> None:
        self.port = programs.free_port()
        self.collector = programs.collector(folder / "collector", self.port, plain=False)
        state = self.collector.state
        self.fingerprint = own_certificate(state, {}).fingerprint
        with closing(Trust(state / trust_file.FILE_NAME)) as trust:
            self.credentials = [
                joined(trust, self.fingerprint, name, self.port) for name in devices
            ]

    def crowd(self, plan: Plan) -> "subprocess.Popen[str]":
        """Let strangers try, in a process of their own."""
        return subprocess.Popen(
            [sys.executable, "-m", "kit.crowd", msgspec.json.encode(plan).decode()],
            env=self.collector.environment | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def most_kib(self) -> int:
        """How much memory the collector has had at most."""
        return memory_kib(self.collector, "VmHWM")


def memory_kib(program: Program, what: str) -> int:
    """A line of /proc/PID/status (proc(5))."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(what)))


@contextmanager
def house(folder: Path, devices: list[str]) -> Iterator[House]:
    """A house whose collector runs, and leaves no process behind."""
    made = House(folder, devices)
    made.collector.start()
    try:
        yield made
    finally:
        made.collector.end()

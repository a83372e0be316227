"""Real programs under measurement: started with their own folders, read through /proc."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service import control

BIN = Path(sys.executable).parent
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Measured:
    """A running program. CPU is user and system of all its threads, from proc(5)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._proc = Path(f"/proc/{pid}")

    def cpu_s(self) -> float:
        """Return CPU seconds so far, to the scheduler's nanosecond where it tells."""
        try:
            tasks = (self._proc / "task").iterdir()
            return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
        except OSError:
            fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list((self._proc / "task").iterdir()))

    def rss_mb(self, which: str = "VmRSS") -> float:
        """Return resident memory in MB (10^6); `VmHWM` is the peak."""
        for line in (self._proc / "status").read_text().splitlines():
            if line.startswith(which):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0


@contextmanager
def program(
    binary: Path, verb: str, config: str, folder: Path, **environment: str
) -> Iterator[Measured]:
    """Run a program with its YAML until the block ends."""
    state, runtime, file = folder / "state", folder / "run", folder / "config.yaml"
    for each in (state, runtime):
        each.mkdir(parents=True, exist_ok=True)
    file.write_text(config)
    places = {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(runtime)}
    process = subprocess.Popen(
        [binary, verb, "-c", file],
        env=os.environ | places | environment,
        stderr=(folder / "log").open("wb"),
    )
    try:
        _wait_until_running(process, runtime, folder / "log")
        yield Measured(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def collector_config(port: int) -> str:
    """Return the YAML of a collector that says little and listens on a port."""
    return f"devices:\n  listen: 127.0.0.1:{port}\nlogs:\n  level: warning\n"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_running(process: "subprocess.Popen[bytes]", runtime: Path, log: Path) -> None:
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s and process.poll() is None:
        try:
            control.ask(runtime / "control", "status", 1.0)
            return
        except control.ControlError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args} did not start: {log.read_text()}")

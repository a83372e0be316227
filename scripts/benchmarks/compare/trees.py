"""A running program with all its child processes: CPU and memory, through /proc and its clocks."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_SAMPLED_EVERY_S = 0.02
_QUIET_SHARE = 0.03  # of one core; Go's runtime and its timers never rest wholly
_QUIET_FOR_S = 2.0


class Tree:
    """A process and what it started. CPU is user and system, of ended threads and children too."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak_rss_mb = 0.0

    def cpu_s(self) -> float:
        """Return CPU seconds so far."""
        return sum(map(_cpu_s, self._pids()))

    def rss_mb(self) -> float:
        """Return resident memory in MB (10^6), shared pages once for each process that has them."""
        return sum(map(_rss_bytes, self._pids())) / 1e6

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Keep `peak_rss_mb` while the block runs."""
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(over,))
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()
            self.peak_rss_mb = max(self.peak_rss_mb, _peak_rss_bytes(self.pid) / 1e6)

    def wait_until_quiet(self, within_s: float = 120.0) -> bool:
        """Wait until it has done next to nothing for a while; say whether it came to that."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            before_s = self.cpu_s()
            time.sleep(_QUIET_FOR_S)
            if self.cpu_s() - before_s < _QUIET_SHARE * _QUIET_FOR_S:
                return True
        return False

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_SAMPLED_EVERY_S):
            self.peak_rss_mb = max(self.peak_rss_mb, self.rss_mb())

    def _pids(self) -> list[int]:
        found = [self.pid]
        for pid in found:  # it grows while it is walked
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found


def load_average() -> float:
    """Return how busy the machine was in the last minute."""
    return os.getloadavg()[0]


def _cpu_s(pid: int) -> float:
    """Return what the kernel's clock of a process says, and its waited-for children."""
    try:
        own_s = time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of pid: clock_getcpuclockid(3)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return own_s + (int(fields[13]) + int(fields[14])) / _TICKS_A_SECOND


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def _peak_rss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0

"""A Pi without a clock: the real agent under libfaketime, in boots of its own, with a kernel that says
of its clock what a test wants.

The wall clock comes from libfaketime, whose offset can be changed while the agent runs. What the
kernel says of it (adjtimex) is what strace lets it return. Another boot is a mount namespace with another
boot id, and a time namespace in which CLOCK_BOOTTIME counts from somewhere else.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from collector import query
from collector.clock import Dating
from collector.store import Reader
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS
from kit import oracle, rigs
from kit.programs import boottime_ns
from kit.waiting import wait_until

SECOND_NS = 10**9
_LIBRARIES = "/usr/lib/*/faketime/libfaketimeMT.so.1"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_STRACE = "strace -I1 -qq -o /dev/null -e trace=adjtimex,clock_adjtime"
_TIME_OK, _TIME_ERROR = 0, 5


def skip_unless_possible() -> Path:
    """Return where libfaketime is; skip where clocks cannot be faked, and say why."""
    found = sorted(Path("/").glob(_LIBRARIES.lstrip("/")))
    if not found:
        pytest.skip("no libfaketime: apt install faketime")
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    probe = ["unshare", "--mount", "--time", "--boottime", "1", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False).returncode:
        pytest.skip("no namespaces of mounts and times: they need root")
    traced = subprocess.run([*_STRACE.split(), "-D", "true"], check=False, capture_output=True)
    if traced.returncode:
        pytest.skip(f"strace may not trace here: {traced.stderr.decode().strip()}")
    return found[0]


class Boot(NamedTuple):
    """One boot: its numbers in the ledger, from `first` on, and what turns its times into UTC."""

    first: int
    offset_ns: int


class Stored(NamedTuple):
    """One reading of the store: its number, its time (None: unknown), and how that is known."""

    number: int
    time_ns: int | None
    dating: Dating


class ClocklessPi:
    """A rig whose agent boots again and again, with any clock; `boots` are those that were.

    Whoever asks what is stored stops both programs first.
    """

    def __init__(self, rig: rigs.Rig, library: Path, folder: Path) -> None:
        self.rig = rig
        self.boots: list[Boot] = []
        self._folder = folder
        self._ends_ns: list[int] = []
        self._over_ns = 0
        self._pids: set[str] = set()
        self._tracers: list[subprocess.Popen[bytes]] = []
        self._shift = folder / "shift"
        rig.device.environment = rig.device.environment | {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._shift),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def boot(self, shift_s: int, *, synchronised: bool = False) -> None:
        """Boot, with a wall clock so far from the right one: CLOCK_BOOTTIME begins anew."""
        number = len(self.boots) + 1
        # Whole seconds are all that unshare takes: none in which the former boot was not over.
        wait_until(lambda: boottime_ns() // SECOND_NS > self._over_ns // SECOND_NS)
        up_s = boottime_ns() // SECOND_NS
        offset_ns = time.time_ns() - boottime_ns() + up_s * SECOND_NS
        self.boots.append(Boot(oracle.reads(self.rig.ledger) + 1, offset_ns))
        boot_id = self._folder / f"boot_id_{number}"
        boot_id.write_text(f"{uuid4()}\n")
        enter = f'mount --bind {boot_id} {_BOOT_ID} && exec "$@"'
        self.set_clock(shift_s)
        self.rig.device.prefix = [
            "unshare", "--mount", "--time", "--boottime", str(-up_s),
            "sh", "-c", enter, "sh", *_STRACE.split(), "-f", "--seccomp-bpf", "-D", *_says(synchronised),
        ]  # fmt: skip
        self.rig.device.start()
        self._pids.add(str(self.rig.device.pid))

    def set_clock(self, shift_s: int) -> None:
        """Let the wall clock be so far from the right one, from now on."""
        part = self._shift.with_suffix(".part")
        part.write_text(f"{shift_s:+d}")
        part.rename(self._shift)

    def synchronise(self) -> None:
        """Let the clock be right, and then the kernel say so."""
        self.set_clock(0)
        tracer = _tracer_of(self.rig.device.pid)
        os.kill(tracer, signal.SIGTERM)
        wait_until(lambda: _tracer_of(self.rig.device.pid) == 0)
        command = [*_STRACE.split(), *_says(True), "-p", str(self.rig.device.pid)]
        self._tracers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        wait_until(lambda: _tracer_of(self.rig.device.pid) != 0)

    def power_off(self) -> None:
        """Stop the agent, and lose what is not on the card."""
        assert self.rig.device.stop() == 0, self.rig.device.said()
        self._over_ns = boottime_ns()
        shutil.rmtree(self.rig.device.runtime)
        self.rig.device.runtime.mkdir()
        self._ends_ns += [each.given_ns for each in oracle.given(self.rig.ledger).values()][-1:]

    def stop(self) -> None:
        """Stop both, once all has come that is there, and hold everything against the ledger."""
        self.power_off()
        assert self.rig.collector.stop() == 0, self.rig.collector.said()
        verdict = oracle.judge(
            self.rig.ledger, self.rig.collector.state, rigs.SENSOR, self._ends_ns
        )
        assert verdict.clean, verdict
        assert verdict.unsure <= 3 * len(self.boots), verdict
        numbers = [each.number for each in self.stored()]
        assert sorted(numbers) == sorted(set(numbers))

    def leave(self) -> None:
        """Wait for what has traced the agents that are gone."""
        for tracer in self._tracers:
            tracer.wait(10)
        for left in Path("/dev/shm").glob("*faketime_*"):
            if left.name.rpartition("_")[2] in self._pids:
                left.unlink()

    def stored(self, boot: int | None = None) -> list[Stored]:
        """What the store has, of one boot (counted from 1) or all, as a query gives it."""
        reader = Reader(self.rig.collector.state / FILE_NAME)
        try:
            answer = reader.range(f"*/{rigs.SENSOR}.*", -END_OF_TIME_NS, END_OF_TIME_NS)
        finally:
            reader.close()
        (part,) = answer.parts
        found = [
            Stored(int(each.value), each.time_ns, each.dating) for each in query.as_readings(part)
        ]
        if boot is None:
            return found
        ends = [each.first for each in self.boots] + [len(oracle.given(self.rig.ledger)) + 1]
        return [each for each in found if ends[boot - 1] <= each.number < ends[boot]]

    def errors_s(self, boot: int) -> list[float]:
        """How far the times of a boot are from the truth, in seconds."""
        given = oracle.given(self.rig.ledger)
        offset_ns = self.boots[boot - 1].offset_ns
        found = self.stored(boot)
        assert found
        return [
            (each.time_ns - given[each.number].given_ns - offset_ns) / 1e9
            for each in found
            if each.time_ns is not None
        ]

    def truth_ns(self, number: int, boot: int) -> int:
        """When a reading was really given (UTC)."""
        return oracle.given(self.rig.ledger)[number].given_ns + self.boots[boot - 1].offset_ns


@contextmanager
def clockless_pi(folder: Path) -> Iterator[ClocklessPi]:
    """A rig without a clock, that leaves no process behind."""
    library = skip_unless_possible()
    with rigs.rig(folder, channels=1) as rig:
        pi = ClocklessPi(rig, library, folder)
        yield pi
    pi.leave()


def _says(synchronised: bool) -> list[str]:
    state = _TIME_OK if synchronised else _TIME_ERROR
    return ["-e", f"inject=adjtimex,clock_adjtime:retval={state}"]


def _tracer_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0

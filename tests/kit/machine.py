"""A whole machine: a kernel of its own as a process (User-Mode Linux), a disk, and systemd.

For what a container cannot show: limits on memory and tasks, devices, pins, time, a power cut.
`tests/system/machine/` makes its kernel and its disk.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from kit.programs import ROOT
from kit.waiting import wait_until

MACHINE = ROOT / "tests" / "system" / "machine"
# Some 15 s where nothing else runs.
JOB_WITHIN_S = 180.0
_SAID_LAST = 6000
_HEAD = "set -eEuo pipefail; trap 'journalctl --no-pager -n 40' ERR"
_M = TypeVar("_M", bound="Machine")


def made(what: str) -> Path:
    """The path that a script of `tests/system/machine` prints: `kernel` or `image`."""
    printed = subprocess.run([MACHINE / what], check=True, stdout=subprocess.PIPE, text=True)
    return Path(printed.stdout.strip())


class Machine:
    """One machine. `folder` gets its disk, a copy of `disk`, and what it says.

    Attributes:
        disk: may be copied while the machine is off.
        exchange: the folder that is `/exchange` in the machine. What is written there is written at
            once, whatever becomes of the machine.
    """

    def __init__(self, folder: Path, disk: Path) -> None:
        self.folder, self.disk, self.exchange = folder, folder / "disk", folder / "exchange"
        self.console = folder / "console"
        self.exchange.mkdir(parents=True)
        subprocess.run(["cp", "--sparse=always", disk, self.disk], check=True)
        self._kernel = made("kernel")
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: subprocess.Popen[bytes] | None = None

    def boot(self, *arguments: str) -> None:
        """Switch it on. `arguments` are for the kernel."""
        for name in ("job", "code"):
            (self.exchange / name).unlink(missing_ok=True)
        # Through a pipe: the kernel waits for events of its console, and a file has none.
        with self.console.open("ab") as console:
            self._writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=console)
        assert self._writer.stdin is not None
        with self._writer.stdin as console_pipe:
            self._process = subprocess.Popen(
                [
                    self._kernel, "mem=1G", f"uml_dir={self.folder}", "umid=machine",
                    f"ubd0={self.disk}", "root=/dev/ubda", "rw", f"hostfs={self.exchange}",
                    "con=null", "con0=null,fd:1", "console=tty0", "TERM=dumb", *arguments,
                ],
                # Its memory is a file there.
                env=os.environ | {"TMPDIR": "/dev/shm"},
                stdin=subprocess.DEVNULL,
                stdout=console_pipe,
                stderr=console_pipe,
                start_new_session=True,
            )  # fmt: skip

    def run(self, script: str, timeout_s: float = JOB_WITHIN_S) -> str:
        """Run a script of bash in it, as root, and return what it says. A failure fails the test."""
        said, code = self.exchange / "said", self.exchange / "code"
        self._hand_over(script)
        with suppress(AssertionError):
            wait_until(lambda: code.exists() or self._is_off(), timeout_s)
        assert code.exists(), f"no end of:\n{script}\n{self._last()}"
        text = said.read_text()
        assert int(code.read_text()) == 0, f"{script}\n{text[-_SAID_LAST:]}"
        return text

    def power_off(self) -> None:
        """Shut it down, as a user would."""
        self._hand_over("systemctl poweroff")
        wait_until(self._is_off, JOB_WITHIN_S)
        self.cut_power()

    def cut_power(self) -> None:
        """End it at once: what the kernel has not given to the disk is lost."""
        if self._process is not None and self._writer is not None:
            # Each program in it is a process of its session, which outlives the kernel's.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._writer.wait()
            self._process = self._writer = None

    def _hand_over(self, script: str) -> None:
        (self.exchange / "code").unlink(missing_ok=True)
        job = self.exchange / "job.new"
        job.write_text(f"{_HEAD}\n{script}\n")
        job.rename(self.exchange / "job")

    def _last(self) -> str:
        """The last that it has said, for somebody who wonders why."""
        files = (self.exchange / "said", self.console)
        return "\n".join(each.read_text()[-_SAID_LAST:] for each in files if each.exists())

    def _is_off(self) -> bool:
        return self._process is None or self._process.poll() is not None


@contextmanager
def running(machine: _M) -> Iterator[_M]:
    """Leave no process and no disk behind."""
    try:
        yield machine
    finally:
        machine.cut_power()
        machine.disk.unlink()

"""The real programs as processes: started as systemd would start them, stopped, killed, asked."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.lan import Host
from kit.waiting import wait_until
from service import control

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 30.0
STOP_WITHIN_S = 30.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def boottime_ns() -> int:
    """CLOCK_BOOTTIME now."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Program:
    """`telegauge-device` or `telegauge-collector` with its folders and its YAML under one folder.

    It may be started again after it has ended, on the same folders.

    Args:
        environment: what it is told beside its folders, such as TELEGAUGE_CRASH_AT; may be changed
            between two starts through the attribute of that name.
        prefix: what stands before the command, such as `disks.strace_inject(...)`. What it starts
            must have its process id; may be changed likewise.
        state, runtime: its folders, where they are not to lie under `folder`.
        host: on which of `kit.lan` it and its commands run; None: here.

    Attributes:
        ends_ns: when it was stopped, killed or found dead, each time (CLOCK_BOOTTIME): what the
            oracle wants to know of an agent.
        exit_code: of the last run; negative: the signal that killed it.
    """

    def __init__(
        self,
        package: str,
        verb: str,
        folder: Path,
        config: str,
        *,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        state: Path | None = None,
        runtime: Path | None = None,
        host: Host | None = None,
    ) -> None:
        self.folder = folder
        self.state, self.runtime = state or folder / "state", runtime or folder / "run"
        self.config = folder / "config.yaml"
        self.log = folder / "log"
        for each in (folder, self.state, self.runtime):
            each.mkdir(parents=True, exist_ok=True)
        self.config.write_text(config)
        self.environment = os.environ | {
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        }
        self.prefix = list(prefix)
        self.ends_ns: list[int] = []
        self.exit_code: int | None = None
        self._command = [*(host.prefix if host else ()), sys.executable, "-m", package]
        self._verb = verb
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait for its first answer."""
        assert self.try_start(), f"did not start:\n{self.said()}"

    def try_start(self) -> bool:
        """Start it and wait for its first answer; say whether that came before it died."""
        self.exit_code = None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix, *self._command, self._verb, "-c", str(self.config)],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.is_dead() or self._answers(), START_WITHIN_S)
        return not self.is_dead()

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.ends_ns.append(boottime_ns())
        self._signal(signal.SIGTERM)
        return self._reap()

    def kill(self) -> int:
        """SIGKILL: no code of ours runs any more. Return when it was sent, CLOCK_BOOTTIME."""
        self.ends_ns.append(boottime_ns())
        self._signal(signal.SIGKILL)
        self._reap()
        return self.ends_ns[-1]

    def wait_dead(self, timeout_s: float = STOP_WITHIN_S) -> int:
        """Wait until it has died by itself; return when that was seen, CLOCK_BOOTTIME."""
        wait_until(self.is_dead, timeout_s)
        self.ends_ns.append(boottime_ns())
        self._reap()
        return self.ends_ns[-1]

    def end(self) -> None:
        """Whatever happened, leave no process behind."""
        if not self.is_dead():
            self.kill()

    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self._process is None or self._process.poll() is not None

    def ask(self, name: str) -> Any:
        """Ask the running program."""
        return control.ask(self.runtime / "control", name, 10.0)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of the same program, as a user would."""
        verb, *rest = arguments
        return subprocess.run(
            [*self._command, verb, "-c", str(self.config), *rest],
            check=False,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def said(self) -> str:
        """Everything it has logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _reap(self) -> int:
        assert self._process is not None
        self.exit_code = self._process.wait(STOP_WITHIN_S)
        return self.exit_code

    def _answers(self) -> bool:
        try:
            self.ask("status")
        except control.ControlError:
            return False
        return True


def collector(
    folder: Path,
    port: int,
    more: str = "",
    min_free: str = "1MiB",
    *,
    plain: bool = True,
    web_port: int | None = None,
    package: str = "collector",
    **where: Any,
) -> Program:
    """A collector on a port of its own; `more` is YAML, `where` is for Program.

    Without `plain` it takes TLS and keys alone, also from this machine; without `web_port` it serves
    nothing over HTTP. `package` is what is run.
    """
    devices = f"devices:\n  listen: 127.0.0.1:{port}\n  plain_on_loopback: {str(plain).lower()}\n"
    web = f"listen: 127.0.0.1:{web_port}" if web_port else "enabled: false"
    config = f"{devices}web:\n  {web}\nstore:\n  min_free: {min_free}\n{more}"
    return Program(package, "serve", folder, config, **where)


def device(folder: Path, port: int, sensors: str, more: str = "", **where: Any) -> Program:
    """An agent that sends to a port; `sensors` is YAML below `sensors:`, `where` is for Program."""
    address = f"name: pi\ncollector:\n  address: 127.0.0.1:{port}\n"
    return Program("device", "run", folder, f"{address}{more}sensors:\n{sensors}", **where)

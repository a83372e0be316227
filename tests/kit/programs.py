"""The real programs as processes: started as systemd would start them, stopped, killed, asked."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

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


class Program:
    """`telegauge-device` or `telegauge-collector` with its folders and its YAML under one folder.

    It may be started again after it has ended, on the same folders.
    """

    def __init__(self, package: str, verb: str, folder: Path, config: str) -> None:
        self.folder = folder
        self.state, self.runtime = folder / "state", folder / "run"
        self.config = folder / "config.yaml"
        self.log = folder / "log"
        for each in (self.state, self.runtime):
            each.mkdir(parents=True, exist_ok=True)
        self.config.write_text(config)
        self.environment = os.environ | {
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "PYTHONPATH": str(ROOT),
        }
        self._command = [sys.executable, "-m", package]
        self._verb = verb
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait for its first answer."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, self._verb, "-c", str(self.config)],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.is_dead() or self._answers(), START_WITHIN_S)
        assert not self.is_dead(), f"did not start:\n{self.said()}"

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL: no code of ours runs any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_WITHIN_S)

    def end(self) -> None:
        """Whatever happened, leave no process behind."""
        if self._process is not None and not self.is_dead():
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

    def _answers(self) -> bool:
        try:
            self.ask("status")
        except control.ControlError:
            return False
        return True


def collector(folder: Path, port: int) -> Program:
    """A collector on a port of its own."""
    return Program("collector", "serve", folder, f"devices:\n  listen: 127.0.0.1:{port}\n")


def device(folder: Path, port: int, sensors: str, more: str = "") -> Program:
    """An agent that sends to a port; `sensors` is YAML below `sensors:`."""
    address = f"name: pi\ncollector:\n  address: 127.0.0.1:{port}\n"
    return Program("device", "run", folder, f"{address}{more}sensors:\n{sensors}")

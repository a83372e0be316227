"""The service manager's end of sd_notify(3): a socket as systemd has one, and what came to it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.programs import Program


class Manager:
    """What programs told; the watchdog's own words are left out of `told`, and counted."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver
        self._told: list[str] = []
        self._watchdogs = 0

    @property
    def told(self) -> list[str]:
        """Every message so far, its assignments on lines."""
        self._receive()
        return self._told

    @property
    def watchdogs(self) -> int:
        """How often the watchdog was fed."""
        self._receive()
        return self._watchdogs

    @property
    def status(self) -> str:
        """What `systemctl status` would show now."""
        lines = [line for each in self.told for line in each.split("\n")]
        said = [line.partition("=")[2] for line in lines if line.startswith("STATUS=")]
        return said[-1] if said else ""

    @property
    def states(self) -> list[str]:
        """The messages that change the state of a unit: READY=1, RELOADING=1, STOPPING=1."""
        firsts = [each.partition("\n")[0] for each in self.told]
        return [first for first in firsts if not first.startswith("STATUS=")]

    def _receive(self) -> None:
        while True:
            try:
                message = self._receiver.recv(4096).decode()
            except BlockingIOError:
                return
            if message == "WATCHDOG=1":
                self._watchdogs += 1
            else:
                self._told.append(message)


@contextmanager
def manager(path: Path, *programs: Program) -> Iterator[Manager]:
    """A manager that listens on a path, and is told by the programs that are started from now on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.setblocking(False)
        receiver.bind(str(path))
        for program in programs:
            program.environment["NOTIFY_SOCKET"] = str(path)
        yield Manager(receiver)

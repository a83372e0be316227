"""Telling systemd how it goes: the datagrams of sd_notify(3).

It knows what may be said, not when. Outside of systemd it says nothing, and a message that cannot
be sent is lost without a word: systemd notices by itself what matters.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping

# A datagram waits for systemd this long at most; the event loop waits with it.
_SEND_S = 0.5
# `systemctl status` is never older than this.
_TELL_EVERY_S = 10.0
# A person reads it in one or two lines of a terminal.
STATUS_CHARACTERS = 300


class Notifier:
    """The way to the service manager that `environ` names.

    `watchdog_interval_s` is how often `watchdog` is to be called: half of the unit's WatchdogSec,
    as sd_watchdog_enabled(3) recommends; None where nobody waits for it. `tell_every_s` is how often
    that and how the program stands are to be told together.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval_s = _watchdog_interval_s(environ)
        self.tell_every_s = min(self.watchdog_interval_s or _TELL_EVERY_S, _TELL_EVERY_S)

    def ready(self, status: str) -> None:
        """Say that the start is over: what waits for this unit goes on."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that the configuration is read anew, until `ready` is said again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, status: str) -> None:
        """Say in a few words how it stands: `systemctl status` shows them."""
        self._send(_status(status))

    def stopping(self) -> None:
        """Say that the stop has begun."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Say that the program still does its work."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.settimeout(_SEND_S)
            sender.sendto("\n".join(assignments).encode(errors="replace"), self._address)


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]  # unix(7): an abstract socket
    return name if name.startswith("/") else None


def _status(status: str) -> str:
    # A line break would begin another assignment, an escape sequence drive a terminal.
    line = " ".join("".join(each if each.isprintable() else " " for each in status).split())
    is_long = len(line) > STATUS_CHARACTERS
    return "STATUS=" + (line[: STATUS_CHARACTERS - 3] + "..." if is_long else line)


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started this one
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6 / 2

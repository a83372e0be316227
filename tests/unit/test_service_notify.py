"""service.notify: what systemd hears, on a real datagram socket."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.notify import STATUS_CHARACTERS, Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(str(tmp_path / "notify"))
        yield receiver


def notifier(manager: socket.socket) -> Notifier:
    """Return our end."""
    return Notifier({"NOTIFY_SOCKET": manager.getsockname()})


def test_each_word_as_the_manual_spells_it(manager: socket.socket) -> None:
    """One datagram each, assignments on lines of their own: sd_notify(3)."""
    ours = notifier(manager)
    ours.ready("3 sensors")
    ours.status("link up")
    ours.watchdog()
    ours.stopping()
    assert [manager.recv(1000) for _ in range(4)] == [
        b"READY=1\nSTATUS=3 sensors",
        b"STATUS=link up",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_reload_says_when_it_began(manager: socket.socket) -> None:
    """In microseconds of CLOCK_MONOTONIC: systemd waits for the READY that follows."""
    before_us = time.monotonic_ns() // 1000
    notifier(manager).reloading()
    word, began = manager.recv(1000).decode().split("\n")
    assert word == "RELOADING=1"
    assert before_us <= int(began.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_status_is_one_line(manager: socket.socket) -> None:
    """What a status quotes from elsewhere cannot say anything of its own."""
    notifier(manager).status("link to x\nREADY=0\r\nMAINPID=1")
    assert manager.recv(1000) == b"STATUS=link to x READY=0 MAINPID=1"


def test_a_status_is_short_and_printable(manager: socket.socket) -> None:
    """Whatever a peer or a file has to say: it is shown on a terminal."""
    notifier(manager).status("\x1b[2J" + "온도" * 500)
    status = manager.recv(4000).decode().removeprefix("STATUS=")
    assert status.startswith("[2J온도")
    assert status.endswith("...")
    assert len(status) == STATUS_CHARACTERS


def test_an_abstract_socket_is_reached() -> None:
    """An @ stands for the zero byte: unix(7)."""
    name = f"telegauge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).watchdog()
        assert receiver.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "address", ["", "/nonexistent/notify", "vsock:2:1", "@telegauge-nobody", "/" + "x" * 200]
)
def test_nobody_to_tell_is_no_error(address: str) -> None:
    """Outside of systemd, or where its socket has gone, nothing happens."""
    Notifier({"NOTIFY_SOCKET": address} if address else {}).ready("started")


def test_a_manager_that_does_not_listen_holds_nothing_up(manager: socket.socket) -> None:
    """A full queue costs half a second at most, for each message."""
    ours = notifier(manager)
    queue = Path("/proc/sys/net/unix/max_dgram_qlen")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        for _ in range(int(queue.read_text()) + 10):
            with contextlib.suppress(BlockingIOError):
                filler.sendto(b"x", manager.getsockname())
    began_s = time.monotonic()
    ours.watchdog()
    assert time.monotonic() - began_s < 3


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time(
    environ: dict[str, str], expected: float | None
) -> None:
    """sd_watchdog_enabled(3): half the time, and only by the process it is meant for."""
    assert Notifier(environ).watchdog_interval_s == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, 10.0), ({"WATCHDOG_USEC": "30000000"}, 10.0), ({"WATCHDOG_USEC": "4000000"}, 2.0)],
)
def test_it_is_told_in_time_for_the_watchdog(environ: dict[str, str], expected: float) -> None:
    """And at least every ten seconds, since a person may look at the status."""
    assert Notifier(environ).tell_every_s == expected

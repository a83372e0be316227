"""telegauge-collector top: the real program, in a real pseudo-terminal and without one."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.programs import Program
from kit.stores import batch, commit, described, read, transaction
from kit.waiting import WITHIN_S

COLUMNS, LINES = 100, 12
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started, with a store of two devices."""
    program = programs.collector(tmp_path / "collector", programs.free_port())
    file = program.state / FILE_NAME
    names = [f"s{number:02}.temperature" for number in range(30)]
    with transaction(file) as group:
        group.describe("greenhouse", described(*names))
        group.describe("cellar", described("air.temperature", unit="ug/m3"))
    reads = [read(1, 20.25 + number, sensor=f"s{number:02}") for number in range(30)]
    commit(file, "greenhouse", batch(1, *reads))
    commit(file, "cellar", batch(1, read(1, 12.0, unit="ug/m3")))
    yield program
    program.end()


class Terminal:
    """`top` in a terminal of its own; `shown` is what it has drawn last, line by line."""

    def __init__(self, program: Program, *arguments: str) -> None:
        self._screen, own = pty.openpty()
        fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = program.environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        for name in ("COLUMNS", "LINES"):  # rich would believe these
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "collector", "top", "-c", program.config, *arguments],
            env=environment, cwd=program.folder, stdin=own, stdout=own, stderr=own,
            start_new_session=True,
        )  # fmt: skip
        os.close(own)
        self.said = ""

    @property
    def shown(self) -> list[str]:
        """The lines of the last whole screen."""
        screens = [each.splitlines() for each in self.said.split("\x1b[H")]
        whole = [each for each in screens if len(each) == LINES] or [[]]
        return [_SEQUENCE.sub("", line).rstrip() for line in whole[-1]]

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._screen, keys.encode())

    def wait_for(self, words: str) -> None:
        """Wait until they are on the screen."""
        until_s = time.monotonic() + WITHIN_S
        while not any(words in line for line in self.shown):
            assert time.monotonic() < until_s, self.said
            assert self._read(), self.said

    def end(self) -> int:
        """Wait until it has ended; return its exit code."""
        while self._read():
            pass
        os.close(self._screen)
        return self._process.wait(WITHIN_S)

    def _read(self) -> bool:
        """Take what it says; False: it has ended."""
        ready, _, _ = select.select([self._screen], [], [], WITHIN_S)
        assert ready, f"it says nothing more:\n{self.said}"
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            return False
        self.said += data.decode(errors="replace")
        return bool(data)


def test_terminal_is_followed_until_q(collector: Program) -> None:
    """On a screen of its own, as long as it is wanted; keys move; the terminal is left as it was."""
    collector.start()
    terminal = Terminal(collector)
    terminal.wait_for("31 series")
    assert "cellar" in terminal.shown[2]
    assert "µg/m³" in terminal.shown[3]
    assert len(terminal.shown) == LINES
    assert max(map(len, terminal.shown)) <= COLUMNS
    terminal.type("\x1b[F")
    terminal.wait_for("s29.temperature")
    assert "s00.temperature" not in "\n".join(terminal.shown)
    assert terminal.shown[1].startswith("SERIES")
    collector.stop()
    terminal.wait_for("NOT RUNNING")
    terminal.type("xq")
    assert terminal.end() == 0
    assert terminal.said.startswith("\x1b[?1049h")
    assert "\x1b[?1049l" in terminal.said.rpartition("\x1b[H")[2]
    assert "Traceback" not in terminal.said


def test_once_in_a_terminal(collector: Program) -> None:
    """All of it, however few lines there are."""
    terminal = Terminal(collector, "--once")
    assert terminal.end() == 0
    assert "\x1b[?1049h" not in terminal.said
    lines = [_SEQUENCE.sub("", line).rstrip() for line in terminal.said.splitlines()]
    assert len(lines) == 2 + 2 + 31


def test_without_a_terminal_it_is_printed_once(collector: Program) -> None:
    """For pipes and mails: whole lines, in plain."""
    done = collector.command("top", "cellar/*")
    assert (done.returncode, done.stderr) == (0, "")
    head, _, cellar, air = done.stdout.splitlines()
    assert "1 live" in head
    assert "1 series" in head
    assert "NOT RUNNING" in head
    assert "cellar  by the window" in cellar
    assert air.split()[:2] == ["air.temperature", "12.0"]
    assert "\x1b" not in done.stdout


def test_json(collector: Program) -> None:
    """Every fact, for programs."""
    done = collector.command("top", "--json", "cellar/*")
    assert done.returncode == 0
    [cellar] = json.loads(done.stdout)
    assert (cellar["device"], cellar["state"]) == ("cellar", "live")
    [air] = cellar["series"]
    assert (air["value"], air["unit"], air["condition"]) == (12.0, "ug/m3", "quiet")


def test_wrong_range_is_wrong_usage(collector: Program) -> None:
    """One line that says what is accepted."""
    done = collector.command("top", "--last", "soon")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--last" in done.stderr

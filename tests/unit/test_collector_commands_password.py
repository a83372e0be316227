"""telegauge-collector password: typed twice or piped, whether a collector runs or not."""

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.web.access import Access, is_right
from kit import programs
from kit.programs import Program


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started."""
    ports = programs.free_port(), programs.free_port()
    program = programs.collector(tmp_path, ports[0], web_port=ports[1])
    yield program
    program.end()


def piped(program: Program, text: str, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run it with a line on its standard input."""
    return subprocess.run(
        [*program._command, "password", "-c", str(program.config), *more],
        check=False, env=program.environment, input=text, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def typed(program: Program, *lines: str) -> tuple[int, str]:
    """Run it on a terminal of its own and type; return its exit code, and all that was seen."""
    end, terminal = pty.openpty()
    process = subprocess.Popen(
        [*program._command, "password", "-c", str(program.config)],
        env=program.environment, stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    seen = b""
    for line, prompt in zip(lines, (b"Password: ", b"The same again: "), strict=False):
        while prompt not in seen:
            seen += os.read(end, 4096)
        os.write(end, line.encode() + b"\n")
    try:
        while data := os.read(end, 4096):
            seen += data
    except OSError:  # it has ended
        pass
    os.close(end)
    return process.wait(60), seen.decode()


def test_typed_twice_and_never_shown(collector: Program) -> None:
    """Two that differ change nothing."""
    code, seen = typed(collector, "correct horse", "correct horse")
    assert code == 0, seen
    assert "horse" not in seen
    password = Access(collector.state).password
    assert password is not None
    assert is_right("correct horse", password)
    code, seen = typed(collector, "battery staple", "battery stable")
    assert code == 2
    assert "nothing was changed" in seen
    assert Access(collector.state).password == password


def test_short_ones_are_refused(collector: Program) -> None:
    """With how long they have to be."""
    done = piped(collector, "short\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "10 are the least" in done.stderr
    assert Access(collector.state).is_closed


def test_running_collector_takes_it_up(collector: Program) -> None:
    """And says where browsers find it, and what they will be shown."""
    collector.start()
    done = piped(collector, "correct horse\n")
    assert done.returncode == 0, done.stderr
    assert "https://127.0.0.1:" in done.stdout
    assert "SHA-256" in done.stdout
    assert "web_access_changed" in collector.said()
    assert "horse" not in collector.said()
    assert piped(collector, "", "--remove").returncode == 0
    assert Access(collector.state).is_closed


def test_without_a_collector_it_is_kept_for_its_start(collector: Program) -> None:
    """That none runs is told."""
    done = piped(collector, "correct horse\n")
    assert done.returncode == 0, done.stderr
    assert "not running" in done.stdout
    assert not Access(collector.state).is_closed

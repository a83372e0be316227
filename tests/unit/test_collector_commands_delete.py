"""telegauge-collector delete: the real program, beside a running collector and without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.histories import Step, regular, stored
from kit.programs import Program
from kit.stores import at_ns, rows


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started, with 100 readings in its store."""
    program = programs.collector(tmp_path / "collector", programs.free_port())
    stored(program.state / FILE_NAME, [Step(regular(100), False)])
    yield program
    program.end()


@pytest.mark.parametrize("is_running", [True, False])
def test_range(collector: Program, is_running: bool) -> None:
    """What goes is shown before, and what went behind."""
    if is_running:
        collector.start()
    start = str(at_ns(51) // 10**9)
    done = collector.command("delete", "greenhouse/*", "--start", start, "--yes")
    assert (done.returncode, done.stderr) == (0, "") if is_running else done.returncode == 0
    assert "about 50 readings, from " in done.stdout
    assert "50 readings of 1 series were deleted" in done.stdout
    file = collector.state / FILE_NAME
    assert rows(file, "SELECT sum(readings) FROM chunk") == [(50,)]
    verified = collector.command("verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.endswith("all of it is sound\n")


def test_nobody_is_there_to_be_asked(collector: Program) -> None:
    """Without --yes nothing goes."""
    done = collector.command("delete", "*")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert rows(collector.state / FILE_NAME, "SELECT sum(readings) FROM batch") == [(100,)]


def test_pattern_of_nothing(collector: Program) -> None:
    """It is told."""
    done = collector.command("delete", "attic/*", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no series matches `attic/*`" in done.stderr

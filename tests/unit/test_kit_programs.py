"""kit.programs: real programs that are started, stopped, killed and found dead."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import programs
from kit.programs import Program, boottime_ns


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started."""
    program = programs.collector(tmp_path / "here", programs.free_port(), state=tmp_path / "there")
    yield program
    program.end()


def test_each_end_is_noted(collector: Program) -> None:
    """When it was asked for, or seen, on the clock of the ledger."""
    before_ns = boottime_ns()
    collector.start()
    assert collector.stop() == collector.exit_code == 0
    collector.start()
    killed_ns = collector.kill()
    assert collector.exit_code == -signal.SIGKILL
    assert collector.ends_ns[1] == killed_ns
    assert before_ns < collector.ends_ns[0] < killed_ns < boottime_ns()


def test_one_that_dies_by_itself(collector: Program) -> None:
    """On its way up, or later: seen, with its exit code."""
    collector.config.write_text("nonsense")
    assert not collector.try_start()
    assert collector.wait_dead() == collector.ends_ns[-1]
    assert collector.exit_code == 2
    with pytest.raises(AssertionError, match=r"did not start:\n.*nonsense"):
        collector.start()


def test_what_it_is_given(collector: Program, tmp_path: Path) -> None:
    """Folders of the test's choice, a prefix, and an environment; changed between two starts."""
    collector.start()
    assert list((tmp_path / "there").glob("*.db"))
    collector.stop()
    collector.prefix = ["env", "TELEGAUGE_TRIED=1"]
    collector.environment["STATE_DIRECTORY"] = str(tmp_path / "elsewhere")
    collector.start()
    assert list((tmp_path / "elsewhere").glob("*.db"))
    environment = Path(f"/proc/{collector.pid}/environ").read_bytes().split(b"\0")
    assert b"TELEGAUGE_TRIED=1" in environment

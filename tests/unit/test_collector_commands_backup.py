"""telegauge-collector backup: the real program, and going back to what it made."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.programs import Program
from kit.stores import batch, commit, rows


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started, with a store; a space in its folder may confuse nobody."""
    program = programs.collector(tmp_path / "my collector", programs.free_port())
    commit(program.state / FILE_NAME, "greenhouse", batch(1), batch(2), batch(3))
    yield program
    program.end()


def restore(said: str) -> None:
    """Do what was printed, as a person would."""
    commands = [line for line in said.splitlines() if line.startswith("    ")]
    assert commands
    subprocess.run(["bash", "-euc", "\n".join(commands)], check=True, timeout=60)


def test_backup_and_back_to_it(collector: Program, tmp_path: Path) -> None:
    """While it runs; what is printed brings it back, and what came between is shown as a gap."""
    file, copy = collector.state / FILE_NAME, tmp_path / "the copy.db"
    collector.start()
    done = collector.command("backup", str(copy))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{copy}: {copy.stat().st_size} bytes, ")
    assert collector.stop() == 0
    commit(file, "greenhouse", batch(4), batch(5))
    restore(done.stdout)
    (former,) = (each for each in collector.state.glob(f"{FILE_NAME}*") if each != file)
    assert rows(former, "SELECT mark FROM epoch") == [(5,)]
    assert file.stat().st_uid == os.geteuid()
    collector.start()
    assert rows(file, "SELECT mark FROM epoch") == [(3,)]
    (gap,) = json.loads(collector.command("gaps", "--json").stdout)
    assert (gap["device"], gap["reason"]) == ("greenhouse", "collector_rollback")
    assert rows(copy, "SELECT taken_ns FROM backup_stamp") == [(gap["from_ns"],)]
    assert "store_restored" in collector.said()


def test_back_to_it_after_a_kill(collector: Program, tmp_path: Path) -> None:
    """The log of the former store goes with it: it would spoil the copy."""
    collector.start()
    done = collector.command("backup", str(tmp_path / "copy.db"))
    collector.kill()
    assert (collector.state / f"{FILE_NAME}-wal").exists()
    restore(done.stdout)
    assert not (collector.state / f"{FILE_NAME}-wal").exists()
    collector.start()
    assert rows(collector.state / FILE_NAME, "SELECT mark FROM epoch") == [(3,)]


@pytest.mark.parametrize(
    ("file", "words"), [("there.db", "is there already"), (".", "is a folder"), ("no/x", "no such")]
)
def test_backup_that_cannot_be(collector: Program, tmp_path: Path, file: str, words: str) -> None:
    """One line that says why, and 1."""
    (tmp_path / "there.db").write_text("precious")
    done = collector.command("backup", str(tmp_path / file))
    assert (done.returncode, done.stdout) == (1, "")
    assert (done.stderr.count("\n"), words in done.stderr) == (1, True)
    assert (tmp_path / "there.db").read_text() == "precious"


def test_backup_where_nothing_ever_ran(collector: Program, tmp_path: Path) -> None:
    """One line that asks what may have been forgotten; nothing is made."""
    (collector.state / FILE_NAME).unlink()
    done = collector.command("backup", str(tmp_path / "copy.db"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no store here" in done.stderr
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("command", [["gaps"], ["backup", "copy.db"]])
def test_wrong_yaml_is_wrong_usage(collector: Program, command: list[str]) -> None:
    """Both say where the YAML is wrong, before they do anything."""
    collector.config.write_text("store:\n  min_fre: 1GiB\n")
    done = collector.command(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean `min_free`?" in done.stderr
    assert not (collector.folder / "copy.db").exists()

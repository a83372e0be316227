"""telegauge-collector export: the real program, its words and its exit codes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.programs import Program
from kit.stores import batch, commit


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started, with a store of three readings."""
    program = programs.collector(tmp_path / "collector", programs.free_port())
    commit(program.state / FILE_NAME, "greenhouse", batch(1), batch(2), batch(3))
    yield program
    program.end()


@pytest.mark.parametrize(("name", "words"), [("a.csv", []), ("a.txt", ["--format", "parquet"])])
def test_all_there_is(collector: Program, tmp_path: Path, name: str, words: list[str]) -> None:
    """The form is that of the name, or the one that is asked for; one line says what was written."""
    file = tmp_path / name
    done = collector.command("export", str(file), *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: 3 readings of 1 series, {file.stat().st_size} bytes\n"
    assert file.read_bytes().startswith(b"PAR1" if words else b"time,series,value,unit,quality\n")


def test_nothing_matches(collector: Program, tmp_path: Path) -> None:
    """The file has a head alone, and it is said."""
    done = collector.command("export", str(tmp_path / "a.csv"), "attic/*", "--time", "ns")
    assert done.returncode == 1
    assert done.stderr == "no readings of `attic/*` in this range\n"


def test_name_that_tells_no_form(collector: Program, tmp_path: Path) -> None:
    """It asks."""
    done = collector.command("export", str(tmp_path / "a.xlsx"))
    assert done.returncode == 2
    assert "csv or parquet?" in done.stderr


def test_file_that_is_there(collector: Program, tmp_path: Path) -> None:
    """It stays as it is."""
    file = tmp_path / "a.csv"
    file.write_text("mine")
    done = collector.command("export", str(file))
    assert (done.returncode, file.read_text()) == (1, "mine")
    assert "is there already" in done.stderr

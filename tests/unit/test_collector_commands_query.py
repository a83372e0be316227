"""telegauge-collector query, where it sums up, chooses and draws."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.programs import Program
from kit.stores import BOOTED_NS, batch, commit, read
from wire.readings import Quality

RANGE = ("--start", str(BOOTED_NS // 10**9), "--end", str(BOOTED_NS // 10**9 + 3600))


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A collector that is not started, with a good, a suspect and a bad reading of two devices."""
    folder: Path = tmp_path_factory.mktemp("query")
    program = programs.collector(folder / "collector", programs.free_port())
    for device in ("greenhouse", "cellar"):
        reads = [
            read(1, 20.0),
            read(2, 30.0, quality=Quality.JUMPED),
            read(3, math.nan, quality=Quality.TIMED_OUT),
        ]
        commit(program.state / FILE_NAME, device, batch(1, *reads, before=0))
    yield program
    program.end()


@pytest.mark.parametrize("words", [["--points", "1"], ["--every", "1d"]])
def test_summed_up(collector: Program, words: list[str]) -> None:
    """Series by series, one object a bucket; of the bad reading the count."""
    done = collector.command("query", *RANGE, *words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["series"].split("/")[0] for row in rows] == ["cellar", "greenhouse"]
    facts = ("mean", "min", "max", "first", "last", "count", "bad")
    assert [rows[0][fact] for fact in facts] == [25.0, 20.0, 30.0, 20.0, 30.0, 2, 1]


def test_one_aggregate(collector: Program) -> None:
    """It stands alone, in the column of its name."""
    done = collector.command("query", *RANGE, "--points", "1", "--agg", "max", "--format", "csv")
    assert done.stdout.splitlines()[0] == "time,series,max,bad,unit"
    assert ",cellar/air.temperature,30.0,1,degC" in done.stdout


@pytest.mark.parametrize(
    ("quality", "count"), [("good", 1), ("suspect", 1), ("bad", 1), ("good,suspect", 2)]
)
def test_quality_chooses_readings(collector: Program, quality: str, count: int) -> None:
    """Those of one, or of several."""
    done = collector.command("query", *RANGE, "--quality", quality, "--json", "cellar/*")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == count
    assert {row["quality"] for row in rows} == set(quality.split(","))


def test_quality_chooses_what_is_summed_up(collector: Program) -> None:
    """Suspect ones can be left out of a mean."""
    words = ("--points", "1", "--agg", "mean", "--quality", "good", "--json", "cellar/*")
    (row,) = map(json.loads, collector.command("query", *RANGE, *words).stdout.splitlines())
    assert (row["mean"], row["bad"]) == (20.0, 1)


def test_plot_without_a_terminal(collector: Program) -> None:
    """A plain chart, with the names of the series under it."""
    done = collector.command("query", *RANGE, "--format", "plot")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(degC)" in done.stdout
    assert "cellar/air.temperature [degC]" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--points", "5", "--every", "1m"],
        ["--agg", "max"],
        ["--points", "0"],
        ["--points", "-3"],
        ["--every", "0s"],
        ["--every", "1fortnight"],
        ["--quality", "splendid"],
        ["--points", "many"],
    ],
)
def test_what_makes_no_sense(collector: Program, words: list[str]) -> None:
    """It is said, and nothing printed."""
    done = collector.command("query", *RANGE, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_nothing_summed_up(collector: Program) -> None:
    """The same words and exit code as of the readings themselves."""
    for words in (["--points", "5"], ["--format", "plot"]):
        done = collector.command("query", "attic/*", *RANGE, *words)
        assert done.returncode == 1
        assert "no series matches `attic/*`" in done.stderr or "no readings of" in done.stderr

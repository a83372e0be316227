"""docs/benchmarks.md names benchmarks that exist, and scripts/bench answers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "benchmarks.md").read_text()


def bench(*arguments: str) -> str:
    """Run the benchmark program and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT / 'tests'}:{ROOT}"},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


def test_benchmarks_that_are_named_exist() -> None:
    """Every `scripts/bench WHICH` of the page is one that the program offers."""
    named = set(re.findall(r"^    scripts/bench (\w+)", TEXT, re.M))
    offered = set(re.findall(r"^    (\w+) {2,}", bench("--help"), re.M))
    assert named
    assert named <= offered


SMALL = {
    "ingest": "--readings 20000 --per-batch 100",
    "latency": "--seconds 0.2 --peak-readings 20000 --per-batch 100",
    "drain": "--batches 200 --per-batch 100",
}


@pytest.mark.parametrize("which", SMALL)
def test_runs_in_small(which: str) -> None:
    """The load arrives whole at a real collector, and the table has the page's columns."""
    head, _, row = bench(which, "--rounds", "1", *SMALL[which].split()).splitlines()
    assert head in TEXT
    assert row.startswith("| 100 | ")

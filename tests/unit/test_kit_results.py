"""kit.results: a long test that was broken off goes on where it ended."""

import json
from pathlib import Path

import pytest

from kit.results import Results


def test_a_line_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the file was done, by this test; others do not count."""
    file = tmp_path / "results"
    monkeypatch.setenv("TELEGAUGE_RESULTS", str(file))
    first = Results("cuts")
    assert not first.has(7)
    first.add(7, lost=0)
    first.add(("pwrite64", 3), lost=1)
    again = Results("cuts")
    assert again.has(7)
    assert again.has(("pwrite64", 3))
    assert not again.has(8)
    assert not Results("others").has(7)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {"test": "cuts", "case": 7, "lost": 0}


def test_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is done, and nothing is written."""
    monkeypatch.delenv("TELEGAUGE_RESULTS", raising=False)
    results = Results("cuts")
    results.add(7)
    assert not results.has(7)

"""telegauge-collector token: shown once, listed, and taken away."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.web.access import Access
from kit import programs
from kit.programs import Program


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started."""
    ports = programs.free_port(), programs.free_port()
    program = programs.collector(tmp_path, ports[0], web_port=ports[1])
    yield program
    program.end()


@pytest.mark.parametrize("runs", [False, True])
def test_token_from_its_making_to_its_end(collector: Program, runs: bool) -> None:
    """The same whether a collector runs or not."""
    if runs:
        collector.start()
    made = collector.command("token", "grafana")
    assert made.returncode == 0, made.stderr
    [token] = [line.strip() for line in made.stdout.splitlines() if "telegauge_" in line]
    assert Access(collector.state).holds(token)
    again = collector.command("token", "grafana")
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is a token `grafana`" in again.stderr
    listed = collector.command("token", "--list")
    assert "grafana" in listed.stdout
    assert token not in listed.stdout
    assert collector.command("token", "grafana", "--remove").returncode == 0
    assert json.loads(collector.command("token", "--list", "--json").stdout) == []
    assert not Access(collector.state).holds(token)


def test_what_cannot_be_is_told(collector: Program) -> None:
    """No name, no such token."""
    assert collector.command("token").returncode == 2
    done = collector.command("token", "grafana", "--remove")
    assert done.returncode == 1
    assert "no token `grafana`" in done.stderr
    assert "none yet" in collector.command("token", "--list").stdout

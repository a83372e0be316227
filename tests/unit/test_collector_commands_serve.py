"""collector.commands.serve: what a running collector carries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.certificate import FILE_NAME as OURS
from collector.web.certificate import FILE_NAME as BROWSERS
from kit import programs
from kit.programs import ROOT, Program, free_port
from kit.webs import Client

# For certificates and datagrams, for commands, and what libraries load where they are let.
HEAVY = {
    "cryptography", "httptools", "jinja2", "numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random",
    "numpy.testing", "plotille", "pyarrow", "python_multipart.multipart", "rich", "segno", "uvloop",
    "watchfiles", "websockets", "collector.export", "collector.plotting",
    "collector.printing",
}  # fmt: skip


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """One that is not started, and says at its end what it has loaded."""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    program = programs.collector(
        tmp_path, free_port(), web_port=free_port(), package="kit.loaded", environment=environment
    )
    yield program
    program.end()


def test_running_collector_carries_no_more_than_it_needs(collector: Program) -> None:
    """What is loaded once stays: certificates are made elsewhere, at the first start and never again."""
    for _ in range(2):
        collector.start()
        web_port = int(collector.config.read_text().split("127.0.0.1:")[2].split()[0])
        assert Client(web_port).get("/healthz").status == 200
        assert collector.stop() == 0
        loaded = set(collector.said().splitlines()[-1].split())
        assert {"numpy", "collector.web.web", "collector.store.sealer"} <= loaded
        assert not loaded & HEAVY
    assert {OURS, BROWSERS} <= {each.name for each in collector.state.iterdir()}

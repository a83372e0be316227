"""scripts/demo: the whole way of a reading with the shipped YAML, and a count from the file."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.programs import ROOT
from kit.waiting import wait_until

DEMO = [sys.executable, str(ROOT / "scripts" / "demo.py")]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(
    not (BIN / "telegauge-collector").exists(), reason="the project is not installed here"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo makes its folder; pytest's own are too long for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="telegauge-") as name:
        yield Path(name)


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """What the demo is run with."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8888)) == 0:
            pytest.skip("something listens on 127.0.0.1:8888, where the shipped YAML does")
    return os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}


def test_demo_stores_readings_and_counts_them(environment: dict[str, str], folder: Path) -> None:
    """Lines as they come, the count from the file in the end, and nothing left running."""
    done = subprocess.run(
        [*DEMO, "--for", "4s"],
        env=environment, check=True, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    found = re.search(r"^stored (\d+) readings of (\d+) series in (\S+)$", done.stdout, re.M)
    assert found
    assert int(found[1]) >= int(found[2]) > 0
    assert Path(found[3]).is_relative_to(folder)
    assert "host.load_1m" in done.stdout
    for log in folder.glob("*/*.log"):
        assert "_stopped" in log.read_text()


def test_interrupted_demo_ends_both_programs(environment: dict[str, str], folder: Path) -> None:
    """Ctrl-C: both are ended in order, and the count comes all the same."""
    with subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        wait_until(lambda: any("link_up" in log.read_text() for log in folder.glob("*/*.log")))
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=60)
    assert re.search(r"^stored \d+ readings", said, re.M)
    assert all("_stopped" in log.read_text() for log in folder.glob("*/*.log"))

"""docs/http.md: its examples run as they stand, and its tables name all there is."""

import argparse
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC
from typing import get_args

import numpy as np
import pytest

from collector.commands import query
from collector.device_states import STATES
from collector.membership import Standing
from collector.summaries import AGGREGATES
from collector.web.application import VIEWS, Application
from collector.web.changes import Changes
from collector.web.encoding import FORMATS, TIMES
from collector.web.question import PARAMETERS
from kit.documents import ROOT, examples, lines_to_type, rows
from kit.stores import batch, commit, described, read, transaction
from kit.webs import WebRig, web_rig
from wire.readings import GRADES

TEXT = (ROOT / "docs" / "http.md").read_text()
LOCAL = [
    line for line in lines_to_type(TEXT) if line.startswith("curl ") and "localhost" in line
]  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebRig]:
    """A door over a store with a reading or two."""
    with web_rig(tmp_path_factory.mktemp("docs")) as made:
        with transaction(made.file) as group:
            group.describe("greenhouse", described("air.temperature"))
        commit(made.file, "greenhouse", batch(1, read(1, 20.5), read(2, 21.0)))
        yield made


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are lines for curl")
@pytest.mark.parametrize("line", LOCAL)
def test_examples_run(rig: WebRig, line: str) -> None:
    """As somebody would type them."""
    is_live = "/live" in line
    typed = line.replace("localhost:8889", f"localhost:{rig.port}") + " -sS --fail"
    ran = subprocess.run(
        ["sh", "-c", typed + (" --max-time 1" if is_live else "")],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0 or is_live, ran.stderr
    if is_live:
        assert ran.stdout.startswith("retry:")
    elif "format=csv" in line:
        assert ran.stdout.startswith("time,series,")
    else:
        assert json.loads(ran.stdout)


def test_there_are_examples() -> None:
    """Else the test above would test nothing."""
    assert len(LOCAL) >= 7


def test_columns_are_read_as_it_is_shown(rig: WebRig) -> None:
    """The code in the document does it."""
    [code] = examples(TEXT, "python")
    shown: dict[str, object] = {}
    exec(code, shown)
    data = rig.client.get("/api/v1/readings?start=0&format=columns").body
    columns = shown["columns"]
    assert callable(columns)
    [(series, times, values, qualities)] = columns(data)
    assert series == "greenhouse/air.temperature"
    assert np.diff(times).tolist() == [10**9]
    assert (values.tolist(), qualities.tolist()) == ([20.5, 21.0], [0, 0])


def test_tables_name_all_there_is(rig: WebRig) -> None:
    """Every path with its parameters, every parameter, every word."""
    named = {row[0].strip("`"): row[2] for row in rows(TEXT) if row[0].startswith("`/")}
    application: Application = rig.web.application
    assert set(named) == set(application._paths) - {*VIEWS, "/login"}
    for path, parameters in named.items():
        wrong = rig.client.get(f"{path}?no=1")
        if path != "/healthz":
            assert set(re.findall("`([a-z]+)`", parameters)) == set(wrong.json["accepted"])
    described_ones = {name for row in rows(TEXT) for name in re.findall("^`([a-z]+)`", row[0])}
    assert set(PARAMETERS) - {"end"} <= described_ones
    for word in (*FORMATS, *TIMES):
        assert f"`{word}`" in TEXT


def test_words_are_those_of_the_command_line(rig: WebRig) -> None:
    """One word for one thing: in the document, over HTTP and in `query --help`."""
    parser = argparse.ArgumentParser()
    query.arguments(parser)
    told = " ".join(parser.format_help().split())
    of_parameter = {row[0].strip("`"): row[1] for row in rows(TEXT)}
    for name, words, other in (
        ("quality", GRADES, "splendid"),
        ("agg", AGGREGATES, "median"),
    ):
        assert set(re.findall("`([a-z]+)`", of_parameter[name])) == set(words)
        wrong = rig.client.get(f"/api/v1/readings?points=9&{name}={other}").json["detail"]
        for word in words:
            assert re.search(rf"\b{word}\b", wrong.partition("Accepted: ")[2])
            options = parser.parse_args(["*", f"--{name}", word])
            assert getattr(options, name) in (word, {word})
            answer = rig.client.get(f"/api/v1/readings?start=0&points=9&{name}={word}")
            assert answer.status == 200
        assert ", ".join(words) in told or ",".join(words) in told
    for several in ("good,suspect", "suspect,bad", "good,suspect,bad"):
        assert parser.parse_args(["*", "--quality", several]).quality == set(several.split(","))
        assert rig.client.get(f"/api/v1/readings?start=0&quality={several}").status == 200
    for wrong in ("all", "usable", "good,", "good;bad"):
        assert rig.client.get(f"/api/v1/readings?quality={wrong}").status == 400
        with pytest.raises(SystemExit):
            parser.parse_args(["*", "--quality", wrong])


def test_changes_are_named(rig: WebRig) -> None:
    """Each with its path, and every word for how a device stands."""
    named = {row[0].strip("`") for row in rows(TEXT) if row[0].startswith("`POST ")}
    changes = Changes(rig.web._login, {}, lambda: UTC).routes()
    assert {f"POST {route.path}".replace("{name}", "NAME") for route in changes} <= named
    first_cells = {row[0] for row in rows(TEXT)}
    assert {f"`{state}`" for state in STATES} <= first_cells
    for word in get_args(Standing):
        assert f"`{word}`" in TEXT

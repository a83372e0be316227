"""collector.web.summing: buckets over HTTP; no spike is lost, whatever the format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector import summaries
from collector.store import open_for_writing
from kit.stores import at_ns, batch, commit, described, read, transaction
from kit.webs import WebRig, unpacked, web_rig

QUERY = f"/api/v1/readings?time=ns&start={at_ns(0) // 10**9}&end={at_ns(3600) // 10**9}"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door over an hour of one series, with one spike and one bad reading."""
    file = tmp_path / "telegauge.db"
    open_for_writing(file).close()
    with transaction(file) as group:
        group.describe("pi", described("air.temperature"))
    for part in range(4):
        reads = [read(at, 20.0) for at in range(part * 900, part * 900 + 900)]
        if part == 2:
            reads[77] = read(part * 900 + 77, 99.5)
            reads[78] = read(part * 900 + 78, float("nan"), quality=129)
        commit(file, "pi", batch(part + 1, *reads, before=part * 900))
    with web_rig(tmp_path) as made:
        yield made


def summary(rig: WebRig, query: str) -> dict[str, Any]:
    """The summaries of the one series."""
    answer = rig.client.get(f"{QUERY}&{query}").json
    [found] = answer["summaries"]
    assert isinstance(found, dict)
    return found


def test_points_keep_every_spike(rig: WebRig) -> None:
    """However few there are; every reading counts once."""
    for points in (1, 7, 60, 1000):
        found = summary(rig, f"points={points}")
        assert len(found["times"]) <= points
        assert max(found["max"]) == 99.5
        assert min(found["min"]) == 20.0
        assert (sum(found["count"]), sum(found["bad"])) == (3599, 1)
        assert (found["series"], found["unit"]) == ("pi/air.temperature", "degC")


def test_every_has_buckets_of_that_width(rig: WebRig) -> None:
    """They begin at its multiples; one aggregate alone comes as values."""
    found = summary(rig, "every=1m&agg=max")
    assert list(found) == ["series", "unit", "times", "values"]
    assert {np.diff(found["times"]).max(), np.diff(found["times"]).min()} == {60 * 10**9}
    assert sum(value == 99.5 for value in found["values"]) == 1


def test_bucket_of_bad_readings_has_no_value(rig: WebRig) -> None:
    """It counts them."""
    found = summary(rig, "every=1s")
    (at,) = (place for place, bad in enumerate(found["bad"]) if bad)
    assert found["count"][at] == 0
    assert found["mean"][at] is None


def test_formats_say_the_same(rig: WebRig) -> None:
    """JSON, CSV and columns."""
    found = summary(rig, "every=5m")
    rows = rig.client.get(f"{QUERY}&every=5m&format=csv").body.decode().splitlines()
    assert rows[0] == "time,series,unit,count,bad,min,max,mean,first,last"
    assert [int(row.split(",")[0]) for row in rows[1:]] == found["times"]
    assert [float(row.split(",")[6]) for row in rows[1:]] == found["max"]
    [(head, columns), _] = unpacked(rig.client.get(f"{QUERY}&every=5m&format=columns").body)
    named = dict(zip(["times", *head["columns"]], columns, strict=True))
    assert np.frombuffer(named["times"], "<i8").tolist() == found["times"]
    assert np.frombuffer(named["mean"], "<f8").tolist() == found["mean"]


def test_many_buckets_come_in_steps(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in all, and no bucket twice."""
    whole = summary(rig, "every=1m")
    monkeypatch.setattr(summaries, "_MAX_BUCKETS", 7)
    pieces = rig.client.get(f"{QUERY}&every=1m").json["summaries"]
    assert len(pieces) > 5
    for name in ("times", "count", "max"):
        assert [value for piece in pieces for value in piece[name]] == whole[name]


def test_what_cannot_be_is_told(rig: WebRig) -> None:
    """Before the answer has begun."""
    reply = rig.client.get(f"{QUERY}&every=0s")
    assert (reply.status, reply.json["parameter"]) == (400, "every")
    assert rig.client.get("/api/v1/readings?points=5&pattern=x*").json["summaries"] == []

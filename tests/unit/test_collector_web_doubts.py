"""collector.web.doubts: what summaries do not tell, over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.store import open_for_writing, seal_store
from kit.doubtful import BAD, ERROR_NS, JUMPED, STUCK, measure, reads, set_batch, unset_batch
from kit.stores import at_ns, commit, described, transaction
from kit.webs import WebRig, web_rig

QUERY = f"/api/v1/doubts?time=ns&start={at_ns(0) // 10**9}&end={at_ns(1200) // 10**9}"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door over twenty minutes: two suspect and a bad one, five derived minutes; and a good device."""
    file = tmp_path / "telegauge.db"
    open_for_writing(file).close()
    with transaction(file) as group:
        for device in ("pi", "cellar"):
            group.describe(device, described("air.temperature"))
    measure(file, "pi", 900)
    commit(file, "cellar", set_batch(1, reads(0, 100, {})))
    commit(file, "pi", set_batch(1, reads(0, 600, {100: JUMPED, 101: BAD, 110: STUCK})))
    seal_store(file)
    commit(file, "pi", unset_batch(1, reads(600, 900, {})))
    with web_rig(tmp_path) as made:
        yield made


def doubts(rig: WebRig, query: str = "") -> list[dict[str, Any]]:
    """The doubts that are answered, in order of time."""
    found = rig.client.get(f"{QUERY}{query}").json["doubts"]
    return sorted(found, key=lambda doubt: doubt["from"])


def test_doubts_of_a_range(rig: WebRig) -> None:
    """What is suspect and why, what was derived and how far off it can be."""
    common = {"series": "pi/air.temperature", "unit": "degC", "device": "pi"}
    assert doubts(rig, "&points=100") == [
        common | {
            "kind": "suspect", "reasons": ["suspect (jumped)", "suspect (stuck)"],
            "from": at_ns(100), "to": at_ns(110), "readings": 2, "time_error_ns": None,
        },
        common | {
            "kind": "derived", "reasons": [], "from": at_ns(600), "to": at_ns(899),
            "readings": 300, "time_error_ns": ERROR_NS + 30_000_000,
        },
    ]  # fmt: skip


def test_points_say_how_fine(rig: WebRig) -> None:
    """Without them there are enough for a screen."""
    assert [each["readings"] for each in doubts(rig, "&points=1200")] == [1, 1, 300]
    assert [each["readings"] for each in doubts(rig)] == [1, 1, 300]
    assert [each["readings"] for each in doubts(rig, "&points=12")] == [2, 300]
    every_ns = [
        rig.client.get(f"{QUERY}{points}").json["every_ns"] for points in ("", "&points=12")
    ]
    assert every_ns == [2 * 10**9, 120 * 10**9]


def test_one_series_or_a_pattern(rig: WebRig) -> None:
    """As of readings; one that nobody knows is told."""
    assert doubts(rig, "&series=pi/air.temperature") == doubts(rig)
    assert doubts(rig, "&pattern=c*") == []
    reply = rig.client.get(f"{QUERY}&series=pi/air.temprature")
    assert (reply.status, reply.json["parameter"]) == (404, "series")
    assert rig.client.get(f"{QUERY}&series=x&pattern=y").status == 400
    assert rig.client.get(f"{QUERY}&points=0").status == 400


def test_all_that_there_is(rig: WebRig) -> None:
    """Without a range, as of gaps; in words of the collector's zone."""
    answer = rig.client.get("/api/v1/doubts").json
    assert len(answer["doubts"]) == 3
    assert answer["start"].endswith("+09:00")
    assert answer["doubts"][0]["from"].endswith("+09:00")


def test_long_answers_come_in_steps(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same in them."""
    whole = doubts(rig, "&points=1200")
    monkeypatch.setattr("collector.summaries._MAX_BUCKETS", 7)
    assert doubts(rig, "&points=1200") == whole

"""collector.web.application: each path, and what it says of the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store import Keep, Selection, delete_from, seal_store
from kit.histories import retained
from kit.losses import add_gap
from kit.sealing import sealed_apart
from kit.stores import at_ns, batch, change, commit, described, transaction
from kit.webs import WebRig, web_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door over a store of two devices, asked in the zone of Seoul."""
    with web_rig(tmp_path) as made:
        with transaction(made.file) as group:
            for device in ("cellar", "greenhouse"):
                group.describe(device, described("air.temperature"))
        for device in ("cellar", "greenhouse"):
            commit(made.file, device, batch(1))
        yield made


def test_devices(rig: WebRig) -> None:
    """How each is doing, with times as asked for."""
    [cellar, greenhouse] = rig.client.get("/api/v1/devices").json["devices"]
    assert (cellar["device"], greenhouse["device"]) == ("cellar", "greenhouse")
    assert (cellar["readings"], cellar["loss"]["gaps"], cellar["label"]) == (1, 0, "by the window")
    assert cellar["heard"].endswith("+09:00")
    assert isinstance(rig.client.get("/api/v1/devices?time=ms").json["devices"][0]["heard"], int)


def test_series(rig: WebRig) -> None:
    """What was said of those that match."""
    [series] = rig.client.get("/api/v1/series?pattern=cellar/*").json["series"]
    assert series == {
        "series": "cellar/air.temperature", "device": "cellar", "unit": "degC",
        "quantity": "temperature", "decimals": 1, "label": "label of temperature",
        "driver": "synthetic:sine", "interval_s": 1.0, "max_interval_s": None,
    }  # fmt: skip


def test_latest(rig: WebRig) -> None:
    """The last reading of each that matches, also of what has just come."""
    query = "/api/v1/latest?pattern=green*&time=ns"
    [reading] = rig.client.get(query).json["latest"]
    assert (reading["time"], reading["value"]) == (at_ns(1), 1.0)
    commit(rig.file, "greenhouse", batch(2))
    [reading] = rig.client.get(query).json["latest"]
    assert (reading["time"], reading["value"], reading["quality"]) == (at_ns(2), 2.0, "good")


def test_deleted_and_expired_readings_are_no_longer_the_latest(rig: WebRig) -> None:
    """Nothing new has to come for that: what was there before them is shown, or nothing."""

    def latest() -> list[list[object]]:
        """What is answered of each series."""
        found = rig.client.get("/api/v1/latest").json["latest"]
        return [[each["series"].partition("/")[0], each["value"]] for each in found]

    commit(rig.file, "greenhouse", batch(2), batch(3))
    seal_store(rig.file)
    commit(rig.file, "greenhouse", batch(4))
    seal_store(rig.file)
    assert latest() == [["cellar", 1.0], ["greenhouse", 4.0]]
    delete_from(rig.file, Selection("greenhouse/*", at_ns(3.5)))
    assert latest() == [["cellar", 1.0], ["greenhouse", 3.0]]
    retained(rig.file, Keep("cellar/*", raw_ns=1), now_ns=at_ns(100))
    assert latest() == [["greenhouse", 3.0]]
    delete_from(rig.file, Selection("greenhouse/*"))
    assert latest() == []


def test_damage_does_not_silence_a_series(rig: WebRig) -> None:
    """The newest that can be read is told, and that newer ones cannot be."""
    sealed_apart(rig.file, "cellar", batch(2), batch(3))
    change(rig.file, "UPDATE chunk SET data = zeroblob(30) WHERE to_ns = ?", at_ns(3))
    found = rig.client.get("/api/v1/latest?pattern=cellar/*&time=ns").json
    assert [(each["time"], each["value"]) for each in found["latest"]] == [(at_ns(2), 2.0)]
    assert found["damaged"] == ["cellar/air.temperature"]
    assert rig.client.get("/api/v1/latest?pattern=green*").json["damaged"] == []


def test_gaps(rig: WebRig) -> None:
    """What is missing and why; a series means its device."""
    add_gap(rig.file, "cellar", from_ns=at_ns(1), to_ns=at_ns(2), readings=3)
    for pattern in ("*", "cellar", "cellar/air.temperature"):
        [gap] = rig.client.get(f"/api/v1/gaps?time=ns&pattern={pattern}").json["gaps"]
        assert (gap["device"], gap["from"], gap["to"], gap["readings"]) == (
            "cellar", at_ns(1), at_ns(2), 3,
        )  # fmt: skip
        assert gap["meaning"]
    assert rig.client.get("/api/v1/gaps?pattern=greenhouse").json == {"gaps": []}
    assert rig.client.get("/api/v1/gaps?end=2001-01-01").json == {"gaps": []}


def test_metrics(rig: WebRig) -> None:
    """For Prometheus."""
    reply = rig.client.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'telegauge_device_readings_total{device="cellar"} 1\n' in reply.body


def test_health(rig: WebRig) -> None:
    """Why it is not well is for who may ask all."""
    assert rig.client.get("/healthz").json == {"status": "ok"}
    rig.trouble = "too little space"
    reply = rig.client.get("/healthz")
    assert (reply.status, reply.json["detail"]) == (503, "too little space")


def test_index_leads_to_all(rig: WebRig) -> None:
    """Each link on it works."""
    page = rig.client.get("/api").body.decode()
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert len(links) >= 7
    for link in links:
        assert rig.client.get(link.replace("&amp;", "&")).status == 200


@pytest.mark.parametrize(
    "path",
    ["/api", "/metrics"]
    + [
        f"/api/v1/{name}"
        for name in ("about", "devices", "series", "latest", "readings", "gaps", "doubts", "live")
    ],
)
def test_unknown_parameters_are_told(rig: WebRig, path: str) -> None:
    """With those that are known: a typing error must not look like an answer."""
    reply = rig.client.get(f"{path}?patern=x")
    assert reply.status == 400
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert "no parameter `patern`" in reply.json["detail"]


def test_paths_and_methods(rig: WebRig) -> None:
    """What is not here says what is."""
    reply = rig.client.get("/api/v1/sries")
    assert (reply.status, reply.json["title"]) == (404, "Not Found")
    assert "Did you mean `/api/v1/series`" in reply.json["detail"]
    reply = rig.client.post("/api/v1/series")
    assert reply.status == 405
    assert "GET" in reply.headers["Allow"]

"""collector.web.readings: all readings once, whatever the windows; through the real door."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector.store import open_for_writing, seal_store
from collector.web import reading, readings
from kit.stores import at_ns, batch, commit, described, read, transaction
from kit.waiting import wait_until
from kit.webs import WebRig, unpacked, web_rig
from wire.batches import ClockPair

READINGS = "/api/v1/readings?start=0&time=ns"
UNSYNCED = ClockPair(0, 0, synchronised=False)
COUNT = 500


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door over a store of two devices, the first half of it sealed."""
    file = tmp_path / "telegauge.db"
    open_for_writing(file).close()
    with transaction(file) as group:
        for device in ("cellar", "greenhouse"):
            group.describe(device, described("air.temperature"))
    for half in (0, 1):
        for device in ("cellar", "greenhouse"):
            reads = [read(half * COUNT + at, at / 10) for at in range(COUNT)]
            commit(file, device, batch(1 + half, *reads, before=half * COUNT))
        if not half:
            seal_store(file)
    with web_rig(tmp_path) as made:
        yield made


def readings_in(pieces: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """All readings by series, in the order in which they came."""
    found: dict[str, list[tuple[int, float]]] = {}
    for piece in pieces:
        pairs = zip(piece["times"], piece["values"], strict=True)
        found.setdefault(piece["series"], []).extend(pairs)
    return found


EXPECTED = [
    (at_ns(half * COUNT + at), at / 10) for half in (0, 1) for at in range(COUNT)
]  # fmt: skip


@pytest.mark.parametrize("window", [25_000, 300, 7])
def test_every_reading_comes_once_in_order(
    rig: WebRig, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """In windows of any size, from chunks and from batches."""
    monkeypatch.setattr(readings, "WINDOW_READINGS", window)
    monkeypatch.setattr(readings, "LEAST_NS", window * 10**9)
    monkeypatch.setattr(readings, "FURTHER", 1)
    reply = rig.client.get(f"{READINGS}&end={at_ns(2 * COUNT) // 10**9}")
    assert reply.headers["Transfer-Encoding"] == "chunked"
    found = readings_in(reply.json["readings"])
    assert found == {
        "cellar/air.temperature": EXPECTED, "greenhouse/air.temperature": EXPECTED,
    }  # fmt: skip
    assert (len(reply.json["readings"]) > 2) == (window < 1000)


def test_formats_say_the_same(rig: WebRig) -> None:
    """JSON, CSV and columns."""
    query = f"{READINGS}&series=cellar/air.temperature"
    *blocks, _ = unpacked(rig.client.get(f"{query}&format=columns").body)
    packed = [
        pair
        for _, (times, values, _) in blocks
        for pair in zip(np.frombuffer(times, "<i8"), np.frombuffer(values, "<f8"), strict=True)
    ]
    lines = rig.client.get(f"{query}&format=csv").body.decode().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    assert packed == EXPECTED
    assert [(int(row[0]), float(row[2])) for row in rows] == EXPECTED


def test_range_is_half_open(rig: WebRig) -> None:
    """From its start on, and up to before its end."""
    start, end = at_ns(10), at_ns(12)
    query = f"/api/v1/readings?time=ns&start={start / 1e9:.0f}&end={end / 1e9:.0f}&pattern=cellar/*"
    answer = rig.client.get(query).json
    assert (answer["start"], answer["end"]) == (start, end)
    assert readings_in(answer["readings"])["cellar/air.temperature"] == [
        (at_ns(10), 1.0), (at_ns(11), 1.1),
    ]  # fmt: skip


def test_readings_of_unknown_time_come_once(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though they may lie in every window."""
    monkeypatch.setattr(readings, "WINDOW_READINGS", 100)
    commit(rig.file, "lost", batch(1, read(1, 7.0), clock=UNSYNCED))
    [piece] = [
        each for each in rig.client.get(READINGS).json["readings"] if each["series"][:4] == "lost"
    ]
    assert (piece["time_known"], piece["times"], piece["values"]) == ("unknown", None, [7.0])


def test_series_that_nobody_knows(rig: WebRig) -> None:
    """A name has to be right; a pattern may match nothing."""
    reply = rig.client.get("/api/v1/readings?series=cellar/air.temprature")
    assert (reply.status, reply.json["parameter"]) == (404, "series")
    assert "Did you mean `cellar/air.temperature`" in reply.json["detail"]
    assert rig.client.get("/api/v1/readings?pattern=x*").json["readings"] == []


def test_quality_is_chosen(rig: WebRig) -> None:
    """Good, suspect or bad, or several of these."""
    commit(
        rig.file, "odd", batch(1, read(1, 1.0), read(2, 2.0, quality=4), read(3, 3.0, quality=3))
    )
    query = f"{READINGS}&pattern=odd/*&quality="
    [piece] = rig.client.get(query + "suspect").json["readings"]
    assert piece["values"] == [2.0, 3.0]
    assert len(rig.client.get(query + "good,suspect").json["readings"][0]["values"]) == 3
    assert rig.client.get(query + "bad").json["readings"] == []


def test_who_goes_away_ends_the_work(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free again, and no more of it is read."""
    monkeypatch.setattr(readings, "WINDOW_READINGS", 1)
    monkeypatch.setattr(readings, "LEAST_NS", 1)
    with rig.client.connect() as connection:
        connection.sendall(b"GET /api/v1/readings?start=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
    wait_until(lambda: not rig.web._reading.questions)
    assert rig.client.get(READINGS + "&pattern=x*").status == 200


def test_too_many_questions_are_refused(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the answer has begun, so that it can be said."""
    monkeypatch.setattr(reading, "MAX_QUESTIONS", 0)
    reply = rig.client.get(READINGS)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")


def test_head_has_no_body(rig: WebRig) -> None:
    """And reads nothing."""
    reply = rig.client.ask("HEAD", READINGS, {})
    assert (reply.status, reply.body) == (200, b"")


def test_answer_that_breaks_off_is_seen(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent cannot be taken back; it does not look whole."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(readings, "_window", fail)
    with rig.client.connect() as connection:
        connection.sendall(b"GET /api/v1/readings?start=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        while data := connection.recv(4096):
            said += data
    assert b"200 OK" in said
    assert not said.endswith(b"0\r\n\r\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(said.partition(b"\r\n\r\n")[2])

"""collector.web.live: what is committed comes, once, in order; what is missed or dropped is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.store import seal_store
from collector.web import live
from collector.web.encoding import Clock
from collector.web.live import Listener
from kit.stores import batch, commit, read
from kit.waiting import wait_until
from kit.webs import WebRig, listening, web_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door over an empty store."""
    with web_rig(tmp_path) as made:
        yield made


def values(event: dict[str, Any]) -> dict[str, list[float]]:
    """The values in an event, by series."""
    return {each["series"]: each["values"] for each in event["data"]["readings"]}


def present(rig: WebRig, count: int) -> None:
    """Wait until so many have caught up."""
    wait_until(lambda: len(rig.web.hub._present) == count)


def test_what_is_committed_comes(rig: WebRig) -> None:
    """From now on; each as its row, of the series asked for; nothing is read where nobody listens."""
    rig.commit("pi", batch(1))
    assert rig.following._work is None
    with (
        listening(rig.client, "?pattern=pi/air.*&time=ns") as one,
        listening(rig.client, "?pattern=cellar/*") as other,
    ):
        present(rig, 2)
        rig.commit("pi", batch(2, read(5, 21.0), read(5, 3.0, sensor="soil")))
        rig.commit("cellar", batch(1, read(6, 12.0)))
        event = one.read()
        assert (event["id"], values(event)) == ("2", {"pi/air.temperature": [21.0]})
        assert values(other.read()) == {"cellar/air.temperature": [12.0]}
    wait_until(lambda: not len(rig.web.hub))


def test_who_comes_back_gets_what_is_still_there(rig: WebRig) -> None:
    """Behind the last event that was heard, and then what comes."""
    for seq in range(1, 5):
        rig.commit("pi", batch(seq))
    with listening(rig.client, Last_Event_ID="2") as events:
        assert [events.read()["id"] for _ in range(2)] == ["3", "4"]
        rig.commit("pi", batch(5))
        assert events.read()["id"] == "5"


def test_what_is_sealed_is_told_as_missed(rig: WebRig) -> None:
    """So that whoever listens asks /api/v1/readings for it."""
    for seq in range(1, 4):
        rig.commit("pi", batch(seq))
    seal_store(rig.file)
    rig.commit("pi", batch(4))
    with listening(rig.client, Last_Event_ID="1") as events:
        assert events.read() == {"event": "missed", "data": {"from_row": 2, "to_row": 3}}
        assert events.read()["id"] == "4"


def test_what_is_sealed_while_nothing_follows_is_told_too(rig: WebRig) -> None:
    """Nobody has to wait for the next reading to learn it."""
    rig.commit("pi", batch(1))
    rig.commit("pi", batch(2))
    seal_store(rig.file)
    with listening(rig.client, Last_Event_ID="1") as events:
        assert events.read() == {"event": "missed", "data": {"from_row": 2, "to_row": 2}}


def test_events_of_another_store_begin_anew(rig: WebRig) -> None:
    """A number that this one has not come to yet."""
    rig.commit("pi", batch(1))
    with listening(rig.client, Last_Event_ID="99") as events:
        assert events.read()["event"] == "missed"
        assert events.read()["id"] == "1"


def test_slow_listener_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told how many those were, and they are counted."""
    import asyncio

    monkeypatch.setattr(live, "MAX_WAITING", 2)

    async def main() -> list[bytes]:
        listener = Listener("*", Clock("ns", ZoneInfo("UTC")), 0)
        listener.put([b"1", b"2", b"3", b"4"])
        assert listener.dropped == 2
        events = listener.events()
        return [await anext(events) for _ in range(3)]

    said = asyncio.run(main())
    assert said == [b'event: dropped\ndata: {"events":2}\n\n', b"3", b"4"]


def test_silence_has_a_heartbeat(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment, which browsers ignore and proxies do not."""
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    with rig.client.connect() as connection:
        connection.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        while b": alive\n\n" not in said:
            said += connection.recv(4096)


def test_so_many_listen(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more."""
    monkeypatch.setattr(live, "MAX_LISTENERS", 1)
    with listening(rig.client):
        reply = rig.client.get("/api/v1/live")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "30")


def test_many_rows_before_who_came_late(rig: WebRig) -> None:
    """More than are read at a time."""
    for seq in range(1, 601):
        commit(rig.file, "pi", batch(seq))
    with listening(rig.client, Last_Event_ID="0") as events:
        assert [events.read()["id"] for _ in range(600)] == [str(n) for n in range(1, 601)]

"""collector.web.alerts: what is wrong, over HTTP and live; that it was seen needs our own page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.alerts.history import History
from collector.alerts.lives import Alert
from collector.alerts.outbox import NotifierStatus
from collector.alerts.report import report
from collector.errors import AlertError
from kit.alerts import BEGAN_NS, SERIES, alert, notification
from kit.waiting import wait_until
from kit.webs import WebRig, listening, web_rig

OVER = alert(2, state="resolved", until_ns=BEGAN_NS + 10**9, subject="*1", members=("pi", "shed"))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door with an alert that fires and one that is over."""
    with web_rig(tmp_path) as made:
        alerts = {1: alert(1, value=3.5), 2: OVER}

        async def alerts_(_arguments: Any) -> Any:
            told = [notification(1, 1, sent_ns=BEGAN_NS), notification(2, 1, to="mail", error="no")]
            return report(History(alerts.values(), told), [NotifierStatus("mail", 1, "no")], "")

        async def seen(arguments: Any) -> Any:
            if arguments["id"] != 1:
                raise AlertError(f"there is no alert {arguments['id']}")
            alerts[1] = alert(1, state="seen", seen_ns=BEGAN_NS)
            return (await alerts_({})).alerts[0]

        handlers = made.web.alerts._handlers
        handlers["alerts"], handlers["alert_seen"] = alerts_, seen  # type: ignore[index]
        yield made


def test_all_of_it(rig: WebRig) -> None:
    """With times as asked for, who was told, and how the notifiers do."""
    found = rig.client.get("/api/v1/alerts?time=ns").json
    assert found["alerts"][0] == {
        "id": 1, "rule": "cold", "series": SERIES, "device": "pi", "state": "firing",
        "since": BEGAN_NS, "fired": BEGAN_NS, "seen": None, "until": None, "value": 3.5,
        "words": "it is cold", "summary_of": [],
        "notified": [
            {"to": "phone", "at": BEGAN_NS, "error": ""},
            {"to": "mail", "at": None, "error": "no"},
        ],
    }  # fmt: skip
    assert found["alerts"][1]["summary_of"] == ["pi", "shed"]
    assert found["alerts"][1]["series"] is found["alerts"][1]["device"] is None
    assert found["notifiers"] == [{"name": "mail", "waiting": 1, "last_error": "no"}]
    assert found["trouble"] == ""


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2]),
        ("?state=firing", [1]),
        ("?state=resolved,seen", [2]),
        ("?pattern=*/air.*", [1, 2]),
        ("?pattern=shed/*", [2]),
        ("?pattern=attic/*", []),
    ],
)
def test_some_of_it(rig: WebRig, query: str, ids: list[int]) -> None:
    """By state and pattern."""
    found = rig.client.get(f"/api/v1/alerts{query}").json["alerts"]
    assert [each["id"] for each in found] == ids


def test_seen(rig: WebRig) -> None:
    """From our own page; of what does not exist it says so."""
    assert rig.client.post("/api/v1/alerts/1/seen").json["state"] == "seen"
    assert rig.client.post("/api/v1/alerts/9/seen").status == 409
    assert rig.client.post("/api/v1/alerts/x/seen").status == 404
    assert rig.client.post("/api/v1/alerts/1/seen", Origin="http://evil.example").status == 403


def test_wrong_questions(rig: WebRig) -> None:
    """They are told what is accepted."""
    assert rig.client.get("/api/v1/alerts?state=loud").json["parameter"] == "state"
    assert rig.client.get("/api/v1/alerts?no=1").json["accepted"] == ["state", "pattern", "time"]


def test_live(rig: WebRig) -> None:
    """Who listens to a series hears of its alerts, and of those of devices."""

    def tell(each: Alert) -> None:
        rig.call(lambda: rig.web.alerts.tell(each))

    with listening(rig.client, "?pattern=shed/*&time=s") as events:
        wait_until(lambda: rig.web.hub._present)
        tell(alert(1))
        tell(alert(2, subject="pi"))
        event = events.read()
        assert (event["event"], event["data"]["id"]) == ("alert", 2)
        assert event["data"]["since"] == BEGAN_NS / 10**9

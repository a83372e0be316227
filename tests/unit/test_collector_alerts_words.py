"""collector.alerts.words: what people and programs are told."""

from zoneinfo import ZoneInfo

from collector.alerts.words import facts_of, message
from kit.alerts import BEGAN_NS, alert

ZONE = ZoneInfo("Asia/Seoul")
OVER = alert(2, state="resolved", until_ns=BEGAN_NS + 600 * 10**9)


def test_one_alert() -> None:
    """The title says of what, the body since when."""
    title, body = message([alert()], ZONE)
    assert title == "Telegauge: cold: pi/air.temperature"
    assert body == "cold: it is cold (since 2026-11-27T17:00:00.000+09:00)"


def test_one_that_is_over() -> None:
    """How long it lasted."""
    title, body = message([OVER], ZONE)
    assert title == "Telegauge: cold: pi/air.temperature is over"
    assert body == "cold is over after 10 min, since 2026-11-27T17:10:00.000+09:00: it is cold"


def test_several() -> None:
    """One message, a line each."""
    title, body = message([alert(), OVER, alert(3, subject="*1", members=("a", "b"))], ZONE)
    assert title == "Telegauge: 2 firing, 1 over"
    assert len(body.splitlines()) == 3
    assert message([alert(3, subject="*1", members=("a", "b"))], ZONE)[0].endswith("2 devices")


def test_facts_for_programs() -> None:
    """With names that stay, and times as everywhere."""
    assert facts_of(OVER, ZONE) == {
        "id": 2, "rule": "cold", "series": "pi/air.temperature", "device": "pi",
        "state": "resolved", "since": "2026-11-27T17:00:00.000+09:00",
        "until": "2026-11-27T17:10:00.000+09:00", "value": None, "words": "it is cold",
        "summary_of": [],
    }  # fmt: skip

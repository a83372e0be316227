"""collector.alerts.lives: each alert has its states in order, and there is one at a time of one thing."""

import pytest
from msgspec.structs import replace

from collector.alerts import lives
from collector.alerts.lives import AGAIN_WITHIN_S, FIRST_CALM_S, Lives
from collector.alerts.signals import Level, Signal
from kit.alerts import BEGAN_NS, SERIES, alert

OFF = Signal("cold", SERIES, Level.OFF)
PENDING = Signal("cold", SERIES, Level.PENDING, BEGAN_NS, "it is 3", 3.0)
ON = Signal("cold", SERIES, Level.ON, BEGAN_NS, "it is 2", 2.0)


def take(life: Lives, signal: Signal, at_s: float = 0.0) -> list[str]:
    """The events of a signal."""
    return [event for event, _ in life.take(signal, at_s, BEGAN_NS + round(at_s * 1e9))]


def look(life: Lives, at_s: float) -> list[str]:
    """The events of a look."""
    return [event for event, _ in life.look(at_s, BEGAN_NS + round(at_s * 1e9))]


def test_whole_life() -> None:
    """Pending, firing, seen, resolved; with the times of each, and what was last said."""
    life = Lives(next_id=7)
    assert take(life, PENDING) == ["pending"]
    assert take(life, PENDING, 5) == []
    assert take(life, ON, 10) == ["firing"]
    assert take(life, ON, 11) == []
    ((event, seen),) = life.see(7, BEGAN_NS + 20 * 10**9)
    assert (event, seen.state, seen.seen_ns) == ("seen", "seen", BEGAN_NS + 20 * 10**9)
    ((event, over),) = life.take(OFF, 30, BEGAN_NS + 30 * 10**9)
    assert event == "resolved"
    assert over == replace(
        seen, state="resolved", until_ns=BEGAN_NS + 30 * 10**9, words="it is 2", value=2.0
    )
    assert (over.since_ns, over.fired_ns) == (BEGAN_NS, BEGAN_NS + 10 * 10**9)
    assert life.active == []


def test_what_is_pending_goes_without_a_trace() -> None:
    """And its number is not used again."""
    life = Lives()
    take(life, PENDING)
    assert take(life, OFF) == ["gone"]
    take(life, ON)
    assert [each.id for each in life.active] == [2]


def test_nothing_is_seen_twice_or_too_early() -> None:
    """What is pending, was seen, or does not exist."""
    life = Lives()
    take(life, PENDING)
    assert list(life.see(1, 0)) == []
    take(life, ON)
    assert len(list(life.see(1, 0))) == 1
    assert list(life.see(1, 0)) == list(life.see(99, 0)) == []
    assert take(life, ON) == [], "what was seen does not fire again"


def test_other_words_change_it() -> None:
    """A summary of which some are back; not the alert of a rule, whose value goes on."""
    life = Lives()
    take(life, ON)
    assert take(life, ON._replace(words="other", members=("a",))) == ["changed"]
    assert life.active[0].members == ("a",)


def test_what_comes_back_has_to_be_calm() -> None:
    """A minute, then two; while it is not over yet, nothing new fires."""
    life = Lives()
    take(life, ON)
    assert take(life, OFF, 1) == ["resolved"]
    assert take(life, ON, 2) == ["firing"]
    assert take(life, OFF, 3) == []
    assert take(life, ON, 4) == []
    assert take(life, OFF, 5) == []
    assert look(life, 5 + FIRST_CALM_S - 1) == []
    assert look(life, 5 + FIRST_CALM_S) == ["resolved"]
    assert take(life, ON, 100) == ["firing"]
    assert take(life, OFF, 101) == []
    assert look(life, 101 + 2 * FIRST_CALM_S - 1) == []
    assert look(life, 101 + 2 * FIRST_CALM_S) == ["resolved"]


def test_what_stays_away_is_forgiven() -> None:
    """After an hour it is new again."""
    life = Lives()
    for _ in range(2):
        take(life, ON)
        take(life, OFF)
    look(life, FIRST_CALM_S)
    later = FIRST_CALM_S + AGAIN_WITHIN_S + 1
    assert look(life, later) == []
    assert take(life, ON, later) == ["firing"]
    assert take(life, OFF, later + 1) == ["resolved"]


def test_alerts_of_a_former_run_go_on() -> None:
    """Neither told again, nor numbered again."""
    life = Lives([alert(5)], 6)
    assert take(life, ON) == ["changed"]
    assert take(life, ON._replace(subject="other")) == ["firing"]
    assert [each.id for each in life.active] == [5, 6]


def test_alert_that_nobody_says_any_more() -> None:
    """Its rule is gone."""
    life = Lives([alert(5)], 6)
    assert [event for event, _ in life.end(alert(5), BEGAN_NS)] == ["resolved"]
    assert list(life.end(alert(5), BEGAN_NS)) == []


def test_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, they are counted."""
    monkeypatch.setattr(lives, "MAX_ACTIVE", 1)
    life = Lives()
    take(life, ON)
    assert take(life, ON._replace(subject="other")) == []
    assert life.refused == 1
    take(life, OFF)
    assert take(life, ON._replace(subject="other")) == ["firing"]

"""collector.device_states: the state of a device in one word."""

import re
from pathlib import Path

import pytest

import collector
from collector.alert_settings import SilenceSettings
from collector.alerts.expected import Expected
from collector.alerts.expected import silent_after_s as told_after_s
from collector.device_states import (
    SILENT_INTERVALS,
    SILENT_LEAST_S,
    STATES,
    Facts,
    State,
    shortest,
    silent_after_s,
    state_of,
)

NOW_NS = 1_790_000_000 * 10**9


def state(quiet_s: float, interval_s: float | None = 1.0, connected: bool | None = True) -> State:
    """The state of a device of which nothing was stored for so long."""
    return state_of(Facts(NOW_NS - round(quiet_s * 1e9), interval_s, connected), NOW_NS)


@pytest.mark.parametrize(
    ("quiet_s", "interval_s", "expected"),
    [
        (0.0, 0.1, "live"),
        (90.0, 0.1, "live"),
        (90.1, 0.1, "late"),
        (120.0, 0.1, "late"),
        (120.1, 0.1, "silent"),
        (120.1, None, "silent"),
        (180.0, 60.0, "live"),
        (180.1, 60.0, "late"),
        (300.0, 60.0, "late"),
        (300.1, 60.0, "silent"),
        (3 * 3600.0, 3600.0, "live"),
        (4 * 3600.0, 3600.0, "late"),
        (5.1 * 3600.0, 3600.0, "silent"),
    ],
)
def test_quiet_device_turns_late_then_silent(
    quiet_s: float, interval_s: float | None, expected: State
) -> None:
    """By its own interval, and never within a minute, in which the agent's health comes once."""
    assert state(quiet_s, interval_s) == expected
    assert state(quiet_s, interval_s, None) == expected


@pytest.mark.parametrize(("quiet_s", "expected"), [(10.0, "live"), (10.1, "late"), (121, "silent")])
def test_device_that_is_away_is_late_at_once(quiet_s: float, expected: State) -> None:
    """But not while it connects anew after a collector's restart."""
    assert state(quiet_s, connected=False) == expected


def test_slow_device_that_is_away_is_late() -> None:
    """Whatever its interval: nothing can come."""
    assert state(11.0, 3600.0, connected=False) == "late"


def test_device_that_sends_what_it_kept_is_draining() -> None:
    """Only while it is here, and something is stored."""
    facts = Facts(NOW_NS, 1.0, connected=True, is_draining=True)
    assert state_of(facts, NOW_NS) == "draining"
    assert state_of(facts._replace(connected=False), NOW_NS) == "live"
    assert state_of(facts, NOW_NS + 91 * 10**9) == "late"


@pytest.mark.parametrize("connected", [True, False, None])
def test_device_that_sent_nothing_was_never_seen(connected: bool | None) -> None:
    """Also while it is connected: what is stored counts."""
    assert state_of(Facts(None, 1.0, connected), NOW_NS) == "never_seen"


def test_clock_that_was_set_back_makes_nobody_silent() -> None:
    """The collector's own: what was stored lies ahead then."""
    assert state(-3600.0) == "live"


def test_what_wants_a_look_comes_first() -> None:
    """The order that page and terminal show."""
    assert STATES[0] == "silent"
    assert STATES[-1] == "live"


def test_shortest_interval_of_each_device() -> None:
    """Of all its series."""
    assert shortest([("a", 5.0), ("b", 1.0), ("a", 2.0), ("a", 9.0)]) == {"a": 2.0, "b": 1.0}


@pytest.mark.parametrize("interval_s", [0.1, 24.0, 24.1, 3600.0])
def test_alerts_begin_with_the_same_silence(interval_s: float) -> None:
    """Where nothing is set, the alert fires as the state turns; what is set changes the alert alone."""
    assert told_after_s(Expected(interval_s), SilenceSettings()) == silent_after_s(interval_s)
    after_s = silent_after_s(interval_s)
    assert (state(after_s, interval_s), state(after_s + 1e-3, interval_s)) == ("late", "silent")
    assert told_after_s(Expected(interval_s), SilenceSettings(at_least_s=1e5)) == 1e5


def test_page_knows_the_same_silence() -> None:
    """Of a series: it is written down in JavaScript anew."""
    text = (Path(collector.__file__).parent / "web" / "static" / "tile.js").read_text()
    found = dict(re.findall(r"const (SILENT_\w+) = (\d+);", text))
    assert found == {
        "SILENT_INTERVALS": str(SILENT_INTERVALS), "SILENT_LEAST": f"{SILENT_LEAST_S * 1000:.0f}",
    }  # fmt: skip

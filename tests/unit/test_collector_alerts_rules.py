"""collector.alerts.rules: what is beyond a limit fires by the readings' own time, and nothing old does."""

from pathlib import Path

import pytest

from collector.alert_settings import RuleSettings
from collector.alerts.lives import FIRST_CALM_S
from collector.clock import Dating, Known
from kit.alerts import SERIES, Played, part, rules

COLD = RuleSettings(series="*/air.*", below=4.0, clear=5.0)
LASTING = RuleSettings(series="*/air.*", below=4.0, clear=5.0, for_s=60.0)


def played(folder: Path, rule: RuleSettings, **how: float) -> Played:
    """A collector with one rule, and one device."""
    made = Played(folder, rules(cold=rule))
    made.describe("pi", "air.temperature", "soil.moisture", **how)
    return made


def test_value_beyond_a_limit(tmp_path: Path) -> None:
    """It fires at once, once; of the series that the pattern fits."""
    rig = played(tmp_path, COLD)
    rig.at_s = 10
    assert rig.value(3.0, series="pi/soil.moisture") == []
    assert rig.value(4.0) == []
    rig.at_s = 20
    assert rig.value(3.0) == [("firing", SERIES)]
    assert rig.words() == f"{SERIES} is 3 degC, below 4"
    rig.at_s = 30
    assert rig.value(2.0) == []


def test_it_ends_at_clear(tmp_path: Path) -> None:
    """Not where it began."""
    rig = played(tmp_path, COLD)
    events = []
    for value in (3.0, 4.5, 3.9, 4.9, 5.0, 4.5):
        rig.at_s += 10
        events += [event for event, _ in rig.value(value)]
    assert events == ["firing", "resolved"]


def test_it_has_to_last(tmp_path: Path) -> None:
    """By the readings' own time, in whatever batches they come."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 61
    assert rig.hear(part((50, 3.0), (60, 3.0))) == [("pending", SERIES)]
    rig.at_s = 100
    assert rig.hear(part((70, 3.0), (90, 4.5))) == []
    rig.at_s = 111
    assert rig.hear(part((109, 3.0), (110, 3.0))) == [("firing", SERIES)]
    assert rig.words() == f"{SERIES} is 3 degC, below 4, for 1m"
    (alert,) = rig.watch.active
    assert alert.since_ns == part((50, 0)).times_ns[0]


def test_what_does_not_last_leaves_no_trace(tmp_path: Path) -> None:
    """Pending, and gone."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 10
    assert rig.value(3.0) == [("pending", SERIES)]
    rig.at_s = 20
    assert rig.value(6.0) == [("gone", SERIES)]
    assert list(rig.watch.history) == []


def test_late_reading_fires_nothing(tmp_path: Path) -> None:
    """Later than twice its interval; also where a backlog says that it lasted."""
    rig = played(tmp_path, LASTING, interval_s=10.0)
    rig.at_s = 1000
    for at_s in range(0, 975, 10):
        assert rig.hear(part((at_s, 3.0))) == []
    assert rig.hear(part((979, 3.0))) == []
    assert rig.hear(part((981, 3.0))) == [("pending", SERIES)]
    rig.at_s = 1005
    assert rig.value(3.0) == [("firing", SERIES)]


def test_late_reading_ends_what_waits(tmp_path: Path) -> None:
    """It was warm meanwhile, so it has not been cold for so long."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 10
    rig.value(3.0)
    rig.at_s = 100
    assert rig.hear(part((50, 20.0))) == [("gone", SERIES)]
    assert rig.value(3.0) == [("pending", SERIES)]


def test_seldom_read_series_may_come_later(tmp_path: Path) -> None:
    """Twice its own interval."""
    rig = played(tmp_path, COLD, interval_s=3600.0)
    rig.at_s = 7100
    assert rig.hear(part((0, 3.0))) == [("firing", SERIES)]


def test_older_than_what_was_judged(tmp_path: Path) -> None:
    """It is left alone, in a batch of its own or before newer ones."""
    rig = played(tmp_path, COLD)
    rig.at_s = 20
    assert rig.hear(part((19, 20.0))) == []
    assert rig.hear(part((18, 3.0))) == []
    assert rig.hear(part((17, 3.0), (20, 20.0))) == []
    assert rig.hear(part((20, 3.0))) == []


def test_readings_out_of_order(tmp_path: Path) -> None:
    """They are judged in the order of their times."""
    rig = played(tmp_path, COLD)
    rig.at_s = 20
    assert rig.hear(part((20, 20.0), (19, 3.0))) == [("firing", SERIES), ("resolved", SERIES)]


def test_readings_of_the_future_and_of_no_time(tmp_path: Path) -> None:
    """A clock that is wrong decides nothing, then or later."""
    rig = played(tmp_path, COLD)
    rig.at_s = 20
    assert rig.hear(part((4000, 3.0))) == []
    assert rig.hear(part((20, 3.0), dating=Dating(Known.UNKNOWN))) == []
    assert rig.value(3.0) == [("firing", SERIES)]


def test_gap_begins_anew(tmp_path: Path) -> None:
    """Nobody knows what it was in a silence, so it has not lasted."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 10
    rig.value(3.0)
    rig.at_s = 400
    assert rig.value(3.0) == []
    assert rig.states()[SERIES] == "pending"
    rig.at_s = 461
    assert rig.value(3.0) == [("firing", SERIES)]


def test_value_that_is_told_once_and_holds(tmp_path: Path) -> None:
    """With a deadband, or of a door: it fires when its time has come, as long as it is not silent."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 10
    rig.value(3.0)
    rig.at_s = 89
    assert rig.look() == []
    rig.at_s = 91
    assert rig.look() == [("firing", SERIES)]


def test_doubtful_values_wake_nobody(tmp_path: Path) -> None:
    """Suspect or bad: that is what rules of quality are for."""
    rig = played(tmp_path, COLD)
    for quality in (1, 3, 128):
        rig.at_s += 10
        assert rig.value(float("nan") if quality >= 128 else 3.0, quality=quality) == []


@pytest.mark.parametrize(
    ("quality", "worst", "fires"),
    [(129, "bad", True), (3, "bad", False), (3, "suspect", True), (129, "suspect", True)],
)
def test_quality(tmp_path: Path, quality: int, worst: str, fires: bool) -> None:
    """Bad, or suspect and worse; said with its reason."""
    rig = played(tmp_path, RuleSettings(series="*", quality=worst))  # type: ignore[arg-type]
    rig.at_s = 10
    rig.value(float("nan"), quality=quality)
    assert (rig.states() == {SERIES: "firing"}) is fires
    if fires:
        assert rig.words().endswith(("bad (read_failed)", "suspect (jumped)"))
    rig.at_s = 20
    rig.value(20.0)
    assert rig.states() == {}


@pytest.mark.parametrize(("key", "sign"), [("rises", 1.0), ("falls", -1.0)])
def test_change_within_a_time(tmp_path: Path, key: str, sign: float) -> None:
    """So much within the window, whatever lies between; slower is nothing."""
    rule = RuleSettings(series="*/air.*", within_s=60.0, **{key: 5.0})
    rig = played(tmp_path, rule)
    for minute in range(10):
        rig.at_s = minute * 60
        assert rig.value(sign * minute * 4) == []
    rig.at_s += 20
    assert rig.value(sign * 38) == []
    rig.at_s += 30
    assert rig.value(sign * 41.5) == [("firing", SERIES)]
    assert "by 5 or more within 1m" in rig.words()
    rig.at_s += 61
    assert rig.value(sign * 42) == [("resolved", SERIES)]


def test_rules_of_a_reload(tmp_path: Path) -> None:
    """What a rule is gone of is over; what it is still of goes on."""
    rig = played(tmp_path, COLD)
    rig.at_s = 10
    rig.value(3.0)
    other = RuleSettings(series="*/air.*", below=10.0)
    rig.watch.take_up(rules(cold=COLD, cool=other), *rig.now)
    rig.at_s = 20
    assert rig.value(3.0) == [("firing", SERIES)]
    rig.watch.take_up(rules(cool=other), *rig.now)
    assert rig.look() == [("resolved", SERIES)]
    assert [each.rule for each in rig.watch.active] == ["cool"]


def test_rule_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was pending, with the time it has had; what fired, without firing again."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 10
    rig.value(3.0)
    rig.at_s = 60
    rig.value(3.0)
    rig.start()
    assert rig.states() == {SERIES: "pending"}
    rig.at_s = 75
    assert rig.value(3.0) == [("firing", SERIES)]
    rig.start()
    rig.at_s = 80
    assert rig.value(3.0) == []
    rig.at_s = 90
    assert rig.value(6.0) == [("resolved", SERIES)]


def test_flapping_is_told_ever_more_seldom(tmp_path: Path) -> None:
    """A value that goes to and fro each ten seconds, for an hour."""
    rig = played(tmp_path, RuleSettings(series="*/air.*", below=4.0))
    for turn in range(360):
        rig.at_s = 10 * turn
        rig.value(3.0 if turn % 2 else 20.0)
    fired = sum(event == "firing" for event, _ in rig.events)
    assert fired == 2, "the second goes on: it was never calm for a minute"
    rig.wait(FIRST_CALM_S + 2, [SERIES], 2)
    assert rig.states() == {}


def test_value_that_nobody_can_trust_any_more_does_not_hold(tmp_path: Path) -> None:
    """Bad readings came after it: what it is now nobody knows."""
    rig = played(tmp_path, LASTING)
    rig.at_s = 10
    rig.value(3.0)
    rig.at_s = 20
    rig.value(float("nan"), quality=129)
    rig.at_s = 110
    assert rig.look() == []

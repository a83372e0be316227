"""collector.alerts.watch: what the parts say together is kept, told, and goes on after a restart."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.alert_settings import NotifierSettings, RuleSettings
from collector.alerts.keeping import kept_in
from collector.alerts.stored import Stored
from collector.alerts.watch import News
from collector.following import Row
from collector.store import DatedReading
from kit.alerts import BEGAN_NS, SERIES, Played, part, rules

COLD = RuleSettings(series="*/air.*", below=4.0)


@pytest.fixture
def played(tmp_path: Path) -> Played:
    """A collector with one rule, one notifier, and one device that it has heard of."""
    made = Played(tmp_path, rules(cold=COLD))
    made.describe("pi")
    made.at_s = 10
    return made


def waiting(played: Played, name: str = "phone") -> list[int]:
    """The alerts that a notifier is to be told of."""
    due = played.watch.outbox.due(name, 20, False, played.now[0])
    return [each.alert_id for each in due]


def test_alert_and_who_is_to_be_told_are_written_together(played: Played) -> None:
    """Before anybody is told: so a kill between loses neither."""
    played.value(3.0)
    kept = kept_in(played.folder / "alerts.db")
    assert [each.state for each in kept.alerts] == ["firing"]
    assert [(each.alert_id, each.to) for each in kept.notifications] == [(1, "phone")]
    played.start()
    assert waiting(played) == [1]
    played.watch.sent("phone", *played.now)
    played.start()
    assert waiting(played) == []
    assert [each.sent_ns for each in played.watch.history.told(1)] == [played.now[1]]


def test_failure_is_kept(played: Played) -> None:
    """With the alert that it belongs to."""
    played.value(3.0)
    waiting(played)
    played.watch.failed("phone", "refused", *played.now)
    played.start()
    assert [each.error for each in played.watch.history.told(1)] == ["refused"]


def test_end_is_told_unless_it_shall_not(tmp_path: Path) -> None:
    """`resolved: false`, and `notify: []`."""
    quiet = {"phone": NotifierSettings(command=("true",), resolved=False)}
    played = Played(tmp_path, replace(rules(cold=COLD), notify=quiet))
    played.describe("pi")
    played.at_s = 10
    played.value(3.0)
    assert waiting(played) == [1]
    played.watch.sent("phone", *played.now)
    played.at_s = 20
    played.value(20.0)
    assert waiting(played) == []
    silent = rules(cold=replace(COLD, notify=()))
    played.watch.take_up(silent, *played.now)
    played.at_s = 5000
    assert played.value(3.0) == [("firing", SERIES)]
    assert waiting(played) == []


def test_seen_is_kept(played: Played) -> None:
    """And goes on to be over."""
    played.value(3.0)
    assert [event for event, _ in played.watch.see(1, *played.now)] == ["seen"]
    played.start()
    assert played.states() == {SERIES: "seen"}
    played.at_s = 20
    assert played.value(20.0) == [("resolved", SERIES)]


def test_last_stored_reading_is_judged_after_a_restart(played: Played) -> None:
    """It may have been stored as the collector was killed, and the next comes in an hour."""
    latest = [DatedReading(SERIES, BEGAN_NS + 9 * 10**9, 3.0, 0, "degC")]
    played.stored = Stored(latest, {})
    played.start()
    assert played.look() == [("firing", SERIES)]


def test_old_rows_are_a_sign_of_life_and_no_more(played: Played) -> None:
    """Nothing of them is judged, nor has to be decoded."""
    played.at_s = 10_000
    assert played.hear(part((0, 3.0))) == []
    assert played.watch.old_ns["pi"] == 60 * 10**9


def test_series_that_nobody_described_is_not_judged(played: Played) -> None:
    """A device says what it has before it says anything else; else there would be no bound."""
    assert played.value(3.0, series="pi/air.other") == []
    assert played.value(3.0, series="shed/air.temperature") == []


def test_missed_rows_are_no_silence(tmp_path: Path) -> None:
    """They were sealed before they were seen."""
    played = Played(tmp_path)
    played.describe("pi")
    for _ in range(30):
        played.at_s += 10
        played.look(News(missed=True))
    assert played.events == []


def test_revoked_device_takes_its_alerts_along(played: Played) -> None:
    """Nobody can mend them any more."""
    played.value(3.0)
    played.revoked.add("pi")
    played.look()
    assert played.look() == []
    assert played.states() == {}
    assert kept_in(played.folder / "alerts.db").devices == {}


def test_channel_that_is_gone_takes_its_alert_along(played: Played) -> None:
    """It is described no more."""
    played.value(3.0)
    played.describe("pi", "soil.moisture")
    assert played.states() == {}


def test_stop_is_remembered_until_it_comes_back(tmp_path: Path) -> None:
    """Over a restart of the collector, too."""
    played = Played(tmp_path)
    played.describe("pi")
    played.look(News(stopped={"pi"}))
    played.connected.clear()
    played.watch.close(played.now[0])
    assert kept_in(tmp_path / "alerts.db").devices["pi"].is_stopped
    played.start()
    played.wait(600, every_s=10)
    assert played.events == []
    played.describe("pi")
    played.watch.close(played.now[0])
    assert not kept_in(tmp_path / "alerts.db").devices["pi"].is_stopped


def test_undecoded_row_is_heard(played: Played) -> None:
    """There was no time to look into it."""
    assert played.look(News(rows=[Row(1, "pi", played.now[1], ())])) == []

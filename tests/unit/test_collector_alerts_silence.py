"""collector.alerts.silence: who is silent, alone or together; nothing twice, and nothing at a whim."""

from pathlib import Path

import pytest

from collector.alert_settings import AlertSettings, SilenceSettings
from collector.alerts.expected import Expected
from collector.alerts.silence import COME_BACK_S
from collector.alerts.stored import Stored, StoredDevice
from collector.alerts.watch import News
from kit.alerts import BEGAN_NS, SECOND_NS, SERIES, Played, part

SOIL = "pi/soil.moisture"


@pytest.fixture
def played(tmp_path: Path) -> Played:
    """A collector with one device of two series, each read every 10 s."""
    made = Played(tmp_path)
    made.describe("pi", "air.temperature", "soil.moisture")
    return made


def test_series_that_falls_silent(played: Played) -> None:
    """After five intervals, two minutes at least; while its device goes on."""
    played.wait(130, [SERIES, SOIL])
    assert played.events == []
    played.wait(119, [SOIL])
    assert played.events == []
    played.wait(3, [SOIL])
    assert played.events == [("firing", SERIES)]
    assert played.words() == f"{SERIES} is silent: nothing came for 2 min, it is read every 10s"


def test_series_that_is_read_seldom(tmp_path: Path) -> None:
    """Its own interval counts; with a deadband its max_interval."""
    played = Played(tmp_path)
    played.describe("pi", interval_s=600.0)
    played.wait(3000, every_s=10)
    assert played.events == []
    played.wait(20, every_s=10)
    assert played.events == [("firing", "pi")]


def test_it_is_over_after_a_while(played: Played) -> None:
    """One reading is no proof; two minutes without another silence are."""
    played.wait(130, [SOIL])
    played.wait(130, [SOIL])
    assert played.states() == {SERIES: "firing"}
    played.wait(1, [SERIES, SOIL])
    played.wait(125, [SOIL])
    assert played.states() == {SERIES: "firing"}
    played.wait(119, [SERIES, SOIL])
    assert played.states() == {SERIES: "firing"}
    played.wait(3, [SERIES, SOIL])
    assert played.states() == {}


def test_device_that_vanishes_is_one_alert(played: Played) -> None:
    """It names what belongs to it; its series are not told one by one, then or later."""
    played.wait(130, [SERIES, SOIL])
    played.connected.clear()
    played.wait(1000)
    assert played.events == [("firing", "pi")]
    assert played.words("pi") == "pi is silent: it is away, and nothing came for 2 min"
    (alert,) = played.watch.active
    assert set(alert.members) == {SERIES, SOIL}
    played.connected.add("pi")
    played.wait(125, [SERIES, SOIL])
    assert played.events == [("firing", "pi"), ("resolved", "pi")]


def test_what_stays_silent_when_its_device_is_back(played: Played) -> None:
    """It has its own time from then on."""
    played.wait(10, [SERIES, SOIL])
    played.connected.clear()
    played.wait(200)
    played.connected.add("pi")
    played.wait(122, [SOIL])
    assert played.states() == {}
    played.wait(122, [SOIL])
    assert played.states() == {SERIES: "firing"}


def test_device_that_is_here_and_says_nothing(played: Played) -> None:
    """That is of the device, too, and said in other words."""
    played.wait(125)
    assert played.states() == {"pi": "firing"}
    assert "it is connected, but nothing came" in played.words("pi")


def test_device_whose_agent_was_stopped(played: Played) -> None:
    """It has an hour, and is told apart."""
    played.connected.clear()
    played.look(News(stopped={"pi"}))
    played.wait(3590, every_s=10)
    assert played.events == []
    played.wait(20, every_s=10)
    assert "its agent was stopped" in played.words("pi")


def test_stop_that_is_forgiven_for_ever(tmp_path: Path) -> None:
    """`after_stop: never`."""
    played = Played(tmp_path, AlertSettings(silence=SilenceSettings(after_stop_s=float("inf"))))
    played.describe("pi")
    played.connected.clear()
    played.look(News(stopped={"pi"}))
    played.wait(100_000, every_s=1000)
    assert played.events == []


def test_devices_that_go_together_are_one_alert(tmp_path: Path) -> None:
    """Within a minute; who comes back is left out of it, and it is over when all are."""
    played = Played(tmp_path)
    series = [f"pi-{number}/air.temperature" for number in range(4)]
    for number in range(4):
        played.describe(f"pi-{number}")
    played.wait(130, series)
    for number in range(1, 4):
        played.connected.discard(f"pi-{number}")
        played.wait(10, series[:1])
    played.wait(200, series[:1])
    ((event, group),) = played.events
    assert (event, group[0]) == ("firing", "*")
    assert played.words(group) == "3 devices fell silent together: pi-1, pi-2, pi-3"
    played.connected |= {"pi-1", "pi-2", "pi-3"}
    played.wait(125, series[:2])
    assert played.words(group) == (
        "still silent of 3 devices that fell silent together: pi-2, pi-3"
    )
    played.wait(125, series)
    assert played.states() == {}
    assert [event for event, _ in played.events] == ["firing", *["changed"] * 2, "resolved"]


def test_all_devices(tmp_path: Path) -> None:
    """That is most likely no fault of theirs."""
    played = Played(tmp_path)
    for name in ("a", "b"):
        played.describe(name)
    played.connected.clear()
    played.wait(130)
    (alert,) = played.watch.active
    assert alert.words == "all 2 devices are silent: the network or the power may be gone: a, b"
    assert alert.members == ("a", "b")


def test_devices_that_go_apart_are_two_alerts(tmp_path: Path) -> None:
    """More than a minute lies between."""
    played = Played(tmp_path)
    for name in ("a", "b"):
        played.describe(name)
    played.connected.discard("a")
    played.wait(70, ["b/air.temperature"])
    played.connected.discard("b")
    played.wait(200)
    assert played.states() == {"a": "firing", "b": "firing"}


def test_backlog_is_a_sign_of_life(played: Played) -> None:
    """While a device sends what it kept, neither it nor its series are silent."""
    for _ in range(60):
        played.at_s += 10
        played.hear(part((played.at_s - 5000, 1.0)))
    assert played.events == []


def test_exceptions(tmp_path: Path) -> None:
    """What is excepted is never silent; what was is no more, after a reload."""
    played = Played(tmp_path)
    played.describe("pi", "air.temperature", "soil.moisture")
    played.wait(130, [SOIL])
    assert played.states() == {SERIES: "firing"}
    settings = AlertSettings(silence=SilenceSettings(without=("*/air.*",)))
    played.watch.take_up(settings, *played.now)
    played.wait(130, [SOIL])
    assert played.states() == {}
    assert played.events[-1] == ("resolved", SERIES)


def test_sensor_that_was_taken_away(played: Played) -> None:
    """What a device does not have any more is missed by nobody."""
    played.wait(130, [SOIL])
    played.describe("pi", "soil.moisture")
    played.wait(300, [SOIL])
    assert played.events == [("firing", SERIES), ("resolved", SERIES)]


def test_device_that_was_revoked(played: Played) -> None:
    """Nobody waits for it."""
    played.connected.clear()
    played.wait(130)
    assert played.states() == {"pi": "firing"}
    played.revoked.add("pi")
    played.wait(1000)
    assert played.states() == {}


def test_restart_of_the_collector(played: Played) -> None:
    """Who was away has time to come back; who was silent is not told again."""
    played.describe("shed")
    played.connected.discard("shed")
    played.wait(130, [SERIES, SOIL])
    played.at_s += 500
    played.connected.clear()
    played.start()
    played.wait(COME_BACK_S - 1)
    assert played.events == [("firing", "shed")]
    played.wait(60)
    assert played.events == [("firing", "shed"), ("firing", "pi")]


def stored(**ago_s: float) -> Stored:
    """What a store knows of devices of which something came so long ago."""
    heard_ns = {name: BEGAN_NS - round(each * SECOND_NS) for name, each in ago_s.items()}
    devices = {
        name: StoredDevice({f"{name}/air.temperature": Expected(10.0)}, each)
        for name, each in heard_ns.items()
    }
    return Stored([], devices)


def test_who_was_away_before_anybody_watched(tmp_path: Path) -> None:
    """It has time to come, then it is told since when it is away; kept, it is told once."""
    played = Played(tmp_path, stored=stored(pi=5.0, shed=7200.0, attic=86_400.0))
    played.describe("pi")
    played.wait(COME_BACK_S - 1, [SERIES])
    assert played.events == []
    played.wait(60, [SERIES])
    assert set(played.events) == {("firing", "shed"), ("firing", "attic")}
    assert played.words("shed") == "shed is silent: it is away, and nothing came for 2 h"
    assert [each.since_ns for each in played.watch.active if each.subject == "attic"] == [
        BEGAN_NS - 86_400 * SECOND_NS
    ]
    played.start()
    played.wait(600, [SERIES])
    assert len(played.events) == 2
    played.describe("shed")
    played.wait(125, [SERIES, "shed/air.temperature"])
    assert played.events[2:] == [("resolved", "shed")]


def test_who_went_together_before_anybody_watched(tmp_path: Path) -> None:
    """One alert: the network was gone when alerts.db was lost."""
    played = Played(tmp_path, stored=stored(pi=3600.0, shed=3630.0, attic=90_000.0))
    played.wait(130)
    assert sorted(event for event, _ in played.events) == ["firing", "firing"]
    assert sorted(each.members for each in played.watch.active) == [
        ("attic/air.temperature",), ("pi", "shed"),
    ]  # fmt: skip


def test_who_was_revoked_before_anybody_watched(tmp_path: Path) -> None:
    """Nobody waits for it; and what is watched already stays as it described itself."""
    played = Played(tmp_path, revoked={"shed"}, stored=stored(pi=1e5, shed=1e5))
    assert played.watch.newly_expected == ["pi"]
    played.describe("pi", "soil.moisture")
    played.watch.close(played.now[0])
    played.start()
    assert played.watch.newly_expected == []
    played.wait(300, [SOIL])
    assert played.events == []


def test_slow_series_has_its_time_when_its_device_is_back(tmp_path: Path) -> None:
    """After a stop within its time, or a collector that was off as long, it is not read before that."""
    played = Played(tmp_path)
    played.describe("pi", interval_s=600.0)
    played.value(20.0)
    played.connected.clear()
    played.look(News(stopped={"pi"}))
    played.wait(3590, every_s=10)
    played.connected.add("pi")
    played.wait(590)
    assert played.events == []
    played.value(20.0)
    played.wait(3050, every_s=10)
    assert played.events == [("firing", "pi")]


def test_nobody_is_expected_of_whom_nothing_is_known(tmp_path: Path) -> None:
    """A store full of devices that went years ago is no alert."""
    played = Played(tmp_path)
    played.value(20.0)
    played.wait(500)
    assert played.events == []

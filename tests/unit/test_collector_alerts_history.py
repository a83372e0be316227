"""collector.alerts.history: so many alerts that are over are kept, and none somebody waits to hear of."""

import pytest

from collector.alerts import history
from collector.alerts.history import History
from kit.alerts import alert, notification


def test_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go; those that are not over, or still to be told, stay."""
    monkeypatch.setattr(history, "MAX_OVER", 2)
    found = History([alert(1)], [notification(1, alert_id=2)])
    for number in range(2, 6):
        found.put(alert(number, state="resolved"))
    assert [each.id for each in found.too_old()] == [3, 4]
    for each in found.too_old():
        found.drop(each)
    assert [each.id for each in found] == [1, 2, 5]
    assert found.too_old() == []


def test_who_was_told() -> None:
    """By alert; it goes with the alert."""
    found = History([alert(1), alert(2)], [notification(1, 1), notification(2, 2)])
    found.put_notification(notification(1, 1, sent_ns=5))
    assert found.told(1) == [notification(1, 1, sent_ns=5)]
    assert found.drop(alert(1)) == [notification(1, 1, sent_ns=5)]
    assert (found.told(1), found.find(1), found.find(2)) == ([], None, alert(2))


def test_notifications_of_one_alert_are_bounded() -> None:
    """Those that are done go first."""
    found = History([alert(1)], [])
    gone = []
    for number in range(40):
        gone += found.put_notification(notification(number, 1, sent_ns=5 if number else None))
    assert len(found.told(1)) == 32
    assert [each.id for each in gone] == list(range(1, 9))

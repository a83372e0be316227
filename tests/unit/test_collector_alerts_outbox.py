"""collector.alerts.outbox: each notification is sent once, tried again, or given up with a word."""

from typing import Any

import pytest

from collector.alerts import outbox
from collector.alerts.outbox import FIRST_RETRY_S, GIVE_UP_AFTER_NS, LONGEST_RETRY_S, Outbox
from kit.alerts import BEGAN_NS, notification


@pytest.fixture
def told() -> list[Any]:
    """What the outbox said has changed, in order."""
    return []


@pytest.fixture
def box(told: list[Any]) -> Outbox:
    """An empty one."""
    return Outbox(changed=told.append)


def add(box: Outbox, alert_id: int, event: outbox.Event = "firing", **how: Any) -> None:
    """Let a notification wait for the phone."""
    given = {"is_urgent": False, "now_ns": BEGAN_NS} | how
    box.add(alert_id, "phone", event, **given)


def due(box: Outbox, at_s: float = 0.0, most: int = 20, *, is_quiet: bool = False) -> list[int]:
    """The alerts that the phone is to be told of."""
    return [each.alert_id for each in box.due("phone", most, is_quiet, at_s)]


def test_what_waits_is_sent_together_once(box: Outbox, told: list[Any]) -> None:
    """In order; nothing else, while it is under way."""
    add(box, 1)
    add(box, 2)
    assert due(box) == [1, 2]
    add(box, 3)
    assert due(box) == []
    assert box.sent("phone", BEGAN_NS + 5) == 0
    assert due(box) == [3]
    assert [each.alert_id for each in told if each.sent_ns == BEGAN_NS + 5] == [1, 2]
    assert box.has_waiting("phone")
    box.sent("phone", BEGAN_NS)
    assert not box.has_waiting("phone")


def test_so_many_in_one_message(box: Outbox) -> None:
    """A command takes one at a time, a message twenty."""
    for number in range(30):
        add(box, number)
    assert due(box, most=1) == [0]
    box.sent("phone", BEGAN_NS)
    assert due(box, most=100) == list(range(1, 21))


def test_failure_is_tried_again_later(box: Outbox, told: list[Any]) -> None:
    """Ever later, up to a quarter of an hour; what failed is said, until it is sent."""
    add(box, 1)
    waits = []
    at_s = 0.0
    for _ in range(9):
        assert due(box, at_s) == [1]
        waits.append(box.failed("phone", "refused", at_s, BEGAN_NS))
        assert due(box, at_s + waits[-1] - 0.1) == []
        at_s += waits[-1]
    assert waits[:3] == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S]
    assert waits[-1] == LONGEST_RETRY_S
    (status,) = box.status(["phone"])
    assert status[:3] == ("phone", 1, "refused")
    assert (told[-1].attempts, told[-1].error) == (9, "refused")
    assert due(box, at_s) == [1]
    assert box.sent("phone", BEGAN_NS) == 9
    assert (told[-1].attempts, told[-1].error) == (10, "")
    assert box.status(["phone", "mail"])[0].last_error == ""


def test_given_up_after_days_and_said(box: Outbox, told: list[Any]) -> None:
    """Not lost silently."""
    add(box, 1)
    due(box)
    box.failed("phone", "refused", 0.0, BEGAN_NS + GIVE_UP_AFTER_NS + 1)
    assert told[-1].is_given_up
    assert told[-1].error == "given up after 1 attempts: refused"
    assert not box.has_waiting("phone")


def test_what_waits_is_bounded(
    box: Outbox, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest is given up, and says so."""
    monkeypatch.setattr(outbox, "MAX_WAITING", 3)
    for number in range(5):
        add(box, number)
    assert [each.alert_id for each in told if each.is_given_up] == [0, 1]
    assert due(box) == [2, 3, 4]


def test_over_before_it_was_told(box: Outbox) -> None:
    """One message says both; once it was told that it fires, another says that it is over."""
    add(box, 1)
    add(box, 1, "resolved")
    assert due(box) == [1]
    add(box, 1, "resolved")
    box.sent("phone", BEGAN_NS)
    assert due(box) == [1]


def test_quiet_hours_hold_back_what_is_not_urgent(box: Outbox) -> None:
    """And it is told afterwards."""
    add(box, 1)
    add(box, 2, is_urgent=True)
    assert due(box, is_quiet=True) == [2]
    box.sent("phone", BEGAN_NS)
    assert due(box, is_quiet=True) == []
    assert due(box) == [1]


def test_goes_on_after_a_restart() -> None:
    """What waited waits, and numbers go on."""
    changed: list[Any] = []
    box = Outbox([notification(4, 1), notification(5, 2)], 6, changed.append)
    assert due(box) == [1, 2]
    add(box, 3)
    assert changed[-1].id == 6


def test_notifier_that_is_gone(box: Outbox, told: list[Any]) -> None:
    """What waits for it is given up, also what is under way."""
    add(box, 1)
    due(box)
    box.keep_only(["mail"])
    assert told[-1].error == "given up: there is no notifier phone any more"
    before = len(told)
    box.sent("phone", BEGAN_NS)
    assert len(told) == before


def test_changed_settings_are_tried_at_once(box: Outbox) -> None:
    """Whoever mended an address does not wait for a quarter of an hour."""
    add(box, 1)
    due(box)
    box.failed("phone", "refused", 0.0, BEGAN_NS)
    box.try_now()
    assert due(box, 0.1) == [1]


def test_counts_of_each_notifier(box: Outbox) -> None:
    """What was sent, every time that it could not be, and what was given up; of another one nothing."""
    for number in range(3):
        add(box, number)
    due(box, most=2)
    box.failed("phone", "no", 0.0, BEGAN_NS)
    due(box, 1000.0, most=2)
    box.sent("phone", BEGAN_NS)
    due(box, 2000.0)
    box.failed("phone", "no", 2000.0, BEGAN_NS + GIVE_UP_AFTER_NS + 1)
    phone, mail = box.status(["phone", "mail"])
    assert (phone.waiting, phone.sent, phone.failed, phone.given_up) == (0, 2, 3, 1)
    assert mail[1:] == (0, "", 0, 0, 0)

"""collector.alerts.report: what is told of the alerts, the present ones first."""

import pytest

from collector.alerts.history import History
from collector.alerts.outbox import NotifierStatus
from collector.alerts.report import concerns, report
from kit.alerts import alert, notification


def test_order_and_who_was_told() -> None:
    """What is not over first, the newest first; of each who was told, or why not."""
    history = History(
        [alert(1), alert(2, state="resolved"), alert(3, state="seen"), alert(4, state="resolved")],
        [notification(1, 1, sent_ns=5), notification(2, 1, to="mail", error="refused")],
    )
    found = report(history, [NotifierStatus("mail", 1, "refused")], "odd")
    assert [each.alert.id for each in found.alerts] == [3, 1, 4, 2]
    told = [(each.to, each.at_ns, each.error) for each in found.alerts[1].notified]
    assert told == [("phone", 5, ""), ("mail", None, "refused")]
    assert (found.notifiers[0].waiting, found.trouble) == (1, "odd")


@pytest.mark.parametrize(
    ("subject", "pattern", "expected"),
    [
        ("pi/air.temperature", "*/air.*", True),
        ("pi/air.temperature", "pi/soil.*", False),
        ("pi", "pi/soil.*", True),
        ("pi", "shed/*", False),
        ("*1", "shed/*", True),
        ("*1", "attic/*", False),
        ("*1", "*", True),
    ],
)
def test_pattern(subject: str, pattern: str, expected: bool) -> None:
    """What is wrong with a device is wrong with its series."""
    assert concerns(alert(subject=subject, members=("pi", "shed")), pattern) is expected

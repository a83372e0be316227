"""What is told of the alerts to those who ask: on the control socket, over HTTP, and where none runs."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from collector.alerts.history import History
from collector.alerts.lives import Alert
from collector.alerts.outbox import Notification, NotifierStatus
from collector.alerts.signals import device_of, is_group, series_of


class Notified(msgspec.Struct, frozen=True):
    """Who was told of an alert: `at_ns` is when (UTC), None: not yet; `error`: why not."""

    to: str
    at_ns: int | None
    error: str = ""


class AlertReport(msgspec.Struct, frozen=True):
    """An alert, and who was told of it."""

    alert: Alert
    notified: list[Notified] = []


class NotifierReport(msgspec.Struct, frozen=True):
    """How a notifier does: how much waits, and why its last attempt failed."""

    name: str
    waiting: int
    last_error: str = ""


class Report(msgspec.Struct, frozen=True):
    """All alerts that are kept, those that are not over first, and how the notifiers do.

    `trouble`: why alerts are not kept over a restart, or not judged; "" where all is well.
    """

    alerts: list[AlertReport]
    notifiers: list[NotifierReport]
    trouble: str = ""


class Figures(NamedTuple):
    """How many alerts there are in each state, and how the notifiers do."""

    alerts: Mapping[str, int] = {}
    notifiers: Sequence[NotifierStatus] = ()


class Tested(msgspec.Struct, frozen=True):
    """What became of a test of one notifier; `error`: why it failed, or ""."""

    to: str
    error: str = ""


def report(history: History, notifiers: Iterable[NotifierStatus] = (), trouble: str = "") -> Report:
    """Return the report; the newest alerts first."""
    alerts = sorted(history, key=lambda alert: (alert.state == "resolved", -alert.id))
    return Report(
        [AlertReport(alert, _notified(history.told(alert.id))) for alert in alerts],
        [NotifierReport(each.name, each.waiting, each.last_error) for each in notifiers],
        trouble,
    )


def concerns(alert: Alert, pattern: str) -> bool:
    """Say whether an alert is about series that a pattern may match."""
    series = series_of(alert.subject)
    if series is not None:
        return fnmatchcase(series, pattern)
    wanted = pattern.partition("/")[0]
    devices = alert.members if is_group(alert.subject) else (device_of(alert.subject) or "",)
    return any(fnmatchcase(device, wanted) for device in devices)


def _notified(notifications: Iterable[Notification]) -> list[Notified]:
    return [Notified(each.to, each.sent_ns, each.error) for each in notifications]

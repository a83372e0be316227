"""What people, and programs, are told of alerts. Pure."""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any

from collector.alerts.lives import Alert
from collector.alerts.signals import device_of, series_of
from collector.times import told
from service.spoken import duration


def facts_of(alert: Alert, zone: tzinfo) -> dict[str, Any]:
    """Return an alert as JSON holds it, for commands."""
    return facts(alert, lambda at_ns: None if at_ns is None else told(at_ns, zone))


def facts(alert: Alert, when: Callable[[int | None], Any]) -> dict[str, Any]:
    """Return the same; `when` writes a time (UTC, ns)."""
    return {
        "id": alert.id,
        "rule": alert.rule,
        "series": series_of(alert.subject),
        "device": device_of(alert.subject),
        "state": alert.state,
        "since": when(alert.since_ns),
        "until": when(alert.until_ns),
        "value": alert.value,
        "words": alert.words,
        "summary_of": list(alert.members),
    }


def message(alerts: Sequence[Alert], zone: tzinfo) -> tuple[str, str]:
    """Return the title and the body of a message that tells of some alerts."""
    lines = [_line(alert, zone) for alert in alerts]
    if len(alerts) == 1:
        return _title(alerts[0]), lines[0]
    over = sum(alert.state == "resolved" for alert in alerts)
    counts = [(len(alerts) - over, "firing"), (over, "over")]
    title = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"Telegauge: {title}", "\n".join(f"- {line}" for line in lines)


def _title(alert: Alert) -> str:
    subject = device_of(alert.subject) or f"{len(alert.members)} devices"
    name = series_of(alert.subject) or subject
    return f"Telegauge: {alert.rule}: {name}{' is over' if alert.state == 'resolved' else ''}"


def _line(alert: Alert, zone: tzinfo) -> str:
    since = told(alert.since_ns, zone)
    if alert.until_ns is None:
        return f"{alert.rule}: {alert.words} (since {since})"
    lasted = duration(max(0.0, (alert.until_ns - alert.since_ns) / 1e9))
    return f"{alert.rule} is over after {lasted}, since {told(alert.until_ns, zone)}: {alert.words}"

"""The alerts that are and were, and who was told of each, newest last; so many that are over are kept."""

from collections.abc import Iterable, Iterator

from collector.alerts.keeping import MAX_OVER
from collector.alerts.lives import Alert
from collector.alerts.outbox import Notification

# Of one alert that flaps so many notifications are kept.
_MAX_OF_ONE = 32


class History:
    """What is known of alerts; for one thread."""

    def __init__(self, alerts: Iterable[Alert], notifications: Iterable[Notification]) -> None:
        self._alerts = {alert.id: alert for alert in alerts}
        self._told: dict[int, dict[int, Notification]] = {}
        self._over = sum(alert.state == "resolved" for alert in self._alerts.values())
        for each in notifications:
            self._told.setdefault(each.alert_id, {})[each.id] = each

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts.values())

    def find(self, alert_id: int) -> Alert | None:
        """Return an alert, None where it is not kept."""
        return self._alerts.get(alert_id)

    def told(self, alert_id: int) -> list[Notification]:
        """Return who was told of an alert, or is to be."""
        return list(self._told.get(alert_id, {}).values())

    def put(self, alert: Alert) -> None:
        """Take an alert as it is now."""
        former = self._alerts.get(alert.id)
        self._over += alert.state == "resolved" and (former is None or former.state != "resolved")
        self._alerts[alert.id] = alert

    def put_notification(self, notification: Notification) -> list[Notification]:
        """Take a notification as it is now; return those that are kept no more."""
        told = self._told.setdefault(notification.alert_id, {})
        told[notification.id] = notification
        done = [each for each in told.values() if not each.is_waiting]
        return [told.pop(each.id) for each in done[: max(0, len(told) - _MAX_OF_ONE)]]

    def drop(self, alert: Alert) -> list[Notification]:
        """Forget an alert; return the notifications that go with it."""
        if self._alerts.pop(alert.id, None) is not None and alert.state == "resolved":
            self._over -= 1
        return list(self._told.pop(alert.id, {}).values())

    def too_old(self) -> list[Alert]:
        """Return the alerts that are over and too many: those nobody is still to be told of."""
        excess = self._over - MAX_OVER
        if excess <= 0:
            return []
        over = (alert for alert in self._alerts.values() if alert.state == "resolved")
        found: list[Alert] = []
        for alert in over:
            if len(found) == excess:
                break
            if not any(each.is_waiting for each in self.told(alert.id)):
                found.append(alert)
        return found

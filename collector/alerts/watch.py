"""The watch: from what was committed to alerts that are kept, and notifications that wait.

All of it belongs to one thread, one call at a time; what it decides is decided by pure parts, this
only brings them together. `now_s` is monotonic, `now_ns` UTC.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from collector.alert_settings import SILENCE, AlertSettings
from collector.alerts.expected import Expected, expected_of, silent_after_s
from collector.alerts.history import History
from collector.alerts.keeping import Keeping, Kept, KeptDevice
from collector.alerts.lives import Alert, Change, Lives
from collector.alerts.outbox import Event, Notification, Outbox
from collector.alerts.rules import Pace, Rules, part_of
from collector.alerts.signals import Level, Signal, device_of, series_of
from collector.alerts.silence import Silence
from collector.alerts.stored import Stored
from collector.following import Row
from service.crashpoints import crash_point
from wire.bodies import Describe

# What is older can fire nothing, at the paces that sensors usually have.
OLD_NS = 60 * 10**9


@dataclass(slots=True)
class News:
    """What has happened since the last look.

    `missed`: rows that were sealed, or too many, before they were seen.
    """

    rows: list[Row] = field(default_factory=list)
    described: dict[str, Describe] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    missed: bool = False


class Watch:
    """The watch of one collector.

    Args:
        stored: what the store knows as this begins.
        is_revoked: whether nothing more is to come of a device.
        cause: why the collector takes nothing itself, "" where all is well.
    """

    def __init__(
        self,
        settings: AlertSettings,
        keeping: Keeping,
        stored: Stored,
        now: tuple[float, int],
        is_revoked: Callable[[str], bool] = lambda _: False,
        cause: Callable[[], str] = lambda: "",
    ) -> None:
        kept, now_s, now_ns = keeping.load(), *now
        self.old_ns: dict[str, int] = {}  # what of each device is too old to be looked at
        self._keeping = keeping
        self._is_revoked = is_revoked
        self._settings = settings
        self._paces: dict[str, dict[str, Pace]] = {}  # of the series of each device
        self._silence = Silence(settings.silence, now_s, cause)
        self._rules = Rules(settings.rules)
        active = [alert for alert in kept.alerts if alert.state != "resolved"]
        self._lives = Lives(active, 1 + max((each.id for each in kept.alerts), default=0))
        self.history = History(kept.alerts, kept.notifications)
        self._unknown: list[Alert] = []  # alerts that nothing says any more
        self._stopped: set[str] = set()  # as it is kept
        # What was stored last, and perhaps not looked at.
        self._first = [each for each in stored.latest if each.time_ns is not None]
        self._expect_all(kept, now_s, now_ns)
        self.newly_expected = self._expect_stored(stored, now_s, now_ns)
        self._restore(active, now_ns)
        self.outbox = Outbox(
            [each for each in kept.notifications if each.is_waiting],
            1 + max((each.id for each in kept.notifications), default=0),
            self._note_notification,
        )
        self.outbox.keep_only(settings.notify)

    @property
    def trouble(self) -> str:
        """Why alerts are not kept; "" where they are."""
        return self._keeping.trouble

    @property
    def active(self) -> list[Alert]:
        """The alerts that are not over."""
        return self._lives.active

    @property
    def counts(self) -> dict[str, int]:
        """How many alerts there are in each state but the last. Any thread may ask."""
        counts = self._lives.counts
        return {state: counts[state] for state in ("pending", "firing", "seen")}

    def look(
        self, news: News, connected: Collection[str], now_s: float, now_ns: int
    ) -> list[Change]:
        """Take what has happened; return what that changes. All of it is kept by then."""
        signals: list[Signal] = []
        for device, description in news.described.items():
            self._describe(device, description, now_s)
        for device in news.stopped:
            self._stop(device)
        for row in news.rows:
            signals += self._take_row(row, now_s, now_ns)
        if news.missed:
            for device in connected:  # what was missed is of these, most likely
                self._silence.heard(device, (), now_s)
        for reading in self._first:
            if (pace := self._pace(reading.series)) is not None:
                signals += self._rules.take(part_of(reading), pace, now_ns)
        self._first = []
        signals += self._rules.look(lambda series: self._pace(series) or Pace(0.0, 0.0), now_ns)
        for device in [each for each in self._silence.devices if self._is_revoked(each)]:
            self._forget(device)
        signals += self._silence.look(connected, now_s, now_ns)
        changes = self._ended(now_ns)
        for signal in signals:
            changes += self._lives.take(signal, now_s, now_ns)
        changes += self._lives.look(now_s, now_ns)
        return self._kept(changes, now_s, now_ns)

    def see(self, alert_id: int, now_s: float, now_ns: int) -> list[Change]:
        """Note that somebody has seen an alert; return what that changes."""
        return self._kept(list(self._lives.see(alert_id, now_ns)), now_s, now_ns)

    def take_up(self, settings: AlertSettings, now_s: float, now_ns: int) -> None:
        """Take up other settings; alerts of rules that are gone are over at the next look."""
        former, self._settings = self._settings, settings
        self._silence.take_up(settings.silence, now_s)
        for device in list(self._silence.devices):
            self._note_paces(device)
        if former.rules != settings.rules:
            self._rules = Rules(settings.rules)
            self._restore([each for each in self._lives.active if each.rule != SILENCE], now_ns)
        self.outbox.keep_only(settings.notify)
        self.outbox.try_now()

    def sent(self, name: str, now_s: float, now_ns: int) -> int:
        """Note that a notifier was told; return after how many failures."""
        crash_point("alert-told")
        failures = self.outbox.sent(name, now_ns)
        self._keeping.write(now_s)
        return failures

    def failed(self, name: str, error: str, now_s: float, now_ns: int) -> float:
        """Note that a notifier was not told; return when it is tried again."""
        wait_s = self.outbox.failed(name, error, now_s, now_ns)
        self._keeping.write(now_s)
        return wait_s

    def close(self, now_s: float) -> None:
        """Write what is to be kept."""
        self._keeping.close(now_s)

    def _expect_all(self, kept: Kept, now_s: float, now_ns: int) -> None:
        heard_s = {
            each.series: now_s - max(0.0, (now_ns - each.time_ns) / 1e9)
            for each in self._first
            if each.time_ns is not None
        }
        for device, each in kept.devices.items():
            self._silence.expect(device, each.expected, now_s, heard_s)
            self._note_paces(device)
            if each.is_stopped:
                self._silence.stopped(device)
                self._stopped.add(device)

    def _expect_stored(self, stored: Stored, now_s: float, now_ns: int) -> list[str]:
        """Expect what was stored of devices that nobody has watched yet; return their names."""
        known = self._silence.devices
        new = [each for each in stored.devices if each not in known and not self._is_revoked(each)]
        for device in new:
            expected, heard_ns = stored.devices[device]
            heard_s = now_s - max(0.0, (now_ns - heard_ns) / 1e9)
            self._silence.expect(device, expected, now_s, dict.fromkeys(expected, heard_s), heard_s)
            self._note_paces(device)
            self._keeping.note_device(device, KeptDevice(expected))
        return new

    def _restore(self, alerts: Iterable[Alert], now_ns: int) -> None:
        """Go on with alerts; what nothing knows any more is over at the next look."""
        self._unknown = []
        for alert in alerts:
            level = Level.PENDING if alert.state == "pending" else Level.ON
            signal = Signal(
                alert.rule, alert.subject, level, alert.since_ns, alert.words, alert.value
            )
            if alert.rule == SILENCE:
                is_known = self._silence.restore(alert.subject, alert.members)
            else:
                is_known = bool(self._silence.expected(alert.subject))
                is_known = is_known and self._rules.restore(signal, now_ns)
            if not is_known:
                self._unknown.append(alert)

    def _describe(self, device: str, description: Describe, now_s: float) -> None:
        expected = expected_of(device, description)
        if self._silence.expected_of(device) == expected and device not in self._stopped:
            return
        self._stopped.discard(device)
        self._silence.expect(device, expected, now_s)
        self._note_paces(device)
        self._end_of(device, lambda series: series not in expected)
        self._keeping.note_device(device, KeptDevice(expected))

    def _stop(self, device: str) -> None:
        self._silence.stopped(device)
        if (expected := self._silence.expected_of(device)) is not None:
            self._stopped.add(device)
            self._keeping.note_device(device, KeptDevice(dict(expected), is_stopped=True))

    def _forget(self, device: str) -> None:
        self._silence.forget(device)
        self._note_paces(device)
        self._end_of(device, lambda _: True)
        self._keeping.forget(device)

    def _end_of(self, device: str, is_gone: Callable[[str], bool]) -> None:
        """End the alerts of rules on series that are gone, at the next look."""
        for alert in self._lives.active:
            series = series_of(alert.subject)
            if alert.rule != SILENCE and series and device_of(series) == device and is_gone(series):
                self._rules.forget(series)
                self._unknown.append(alert)

    def _note_paces(self, device: str) -> None:
        """Note how often the series of a device are read, and what of it is too old to be looked at."""
        expected: Mapping[str, Expected] = self._silence.expected_of(device) or {}
        paces = {
            series: Pace(each.interval_s, silent_after_s(each, self._settings.silence))
            for series, each in expected.items()
        }
        self._paces[device] = paces
        self.old_ns[device] = max([OLD_NS, *(each.late_ns for each in paces.values())])

    def _pace(self, series: str) -> Pace | None:
        return self._paces.get(series.partition("/")[0], {}).get(series)

    def _take_row(self, row: Row, now_s: float, now_ns: int) -> list[Signal]:
        if now_ns - row.to_ns > self.old_ns.get(row.device, OLD_NS):
            self._silence.heard(row.device, (), now_s)
            return []
        self._silence.heard(row.device, [part.series for part in row.parts], now_s)
        if not self._rules:
            return []
        signals: list[Signal] = []
        paces = self._paces.get(row.device, {})
        for part in row.parts:
            if (pace := paces.get(part.series)) is not None:
                signals += self._rules.take(part, pace, now_ns)
        return signals

    def _ended(self, now_ns: int) -> list[Change]:
        unknown, self._unknown = self._unknown, []
        changes: list[Change] = []
        for alert in unknown:
            changes += self._lives.end(alert, now_ns)
        return changes

    def _kept(self, changes: list[Change], now_s: float, now_ns: int) -> list[Change]:
        for event, alert in changes:
            if event == "gone":
                self._drop(alert)
                continue
            self.history.put(alert)
            self._keeping.note(alert, is_urgent=event in ("firing", "seen", "resolved"))
            if event in ("firing", "resolved"):
                self._tell(alert, now_ns)
        for alert in self.history.too_old():
            self._drop(alert)
        self._keeping.write(now_s)
        if any(event == "firing" for event, _ in changes):
            crash_point("alert-fired")
        return changes

    def _tell(self, alert: Alert, now_ns: int) -> None:
        settings = self._settings
        event: Event = "resolved" if alert.state == "resolved" else "firing"
        for name in settings.told_of(alert.rule):
            if event == "firing" or settings.notify[name].resolved:
                self.outbox.add(
                    alert.id, name, event,
                    is_urgent=settings.is_urgent(alert.rule), now_ns=now_ns,
                )  # fmt: skip

    def _drop(self, alert: Alert) -> None:
        for each in self.history.drop(alert):
            self._keeping.forget(each)
        self._keeping.forget(alert)

    def _note_notification(self, notification: Notification) -> None:
        self._keeping.note(notification)
        for each in self.history.put_notification(notification):
            self._keeping.forget(each)

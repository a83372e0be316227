"""Lives: from signals to alerts, each with its life. Pure: the time is an argument.

    pending    something is wrong, and not for long enough yet     it goes without a trace if it ends
    firing     it is wrong; who is to be told is told
    seen       somebody said so; else as firing
    resolved   it is over; the last state. The same again is another alert

Of one rule and one subject there is at most one alert that is not over. One that comes back within
an hour after it was over has to be over for a minute before that counts, the next time for two, and
so on to an hour: what flaps does not tell of each turn.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from collector.alerts.signals import Level, Signal

State: TypeAlias = Literal["pending", "firing", "seen", "resolved"]
Event: TypeAlias = Literal["pending", "firing", "changed", "seen", "resolved", "gone"]

AGAIN_WITHIN_S = 3600.0
FIRST_CALM_S, LONGEST_CALM_S = 60.0, 3600.0
# What is wrong beyond these many things at a time is counted only.
MAX_ACTIVE = 10_000


class Alert(msgspec.Struct, frozen=True):
    """One alert; times are UTC, ns. `since_ns`: since when it is wrong, `until_ns`: when it was over."""

    id: int
    rule: str
    subject: str
    state: State
    since_ns: int
    words: str
    value: float | None = None
    members: tuple[str, ...] = ()
    fired_ns: int | None = None
    seen_ns: int | None = None
    until_ns: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What there is one of at a time."""
        return self.rule, self.subject


class Change(NamedTuple):
    """What has happened to an alert, and how it is now."""

    event: Event
    alert: Alert


class _Flaps(NamedTuple):
    """How often something came back, and when it was last over (monotonic)."""

    times: int
    over_s: float


class Lives:
    """The alerts of one collector that are not over; `refused` counts those beyond MAX_ACTIVE.

    Args:
        active: those of a former run.
        next_id: no alert ever had this number, or a higher one.
    """

    def __init__(self, active: Iterable[Alert] = (), next_id: int = 1) -> None:
        self.refused = 0
        self._active = {alert.key: alert for alert in active}
        self._next_id = next_id
        self._flaps: dict[tuple[str, str], _Flaps] = {}
        self._calm: dict[tuple[str, str], float] = {}  # when those are over that wait (monotonic)

    @property
    def active(self) -> list[Alert]:
        """All that are not over."""
        return list(self._active.values())

    @property
    def counts(self) -> Counter[str]:
        """How many there are in each state."""
        return Counter(alert.state for alert in self.active)

    def take(self, signal: Signal, now_s: float, now_ns: int) -> Iterator[Change]:
        """Give what a signal changes."""
        alert = self._active.get((signal.rule, signal.subject))
        if signal.level is Level.OFF:
            if alert is not None:
                told = replace(alert, words=signal.words or alert.words)
                yield from self._ends(told, now_s, now_ns)
            return
        if alert is None:
            if len(self._active) >= MAX_ACTIVE:
                self.refused += 1
                return
            alert = self._new(signal)
            if signal.level is Level.PENDING:
                yield self._keep("pending", alert)
        self._calm.pop(alert.key, None)
        if signal.level is Level.ON:
            yield from self._is_on(alert, signal, now_s, now_ns)

    def see(self, alert_id: int, now_ns: int) -> Iterator[Change]:
        """Give what it changes that somebody has seen an alert: nothing, if it is not firing."""
        for alert in self.active:
            if alert.id == alert_id and alert.state == "firing":
                yield self._keep("seen", replace(alert, state="seen", seen_ns=now_ns))

    def end(self, alert: Alert, now_ns: int) -> Iterator[Change]:
        """Give what it changes that an alert is nobody's any more: its rule or its subject is gone."""
        if alert.key in self._active:
            yield self._over(alert, now_ns)

    def look(self, now_s: float, now_ns: int) -> Iterator[Change]:
        """Give which alerts were over for long enough by now."""
        for key in [key for key, over_s in self._calm.items() if now_s >= over_s]:
            yield self._over(self._active[key], now_ns, now_s)
        if len(self._flaps) > len(self._active):
            self._flaps = {
                key: each
                for key, each in self._flaps.items()
                if now_s - each.over_s < AGAIN_WITHIN_S or key in self._active
            }

    def _new(self, signal: Signal) -> Alert:
        alert = Alert(
            self._next_id, signal.rule, signal.subject, "pending", signal.since_ns, signal.words,
            signal.value, signal.members,
        )  # fmt: skip
        self._next_id += 1
        return alert

    def _is_on(self, alert: Alert, signal: Signal, now_s: float, now_ns: int) -> Iterator[Change]:
        words, value, members = signal.words or alert.words, signal.value, signal.members
        if alert.state == "pending":
            former = self._flaps.get(alert.key)
            is_again = former is not None and now_s - former.over_s < AGAIN_WITHIN_S
            if former is not None:
                times = former.times + 1 if is_again else 0
                self._flaps[alert.key] = _Flaps(times, former.over_s)
            fired = replace(
                alert, state="firing", words=words, value=value, members=members, fired_ns=now_ns
            )
            yield self._keep("firing", fired)
        elif (words, members) != (alert.words, alert.members):
            yield self._keep("changed", replace(alert, words=words, value=value, members=members))

    def _ends(self, alert: Alert, now_s: float, now_ns: int) -> Iterator[Change]:
        flaps = self._flaps.get(alert.key)
        if alert.state == "pending" or flaps is None or not flaps.times:
            yield self._over(alert, now_ns, now_s)
        elif alert.key not in self._calm:
            calm_s = min(FIRST_CALM_S * 2.0 ** min(flaps.times - 1, 20), LONGEST_CALM_S)
            self._active[alert.key], self._calm[alert.key] = alert, now_s + calm_s

    def _over(self, alert: Alert, now_ns: int, now_s: float | None = None) -> Change:
        del self._active[alert.key]
        self._calm.pop(alert.key, None)
        if alert.state == "pending":
            return Change("gone", alert)
        if now_s is not None:
            former = self._flaps.get(alert.key)
            self._flaps[alert.key] = _Flaps(0 if former is None else former.times, now_s)
        return Change("resolved", replace(alert, state="resolved", until_ns=now_ns))

    def _keep(self, event: Event, alert: Alert) -> Change:
        self._active[alert.key] = alert
        return Change(event, alert)

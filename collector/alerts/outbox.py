"""The outbox: who is to be told of which alert, in what order, and what became of that. Pure.

A notification waits until it was sent. One that fails is tried again, after 10 s at first and a quarter
of an hour at last; after three days it is given up, and that is said. What waits for one notifier is
bounded: beyond, the oldest is given up. Where somebody is still to be told that an alert fires, and it
is over by then, they are told once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

Event: TypeAlias = Literal["firing", "resolved"]

FIRST_RETRY_S, LONGEST_RETRY_S = 10.0, 900.0
GIVE_UP_AFTER_NS = 3 * 86_400 * 10**9
MAX_WAITING = 200
# What one message tells of.
MAX_TOLD = 20
_MAX_ERROR_CHARACTERS = 300


class Notification(msgspec.Struct, frozen=True):
    """That somebody is to be told of an alert; times are UTC, ns.

    `sent_ns`: None, it was not sent yet; `is_given_up`: nor will it be. `error`: why not.
    """

    id: int
    alert_id: int
    to: str
    event: Event
    is_urgent: bool
    made_ns: int
    sent_ns: int | None = None
    is_given_up: bool = False
    attempts: int = 0
    error: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be sent."""
        return self.sent_ns is None and not self.is_given_up


class NotifierStatus(NamedTuple):
    """How a notifier does: what waits for it, and why its last attempt failed.

    Since the start: how many notifications were sent, how often one could not be, and how many were
    given up.
    """

    name: str
    waiting: int
    last_error: str
    sent: int = 0
    failed: int = 0
    given_up: int = 0


class _Notifier:
    """What is known of one notifier; `next_s`: not before (monotonic)."""

    def __init__(self) -> None:
        self.waiting: dict[int, Notification] = {}
        self.sending: tuple[Notification, ...] = ()
        self.failures = 0
        self.next_s = 0.0
        self.error = ""
        self.sent = self.failed = self.given_up = 0


class Outbox:
    """The notifications of one collector that wait.

    Args:
        waiting: those of a former run.
        next_id: no notification ever had this number, or a higher one.
        changed: told of each notification that is new or has changed.
    """

    def __init__(
        self,
        waiting: Iterable[Notification] = (),
        next_id: int = 1,
        changed: Callable[[Notification], object] = lambda _: None,
    ) -> None:
        self._notifiers: dict[str, _Notifier] = {}
        self._next_id = next_id
        self._changed = changed
        for each in waiting:
            self._of(each.to).waiting[each.id] = each

    def status(self, names: Iterable[str]) -> list[NotifierStatus]:
        """Return how the notifiers do."""
        found = [(name, self._notifiers.get(name) or _Notifier()) for name in names]
        return [
            NotifierStatus(
                name, len(each.waiting), each.error, each.sent, each.failed, each.given_up
            )
            for name, each in found
        ]

    def has_waiting(self, name: str) -> bool:
        """Say whether anything waits for a notifier, or is being told. Any thread may ask."""
        return name in self._notifiers and bool(self._notifiers[name].waiting)

    def add(self, alert_id: int, to: str, event: Event, *, is_urgent: bool, now_ns: int) -> None:
        """Let one wait; nothing, where what waits for the same alert will say it."""
        notifier = self._of(to)
        untold = [
            each
            for each in notifier.waiting.values()
            if each.alert_id == alert_id and each not in notifier.sending
        ]
        if untold:
            return
        new = Notification(self._next_id, alert_id, to, event, is_urgent, now_ns)
        self._next_id += 1
        self._put(new)
        while len(notifier.waiting) > MAX_WAITING:
            oldest = next(iter(notifier.waiting.values()))
            self._give_up(oldest, f"given up: more than {MAX_WAITING} wait for {to}")

    def due(self, name: str, most: int, is_quiet: bool, now_s: float) -> tuple[Notification, ...]:
        """Return what one notifier is to be given now, and remember that it is; empty: nothing."""
        notifier = self._of(name)
        if notifier.sending or now_s < notifier.next_s:
            return ()
        ready = [each for each in notifier.waiting.values() if each.is_urgent or not is_quiet]
        notifier.sending = tuple(ready[: min(most, MAX_TOLD)])
        return notifier.sending

    def sent(self, name: str, now_ns: int) -> int:
        """Note that it was sent; return after how many failures in a row."""
        notifier = self._of(name)
        failures, notifier.failures, notifier.next_s, notifier.error = notifier.failures, 0, 0.0, ""
        for each in self._sent_ones(notifier):
            notifier.sent += 1
            self._put(replace(each, sent_ns=now_ns, attempts=each.attempts + 1, error=""))
        return failures

    def failed(self, name: str, error: str, now_s: float, now_ns: int) -> float:
        """Note that it was not; return after how many seconds it is tried again."""
        notifier = self._of(name)
        wait_s = min(FIRST_RETRY_S * 2.0 ** min(notifier.failures, 20), LONGEST_RETRY_S)
        notifier.failures += 1
        notifier.next_s, notifier.error = now_s + wait_s, error[:_MAX_ERROR_CHARACTERS]
        for each in self._sent_ones(notifier):
            notifier.failed += 1
            tried = replace(each, attempts=each.attempts + 1, error=notifier.error)
            if now_ns - each.made_ns > GIVE_UP_AFTER_NS:
                self._give_up(tried, f"given up after {tried.attempts} attempts: {notifier.error}")
            else:
                self._put(tried)
        return wait_s

    def keep_only(self, names: Collection[str]) -> None:
        """Give up what waits for notifiers that there are no more."""
        for name in [name for name in self._notifiers if name not in names]:
            for each in list(self._notifiers[name].waiting.values()):
                self._give_up(each, f"given up: there is no notifier {name} any more")
            if not self._notifiers[name].sending:
                del self._notifiers[name]

    def try_now(self) -> None:
        """Wait no longer: the settings have changed."""
        for notifier in self._notifiers.values():
            notifier.next_s = 0.0

    def _sent_ones(self, notifier: _Notifier) -> Iterator[Notification]:
        sending, notifier.sending = notifier.sending, ()
        return (each for each in sending if each.id in notifier.waiting)

    def _of(self, name: str) -> _Notifier:
        return self._notifiers.setdefault(name, _Notifier())

    def _put(self, notification: Notification) -> None:
        waiting = self._of(notification.to).waiting
        if notification.is_waiting:
            waiting[notification.id] = notification
        else:
            waiting.pop(notification.id, None)
        self._changed(notification)

    def _give_up(self, notification: Notification, error: str) -> None:
        self._of(notification.to).given_up += 1
        self._put(replace(notification, is_given_up=True, error=error))

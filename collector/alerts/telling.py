"""Telling: lets the notifiers tell what waits, each one message at a time, and notes what became of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import structlog

from collector.alert_settings import AlertSettings, NotifierSettings
from collector.alerts import notifiers
from collector.alerts.lives import Alert
from collector.alerts.notifiers import NotifierError, Told
from collector.alerts.outbox import MAX_TOLD, Notification
from collector.alerts.quiet import is_quiet
from collector.alerts.report import Tested
from collector.alerts.watch import Watch
from collector.errors import AlertError
from config.problems import did_you_mean, shown

_log = structlog.get_logger()

_TEST_WITHIN_S = 30.0


class Telling:
    """The messages that are under way; `in_thread` calls something on the thread of the watch."""

    def __init__(self, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._in_thread = in_thread
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()
        self._told: dict[str, Told] = {}  # of a notifier of which some addresses fail

    async def look(self, watch: Watch, settings: AlertSettings, zone: tzinfo) -> None:
        """Begin to tell what may be told now."""
        for name, notifier in settings.notify.items():
            is_busy = name in self._tasks and not self._tasks[name].done()
            if is_busy or not watch.outbox.has_waiting(name):
                continue
            most = 1 if notifier.command else MAX_TOLD
            is_night = is_quiet(settings.quiet_hours, time.time_ns(), zone)
            due = await self._in_thread(watch.outbox.due, name, most, is_night, time.monotonic())
            if due:
                work = self._tell(watch, name, notifier, due, zone)
                self._tasks[name] = asyncio.create_task(work)

    async def close(self) -> None:
        """Break off what is under way: it is told after the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _tell(
        self,
        watch: Watch,
        name: str,
        notifier: NotifierSettings,
        due: Sequence[Notification],
        zone: tzinfo,
    ) -> None:
        found = {each.alert_id: watch.history.find(each.alert_id) for each in due}
        alerts = [alert for alert in found.values() if alert is not None]
        error = await self._error_of(name, notifier, alerts, zone)
        now = (time.monotonic(), time.time_ns())
        if not error:
            failures = await self._in_thread(watch.sent, name, *now)
            self._failing.discard(name)
            self._told.pop(name, None)
            _log.info("alert_told", to=name, alerts=len(alerts), after_failures=failures)
            return
        again_s = await self._in_thread(watch.failed, name, error, *now)
        log = _log.debug if name in self._failing else _log.warning
        self._failing.add(name)
        log("alert_not_told", to=name, detail=error, again_in_s=again_s)

    async def _error_of(
        self, name: str, notifier: NotifierSettings, alerts: Sequence[Alert], zone: tzinfo
    ) -> str:
        """Tell some alerts; return why that failed, or ""."""
        present = {(alert.id, alert.state) for alert in alerts}
        former = self._told.get(name, {})
        told = self._told[name] = {address: its & present for address, its in former.items()}
        try:
            if alerts:
                await notifiers.tell(notifier, alerts, zone, told=told)
        except NotifierError as error:
            return str(error) or "it failed"
        except Exception as error:  # noqa: BLE001 - it was not told, and has to be tried again
            return f"{type(error).__name__}: {error}"
        return ""


def chosen_notifiers(
    settings: Mapping[str, NotifierSettings], wanted: object
) -> dict[str, NotifierSettings]:
    """Return the notifier of that name, or all.

    Raises:
        AlertError: there is none.
    """
    if not settings:
        raise AlertError("nobody is told of alerts: write who below `notify:` of `alerts:`")
    if wanted is None:
        return dict(settings)
    if wanted not in settings:
        name = shown(str(wanted))
        raise AlertError(f"no notifier `{name}`.{did_you_mean(name, settings)}")
    return {str(wanted): settings[str(wanted)]}


async def tell_all(chosen: Mapping[str, NotifierSettings], zone: tzinfo) -> list[Tested]:
    """Tell notifiers, all at once, that this is a test."""

    async def test(name: str, settings: NotifierSettings) -> Tested:
        alert = Alert(0, "test", "test", "firing", time.time_ns(), "this is a test of Telegauge")
        try:
            await notifiers.tell(settings, [alert], zone, _TEST_WITHIN_S)
        except NotifierError as error:
            return Tested(name, str(error))
        return Tested(name)

    return list(await asyncio.gather(*(test(*each) for each in chosen.items())))

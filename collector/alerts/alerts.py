"""The alerts as one part of the collector: built, started, reloaded and closed as a whole.

What was committed is followed and judged on a thread of its own; who tells somebody is a program of
its own. Whatever fails here is said, and stops nothing else.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from collector.alerts.keeping import FILE_NAME, Keeping
from collector.alerts.lives import Alert, Change
from collector.alerts.report import AlertReport, Figures, Report, Tested, report
from collector.alerts.stored import stored_in
from collector.alerts.telling import Telling, chosen_notifiers, tell_all
from collector.alerts.watch import OLD_NS, News, Watch
from collector.errors import AlertError
from collector.following import Following, Row
from collector.settings import CollectorSettings
from collector.store import Reader, RowHead, StoreError
from collector.times import zone_of
from wire.bodies import Describe

_log = structlog.get_logger()
_T = TypeVar("_T")

LOOK_EVERY_S = 0.5
# What waits to be judged, and how many readings are judged in a second: ten times what 5,000 series say.
# Beyond, a row is a sign of life, and no more: judging must not slow down storing.
MAX_ROWS = 512
MAX_READINGS_A_SECOND = 50_000
_CLOSE_S = 10.0
_ANSWER_S = 20.0
_OPEN_AGAIN_S = 10.0


class Alerts:
    """The alerts of one collector. To be built inside a running event loop.

    `told` gets what is new of an alert.

    Args:
        connected: the devices that have a session now.
        is_revoked: whether nothing more is to come of a device.
        trouble: why the collector takes nothing, "" where all is well.
    """

    look_every_s = LOOK_EVERY_S

    def __init__(
        self,
        settings: CollectorSettings,
        following: Following,
        state_folder: Path,
        connected: Callable[[], Sequence[str]],
        is_revoked: Callable[[str], bool],
        trouble: Callable[[], str],
    ) -> None:
        self.at_row: int | None = None
        self.told: Callable[[Alert], None] = lambda _: None
        self._settings = settings.alerts
        self._zone = zone_of(settings.time_zone)
        self._following = following
        self._file = state_folder / FILE_NAME
        self._connected = connected
        self._is_revoked = is_revoked
        self._cause = trouble
        self._thread = ThreadPoolExecutor(1, "alerts")
        self._watch: Watch | None = None
        self._news = News()
        self._task: asyncio.Task[None] | None = None
        self._telling = Telling(partial(self._in_thread, None))
        self._trouble = ""
        self._window_s, self._window_readings = 0.0, 0
        following.follow(self)

    def start(self) -> None:
        """Begin to judge."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End it: what is not told by then is told after the next start."""
        self.at_row = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._telling.close()
        try:
            await self._in_thread(_CLOSE_S, self._close_watch)
        except TimeoutError:
            _log.error("alerts_not_closed", waited_s=_CLOSE_S)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def take_up(self, settings: CollectorSettings) -> None:
        """Take up other settings."""
        self._settings = settings.alerts
        self._zone = zone_of(settings.time_zone)
        if self._watch is not None:
            now = (time.monotonic(), time.time_ns())
            try:
                await self._in_thread(_ANSWER_S, self._watch.take_up, settings.alerts, *now)
            except TimeoutError:  # it is done when the thread comes to it
                _log.error("alerts_reload_late", waited_s=_ANSWER_S)

    def troubles(self) -> list[str]:
        """Say what somebody should do about it."""
        failing = [each for each in self._notifier_states() if each.last_error]
        told = [f"{each.name} is not told of alerts: {each.last_error}" for each in failing]
        kept = self._watch.trouble if self._watch is not None else ""
        return [each for each in (self._trouble, kept, *told) if each]

    def figures(self) -> Figures:
        """Return how many alerts there are, and how the notifiers do; nothing where it has not begun."""
        if self._watch is None:
            return Figures()
        return Figures(self._watch.counts, self._notifier_states())

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Return what answers on the control socket, and over HTTP."""
        return {"alerts": self.report, "alert_seen": self.seen, "alert_test": self.test}

    def described(self, device: str, description: Describe) -> None:
        """Note what a device says of its series."""
        self._news.described[device] = description

    def stopped(self, device: str) -> None:
        """Note that somebody stopped the agent of a device."""
        self._news.stopped.add(device)

    def is_wanted(self, row: RowHead) -> bool:
        """Say whether a row may have something to judge, and there is time for it."""
        if self._watch is None:
            return False
        if time.time_ns() - row.to_ns > self._watch.old_ns.get(row.device, OLD_NS):
            return False
        now_s = time.monotonic()
        if now_s - self._window_s >= 1.0:
            self._window_s, self._window_readings = now_s, 0
        self._window_readings += row.readings
        return self._window_readings <= MAX_READINGS_A_SECOND

    def heard(self, rows: Sequence[Row]) -> None:
        """Take rows that were committed; where too many wait, no more than signs of life are left."""
        at_row = self.at_row or 0
        new = [row for row in rows if row.id > at_row]
        if not new:
            return
        self._news.missed |= new[0].id > at_row + 1
        self.at_row = new[-1].id
        if len(self._news.rows) + len(new) > MAX_ROWS:
            self._news.rows.clear()
            self._news.missed = True
        self._news.rows += new[-MAX_ROWS:]

    def passed(self, row_id: int) -> None:
        """Note that there is nothing more up to a row."""
        if self.at_row is not None and row_id > self.at_row:
            self.at_row, self._news.missed = row_id, True

    async def report(self, _arguments: Mapping[str, Any]) -> Report:
        """Answer with all alerts that are kept."""
        watch = self._open_watch()
        return await self._in_thread(_ANSWER_S, self._report, watch)

    async def seen(self, arguments: Mapping[str, Any]) -> AlertReport:
        """Note that somebody has seen an alert; answer how it is now.

        Raises:
            AlertError: there is none, or it is over.
        """
        watch, alert_id = self._open_watch(), arguments.get("id")
        if not isinstance(alert_id, int):
            raise AlertError("the number of an alert is wanted")
        now = (time.monotonic(), time.time_ns())
        self._tell_of(await self._in_thread(_ANSWER_S, watch.see, alert_id, *now))
        found = (await self.report({})).alerts
        for each in found:
            if each.alert.id == alert_id:
                if each.alert.state != "seen":
                    raise AlertError(f"alert {alert_id} is {each.alert.state}")
                return each
        raise AlertError(f"there is no alert {alert_id}: telegauge-collector alert lists them")

    async def test(self, arguments: Mapping[str, Any]) -> list[Tested]:
        """Tell one notifier, or each, that this is a test; answer what became of it.

        Raises:
            AlertError: there is none.
        """
        chosen = chosen_notifiers(self._settings.notify, arguments.get("to"))
        return await tell_all(chosen, self._zone)

    async def _run(self) -> None:
        while self._watch is None:
            await self._begin()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look(self._watch)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end storing
                trouble = f"alerts are not judged: {type(error).__name__}: {error}"
                if trouble != self._trouble:
                    _log.error("alerts_failed", detail=str(error), exc_info=error)
                self._trouble = trouble
            else:
                self._trouble = ""

    async def _begin(self) -> None:
        """Go on where a former run stopped; where the store cannot be read, try again."""
        try:
            self.at_row = await self._in_thread(None, self._open)
        except (StoreError, sqlite3.Error, UnicodeDecodeError) as error:
            trouble = f"alerts are not judged: {error}"
            if trouble != self._trouble:
                _log.error("alerts_not_begun", detail=str(error), again_in_s=_OPEN_AGAIN_S)
            self._trouble = trouble
            await asyncio.sleep(_OPEN_AGAIN_S)

    def _open(self) -> int:
        """Make the watch; return from behind which row on it is to follow."""
        with closing(Reader(self._following.store_file)) as reader:
            at_row = reader.last_row_id()
            stored = stored_in(reader, time.time_ns())
        now = (time.monotonic(), time.time_ns())
        watch = Watch(
            self._settings, Keeping(self._file), stored, now, self._is_revoked, self._cause
        )
        if watch.newly_expected:
            _log.info("devices_newly_watched", devices=watch.newly_expected)
        self._watch = watch
        return at_row

    def _close_watch(self) -> None:
        """Close it, also where nobody has waited until it was made."""
        if self._watch is not None:
            self._watch.close(time.monotonic())

    async def _look(self, watch: Watch) -> None:
        news, self._news = self._news, News()
        now = (time.monotonic(), time.time_ns())
        connected = frozenset(self._connected())
        self._tell_of(await self._in_thread(None, watch.look, news, connected, *now))
        await self._telling.look(watch, self._settings, self._zone)

    def _report(self, watch: Watch) -> Report:
        troubles = [each for each in (self._trouble, watch.trouble) if each]
        return report(watch.history, self._notifier_states(), "; ".join(troubles))

    def _notifier_states(self) -> list[Any]:
        return [] if self._watch is None else self._watch.outbox.status(self._settings.notify)

    def _open_watch(self) -> Watch:
        if self._watch is None:
            raise AlertError(self._trouble or "the alerts are being opened; try again")
        return self._watch

    def _tell_of(self, changes: Sequence[Change]) -> None:
        """Say in the log, and to who listens, what has changed."""
        for event, alert in changes:
            level = {"firing": _log.warning, "pending": _log.debug, "gone": _log.debug}
            level.get(event, _log.info)(
                f"alert_{event}",
                id=alert.id,
                rule=alert.rule,
                subject=alert.subject,
                words=alert.words,
            )
            self.told(alert)

    async def _in_thread(
        self, timeout_s: float | None, act: Callable[..., _T], *arguments: Any
    ) -> _T:
        async with asyncio.timeout(timeout_s):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, act, *arguments)

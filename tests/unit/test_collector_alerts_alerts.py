"""collector.alerts.alerts: as a part of the collector it follows what is committed, answers, and fails alone."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from collector.alert_settings import AlertSettings, RuleSettings, SilenceSettings
from collector.alerts import alerts as module
from collector.alerts import silence
from collector.alerts.alerts import Alerts
from collector.alerts.lives import Alert
from collector.errors import AlertError
from collector.following import Following, Row
from collector.settings import CollectorSettings
from collector.store import RowHead, open_for_writing, seal_store
from kit.alerts import rules
from kit.stores import batch, commit, described, heard_earlier, read, transaction
from kit.waiting import until
from wire.batches import ClockPair

COLD = RuleSettings(series="*/air.*", below=4.0)


class Rig:
    """Alerts over a real store."""

    def __init__(self, folder: Path, settings: AlertSettings) -> None:
        self.file = folder / "telegauge.db"
        open_for_writing(self.file).close()
        self.following = Following(self.file)
        self.connected = ["pi"]
        self.trouble = ""
        self.told: list[Alert] = []
        self._seq = 0
        self.alerts = Alerts(
            CollectorSettings(alerts=settings),
            self.following,
            folder,
            lambda: self.connected,
            lambda _: False,
            lambda: self.trouble,
        )
        self.alerts.told = self.told.append

    def commit(self, value: float) -> None:
        """Let a device send a reading of now."""
        self._seq += 1
        made = batch(
            self._seq, read(self._seq, value),
            clock=ClockPair(self._seq * 10**9, time.time_ns(), synchronised=True),
        )  # fmt: skip
        commit(self.file, "pi", made)
        self.following.committed()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs something with alerts that are started, and closed afterwards."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(Alerts, "look_every_s", 0.01)

    def run(act: Callable[[Rig], Coroutine[Any, Any, None]], settings: AlertSettings) -> None:
        async def main() -> None:
            rig = Rig(tmp_path, settings)
            rig.alerts.start()
            try:
                await until(lambda: rig.alerts.at_row is not None)
                await act(rig)
            finally:
                await rig.alerts.close()
                await rig.following.close()

        asyncio.run(main())

    return run


def test_what_is_committed_is_judged(run: Callable[..., None]) -> None:
    """It fires, is told to who listens, is seen, and is over."""

    async def act(rig: Rig) -> None:
        rig.alerts.described("pi", described("air.temperature"))
        rig.commit(3.0)
        await until(lambda: rig.told)
        (report,) = (await rig.alerts.report({})).alerts
        assert (report.alert.state, report.alert.subject) == ("firing", "pi/air.temperature")
        assert [each.to for each in report.notified] == ["phone"]
        await until(lambda: rig.alerts.figures().notifiers[0].sent == 1)
        assert rig.alerts.figures().alerts == {"pending": 0, "firing": 1, "seen": 0}
        seen = await rig.alerts.seen({"id": 1})
        assert seen.alert.state == "seen"
        rig.commit(20.0)
        await until(lambda: rig.told[-1].state == "resolved")
        with pytest.raises(AlertError, match="alert 1 is resolved"):
            await rig.alerts.seen({"id": 1})
        with pytest.raises(AlertError, match="there is no alert 9"):
            await rig.alerts.seen({"id": 9})

    run(act, rules(cold=COLD))


def test_silence_says_why_if_it_is_ours(run: Callable[..., None]) -> None:
    """A full disk makes all devices silent, and that is said."""

    async def act(rig: Rig) -> None:
        rig.alerts.described("pi", described("air.temperature"))
        rig.commit(20.0)
        rig.trouble = "too little space"
        rig.connected = []
        await until(lambda: rig.told)
        assert "as the collector itself takes nothing: too little space" in rig.told[0].words

    run(act, AlertSettings(silence=SilenceSettings(at_least_s=1.0)))


def test_stopped_agent(run: Callable[..., None]) -> None:
    """It is told apart."""

    async def act(rig: Rig) -> None:
        rig.alerts.described("pi", described("air.temperature"))
        rig.alerts.stopped("pi")
        rig.connected = []
        await until(lambda: rig.told)
        assert "its agent was stopped" in rig.told[0].words

    run(act, AlertSettings(silence=SilenceSettings(at_least_s=1.0, after_stop_s=1.5)))


def test_settings_are_taken_up(run: Callable[..., None]) -> None:
    """What no rule says any more is over."""

    async def act(rig: Rig) -> None:
        rig.alerts.described("pi", described("air.temperature"))
        rig.commit(3.0)
        await until(lambda: rig.told)
        await rig.alerts.take_up(CollectorSettings(alerts=rules()))
        await until(lambda: rig.told[-1].state == "resolved")

    run(act, rules(cold=COLD))


def test_fault_of_ours_ends_nothing(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said while it lasts."""

    async def act(rig: Rig) -> None:
        watch = rig.alerts._watch
        assert watch is not None
        right = watch.look

        def look(*_: object) -> Any:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(watch, "look", look)
        await until(rig.alerts.troubles)
        assert "not judged" in rig.alerts.troubles()[0]
        monkeypatch.setattr(watch, "look", right)
        await until(lambda: not rig.alerts.troubles())

    run(act, rules(cold=COLD))


def test_rows_that_were_sealed_before_they_were_seen(run: Callable[..., None]) -> None:
    """They count as a sign of life."""

    async def act(rig: Rig) -> None:
        rig.commit(20.0)
        await until(lambda: rig.alerts.at_row == 1)
        rig.alerts.passed(7)
        assert rig.alerts._news.missed
        assert rig.alerts.at_row == 7

    run(act, rules(cold=COLD))


def test_what_waits_is_bounded(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """In rows, and in readings a second; beyond, a row is a sign of life."""
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    monkeypatch.setattr(module, "MAX_READINGS_A_SECOND", 1000)

    async def act(rig: Rig) -> None:
        rig.alerts.heard([Row(number, "pi", 0, ()) for number in range(1, 6)])
        assert [row.id for row in rig.alerts._news.rows] == [3, 4, 5]
        assert rig.alerts._news.missed
        row = RowHead(9, "pi", time.time_ns(), 600)
        assert rig.alerts._watch is not None
        rig.alerts._watch.old_ns["pi"] = 60 * 10**9
        assert [rig.alerts.is_wanted(row) for _ in range(2)] == [True, False]
        rig.alerts._window_s -= 1
        assert rig.alerts.is_wanted(row)
        old = row._replace(to_ns=time.time_ns() - 61 * 10**9)
        assert not rig.alerts.is_wanted(old)

    run(act, rules(cold=COLD))


def test_store_that_cannot_be_read_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and tried again."""
    monkeypatch.setattr(module, "_OPEN_AGAIN_S", 0.01)

    async def main() -> None:
        rig = Rig(tmp_path, rules(cold=COLD))
        away = tmp_path / "away"
        rig.file.rename(away)
        rig.alerts.start()
        await until(rig.alerts.troubles)
        with pytest.raises(AlertError, match="not judged"):
            await rig.alerts.report({})
        away.rename(rig.file)
        await until(lambda: rig.alerts.at_row is not None)
        await rig.alerts.close()
        await rig.following.close()

    asyncio.run(main())


def test_store_that_is_older_than_its_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was in it and does not come is told; who went long ago is not, and after a restart nobody again."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(silence, "COME_BACK_S", 0.5)

    async def begun() -> Rig:
        rig = Rig(tmp_path, AlertSettings(silence=SilenceSettings(at_least_s=1.0)))
        rig.connected = []
        rig.alerts.start()
        await until(lambda: rig.alerts.at_row is not None)
        return rig

    async def main() -> None:
        for device, ago_s in (("shed", 3 * 3600), ("attic", 8 * 86_400)):
            with transaction(tmp_path / "telegauge.db") as group:
                group.describe(device, described("air.temperature"))
                group.store(device, [batch(1)])
            heard_earlier(tmp_path / "telegauge.db", ago_s, device)
        rig = await begun()
        await until(lambda: rig.told)
        assert rig.told[0].words == "shed is silent: it is away, and nothing came for 3 h"
        await rig.alerts.close()
        await rig.following.close()
        again = await begun()
        (report,) = (await again.alerts.report({})).alerts
        assert (report.alert.subject, report.alert.state) == ("shed", "firing")
        assert again.told == []
        await again.alerts.close()
        await again.following.close()

    asyncio.run(main())


def test_sealed_store(run: Callable[..., None]) -> None:
    """It begins with what is there, sealed or not."""

    async def act(rig: Rig) -> None:
        rig.commit(20.0)
        seal_store(rig.file)
        rig.alerts.described("pi", described("air.temperature"))
        rig.commit(3.0)
        await until(lambda: rig.told)

    run(act, rules(cold=COLD))

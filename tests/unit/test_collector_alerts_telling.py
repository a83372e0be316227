"""collector.alerts.telling: what waits is told, one message at a time, and what became of it is noted."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.alert_settings import NotifierSettings, QuietHours, RuleSettings
from collector.alerts.telling import Telling, chosen_notifiers, tell_all
from collector.errors import AlertError
from kit.alerts import Played, rules
from kit.mailbox import Webhook, serving
from kit.waiting import until

COLD = RuleSettings(series="*/air.*", below=4.0)


async def here(act: Callable[..., Any], *arguments: Any) -> Any:
    """Call something at once, as the thread of the watch would."""
    return act(*arguments)


def played(folder: Path, script: str, **more: Any) -> Played:
    """A collector whose phone is a command of a shell, with one alert that waits to be told."""
    folder.mkdir(exist_ok=True)
    phone = NotifierSettings(command=("/bin/sh", "-c", script))
    made = Played(folder, replace(rules(cold=COLD), **{"notify": {"phone": phone}} | more))
    made.describe("pi")
    made.at_s = 10
    made.value(3.0)
    return made


def tell(rig: Played, is_over: Callable[[], object]) -> None:
    """Look again and again, until something is so."""

    async def main() -> None:
        telling = Telling(here)

        async def look() -> None:
            while True:
                await telling.look(rig.watch, rig.settings, UTC)
                await asyncio.sleep(0.01)

        task = asyncio.ensure_future(look())
        try:
            await until(is_over)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await telling.close()

    asyncio.run(main())


def test_told_once(tmp_path: Path) -> None:
    """And noted as told."""
    out = tmp_path / "out"
    rig = played(tmp_path, f"cat >> {out}")
    tell(rig, lambda: not rig.watch.outbox.has_waiting("phone"))
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [1]
    assert rig.watch.history.told(1)[0].sent_ns is not None


def test_failure_is_noted_and_logged_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What repeats says so at its end."""
    flag = tmp_path / "well"
    rig = played(tmp_path, f"test -e {flag} || (echo no luck >&2; exit 1)")

    def told() -> Any:
        return rig.watch.history.told(1)[0]

    tell(rig, lambda: told().attempts == 1)
    assert "no luck" in told().error
    flag.touch()
    rig.watch.outbox.try_now()
    tell(rig, lambda: told().sent_ns)
    said = capsys.readouterr().out
    assert said.count("alert_not_told") == 1
    assert "after_failures=1" in said


def test_address_that_was_told_is_not_told_again(tmp_path: Path) -> None:
    """While another one of its file is tried again and again."""
    file = tmp_path / "phone"
    file.touch(0o600)
    with serving(Webhook()) as good, serving(Webhook()) as bad:
        file.write_text(f"{good.address}\n{bad.address}\n")
        bad.status = 500
        rig = played(tmp_path, "", notify={"phone": NotifierSettings(address_file=str(file))})

        def try_again() -> bool:
            if rig.watch.history.told(1)[0].attempts == 2:
                bad.status = 200
            rig.watch.outbox.try_now()
            return not rig.watch.outbox.has_waiting("phone")

        tell(rig, try_again)
        assert rig.watch.history.told(1)[0].attempts > 2
        assert (len(good.got), bad.got[-1]) == (1, good.got[0])


def test_broken_off_is_told_later(tmp_path: Path) -> None:
    """A collector that stops does not wait for a server that hangs; after the restart it goes on."""
    out = tmp_path / "out"
    rig = played(tmp_path, f"echo began >> {out}; test -e {tmp_path}/go || sleep 1000")
    tell(rig, out.exists)
    (tmp_path / "go").touch()
    rig.start()
    tell(rig, lambda: not rig.watch.outbox.has_waiting("phone"))
    assert out.read_text().split() == ["began", "began"]


def test_quiet_hours(tmp_path: Path) -> None:
    """Nobody is told now; of what is urgent everybody is."""
    now = datetime.now(UTC)
    minute = now.hour * 60 + now.minute
    hours = QuietHours(from_min=(minute - 60) % 1440, to_min=(minute + 60) % 1440)
    rig = played(tmp_path, "true", quiet_hours=hours)
    urgent = played(
        tmp_path / "urgent", "true", quiet_hours=hours, rules={"cold": replace(COLD, urgent=True)}
    )
    tell(urgent, lambda: not urgent.watch.outbox.has_waiting("phone"))
    assert (tmp_path / "urgent" / "alerts.db").exists()
    looks = 0

    def is_over() -> bool:
        nonlocal looks
        looks += 1
        return looks > 20

    tell(rig, is_over)
    assert rig.watch.outbox.has_waiting("phone")


def test_chosen() -> None:
    """One by its name, or all; a name that is none is guessed."""
    some = {name: NotifierSettings(command=("true",)) for name in ("phone", "mail")}
    assert set(chosen_notifiers(some, None)) == {"phone", "mail"}
    assert set(chosen_notifiers(some, "mail")) == {"mail"}
    with pytest.raises(AlertError, match="Did you mean `phone`"):
        chosen_notifiers(some, "fone")
    with pytest.raises(AlertError, match="write who below `notify:`"):
        chosen_notifiers({}, None)


def test_a_test_of_each(tmp_path: Path) -> None:
    """All at once; each says what became of it."""
    chosen = {
        "good": NotifierSettings(command=("/bin/sh", "-c", f"cat > {tmp_path}/out")),
        "bad": NotifierSettings(command=("/bin/sh", "-c", "exit 2")),
    }
    good, bad = asyncio.run(tell_all(chosen, UTC))
    assert (good.to, good.error, bad.to) == ("good", "", "bad")
    assert "ended with 2" in bad.error
    assert json.loads((tmp_path / "out").read_text())["rule"] == "test"

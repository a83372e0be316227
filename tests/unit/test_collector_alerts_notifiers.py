"""collector.alerts.notifiers: programs that tell get the alert, a minute, and nothing of ours."""

import asyncio
import json
import os
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.alert_settings import NotifierSettings
from collector.alerts.lives import Alert
from collector.alerts.notifiers import (
    MAX_ADDRESSES,
    Address,
    NotifierError,
    Told,
    addresses_of,
    problems_of,
    tell,
)
from kit.alerts import BEGAN_NS, alert
from kit.mailbox import Webhook, serving
from kit.waiting import wait_until

ZONE = ZoneInfo("UTC")


def told(notifier: NotifierSettings, *numbers: int, within_s: float = 30.0) -> str:
    """Tell of some alerts; return why that failed, or ""."""
    alerts = [alert(number, value=3.5) for number in numbers or (1,)]
    try:
        asyncio.run(tell(notifier, alerts, ZONE, within_s))
    except NotifierError as error:
        return str(error)
    return ""


def shell(script: str) -> NotifierSettings:
    """A command of a shell."""
    return NotifierSettings(command=("/bin/sh", "-c", script))


def test_command_gets_the_alert(tmp_path: Path) -> None:
    """As JSON on its input and as variables, once for each."""
    out = tmp_path / "out"
    script = f"cat >> {out}; echo $TELEGAUGE_STATE $TELEGAUGE_RULE $TELEGAUGE_VALUE >> {out}"
    assert told(shell(script), 1, 2) == ""
    lines = out.read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines[::2]] == [1, 2]
    assert lines[1::2] == ["firing cold 3.5"] * 2


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo no luck >&2; exit 3", "/bin/sh ended with 3: no luck"),
        ("exec 0<&-; exit 0", ""),
        ("yes | head -c 10000000; exit 1", "/bin/sh ended with 1: "),
    ],
)
def test_command_that_fails(script: str, why: str) -> None:
    """With its first words; one that does not want its input, or says too much, is no trouble."""
    assert told(shell(script)) == why


def test_command_that_is_not_there() -> None:
    """It says so, and `check` did before."""
    notifier = NotifierSettings(command=("/no/siren",))
    assert told(notifier) == "/no/siren cannot be run: No such file or directory"
    assert problems_of("siren", notifier) == [
        "alerts.notify.siren: /no/siren is no program that can be run"
    ]


def test_command_that_hangs_is_ended_with_all_it_began(tmp_path: Path) -> None:
    """After its time; nothing of it stays behind."""
    out = tmp_path / "pid"
    assert "no answer within" in told(shell(f"sleep 1000 & echo $! > {out}; wait"), within_s=0.5)
    pid = int(out.read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in _state(pid))


def test_command_that_leaves_something_running() -> None:
    """It has told when it ends, whatever holds its output."""
    began_s = time.monotonic()
    assert told(shell("sleep 1000 & setsid sleep 5 & exit 0")) == ""
    assert time.monotonic() - began_s < 20


def test_broken_off_at_any_moment_leaves_nothing_open() -> None:
    """Also while the program is being started, where asyncio would forget its pipes."""
    notifier = shell("sleep 1000")

    async def broken_off(steps: int) -> None:
        telling = asyncio.ensure_future(tell(notifier, [alert()], ZONE))
        for _ in range(steps):
            await asyncio.sleep(0)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    before = set(Path("/proc/self/fd").iterdir())
    for steps in range(1, 16):
        asyncio.run(broken_off(steps))
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_address_is_read_anew_each_time(tmp_path: Path) -> None:
    """So a changed password needs no restart."""
    file = tmp_path / "hook"
    notifier = NotifierSettings(address_file=str(file))
    file.touch(0o600)
    with serving(Webhook()) as hook:
        file.write_text("json://127.0.0.1:1/S3CRET")
        assert "S3CRET" not in told(notifier)
        file.write_text(f"# mine\n\n  {hook.address}\n")
        assert told(notifier, 1, 2) == ""
        assert len(hook.got) == 1, "an address gets one message"


@pytest.mark.parametrize(
    ("mode", "text", "why"),
    [
        (0o644, "ntfy://topic", "chmod 600"),
        (0o600, "# nobody\n", "phone has 0 addresses; up to 16 are wanted"),
        (0o600, "ntfy://S3CRET\n" * (MAX_ADDRESSES + 1), "phone has 17 addresses"),
        (0o600, "S3CRET", "phone, line 1: one address on each line"),
        (0o600, "# mine\nntfy://a\n\n  home=ntfy://S3CRET\n", "phone, line 4: one address on each"),
        (0o600, "ntfy://a b S3CRET", "phone, line 1: one address on each line"),
        (None, "", "is not there: write the address into it"),
    ],
)
def test_file_of_an_address(tmp_path: Path, mode: int | None, text: str, why: str) -> None:
    """For the collector alone, with an address a line; what is in it is never said. `check` says the same."""
    file = tmp_path / "phone"
    if mode is not None:
        file.write_text(text)
        file.chmod(mode)
    notifier = NotifierSettings(address_file=str(file))
    assert why in told(notifier)
    (problem,) = problems_of("phone", notifier)
    assert why in problem
    assert "S3CRET" not in problem


def test_several_addresses_in_a_file(tmp_path: Path) -> None:
    """Each is told; of what fails the line is said, and who was told is not told again, but of its end."""
    file = tmp_path / "phone"
    file.touch(0o600)
    notifier = NotifierSettings(address_file=str(file))
    memory: Told = {}

    def told_of(*alerts: Alert) -> str:
        try:
            asyncio.run(tell(notifier, alerts, ZONE, told=memory))
        except NotifierError as error:
            return str(error)
        return ""

    with serving(Webhook()) as good, serving(Webhook()) as bad:
        file.write_text(
            f"# mine\n{good.address}\n\n; hers\n  {bad.address}\njson://127.0.0.1:1/S3CRET\n"
        )
        bad.status = 500
        why = told_of(alert(1))
        assert why.startswith("line 5: Failed to send JSON POST notification")
        assert "; line 6: " in why
        assert "S3CRET" not in why
        bad.status = 200
        assert told_of(alert(1), alert(2)).startswith("line 6: ")
        assert [each["title"] for each in good.got] == ["Telegauge: cold: pi/air.temperature"] * 2
        assert bad.got[-1]["title"] == "Telegauge: 2 firing"
        told_of(alert(1, state="resolved", until_ns=BEGAN_NS + 10**9), alert(2))
        assert good.got[-1]["title"] == bad.got[-1]["title"]
        assert good.got[-1]["title"].endswith("is over")


def test_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its mode shows; where none is handed over it says what to write."""
    notifier = NotifierSettings(credential="phone")
    assert "LoadCredential=phone:FILE" in told(notifier)
    (tmp_path / "phone").write_text("ntfy://topic")
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(tmp_path))
    assert addresses_of(notifier) == [Address(1, "ntfy://topic")]


def test_apprise_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` says what to install."""
    file = tmp_path / "phone"
    file.touch(0o600)
    file.write_text("ntfy://topic")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (problem,) = problems_of("phone", NotifierSettings(address_file=str(file)))
    assert "pip install 'telegauge[notify]'" in problem


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().split()[2]

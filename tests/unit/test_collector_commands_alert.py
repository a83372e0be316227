"""telegauge-collector alert: what is wrong is listed, said to be seen, and who is told is tried."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.__main__ import main
from collector.alerts.keeping import FILE_NAME, Keeping
from kit.alerts import BEGAN_NS, alert, notification

_YAML = "time_zone: UTC\nalerts:\n  notify:\n    log: {{command: [/bin/sh, -c, '{script}']}}\n"


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command, with a collector's folders in which none runs."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

    def run(*arguments: str, script: str = "true", verb: str = "alert") -> tuple[int, str, str]:
        file = tmp_path / "collector.yaml"
        file.write_text(_YAML.format(script=script))
        code = main([verb, "-c", str(file), *arguments])
        return (code, *capsys.readouterr())

    return run


def keep(folder: Path) -> None:
    """Leave some alerts of a former run."""
    keeping = Keeping(folder / FILE_NAME)
    keeping.note(alert(1))
    keeping.note(alert(2, state="resolved", until_ns=BEGAN_NS + 10**9))
    keeping.note(notification(1, 1, sent_ns=BEGAN_NS))
    keeping.note(notification(2, 1, to="mail", error="refused"))
    keeping.close(0.0)


def test_list_of_a_former_run(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """What is not over; with --all the rest, with --json for programs."""
    keep(tmp_path)
    code, said, told = run()
    assert code == 0
    assert "not running" in told
    head, row = said.splitlines()
    assert head.split() == ["ID", "STATE", "SINCE", "RULE", "WHAT", "TOLD"]
    assert row.endswith("cold  it is cold  phone, mail (waits)")
    assert "over since 2026-11-27T08:00:01.000+00:00" in run("list", "--all")[1]
    assert [each["alert"]["id"] for each in json.loads(run("--json")[1])["alerts"]] == [1]


def test_nothing_is_wrong(run: Callable[..., tuple[int, str, str]]) -> None:
    """It says so, also where there never was a collector."""
    assert run()[1] == "nothing is wrong\n"
    assert run("--all")[1] == "there never was an alert\n"


@pytest.mark.parametrize(
    ("script", "code", "said"), [("true", 0, "told"), ("exit 4", 1, "ended with 4")]
)
def test_test(run: Callable[..., tuple[int, str, str]], script: str, code: int, said: str) -> None:
    """Without a collector, too: it is tried from here."""
    found = run("test", script=script)
    assert found[0] == code
    assert said in found[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("test", "fone"), 1, "no notifier `fone`"),
        (("test", "a", "b"), 2, "one name at a time"),
        (("seen",), 2, "which?"),
        (("seen", "x"), 2, "no number of an alert"),
        (("seen", "1"), 1, "not running"),
        (("list", "1"), 2, "list takes no names"),
    ],
)
def test_what_is_not_understood(
    run: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], code: int, said: str
) -> None:
    """It says what is."""
    found = run(*arguments)
    assert found[0] == code
    assert said in found[2]


def test_check_looks_at_who_is_told(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """A file of an address that others can read is a problem before anything fires."""
    assert run(verb="check")[0] == 0
    file = tmp_path / "collector.yaml"
    (tmp_path / "phone").write_text("ntfy://topic")
    (tmp_path / "phone").chmod(0o644)
    file.write_text(f"alerts: {{notify: {{phone: {{address_file: {tmp_path}/phone}}}}}}\n")
    assert main(["check", "-c", str(file)]) == 2

"""telegauge-collector invite: its words and its exit codes, with a collector that runs and with none."""

import io
import json
import sys
from pathlib import Path

import pytest

from kit.commanded import Commanded, Typed
from kit.servers import ServerRig
from wire.greetings import Joined
from wire.tokens import decode_token, find_token


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commanded:
    """A collector's folders."""
    return Commanded(tmp_path, monkeypatch)


def test_line_and_qr_code(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """For whom, until when in the zone of the YAML, the line to paste, and it again for a camera."""
    assert commanded.type("invite", "greenhouse") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    where, when, first, empty, line, *code = printed.out.splitlines()
    assert where.startswith("Note: this line leads to this machine itself, ")
    assert when.startswith("Note: the collector is not running")
    assert first.startswith("For greenhouse, until 20")
    assert "+09:00" in first
    assert first.endswith(". Paste this on the device:")
    assert (empty, line[:33]) == ("", "  sudo telegauge-device join tg1-")
    assert decode_token(find_token(line)).addresses == (("127.0.0.1", 4711),)
    assert len(code) > 20
    assert any("█" in row or "▀" in row or "▄" in row for row in code)


def test_running_collector_is_asked(
    commanded: Commanded, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who pastes what was printed is let in at once."""

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        assert await typed("invite", "greenhouse", "--valid", "1h") == 0
        token = decode_token(find_token(capsys.readouterr().out))
        assert token.addresses == (("127.0.0.1", rig.server.port),)
        [joined] = await (await rig.joiner(token.secret)).said(Joined)
        assert joined.device == "greenhouse"

    commanded.play(scenario)


def test_many_by_one_line(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """A few are named, of many the first and the last."""
    assert commanded.type("invite", "pi-{:02}", "--count", "3", "--valid", "4h") == 0
    assert commanded.type("invite", "pi-{:02}", "--count", "30") == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("For ")]
    assert heads[0].startswith("For pi-01, pi-02, pi-03, until ")
    assert heads[1].startswith("For pi-04 to pi-33, until ")
    assert heads[0].endswith(". Paste this on each of 3 devices:")


def test_json(commanded: Commanded, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is known of it, and no picture."""
    assert commanded.type("invite", "pi", "--json", "--address", "[2001:db8::1]:9") == 0
    answer = json.loads(capsys.readouterr().out)
    assert sorted(answer) == ["addresses", "expires_ns", "line", "names", "notes", "token"]
    assert (answer["names"], answer["addresses"]) == (["pi"], ["[2001:db8::1]:9"])
    assert decode_token(answer["token"]).addresses == (("2001:db8::1", 9),)


def test_terminal_without_utf_8(commanded: Commanded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is what counts: it is there, and instead of the picture why there is none."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert commanded.type("invite", "pi") == 0
    terminal.seek(0)
    printed = terminal.read()
    assert find_token(printed)
    assert "no QR code: this terminal does not show UTF-8" in printed


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["Green House"], 1, "`Green House` cannot name a device"),
        (["pi", "--count", "3"], 1, "need a number in their names, such as 'pi-{:02}'"),
        (["pi-{}"], 1, "Add --count"),
        (["pi-{}", "--count", "0"], 2, "--count: 1 to 1000 are accepted, not 0"),
        (["pi", "--valid", "15"], 2, "--valid: "),
        (["pi", "--valid", "9s"], 2, "Accepted: 10s to 30d"),
        (["pi", "--valid", "31d"], 2, "Accepted: 10s to 30d"),
        (["pi", "--address", "no host!"], 2, "--address: "),
        (["pi", "--address", "[fe80::1%eth0]:1"], 1, "a token cannot name the address"),
    ],
)
@pytest.mark.parametrize("is_running", [True, False])
def test_what_cannot_be_is_told(
    commanded: Commanded,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    part: str,
    is_running: bool,
) -> None:
    """In one line, whether a collector runs or not; nobody is invited."""

    async def scenario(rig: ServerRig, typed: Typed) -> None:
        assert await typed("invite", *words) == code
        assert rig.trust.members == []

    if is_running:
        commanded.play(scenario)
    else:
        assert commanded.type("invite", *words) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("telegauge-collector: ")
    assert part in printed.err
    assert printed.err.count("\n") == 1


def test_wrong_yaml_is_wrong_usage(
    commanded: Commanded, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is made."""
    commanded.config.write_text("devices: {lissten: x}\n")
    for verb in ("invite", "revoke", "rotate"):
        assert commanded.type(verb, "pi") == 2
    assert commanded.type("devices") == 2
    assert capsys.readouterr().err.count("Did you mean `listen`?") == 4
    assert {each.name for each in commanded.state.iterdir()} == {"c.yaml", "run"}

"""device.__main__: what is called by which name, and ends with which code."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from device.__main__ import COMMANDS, main
from kit.programs import ROOT


def test_every_command_has_a_file_and_every_file_is_a_command() -> None:
    """One file a verb, and no verb that cannot be reached."""
    files = {file.stem for file in (ROOT / "device/commands").glob("[!_]*.py")}
    assert files == set(COMMANDS)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of their use."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if re.match(r"    \w", line)] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And takes -c."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--config FILE" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["serve"], ["run", "now"], ["status", "--yaml"]])
def test_wrong_usage_is_two(argv: list[str]) -> None:
    """Another program's verb, or an argument that nobody takes."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2


def test_socket_that_nobody_answers_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the control socket has to say is for people: exit 1, no traceback."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "control"))
    assert main(["status"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("telegauge-device: not running")


def test_output_that_nobody_reads_is_no_fault() -> None:
    """`telegauge-device schema | head -0` leaves nothing on standard error."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "device", "schema"],
            check=False,
            cwd=ROOT,
            stdout=write_end,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")

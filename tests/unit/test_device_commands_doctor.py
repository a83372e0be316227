"""device.commands.doctor: what a person sees, and the exit code."""

import json
import sys
from pathlib import Path

import pytest

from device.__main__ import main
from kit.recorded import Recorded, recorded_pi

YAML = "name: shed\nspool: {policy: memory}\nsensors:\n  %s\n"


@pytest.fixture
def machine(tmp_path: Path) -> Recorded:
    """A recorded Pi, whose device never joined a collector on another machine."""
    return recorded_pi(tmp_path)


def doctor(machine: Recorded, sensor: str, *arguments: str) -> int:
    """Let the doctor look at it."""
    file = machine.put("etc/telegauge/device.yaml", YAML % sensor)
    return main(["doctor", "--root", str(machine.root), "-c", str(file), *arguments])


def test_lines_are_level_subject_and_message(
    machine: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good lines alone; what mends a bad one is indented below it; the counts come last."""
    assert doctor(machine, "air: {driver: 'serial:/dev/ttyUSB7'}") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "good     board      Raspberry Pi 4 Model B Rev 1.4" in lines
    at = lines.index("bad      serial     no /dev/ttyUSB7; needed by air")
    assert lines[at + 1].startswith(" " * 22 + "plug it in")
    assert lines[-1].endswith(" good")
    bad = sum(line.startswith("bad ") for line in lines)
    assert lines[-1].startswith(f"{bad} bad, ")


def test_json(machine: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """The same findings, each with all its fields; the same exit code."""
    code = doctor(machine, "host: {driver: host}", "--json")
    findings = json.loads(capsys.readouterr().out)
    assert code == int(any(each["level"] == "bad" for each in findings))
    assert findings[0] == {
        "level": "good",
        "subject": "config",
        "message": findings[0]["message"],
        "mend": "",
        "paste": "",
    }


def test_on_this_very_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is, the doctor gets to the end and says what it does not like."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    file = tmp_path / "device.yaml"
    file.write_text(YAML % "host: {driver: host}")
    code = main(["doctor", "-c", str(file)])
    out = capsys.readouterr().out
    assert code == int("\nbad " in out)
    assert "\ngood     disk " in out or "\nbad      disk " in out


def test_the_doctor_is_loaded_by_nobody_else() -> None:
    """`--help` and the agent do not pay for it."""
    import subprocess

    code = "import sys, device.__main__, device.agent, device.commands.doctor; print('device.doctor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

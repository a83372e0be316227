"""device.commands: each verb as a person uses it, with and without a running agent."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from device import commands, credentials
from device.__main__ import main
from device.commands import status
from device.credentials import Credentials
from device.spool_status import SpoolStatus
from kit import programs
from kit.programs import ROOT, Program, free_port
from kit.users import not_root, open_folder
from kit.waiting import wait_until

SENSORS = """
sensors:
  air:
    driver: synthetic:stuck
    options: {value: 21.5, unit: degC}
    interval: 100ms
  broken:
    driver: synthetic:failing
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A YAML with a sensor that works and one that fails."""
    file = tmp_path / "device.yaml"
    file.write_text("name: greenhouse\n" + SENSORS)
    return file


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder in which nothing runs."""
    folder = tmp_path / "run"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    return folder


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """An agent that runs, without a collector."""
    yaml = SENSORS.partition("sensors:\n")[2]
    running = programs.device(tmp_path_factory.mktemp("agent"), free_port(), yaml)
    try:
        running.start()
        yield running
    finally:
        running.end()


def process(*argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the program as a process."""
    return subprocess.run(
        [sys.executable, *argv],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def lines_of(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What it printed."""
    return done.stdout.splitlines()


def one_line(text: str) -> str:
    """The only line of a text."""
    (line,) = text.splitlines()
    return line


# --- check


def test_check_of_a_good_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Says what would run, and where the readings would go."""
    assert main(["check", "-c", str(config)]) == 0
    assert capsys.readouterr().out == (
        f"{config}: good\n"
        "  2 sensors: air (synthetic:stuck), broken (synthetic:failing)\n"
        "  readings go to 127.0.0.1:8888, as greenhouse\n"
    )


ADDRESS = "collector: {address: 'hub.local:9'}\n"
FOUND = Credentials("greenhouse", bytes(32), bytes(32), ("10.0.0.9:8888",))


@pytest.fixture
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder, in which no join has left anything."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    return folder


def test_check_of_a_collector_that_was_not_joined(
    config: Path, state_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The YAML is good, and says what is missing: plain readings never leave this machine."""
    config.write_text(ADDRESS + SENSORS)
    assert main(["check", "-c", str(config)]) == 0
    *_, to, but = capsys.readouterr().out.splitlines()
    assert to.startswith("  readings go to hub.local:9, as ")
    assert but == "  but not yet: it is another machine, and this device has not joined it"


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_check_of_a_device_that_has_joined(
    config: Path, state_folder: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    """The join says who it is; and where, unless the YAML does."""
    credentials.store(state_folder, FOUND)
    config.write_text(address + SENSORS)
    assert main(["check", "-c", str(config)]) == 0
    where = "hub.local:9" if address else "10.0.0.9:8888"
    line = f"  readings go to {where}, as greenhouse"
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_check_of_a_name_that_is_not_the_joins(
    config: Path, state_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error like any other of the YAML, with its place."""
    credentials.store(state_folder, FOUND)
    config.write_text("name: shed\n" + SENSORS)
    assert main(["check", "-c", str(config)]) == 2
    assert f"{config}:1:1: name: `shed` is not the name that this" in capsys.readouterr().err


@pytest.mark.parametrize("closed", ["state", "."])
def test_check_by_who_may_not_see_the_join(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: str
) -> None:
    """The YAML is checked all the same, and what cannot be known is not made up."""
    assert main(["check", "-c", str(config)]) == 0  # and all that is imported is there now
    with open_folder() as folder:
        state = folder / "state"
        state.mkdir()
        credentials.store(state, FOUND)
        monkeypatch.setenv("STATE_DIRECTORY", str(state))
        (folder / "ours").mkdir(mode=0o755)
        file = Path(shutil.copy(config, folder / "ours"))
        if closed == ".":
            monkeypatch.chdir(folder / "ours")
            file = Path("device.yaml")
        (folder / closed).chmod(0o000)
        capsys.readouterr()
        with not_root():
            assert main(["check", "-c", str(file)]) == 0
        (folder / closed).chmod(0o700)
    *_, last = capsys.readouterr().out.splitlines()
    assert last.strip().startswith("whether and as whom it joined is not for this user to see")


def test_handed_over_credentials_are_seen_wherever_the_folder_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not exist; nor need there be any join."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "none"))
    assert commands.credentials() is None
    handed = tmp_path / "handed"
    handed.mkdir()
    credentials.store(handed, FOUND)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert commands.credentials() == FOUND


def test_check_of_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is wrong, each with its place; exit 2 and nothing on standard output."""
    file = tmp_path / "bad.yaml"
    file.write_text("sensors:\n  Air:\n    driver: synthetic:sine\nintervall: 5s\n")
    assert main(["check", "-c", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("telegauge-device: ")
    assert f"{file}:2:" in err
    assert f"{file}:4:" in err


def test_check_of_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is named."""
    assert main(["check", "-c", str(tmp_path / "none.yaml")]) == 2
    assert str(tmp_path / "none.yaml") in capsys.readouterr().err


def test_check_as_a_process(config: Path) -> None:
    """`python -m device` and its exit codes."""
    good = process("-m", "device", "check", "-c", str(config))
    assert (good.returncode, good.stderr) == (0, "")
    config.write_text("sensors: {}\n")
    bad = process("-m", "device", "check", "-c", str(config))
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "sensors" in bad.stderr


def test_check_loads_no_agent(config: Path) -> None:
    """A Pi Zero pays for what a command uses: no gpiozero, no link, no wire."""
    script = (
        "import sys; from device.__main__ import main; "
        f"code = main(['check', '-c', {str(config)!r}]); "
        "print(*sys.modules); sys.exit(code)"
    )
    done = process("-c", script)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {
        "cryptography", "gpiozero", "numpy", "service.notify", "service.stream", "service.tls",
        "sqlite3", "zeroconf",
    }  # fmt: skip
    assert not loaded & heavy
    allowed = {
        "__main__", "channel_settings", "cipher", "commands", "contact", "credentials", "errors",
        "outputs", "sensors", "settings",
    }  # fmt: skip
    assert {name.split(".")[1] for name in loaded if name.startswith("device.")} <= allowed
    assert {name for name in loaded if name.startswith("wire.")} <= {"wire.readings"}


# --- schema


def test_schema_is_the_one_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON Schema, the same text as beside the shipped YAML."""
    assert main(["schema"]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["properties"]["sensors"]
    assert text == (ROOT / "config/device.schema.json").read_text()


# --- read


def test_read_without_an_agent_reads_here(config: Path) -> None:
    """Every sensor once; a bad one makes it exit 1, and is shown with its reason."""
    done = process("-m", "device", "read", "-c", str(config))
    assert done.returncode == 1
    head, good, bad = done.stdout.splitlines()
    assert head.split() == ["SERIES", "VALUE", "UNIT", "QUALITY", "TOOK", "DETAIL"]
    assert good.split()[:4] == ["greenhouse/air.value", "21.5", "degC", "good"]
    assert bad.split()[:4] == ["greenhouse/broken.value", "-", "bad", "(read_failed)"]
    assert "read 1 fails" in bad
    assert done.stderr == ""


def test_read_without_an_agent_knows_the_joined_name(config: Path, state_folder: Path) -> None:
    """Series are named as the collector will name them."""
    credentials.store(state_folder, FOUND)
    config.write_text(SENSORS)
    done = process("-m", "device", "read", "-c", str(config), "air")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("greenhouse/air.value")


def test_read_of_one_sensor(config: Path) -> None:
    """The others are left alone: exit 0."""
    done = process("-m", "device", "read", "-c", str(config), "--json", "air")
    assert (done.returncode, done.stderr) == (0, "")
    (result,) = json.loads(done.stdout)
    assert (result["series"], result["value"]) == ("greenhouse/air.value", 21.5)
    assert (result["unit"], result["quality"]) == ("degC", "good")


def test_read_of_an_unknown_sensor(config: Path) -> None:
    """Exit 2, and the names there are."""
    done = process("-m", "device", "read", "-c", str(config), "ari")
    assert (done.returncode, done.stdout) == (2, "")
    line = one_line(done.stderr)
    assert line == "telegauge-device: no sensor `ari`; there are: air, broken"


def test_read_asks_the_running_agent(agent: Program) -> None:
    """It owns the pins; the device's name is the agent's."""
    done = agent.command("read", "--json")
    assert done.returncode == 1, done.stderr
    good, bad = json.loads(done.stdout)
    assert (good["series"], good["value"]) == ("pi/air.value", 21.5)
    assert (bad["series"], bad["value"], bad["reason"]) == ("pi/broken.value", None, "read_failed")
    done = agent.command("read", "air")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].startswith("pi/air.value   21.5  degC  good")
    assert done.stderr == f"the running agent was asked; {agent.config} was not read\n"


def test_running_agent_knows_no_such_sensor(agent: Program) -> None:
    """The same words and the same exit code as without an agent."""
    done = agent.command("read", "ari")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        one_line(done.stderr) == "telegauge-device: no sensor `ari`; there are: air, broken, agent"
    )


# --- status


def test_status_of_nothing(runtime_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and one line that says where nobody answers."""
    assert main(["status"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert one_line(err).startswith("telegauge-device: not running")
    assert str(runtime_folder) in err


def test_status_of_a_running_agent(agent: Program) -> None:
    """For people: link, readings and a row a sensor; exit 0 although the link is down."""
    wait_until(lambda: agent.ask("status")["accepted_readings"] >= 3)
    wait_until(lambda: agent.ask("status")["last_end"])
    done = agent.command("status")
    assert (done.returncode, done.stderr) == (0, "")
    first, link, readings, spool, risk, written, empty, head, air, broken, own = lines_of(done)
    assert first.startswith("pi: running for ")
    assert link.startswith("link down to 127.0.0.1:")
    assert "(no_connection: Connection refused), next try in " in link
    assert "accepted, 0 acknowledged, 0 reads skipped" in readings
    assert re.fullmatch(r"spool \(frugal\): [0-9]+ readings waiting, .* of 256.0 MiB.*", spool)
    assert re.fullmatch(
        r"a power cut now would lose (nothing|\d+ readings, of the last [0-9.]+ s \(`at_risk` is 10 s\))",
        risk,
    )
    assert written.startswith("written to disk since the start: ")
    assert empty == ""
    assert head.split() == ["SENSOR", "INTERVAL", "READS", "FAILED", "LAST", "TOOK", "DETAIL"]
    assert (air.split()[0], air.split()[5]) == ("air", "good")
    assert "bad (read_failed)" in broken
    assert own.split()[:3] == ["agent", "60", "s"]


def test_status_as_json(agent: Program) -> None:
    """For programs: the same facts by name."""
    done = agent.command("status", "--json")
    told = json.loads(done.stdout)
    assert (told["device"], told["link"]) == ("pi", "down")
    assert told["spool"]["policy"] == "frugal"
    assert [sensor["sensor"] for sensor in told["sensors"]] == ["air", "broken", "agent"]


def spool_lines(**figures: Any) -> list[str]:
    """What is printed of a spool with these figures."""
    spool = SpoolStatus(
        policy="frugal",
        held_readings=0,
        held_bytes=0,
        max_bytes=256 * 2**20,
        at_risk_readings=0,
        at_risk_s=0.0,
        at_risk_limit_s=10.0,
        room_s=None,
        written_bytes=None,
        dropped_readings=0,
        refused_readings=0,
        full=False,
        card_error="",
        others_epochs=0,
    )
    return status._spool_lines(msgspec.structs.replace(spool, **figures))


def test_status_of_an_empty_spool_is_short() -> None:
    """Nothing waits, nothing is at risk, nothing is wrong."""
    assert spool_lines() == [
        "spool (frugal): 0 readings waiting, 0 bytes of 256.0 MiB",
        "a power cut now would lose nothing",
    ]


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            {"held_readings": 9, "held_bytes": 2048, "room_s": 3 * 86400.0},
            "spool (frugal): 9 readings waiting, 2.0 KiB of 256.0 MiB, room for 3 days offline at "
            "this rate",
        ),
        (
            {"at_risk_readings": 80, "at_risk_s": 4.94},
            "a power cut now would lose 80 readings, of the last 4.9 s (`at_risk` is 10 s)",
        ),
        (
            {"at_risk_readings": 80, "policy": "memory"},
            "a power cut now would lose 80 readings: this policy keeps nothing on the card",
        ),
        ({"written_bytes": 5 * 2**20}, "written to disk since the start: 5.0 MiB"),
        (
            {"dropped_readings": 7},
            "! no room: 7 of the oldest readings were dropped; the collector is told which",
        ),
        ({"refused_readings": 7}, "! no room even so: 7 new readings were not taken"),
        ({"full": True}, "! nothing can be kept now: no sensor is read until there is room"),
        (
            {"card_error": "disk I/O error"},
            "! the card does not work (disk I/O error): what is read is kept in memory only",
        ),
        (
            {"others_epochs": 2},
            "! readings of 2 epochs were begun to be sent under another name or to another collector, "
            "and are kept for it. To send them: set `name` back to what it was, or join there again",
        ),
        (
            {"others_epochs": 1},
            "! readings of 1 epoch were begun to be sent under another name or "
            "to another collector, and are kept for it. To send them: set `name` back to what it was, "
            "or join there again",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_status_says_what_is_wrong_with_the_spool(figures: dict[str, Any], line: str) -> None:
    """Each trouble in a line of its own, with what it means."""
    assert line in spool_lines(**figures)


# --- run


def run_in(folder: Path, config: Path) -> "subprocess.CompletedProcess[str]":
    """Try to run an agent whose runtime folder cannot be used."""
    return process("-m", "device", "run", "-c", str(config), RUNTIME_DIRECTORY=str(folder))


def test_run_without_a_runtime_folder(config: Path, tmp_path: Path) -> None:
    """One line with the folder and what to do; exit 1."""
    (tmp_path / "file").touch()
    done = run_in(tmp_path / "file/run", config)
    assert (done.returncode, done.stdout) == (1, "")
    line = one_line(done.stderr)
    assert line.startswith("telegauge-device: cannot make the folder")
    assert "RUNTIME_DIRECTORY" in line


def test_run_by_another_user_than_the_folders(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is read as nobody, as if it had never joined: one line, exit 1, nothing made."""
    importlib.import_module("device.agent")  # it would be out of reach then

    with open_folder() as folder:
        state = folder / "state"
        state.mkdir()
        credentials.store(state, FOUND)
        file = Path(shutil.copy(config, folder))
        (folder / "run").mkdir()
        (folder / "run").chmod(0o777)
        monkeypatch.setenv("STATE_DIRECTORY", str(state))
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder / "run"))
        state.chmod(0o000)
        with not_root():
            assert main(["run", "-c", str(file)]) == 1
        state.chmod(0o700)
        assert [each.name for each in state.iterdir()] == ["credentials"]
    line = one_line(capsys.readouterr().err)
    assert line.startswith(f"telegauge-device: cannot write to the folder {state}")


def test_run_with_a_bad_file(config: Path) -> None:
    """Nothing is started and nothing is made: exit 2."""
    config.write_text("sensors: 5\n")
    folder = config.parent / "unmade"
    done = run_in(folder, config)
    assert (done.returncode, done.stdout) == (2, "")
    assert not folder.exists()

"""The units keep what the programs and the manual promise about them."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import collector.__main__
import device.__main__
from config.files import INSTALLED

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
PROGRAMS = {
    "telegauge-device": device.__main__.COMMANDS,
    "telegauge-collector": collector.__main__.COMMANDS,
}
Unit = dict[str, list[str]]


def unit(program: str) -> Unit:
    """Return the assignments of a unit; one key may come several times."""
    assignments: Unit = {}
    for line in (UNITS / f"{program}.service").read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            assignments.setdefault(key, []).append(value)
    return assignments


def environment_of(assignments: Unit) -> dict[str, str]:
    """Return what a unit puts into the environment."""
    return dict(each.split("=", 1) for each in assignments["Environment"])


def program_of(program: str) -> str:
    """Return where a program is, in the environment of its own."""
    return f"/opt/telegauge/{program.removeprefix('telegauge-')}/bin/{program}"


every_unit = pytest.mark.parametrize("program", PROGRAMS)


@every_unit
def test_the_command_exists(program: str) -> None:
    """ExecStart names an installed program, one of its commands, and the file the manual names."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    installed = re.findall(r"^(\S+) =", setup["options.entry_points"]["console_scripts"], re.M)
    ((path, verb, option, file),) = [shlex.split(each) for each in unit(program)["ExecStart"]]
    assert path == program_of(program)
    assert program in installed
    assert verb in PROGRAMS[program]
    assert option == "-c"
    assert Path(file) == INSTALLED / f"{program.removeprefix('telegauge-')}.yaml"


@every_unit
def test_it_is_watched_and_comes_back(program: str) -> None:
    """systemd waits for READY, notices a hang, restarts for ever, but not a wrong configuration."""
    assignments = unit(program)
    assert assignments["Type"] == ["notify"]
    assert assignments["NotifyAccess"] == ["main"]
    assert assignments["WatchdogSec"] == ["30"]
    assert assignments["Restart"] == ["always"]
    assert assignments["StartLimitIntervalSec"] == ["0"]
    assert assignments["RestartPreventExitStatus"] == ["2"]


@every_unit
def test_a_reload_checks_first(program: str) -> None:
    """A wrong file fails the reload, with what `check` says of it; only a good one reaches the program."""
    assignments = unit(program)
    start = assignments["ExecStart"][0].split()
    assert assignments["ExecReload"] == [
        f"{start[0]} check {' '.join(start[2:])}",
        '/bin/sh -c "kill -HUP $MAINPID"',
    ]


@every_unit
def test_nothing_runs_before_the_start(program: str) -> None:
    """A check that fails in ExecStartPre= is tried again for ever, whatever its exit code; the program checks."""
    assert not {"ExecStartPre", "ExecCondition"} & unit(program).keys()


@every_unit
def test_it_is_bounded(program: str) -> None:
    """What leaks cannot take the machine with it, and a dead program leaves no keys in a core file."""
    assignments = unit(program)
    assert {"MemoryMax", "MemorySwapMax", "TasksMax", "LimitNOFILE"} <= assignments.keys()
    assert assignments["LimitCORE"] == ["0"]


@every_unit
def test_it_waits_for_no_network(program: str) -> None:
    """A shed without a network still samples; network.target only orders the stop."""
    assignments = unit(program)
    assert assignments["After"] == ["network.target"]
    assert not {"Wants", "Requires", "BindsTo", "Requisite"} & assignments.keys()


@every_unit
def test_it_owns_its_folders(program: str) -> None:
    """State for its user alone; the socket for its group; the runtime folder outlives restarts."""
    assignments = unit(program)
    assert assignments["User"] == assignments["Group"] == [program]
    assert assignments["UMask"] == ["0077"]
    assert assignments["StateDirectory"] == assignments["RuntimeDirectory"] == [program]
    assert assignments["StateDirectoryMode"] == ["0700"]
    assert assignments["RuntimeDirectoryMode"] == ["0750"]
    assert assignments["RuntimeDirectoryPreserve"] == ["yes"]


def test_lgpio_finds_a_folder_to_write_in() -> None:
    """Its pipe is made in the working directory, which is the runtime folder."""
    assignments = unit("telegauge-device")
    (folder,) = assignments["WorkingDirectory"]
    assert folder == f"%t/{assignments['RuntimeDirectory'][0]}"
    assert environment_of(assignments)["LG_WD"] == folder
    assert environment_of(assignments)["GPIOZERO_PIN_FACTORY"] == "lgpio"


def test_the_agent_has_what_sensors_are_on_and_no_more() -> None:
    """GPIO, I2C, SPI, serial ports; nothing hides these, the Pi's revision or the boot id."""
    assignments = unit("telegauge-device")
    assert not {"PrivateDevices", "ProtectClock", "ProcSubset"} & assignments.keys()
    assert assignments["DevicePolicy"] == ["closed"]
    allowed = {each.split()[0] for each in assignments["DeviceAllow"]}
    assert {"char-gpiochip", "char-i2c", "char-spi", "char-ttyUSB"} <= allowed
    assert not any("block" in each or each in ("/dev/mem", "char-mem") for each in allowed)


def test_no_group_can_stop_the_agent() -> None:
    """A missing group in SupplementaryGroups= fails the start; an `m` line in sysusers would make it."""
    assert "SupplementaryGroups" not in unit("telegauge-device")
    assert "\nm " not in (UNITS / "telegauge-device.sysusers.conf").read_text()


@every_unit
def test_its_user_is_made(program: str) -> None:
    """The user that the unit names is one that the installation makes."""
    lines = (UNITS / f"{program}.sysusers.conf").read_text().splitlines()
    assert unit(program)["User"][0] in {line.split()[1] for line in lines if line[:2] == "u "}


@every_unit
def test_systemd_finds_no_fault(program: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing; it exits with 0 also where it warns."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd-analyze")
    copy = tmp_path / f"{program}.service"
    copy.write_text((UNITS / copy.name).read_text().replace(program_of(program), TRUE))
    ran = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in (ran.stdout + ran.stderr).splitlines() if "telegauge" in line] == []


TRUE = shutil.which("true") or "/bin/true"
THRESHOLDS = {"telegauge-device": 22, "telegauge-collector": 15}


@every_unit
def test_it_stays_hardened(program: str) -> None:
    """systemd's own score (0 to 10, most services are at 9) stays low; asking the clock costs 0.2."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd-analyze")
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={THRESHOLDS[program]}",
         UNITS / f"{program}.service"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unrecognized option" in ran.stderr:
        pytest.skip("this systemd-analyze cannot score a file")
    assert ran.returncode == 0, ran.stdout + ran.stderr

"""device.doctor.unit: what systemd has of the unit, and whether sensors get through."""

from pathlib import Path

import pytest

from device.doctor import unit
from device.doctor.finding import Level
from device.doctor.groups import HARDWARE
from device.doctor.needs import Needs
from device.doctor.unit import Unit
from kit.programs import ROOT
from kit.recorded import UNIT_SAYS, Recorded, recorded_pi

ALL = Needs(
    pins=("door",), spi=("battery",), i2c={1: ("co2",)}, ports={"/dev/serial/by-id/usb-1": ("gps",)}
)
GROUPS = frozenset(HARDWARE)
PORTS = {"/dev/serial/by-id/usb-1": "/dev/ttyACM0"}


def said(**changes: str) -> Unit:
    """The unit as it is installed, but for some properties."""
    lines = UNIT_SAYS.splitlines()
    for name, value in changes.items():
        lines = [line for line in lines if not line.startswith(f"{name}=")]
        lines += [f"{name}={each}" for each in value.split("\n")]
    found = unit.read("\n".join(lines))
    assert found
    return found


def levels(found: Unit | None, needs: Needs = ALL) -> list[str]:
    """How bad each line is."""
    return [each.level.value for each in unit.judge(found, needs, PORTS, GROUPS)]


def test_as_it_is_installed(tmp_path: Path) -> None:
    """It runs, and lets every kind of sensor through."""
    found = unit.look(recorded_pi(tmp_path).place)
    assert found == said()
    assert levels(found) == ["good", "good"]


def test_what_is_recorded_is_what_the_unit_says() -> None:
    """The devices of the unit that is shipped."""
    shipped = (ROOT / "systemd/telegauge-device.service").read_text()
    lines = [line for line in shipped.splitlines() if line.startswith("Device")]
    assert lines == [line for line in UNIT_SAYS.splitlines() if line.startswith("Device")]


def test_without_systemd(tmp_path: Path) -> None:
    """Told, and nothing is wrong with it."""
    assert unit.look(Recorded(tmp_path).place) is None
    assert unit.read("") is None
    assert levels(None) == ["good"]


@pytest.mark.parametrize(
    ("load", "mend"), [("not-found", "docs/install.md"), ("masked", "sudo systemctl unmask")]
)
def test_not_installed(load: str, mend: str) -> None:
    """A warning: it works by hand, until the next boot."""
    found = unit.read(f"LoadState={load}\nActiveState=inactive\n")
    assert levels(found) == ["warning"]
    assert mend in unit.judge(found, ALL, PORTS, GROUPS)[0].mend


@pytest.mark.parametrize(
    ("changes", "level", "mend"),
    [
        ({"ActiveState": "inactive"}, "warning", "sudo systemctl start telegauge-device"),
        (
            {"ActiveState": "failed", "Result": "exit-code"},
            "bad",
            "systemctl status telegauge-device\nsudo systemctl restart telegauge-device",
        ),
        (
            {"ActiveState": "activating", "Result": "exit-code"},
            "bad",
            "systemctl status telegauge-device\nsudo systemctl restart telegauge-device",
        ),
        ({"UnitFileState": "disabled"}, "warning", "sudo systemctl enable telegauge-device"),
        (
            {"NeedDaemonReload": "yes"},
            "warning",
            "sudo systemctl daemon-reload\nsudo systemctl restart telegauge-device",
        ),
    ],
)
def test_how_it_stands(changes: dict[str, str], level: str, mend: str) -> None:
    """Each state with what is next."""
    found = unit.judge(said(**changes), ALL, PORTS, GROUPS)
    assert (level, mend) in [(each.level.value, each.mend) for each in found]


@pytest.mark.parametrize(
    ("device", "who"),
    [
        ("char-gpiochip", "door"),
        ("char-i2c", "co2"),
        ("char-spi", "battery"),
        ("char-ttyACM", "gps"),
    ],
)
def test_a_device_that_is_not_allowed(device: str, who: str) -> None:
    """Named with who needs it, and the line of a drop-in."""
    allowed = [line for line in said().allowed if not line.startswith(device)]
    found = unit.judge(said(DeviceAllow="\n".join(allowed)), ALL, PORTS, GROUPS)
    (wrong,) = (each for each in found if each.level is Level.BAD)
    assert wrong.message.endswith(f"needed by {who}")
    assert "\n[Service]\nDeviceAllow=" in wrong.mend


@pytest.mark.parametrize(
    ("line", "is_enough"),
    [
        ("/dev/ttyACM0 rw", True),
        ("/dev/ttyACM0 rwm", True),
        ("char-ttyACM", True),
        ("char-* rw", True),
        ("char-ttyACM r", False),
        ("/dev/ttyACM1 rw", False),
        ("block-ttyACM rw", False),
    ],
)
def test_how_a_port_may_be_allowed(line: str, is_enough: bool) -> None:
    """By its path or its class, to be read and written."""
    needs = Needs(ports={"/dev/ttyACM0": ("gps",)})
    assert levels(said(DeviceAllow=line), needs)[-1] == ("good" if is_enough else "bad")


def test_private_devices() -> None:
    """Hides everything: one bad line, and none where nobody needs hardware."""
    found = unit.judge(said(PrivateDevices="yes"), ALL, PORTS, GROUPS)
    assert [each.level for each in found] == [Level.GOOD, Level.BAD]
    assert found[1].message.endswith("needed by door, co2, battery, gps")
    assert levels(said(PrivateDevices="yes"), Needs()) == ["good", "good"]


def test_no_sandbox() -> None:
    """A unit of one's own, without a policy, hides nothing."""
    bare = said()._replace(device_policy="auto", allowed=())
    assert levels(bare) == ["good", "good"]


def test_a_group_that_the_machine_lacks() -> None:
    """systemd would not start it."""
    found = unit.judge(said(SupplementaryGroups="gpio i2c kmem"), ALL, PORTS, GROUPS)
    (wrong,) = (each for each in found if each.level is Level.BAD)
    assert "kmem" in wrong.message
    assert "gpio" not in wrong.message


@pytest.mark.parametrize(
    ("home", "path", "levels_of"),
    [
        ("yes", "/home/ada/tank.py", ["good", "bad", "good"]),
        ("tmpfs", "/root/tank.py", ["good", "bad", "good"]),
        ("read-only", "/home/ada/tank.py", ["good", "good"]),
        ("yes", "/usr/local/bin/tank", ["good", "good"]),
    ],
)
def test_a_program_in_somebodys_home(home: str, path: str, levels_of: list[str]) -> None:
    """It works by hand, and fails as a service: hidden by ProtectHome=."""
    assert levels(said(ProtectHome=home), Needs(files={path: ("tank",)})) == levels_of

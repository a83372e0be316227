"""device.doctor.ports: serial ports that are there, missing, or the console's."""

from pathlib import Path

import pytest

from device.doctor import ports
from device.doctor.board import Board
from device.doctor.finding import Finding, Level
from device.doctor.needs import Needs
from device.doctor.ports import Ports
from kit.recorded import Recorded

PI = Board("Raspberry Pi 4", has_raspi_config=True)
BY_ID = "/dev/serial/by-id/usb-1"
HEADER = "/dev/serial0"


@pytest.fixture
def machine(tmp_path: Path) -> Recorded:
    """A machine with a board at USB, and the header's port."""
    machine = Recorded(tmp_path)
    machine.put_all({"dev/ttyACM0": "", "dev/ttyS0": ""})
    machine.link(BY_ID, "dev/ttyACM0")
    machine.link(HEADER, "dev/ttyS0")
    return machine


def judged(machine: Recorded, path: str, board: Board = PI) -> Finding:
    """What is said of one port."""
    needs = Needs(ports={path: ("gps",)})
    (found,) = ports.judge(ports.look(machine.place, needs), board, needs)
    return found


def test_ports_by_any_name(machine: Recorded) -> None:
    """What they are links to is kept, for the sandbox."""
    needs = Needs(ports={BY_ID: ("board",), "/dev/ttyUSB0": ("gps",)})
    machine.put("proc/cmdline", "console=tty1 console=ttyS0,115200 root=/dev/mmcblk0p2\n")
    found = ports.look(machine.place, needs)
    assert found == Ports({BY_ID: "/dev/ttyACM0"}, frozenset({"/dev/tty1", "/dev/ttyS0"}))
    assert [each.level for each in ports.judge(found, PI, needs)] == [Level.GOOD, Level.BAD]


def test_the_consoles_port(machine: Recorded) -> None:
    """What a login prints is no reading: bad, with the way to take it away."""
    assert judged(machine, HEADER).level is Level.GOOD
    machine.put("proc/cmdline", "console=ttyS0,115200 console=tty1\n")
    found = judged(machine, HEADER)
    assert found.level is Level.BAD
    assert found.mend == "sudo raspi-config nonint do_serial_cons 1\nsudo reboot"
    assert "serial-getty@ttyS0" in judged(machine, HEADER, Board("Raspberry Pi 4")).mend


def test_a_port_that_is_missing(tmp_path: Path) -> None:
    """The header's is switched on, another plugged in."""
    machine = Recorded(tmp_path)
    assert "enable_uart=1" in judged(machine, HEADER).mend
    assert "plug it in" in judged(machine, "/dev/ttyUSB0").mend
    assert "plug it in" in judged(machine, HEADER, Board()).mend

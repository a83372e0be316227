"""device.doctor.board: which machine this is, and how something is switched on there."""

from pathlib import Path

import pytest

from device.doctor import board
from device.doctor.board import Board
from device.doctor.finding import Level
from kit.recorded import Recorded, recorded_pi


def test_a_pi(tmp_path: Path) -> None:
    """Its model without the zero byte of the device tree; and the tool of Raspberry Pi OS."""
    found = board.look(recorded_pi(tmp_path).place)
    assert found == Board("Raspberry Pi 4 Model B Rev 1.4", "/boot/firmware/config.txt", True)
    assert found.is_pi
    assert board.judge(found)[0].message == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.enable("i2c", "dtparam=i2c_arm=on").startswith("sudo raspi-config nonint do_i2c 0")


def test_a_pi_of_before_bookworm(tmp_path: Path) -> None:
    """Has its config.txt in /boot; without the tool a line is put in there."""
    machine = Recorded(tmp_path)
    machine.put_all({"proc/device-tree/model": "Raspberry Pi 3\0", "boot/config.txt": ""})
    mend = board.look(machine.place).enable("spi", "dtparam=spi=on")
    assert mend == "echo 'dtparam=spi=on' | sudo tee -a /boot/config.txt\nsudo reboot"


@pytest.mark.parametrize("model", [None, "Radxa ROCK 5B"])
def test_no_pi(tmp_path: Path, model: str | None) -> None:
    """Said once, and nothing is wrong with it."""
    machine = Recorded(tmp_path)
    if model:
        machine.put("proc/device-tree/model", model + "\0")
    (found,) = board.judge(board.look(machine.place))
    assert found.level is Level.GOOD
    assert found.message.startswith(f"no Raspberry Pi{f' but a {model}' if model else ''}:")

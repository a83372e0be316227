"""Which machine this is: a Raspberry Pi has pins and buses to look at, others only what is in use."""

from typing import NamedTuple

from device.doctor.finding import Finding, good
from device.doctor.place import Place

_SUBJECT = "board"
# Bookworm and later, and before.
_BOOT_FOLDERS = ("/boot/firmware", "/boot")
_BOOT_FILE = "config.txt"


class Board(NamedTuple):
    """`model` as the device tree has it, None where there is none.

    `boot_file` is where overlays are named; `has_raspi_config`: Raspberry Pi OS and its tool.
    """

    model: str | None = None
    boot_file: str = f"{_BOOT_FOLDERS[0]}/{_BOOT_FILE}"
    has_raspi_config: bool = False

    @property
    def is_pi(self) -> bool:
        """Whether it has what every Raspberry Pi has."""
        return self.model is not None and self.model.startswith("Raspberry Pi")

    def append(self, line: str) -> str:
        """Return what puts a line into the file that the firmware reads, and makes it so."""
        return f"echo '{line}' | sudo tee -a {self.boot_file}\nsudo reboot"

    def enable(self, bus: str, line: str) -> str:
        """Return what switches a bus on, by the tool where there is one."""
        if self.has_raspi_config:
            return f"sudo raspi-config nonint do_{bus} 0\nsudo reboot"
        return self.append(line)


def look(place: Place) -> Board:
    """Look which machine this is."""
    files = [f"{folder}/{_BOOT_FILE}" for folder in _BOOT_FOLDERS]
    return Board(
        place.text("/proc/device-tree/model"),
        next(filter(place.exists, files), files[0]),
        place.exists("/usr/bin/raspi-config"),
    )


def judge(board: Board) -> list[Finding]:
    """Say it once; nothing is wrong with any machine."""
    if board.is_pi:
        return [good(_SUBJECT, str(board.model))]
    what = f" but a {board.model}" if board.model else ""
    return [
        good(
            _SUBJECT,
            f"no Raspberry Pi{what}: pins and buses are looked at where a sensor needs them",
        )
    ]

"""The serial ports that sensors read: there, and not taken by the console."""

from collections.abc import Mapping
from typing import NamedTuple

from device.doctor.board import Board
from device.doctor.finding import Finding, as_needed, good
from device.doctor.needs import Needs
from device.doctor.place import Place

_SUBJECT = "serial"
_CONSOLE = "console="
_PLUG_IN = "plug it in, then see how it is called: ls -l /dev/serial/by-id"
_HEADER = ("/dev/serial0", "/dev/serial1")


class Ports(NamedTuple):
    """`targets`: what each configured port is, by its path, as far as it is there; and the consoles."""

    targets: Mapping[str, str]
    consoles: frozenset[str] = frozenset()


def look(place: Place, needs: Needs) -> Ports:
    """Look for the ports that are configured, and at the kernel's command line."""
    words = (place.text("/proc/cmdline") or "").split()
    consoles = (word.removeprefix(_CONSOLE) for word in words if word.startswith(_CONSOLE))
    return Ports(
        {path: place.target(path) for path in needs.ports if place.exists(path)},
        frozenset(f"/dev/{console.partition(',')[0]}" for console in consoles),
    )


def judge(ports: Ports, board: Board, needs: Needs) -> list[Finding]:
    """Say of each whether it can be read."""
    return [_of(path, who, ports, board) for path, who in needs.ports.items()]


def _of(path: str, who: tuple[str, ...], ports: Ports, board: Board) -> Finding:
    target = ports.targets.get(path)
    if target is None:
        is_headers = board.is_pi and path in _HEADER
        mend = board.append("enable_uart=1") if is_headers else _PLUG_IN
        return as_needed(who, _SUBJECT, f"no {path}", mend)
    if target in ports.consoles:
        message = f"{path} is the kernel's console, and a login may answer there"
        return as_needed(who, _SUBJECT, message, _free(target, board))
    return good(_SUBJECT, f"{path} is there")


def _free(target: str, board: Board) -> str:
    if board.has_raspi_config:
        return "sudo raspi-config nonint do_serial_cons 1\nsudo reboot"
    name = target.removeprefix("/dev/")
    file = board.boot_file.replace("config.txt", "cmdline.txt")
    return (
        f"take console={name},... (or console=serial0,...) out of {file}\n"
        f"sudo systemctl disable --now serial-getty@{name}\nsudo reboot"
    )

"""The kernel's drivers: whether they give what sensors read by name, and which overlay is missing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from device.doctor import known
from device.doctor.board import Board
from device.doctor.finding import Finding, bad, good
from device.doctor.needs import KernelName, Needs
from device.doctor.place import Place
from device.sensors.devices import names_of, spot_of
from device.sensors.named import overlay_line

_SUBJECT = "kernel"
_W1_MASTER = "w1_bus_master"
_PROBE_WIRING = (
    "check the wiring: data to pin 7 (GPIO 4) where the overlay names no other, with 4.7 kOhm to 3V3\n"
    "ls /sys/bus/w1/devices"
)
_CHECK = {
    "iio": "grep . /sys/bus/iio/devices/*/name",
    "hwmon": "grep . /sys/class/hwmon/*/name",
    "w1": "ls /sys/bus/w1/devices",
}


class Offered(NamedTuple):
    """Something that a driver of the kernel's reads; `address` where it is on I2C."""

    name: str
    address: int | None = None


class Kernel(NamedTuple):
    """What the kernel offers, by kind: iio, hwmon, w1. `boot_lines` are config.txt's."""

    offers: Mapping[str, Sequence[Offered]] = {}
    has_w1_bus: bool = False
    boot_lines: tuple[str, ...] = ()

    def has(self, need: KernelName) -> list[str]:
        """Return the names of what is meant and there."""
        found = [
            offered.name
            for offered in self.offers.get(need.kind, ())
            if known.is_named(offered.name, need.name) and need.address in (None, offered.address)
        ]
        return list(dict.fromkeys(found))

    def has_line(self, wanted: str) -> bool:
        """Say whether config.txt names an overlay, with more parameters or without."""
        return any(line == wanted or line.startswith(f"{wanted},") for line in self.boot_lines)


def look(place: Place, board: Board) -> Kernel:
    """Look what the kernel's drivers offer, and what config.txt asks for."""
    w1 = [each.name for each in place.named("/sys/bus/w1/devices/*")]
    lines = (place.text(board.boot_file) or "").splitlines()
    return Kernel(
        {
            "iio": _named(place, "/sys/bus/iio/devices"),
            "hwmon": _named(place, "/sys/class/hwmon"),
            "w1": [Offered(name) for name in w1 if not name.startswith(_W1_MASTER)],
        },
        any(name.startswith(_W1_MASTER) for name in w1),
        tuple(line for line in map(str.strip, lines) if line and line[0] not in "#["),
    )


def judge(kernel: Kernel, board: Board, needs: Needs) -> list[Finding]:
    """Say of each sensor that the kernel reads whether it is there."""
    return [_of(need, kernel, board) for need in needs.kernel]


def mend(need: KernelName, kernel: Kernel, board: Board) -> str | None:
    """Return what makes the kernel offer something; None where nobody knows."""
    if need.kind == "w1" and kernel.has_w1_bus:
        return _PROBE_WIRING
    lines = _lines(need)
    if lines is None:
        return None
    overlay, line = lines
    if not kernel.has_line(overlay):
        return board.append(line)
    return f"{overlay} is in {board.boot_file}: reboot if it is new there, else check wiring and address"


def _of(need: KernelName, kernel: Kernel, board: Board) -> Finding:
    if there := kernel.has(need):
        return good(_SUBJECT, f"{need.who}: {need.kind} has {', '.join(there)}")
    where = "" if need.address is None else f" at 0x{need.address:02x}"
    message = f"{need.who}: {need.kind} has no {need.name}{where}"
    if others := dict.fromkeys(each.name for each in kernel.offers.get(need.kind, ())):
        message += f", but {', '.join(others)}"
    see = f"see what there is: {_CHECK[need.kind]}"
    return bad(_SUBJECT, message, mend(need, kernel, board) or see)


def _lines(need: KernelName) -> tuple[str, str] | None:
    """Return the overlay that a sensor needs, and the line that loads it so; None where nobody knows."""
    if need.kind == "w1":
        return ("dtoverlay=w1-gpio",) * 2
    said = {"address": need.address, "bus": need.bus, "pin": need.pin}
    options = {name: value for name, value in said.items() if value is not None}
    for alias, way in known.overlays_of(f"{need.kind}:{need.name}"):
        return way.overlay.partition(",gpiopin")[0], overlay_line(alias, way, options)
    return None


def _named(place: Place, folder: str) -> list[Offered]:
    """Return what there is, by all the names that it goes by."""
    return [
        Offered(name, spot_of(device).address)
        for device in place.named(f"{folder}/*")
        for name in dict.fromkeys(names_of(device))
    ]

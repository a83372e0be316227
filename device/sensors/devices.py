"""Devices of the kernel's below /sys: what each goes by, where it is, and which one is meant.

A device is found by the name that its driver gives it, never by its number, which changes with each
boot. Where that is not enough the place tells: the I2C bus and address, or the pin.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from config.problems import shown
from device.sensors import SensorError
from device.sensors.options import Option

OPTIONS = (
    Option("address", (int,), 0x03, 0x3FF),
    Option("bus", (int,), 0, 99),
    Option("pin", (int,), 0, 999),
)
# 1-0076: what hangs on I2C bus 1 at the address 0x76.
_ON_I2C = re.compile(r"([0-9]+)-([0-9a-f]{4})")


class AbsentError(SensorError):
    """The kernel has no such device; it may come, or something else may read the chip meanwhile."""


@dataclass(frozen=True)
class Spot:
    """Where a device is, as far as the kernel says it, or as far as it is asked for."""

    address: int | None = None
    bus: int | None = None
    pin: int | None = None

    def __str__(self) -> str:
        address = None if self.address is None else f"at {self.address:#04x}"
        bus = None if self.bus is None else f"on bus {self.bus}"
        pin = None if self.pin is None else f"on pin {self.pin}"
        return " ".join(filter(None, (address, bus, pin)))


@dataclass(frozen=True)
class Wanted:
    """Which device is meant: by name, a glob, and by where it is."""

    name: str
    spot: Spot

    def is_meant(self, folder: Path) -> bool:
        """Say whether this one is. A pin that the kernel does not tell may be the one."""
        if not any(fnmatchcase(name, self.name) for name in names_of(folder)):
            return False
        its, asked = spot_of(folder), self.spot
        return (
            asked.address in (None, its.address)
            and asked.bus in (None, its.bus)
            and (its.pin is None or asked.pin in (None, its.pin))
        )

    def __str__(self) -> str:
        return _worded(f"`{shown(self.name)}`", self.spot)


def wanted(name: str, options: Mapping[str, Any]) -> Wanted:
    """Return what a name and a driver's options ask for."""
    spot = Spot(options.get("address"), options.get("bus"), options.get("pin"))
    return Wanted(name, spot)


def the_one(asked: Wanted, folders: Sequence[Path]) -> Path:
    """Return the folder of the device that is meant.

    Raises:
        AbsentError: there is none.
        SensorError: there are several.
    """
    found = [folder for folder in folders if asked.is_meant(folder)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted(map(_told, found or folders))) or "none"
    if found:
        told = f"{len(found)} devices are named {asked}: {there}"
        raise SensorError(f"{told}. `address`, `bus` or `pin` tells them apart")
    raise AbsentError(f"the kernel has no device {asked}; there are: {there}. {_HINT}")


def names_of(folder: Path) -> list[str]:
    """Return the names that a device goes by.

    A driver may call it by its chip, by its node in the device tree (`dht11@4`) or by its bus
    (`1-0040`); then the chip's own name is that of what it is on.
    """
    name = _name(folder)
    chips = [_name(parent) for parent in _parents(folder)]
    return [each for each in (name, name.partition("@")[0], *chips) if each]


def spot_of(folder: Path) -> Spot:
    """Return where a device is."""
    pin = next(_pins(folder), None)
    for part in reversed(folder.resolve().parts):
        if on_i2c := _ON_I2C.fullmatch(part):
            return Spot(int(on_i2c[2], 16), int(on_i2c[1]), pin)
    return Spot(pin=pin)


def _parents(folder: Path) -> Iterator[Path]:
    """Give what a device is on; classes and buses have it in different places."""
    yield folder.resolve().parent
    yield folder / "device"


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _pins(folder: Path) -> Iterator[int]:
    """Give the first pin that the device tree says it is on: <chip pin flags>, in words of 32 bits."""
    for parent in _parents(folder):
        with contextlib.suppress(OSError):
            words = (parent / "of_node/gpios").read_bytes()
            if len(words) >= 12:
                yield int.from_bytes(words[4:8], "big")


def _told(folder: Path) -> str:
    return _worded((names_of(folder) or [folder.name])[0], spot_of(folder))


def _worded(name: str, spot: Spot) -> str:
    return f"{name} {spot}".rstrip()


_HINT = "A line `dtoverlay=...` in /boot/firmware/config.txt, and a reboot, loads a driver"

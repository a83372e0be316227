"""Sensors that the kernel reads, as files below /sys: what the adapters of its driver classes share.

A device is found by the name that its driver gives it, never by its number, which changes with each
boot. Its files stay open between reads: reading one from its beginning lets the driver measure anew
(Documentation/filesystems/sysfs.rst), at a twentieth of what opening costs.
"""

import contextlib
import errno
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from config.problems import shown
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError
from device.sensors.options import Option, check

ROOT = Option("root", (str,), least=1, default="/")
OPTIONS = (Option("address", (int,), 0x03, 0x3FF), ROOT)

_LINE_BYTES = 64
# 1-0076: what hangs on I2C bus 1 at the address 0x76.
_ON_I2C = re.compile(r"[0-9]+-([0-9a-f]{4})")
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO)


def problems(
    adapter: str, argument: str | None, options: Mapping[str, Any], example: str
) -> list[OptionProblem]:
    """Say what is wrong with an adapter's argument, a device's name, and its options."""
    found = check(f"{adapter}:{argument}" if argument else adapter, options, OPTIONS)
    if not argument or "/" in argument:
        asked = f"write `{adapter}:NAME`, the name as its driver gives it, such as `{example}`"
        found.append(OptionProblem(None, asked))
    return found


@dataclass(frozen=True)
class Place:
    """A file to be read as a channel: (what it says + `offset`) * `scale`, in the channel's unit.

    `fault` is a file that says 1 while the channel has no value.
    """

    channel: Channel
    file: Path
    scale: float = 1.0
    offset: float = 0.0
    fault: Path | None = None


class _Open:
    """A place whose files are open."""

    def __init__(self, place: Place, files: contextlib.ExitStack) -> None:
        self._place = place
        self._file = opened(place.file, files)
        self._fault = None if place.fault is None else opened(place.fault, files)

    def sample(self) -> Sample:
        """Read it. Raises OSError or ValueError where that fails."""
        place = self._place
        value = math.nan
        if self._fault is None or number(self._fault) == 0:
            value = round(
                (number(self._file) + place.offset) * place.scale,
                12 if place.channel.decimals is None else place.channel.decimals,
            )
        return Sample(place.channel.name, value, place.channel.unit)


class KernelSensor(Adapter):
    """One device of the kernel's. Those who inherit give `_find` and `_places`."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.channels: Sequence[Channel] = ()
        self._name = name
        self._address: int | None = options.get("address")
        self._root = Path(options.get("root") or "/")
        self._files = contextlib.ExitStack()
        self._open: list[_Open] = []

    def open(self) -> None:
        """Find the device and its channels.

        Raises:
            SensorError: there is none of that name, more than one, or it gives nothing to read.
        """
        folder = self._one(list(self._devices()))
        places = unique(self._places(folder))
        if not places:
            raise SensorError(f"{folder} has nothing to read")
        with contextlib.ExitStack() as files:
            self._open = [_Open(place, files) for place in places]
            self._files = files.pop_all()
        self.channels = tuple(place.channel for place in places)

    def read(self) -> list[Sample]:
        """Read every channel once; one that fails is NaN, as long as another does not.

        Raises:
            OSError: all failed, or the device is gone.
            SensorError: not open.
        """
        if not self._open:
            raise SensorError("not open")
        samples, failures = [], []
        for place, channel in zip(self._open, self.channels, strict=True):
            try:
                samples.append(place.sample())
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in _GONE:
                    raise
                failures.append(error)
                samples.append(Sample(channel.name, math.nan, channel.unit))
        if len(failures) == len(samples):
            raise failures[0] if isinstance(failures[0], OSError) else OSError(str(failures[0]))
        return samples

    def close(self) -> None:
        """Close its files."""
        self._open = []
        self._files.close()

    def _devices(self) -> Iterator[Path]:
        """Give the folders of all devices of this class."""
        raise NotImplementedError

    def _places(self, folder: Path) -> Iterator[Place]:
        """Give what a device has to read."""
        raise NotImplementedError

    def _one(self, folders: list[Path]) -> Path:
        found = [
            each
            for each in folders
            if any(fnmatchcase(name, self._name) for name in names_of(each))
        ]
        if self._address is not None:
            found = [each for each in found if address_of(each) == self._address]
        if len(found) == 1:
            return found[0]
        there = ", ".join(sorted(map(_told, found or folders))) or "none"
        at = "" if self._address is None else f" at {self._address:#04x}"
        if found:
            raise SensorError(
                f"{len(found)} devices are named `{self._name}`{at}: {there}. `address` tells them apart"
            )
        raise SensorError(
            f"the kernel has no device `{shown(self._name)}`{at}; there are: {there}. Its driver is loaded "
            "by a line `dtoverlay=...` in /boot/firmware/config.txt, and a reboot"
        )


def opened(file: Path, files: contextlib.ExitStack) -> int:
    """Open a file for `number`, and leave its closing to `files`."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    files.callback(os.close, descriptor)
    return descriptor


def number(descriptor: int) -> float:
    """Return what an open file says now.

    Raises:
        OSError: the driver cannot read it.
        ValueError: it says no number.
    """
    return float(os.pread(descriptor, _LINE_BYTES, 0))


def said(file: Path) -> float:
    """Return what a file says once.

    Raises:
        OSError: it cannot be read, or says no number.
    """
    text = file.read_text()
    try:
        return float(text)
    except ValueError:
        raise OSError(f"{file} says `{shown(text.strip())}`, which is no number") from None


def names_of(folder: Path) -> list[str]:
    """Return the names that a device goes by.

    A driver may call it by its chip, by its node in the device tree (`dht11@0`) or by its bus
    (`1-0040`); then the chip's own name is that of what it is on.
    """
    name, parent = _name(folder), _name(folder.resolve().parent)
    parent = parent or _name(folder / "device")
    return [each for each in (name, name.partition("@")[0], parent) if each]


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def address_of(folder: Path) -> int | None:
    """Return the I2C address of what a device is on, if it is on such a bus."""
    for part in reversed(folder.resolve().parts):
        if on_i2c := _ON_I2C.fullmatch(part):
            return int(on_i2c[1], 16)
    return None


def unique(places: Iterator[Place]) -> list[Place]:
    """Return the places, none twice by name: a later one of a name gets a number."""
    found: dict[str, Place] = {}
    for place in places:
        name, number_of = place.channel.name, 1
        while name in found:
            number_of += 1
            name = f"{place.channel.name}_{number_of}"
        found[name] = replace(place, channel=replace(place.channel, name=name))
    return list(found.values())


def _told(folder: Path) -> str:
    address = address_of(folder)
    name = (names_of(folder) or [folder.name])[0]
    return name if address is None else f"{name} at {address:#04x}"

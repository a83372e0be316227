"""Sensors that the kernel reads, as files below /sys: what the adapters of its driver classes share.

Files stay open between reads: reading one from its beginning lets the driver measure anew
(Documentation/filesystems/sysfs.rst), at a twentieth of what opening costs.
"""

import contextlib
import errno
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config.problems import shown
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, devices
from device.sensors.options import Option, check
from wire.readings import is_sensor_name

ROOT = Option("root", (str,), least=1, default="/")
OPTIONS = (*devices.OPTIONS, Option("read", (list, dict), 1, 99), ROOT)

_LINE_BYTES = 64
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO)


def problems(
    adapter: str, argument: str | None, options: Mapping[str, Any], example: str
) -> list[OptionProblem]:
    """Say what is wrong with an adapter's argument, a device's name, and its options."""
    found = check(f"{adapter}:{argument}" if argument else adapter, options, OPTIONS)
    if not argument or "/" in argument:
        asked = f"write `{adapter}:NAME`, the name as its driver gives it, such as `{example}`"
        found.append(OptionProblem(None, asked))
    elif not found and (told := _read_problem(_by_channel(options))):
        found.append(OptionProblem("read", told))
    return found


def _read_problem(read: Mapping[str, Any]) -> str | None:
    for ours, its in read.items():
        if not isinstance(its, str):
            return "`read` is a list of channels, or a mapping of names of yours to them"
        if not is_sensor_name(ours):
            return f"`{shown(ours)}` in `read` is no name of a channel: small letters, digits and _"
    return None


def _by_channel(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is to be read as channel -> its name here; nothing: all."""
    read = options.get("read") or {}
    return read if isinstance(read, dict) else dict(zip(read, read, strict=True))


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
    """One device of the kernel's. Those who inherit give `_devices` and `_places`."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.channels: Sequence[Channel] = ()
        self._wanted = devices.wanted(name, options)
        self._read = _by_channel(options)
        self._root = Path(options.get("root") or "/")
        self._files = contextlib.ExitStack()
        self._open: list[_Open] = []

    def open(self) -> None:
        """Find the device and its channels.

        Raises:
            AbsentError: there is none of that name.
            SensorError: more than one, or it does not give what is to be read.
        """
        folder = devices.the_one(self._wanted, list(self._devices()))
        places = unique(self._places(folder))
        if self._read:
            places = _chosen(places, self._read)
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


def _chosen(places: Sequence[Place], read: Mapping[str, str]) -> list[Place]:
    """Return what is to be read of the places, by the names that it is to have.

    Raises:
        SensorError: some of it is not there.
    """
    there = {place.channel.name: place for place in places}
    if missing := [its for its in read.values() if its not in there]:
        names = ", ".join(shown(its) for its in missing)
        raise SensorError(f"`read`: it has no {names}; it has {', '.join(there)}")
    return [
        replace(there[its], channel=replace(there[its].channel, name=ours))
        for ours, its in read.items()
    ]

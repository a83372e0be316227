"""Driver `hwmon:NAME`: a chip of the kernel's hardware monitoring drivers, all its channels.

    driver: hwmon:sht3x

Options as in `iio`.
Names and units of the files: Documentation/hwmon/sysfs-interface.rst. Power is in microwatts there,
and in milliwatts in `iio`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from device.sensors import Channel, OptionProblem, sysfs
from device.sensors.quantities import channel
from device.sensors.sysfs import KernelSensor, Place
from wire.readings import is_sensor_name

_FILE = re.compile(r"([a-z]+)([0-9]+)_(input|average|[a-z]*_?alarm)")
_OTHERS = re.compile("[^a-z0-9]+")


class _Kind(NamedTuple):
    """What a type of the interface is called here, and what turns its unit into ours."""

    quantity: str
    factor: float = 1.0


_KINDS = {
    "temp": _Kind("temperature", 1e-3),
    "humidity": _Kind("humidity", 1e-3),
    "in": _Kind("voltage", 1e-3),
    "curr": _Kind("current", 1e-3),
    "power": _Kind("power", 1e-6),
    "energy": _Kind("energy", 1e-6 / 3600),  # microjoules
    "fan": _Kind("speed"),
    "freq": _Kind("frequency"),
}


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    return sysfs.problems("hwmon", argument, options, "hwmon:sht3x")


def make(argument: str | None, options: Mapping[str, Any]) -> "Hwmon":
    """Build the adapter."""
    return Hwmon(argument or "", options)


class Hwmon(KernelSensor):
    """One hardware monitoring device; its channels are named by their labels, where it has any."""

    def _devices(self) -> Iterator[Path]:
        return iter(sorted((self._root / "sys/class/hwmon").glob("hwmon*")))

    def _places(self, folder: Path) -> Iterator[Place]:
        found = [_FILE.fullmatch(file.name) for file in folder.iterdir()]
        files = [parts for parts in found if parts is not None and parts[1] in _KINDS]
        files.sort(key=lambda parts: (list(_KINDS).index(parts[1]), int(parts[2]), parts[3]))
        inputs = [parts for parts in files if parts[3] == "input"]
        for parts in files:
            if parts[3] == "average" and (folder / f"{parts[1]}{parts[2]}_input").exists():
                continue
            is_alone = sum(each[1] == parts[1] for each in inputs) <= 1
            yield _place(folder, parts, is_alone, _is_shared(folder, parts, files))


def _is_shared(folder: Path, parts: re.Match[str], files: list[re.Match[str]]) -> bool:
    """Say whether another type has the same label: `CH1` may be a voltage and a current."""
    label = _labelled(folder, parts)
    return any(each[1] != parts[1] and _labelled(folder, each) == label for each in files)


def _place(folder: Path, parts: re.Match[str], is_alone: bool, is_shared: bool) -> Place:
    kind, index, form = parts.groups()
    its = _KINDS[kind]
    name = _labelled(folder, parts)
    if name and is_shared:
        name = f"{name}_{its.quantity}"
    name = name or (its.quantity if is_alone else f"{its.quantity}_{index}")
    if form.endswith("alarm"):
        return Place(Channel(f"{name}_{form}", "", "problem", 0), folder / parts[0])
    like = channel(its.quantity)
    where = Channel(name, like.unit, like.quantity, like.decimals)
    fault = folder / f"{kind}{index}_fault"
    return Place(where, folder / parts[0], its.factor, 0.0, fault if fault.exists() else None)


def _labelled(folder: Path, parts: re.Match[str]) -> str:
    """Return the name that a label makes; empty where there is none, or none can be made of it."""
    file = folder / f"{parts[1]}{parts[2]}_label"
    try:
        name = _OTHERS.sub("_", file.read_text().strip().lower()).strip("_")
    except (OSError, UnicodeDecodeError):
        return ""
    return name if is_sensor_name(name) and len(name) < 40 else ""

"""Driver `iio:NAME`: a chip of the kernel's Industrial I/O drivers, all its channels.

    driver: iio:bme280
    options: {address: 0x76}      # where there is more than one of that name

Names and units of the files: Documentation/ABI/testing/sysfs-bus-iio. A file `_input` is in that
unit as it is, of a file `_raw` (raw + offset) * scale is.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from device.sensors import Channel, OptionProblem, sysfs
from device.sensors.quantities import channel
from device.sensors.sysfs import KernelSensor, Place, said

_FILE = re.compile(r"in_([a-z]+)([0-9]*)(?:-([a-z]+)([0-9]+))?(?:_([a-z0-9_]+?))?_(input|raw)")


class _Kind(NamedTuple):
    """What a type of the ABI is called here, and what turns its unit into ours."""

    quantity: str
    factor: float = 1.0


_MILLI = 1e-3
_KINDS = {
    "accel": _Kind("acceleration"),
    "anglvel": _Kind("angular_velocity"),
    "capacitance": _Kind("capacitance", 1e-9),  # nF
    "colortemp": _Kind("color_temperature"),
    "current": _Kind("current", _MILLI),
    "distance": _Kind("distance"),
    "energy": _Kind("energy", 1 / 3600),  # J
    "humidityrelative": _Kind("humidity", _MILLI),
    "illuminance": _Kind("illuminance"),
    "intensity": _Kind("light"),
    "magn": _Kind("magnetic_field", 100),  # Gauss
    "power": _Kind("power", _MILLI),
    "pressure": _Kind("pressure", 10),  # kPa
    "proximity": _Kind("proximity"),
    "resistance": _Kind("resistance"),
    "temp": _Kind("temperature", _MILLI),
    "uvindex": _Kind("uv_index"),
    "voltage": _Kind("voltage", _MILLI),
}
# What the ABI has as a modifier of another type; concentrations are a share of 100.
_MODIFIED = {
    ("concentration", "co2"): _Kind("co2", 1e4),
    ("concentration", "voc"): _Kind("tvoc", 1e7),
    ("concentration", "o2"): _Kind("oxygen"),
    ("massconcentration", "pm1"): _Kind("pm1"),
    ("massconcentration", "pm2p5"): _Kind("pm25"),
    ("massconcentration", "pm4"): _Kind("pm4"),
    ("massconcentration", "pm10"): _Kind("pm10"),
}


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    return sysfs.problems("iio", argument, options, "iio:bme280")


def make(argument: str | None, options: Mapping[str, Any]) -> "Iio":
    """Build the adapter."""
    return Iio(argument or "", options)


class Iio(KernelSensor):
    """One Industrial I/O device."""

    def _devices(self) -> Iterator[Path]:
        return iter(sorted((self._root / "sys/bus/iio/devices").glob("iio:device*")))

    def _places(self, folder: Path) -> Iterator[Place]:
        names = sorted((file.name for file in folder.glob("in_*")), key=_in_order)
        for name in names:
            parts = _FILE.fullmatch(name)
            if parts is None or (parts[6] == "raw" and name[:-3] + "input" in names):
                continue
            if (place := _place(folder, name, parts)) is not None:
                yield place


def _place(folder: Path, name: str, parts: re.Match[str]) -> Place | None:
    kind, index, _, other, modifier, form = parts.groups()
    found = _MODIFIED.get((kind, modifier or ""))
    if found is not None:
        modifier = None
    else:
        found = _KINDS.get(kind)
    if found is None:
        return None
    named = "_".join(each for each in (found.quantity, index, other, modifier) if each)
    where = Channel(named, *_of(found.quantity))
    if form == "input":
        return Place(where, folder / name, found.factor)
    stem, shared = name.removesuffix("_raw"), f"in_{kind}"
    scale = _shared(folder, (stem, shared), "scale", 1.0)
    offset = _shared(folder, (stem, shared), "offset", 0.0)
    return Place(where, folder / name, scale * found.factor, offset)


def _shared(folder: Path, stems: tuple[str, ...], what: str, otherwise: float) -> float:
    """Return what a file says that a channel has alone, or with all of its type."""
    for stem in stems:
        if (file := folder / f"{stem}_{what}").exists():
            return said(file, otherwise)
    return otherwise


def _of(quantity: str) -> tuple[str, str, int | None]:
    like = channel(quantity)
    return like.unit, like.quantity, like.decimals


def _in_order(name: str) -> list[tuple[int, int, str]]:
    """Sort in_voltage10 behind in_voltage9, and differences of two behind all."""
    parts = re.split(r"(\d+)", name)
    numbers = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
    return [(int("-" in name), 0, ""), *numbers]

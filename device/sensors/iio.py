"""Driver `iio:NAME`: a chip of the kernel's Industrial I/O drivers, all its channels.

    driver: iio:bme280
    options: {address: 0x76}      # where there is more than one of that name; also `bus`, `pin`

All channels, or with `read: [temperature]` some, or with `read: {outside: temperature}` by other names.
Names and units of the files: Documentation/ABI/testing/sysfs-bus-iio. A file `_input` is in that
unit as it is, of a file `_raw` (raw + offset) * scale is.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from device.sensors import Channel, OptionProblem, sysfs
from device.sensors.devices import names_of
from device.sensors.quantities import channel
from device.sensors.sysfs import KernelSensor, Place, said

_FILE = re.compile(r"in_([a-z]+)([0-9]*)(?:-([a-z]+)([0-9]+))?(?:_([a-z0-9_]+?))?_(input|raw)")


class _Kind(NamedTuple):
    """What a type of the ABI is called here, and what turns its unit into ours."""

    quantity: str
    factor: float = 1.0


_MILLI = 1e-3
# In the order in which people read them.
_KINDS = {
    "temp": _Kind("temperature", _MILLI),
    "pressure": _Kind("pressure", 10),  # kPa
    "humidityrelative": _Kind("humidity", _MILLI),
    "illuminance": _Kind("illuminance"),
    "accel": _Kind("acceleration"),
    "anglvel": _Kind("angular_velocity"),
    "capacitance": _Kind("capacitance", 1e-9),  # nF
    "colortemp": _Kind("color_temperature"),
    "current": _Kind("current", _MILLI),
    "distance": _Kind("distance"),
    "energy": _Kind("energy", 1 / 3600),  # J
    "intensity": _Kind("light"),
    "magn": _Kind("magnetic_field", 100),  # Gauss
    "power": _Kind("power", _MILLI),
    "proximity": _Kind("proximity"),
    "resistance": _Kind("resistance"),
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


# Drivers that keep to another unit than the ABI's: (chip, type) -> what makes the ABI's of it.
_ODD = {
    ("bme680", "humidityrelative"): 1e3,  # a share of 100, not of 100,000: bme680_core.c
    ("sgp30", "concentration"): 100,  # a share of one: sgp30.c
}
# The highest and lowest so far, which are no readings.
_NOT_NOW = ("peak", "trough")


def _place(folder: Path, name: str, parts: re.Match[str]) -> Place | None:
    kind, index, difference, other, modifier, form = parts.groups()
    if modifier in _NOT_NOW:
        return None
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
        odd = math.prod(_ODD.get((chip, kind), 1.0) for chip in set(names_of(folder)))
        return Place(where, folder / name, found.factor * odd)
    stem, shared = name.removesuffix("_raw"), f"in_{kind}-{kind}" if difference else f"in_{kind}"
    scale = _shared(folder, (stem, shared), "scale", 1.0)
    offset = _shared(folder, (stem, shared), "offset", 0.0)
    return Place(where, folder / name, scale * found.factor, offset)


def _shared(folder: Path, stems: tuple[str, ...], what: str, otherwise: float) -> float:
    """Return what a file says that a channel has alone, or with all of its type."""
    for stem in stems:
        if (file := folder / f"{stem}_{what}").exists():
            return said(file)
    return otherwise


def _of(quantity: str) -> tuple[str, str, int | None]:
    like = channel(quantity)
    return like.unit, like.quantity, like.decimals


def _in_order(name: str) -> tuple[int, int, list[tuple[int, int, str]]]:
    """Sort by what is measured; in_voltage10 behind in_voltage9, and differences of two behind all."""
    parts = _FILE.fullmatch(name)
    kinds = list(_KINDS)
    place = kinds.index(parts[1]) if parts and parts[1] in kinds else -1
    pieces = re.split(r"(\d+)", name)
    numbers = [(0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in pieces]
    return place, int("-" in name), numbers

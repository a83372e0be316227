"""The properties of CircuitPython drivers: their shared names, and what makes our units of theirs.

https://docs.circuitpython.org/en/latest/docs/design_guide.html, "Sensor properties and units". A name
that is not there has no unit of its own: what is read by it may be anything.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from device.sensors import Channel, Sample
from device.sensors.quantities import channel

_AXES = ("x", "y", "z")


class Known(NamedTuple):
    """A property: the quantity that it is, what makes our unit of its own, and whether it has three axes."""

    quantity: str
    factor: float = 1.0
    has_axes: bool = False


# In the order in which people read them. Where two names are one quantity the first is taken.
SHARED = {
    "CO2": Known("co2"),
    "temperature": Known("temperature"),
    "pressure": Known("pressure"),
    "relative_humidity": Known("humidity"),
    "humidity": Known("humidity"),
    "eCO2": Known("eco2"),
    "eco2": Known("eco2"),
    "TVOC": Known("tvoc"),
    "tvoc": Known("tvoc"),
    "gas": Known("resistance"),
    "lux": Known("illuminance"),
    "light": Known("light"),
    "uvi": Known("uv_index"),
    "uv_index": Known("uv_index"),
    "color_temperature": Known("color_temperature"),
    "proximity": Known("proximity"),
    "distance": Known("distance", 0.01),  # cm
    "voltage": Known("voltage"),
    "bus_voltage": Known("bus_voltage"),
    "shunt_voltage": Known("shunt_voltage"),
    "current": Known("current", 0.001),  # mA
    "weight": Known("weight"),
    "sound_level": Known("sound_level"),
    "acceleration": Known("acceleration", has_axes=True),
    "gyro": Known("angular_velocity", has_axes=True),
    "magnetic": Known("magnetic_field", has_axes=True),
}
_GAUSS = 100.0  # uT
# Where a class, or what inherits from it, keeps to another unit, or has a name that is nothing elsewhere.
OF_CLASS = {
    "INA219": {"power": Known("power")},
    "INA260": {"power": Known("power", 0.001)},
    "INA228": {"current": Known("current"), "power": Known("power")},  # in A and W
    "LSM9DS0": {
        "gyro": Known("angular_velocity", math.radians(1), has_axes=True),
        "magnetic": Known("magnetic_field", _GAUSS, has_axes=True),
    },
    "LSM9DS1": {"magnetic": Known("magnetic_field", _GAUSS, has_axes=True)},
}
# What gives its last values as new ones for so long after it has failed.
_REPEATS_S = {"DHTBase": 2.0}


class Property(NamedTuple):
    """A property, or method without arguments, that is read.

    Its channels, and what its value is multiplied by.
    """

    name: str
    channels: Sequence[Channel]
    factor: float


def known(device_class: type) -> dict[str, Known]:
    """Return the properties that a class has of those that are known, one a quantity."""
    found: dict[str, Known] = {}
    for name, its in _table(device_class).items():
        is_new = its.quantity not in {each.quantity for each in found.values()}
        if is_new and is_property(device_class, name):
            found[name] = its
    return found


def is_property(device_class: type, name: str) -> bool:
    """Say whether a class has such a property, or a register of its chip by that name: no method."""
    # A register cannot be had of the class: it would ask the chip.
    attribute = inspect.getattr_static(device_class, name, None)
    is_method = isinstance(attribute, FunctionType | classmethod | staticmethod)
    return hasattr(attribute, "__get__") and not is_method


def _table(device_class: type) -> dict[str, Known]:
    table = dict(SHARED)
    for base in reversed(device_class.__mro__):
        table.update(OF_CLASS.get(base.__name__, {}))
    return table


def repeats_s(device: Any) -> float:
    """Return for how long after a failure a device gives its last values as if they were new."""
    return max(_REPEATS_S.get(base.__name__, 0.0) for base in type(device).__mro__)


def chosen(device: Any, read: Mapping[str, str] | Sequence[str] | None) -> list[Property]:
    """Return what is read of a device: all that is known, or what the YAML's `read` names.

    A property that is not known is read once here, for its shape.

    Raises:
        AttributeError: no such property.
    """
    if read is None:
        return [_known_property(name, its) for name, its in known(type(device)).items()]
    table = _table(type(device))  # also a second name for a quantity, such as BME280's `humidity`
    wanted = read.items() if isinstance(read, Mapping) else [(None, name) for name in read]
    found = []
    for named, name in wanted:
        its = table.get(name)
        if its is None:
            shape = _value(device, name)
            found.append(Property(name, _shaped(named or name.lower(), shape), 1.0))
        else:
            found.append(_known_property(name, its, named))
    return found


def samples(device: Any, its: Property) -> list[Sample]:
    """Read a property. Raises whatever the driver raises."""
    value = _value(device, its.name)
    parts = value if isinstance(value, tuple | list) else [value]
    if len(parts) != len(its.channels):
        parts = [None] * len(its.channels)
    return [
        Sample(where.name, _number(part, its.factor, where.decimals), where.unit)
        for where, part in zip(its.channels, parts, strict=True)
    ]


def _value(device: Any, name: str) -> Any:
    value = getattr(device, name)
    return value() if callable(value) else value


def _known_property(name: str, its: Known, named: str | None = None) -> Property:
    base = named or its.quantity
    names = [f"{base}_{axis}" for axis in _AXES] if its.has_axes else [base]
    return Property(name, [channel(each, its.quantity) for each in names], its.factor)


def _shaped(name: str, value: Any) -> list[Channel]:
    if not isinstance(value, tuple | list):
        return [Channel(name, "")]
    ends = _AXES if len(value) == len(_AXES) else range(1, len(value) + 1)
    return [Channel(f"{name}_{end}", "") for end in ends]


def _number(value: Any, factor: float, decimals: int | None) -> float:
    if value is None or isinstance(value, str | bytes):
        return math.nan
    number = float(value) * factor
    if not math.isfinite(number):
        return math.nan
    return number if decimals is None else round(number, decimals)

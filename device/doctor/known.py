"""What usually answers at which address of an I2C bus, and which plain name is whose. Derived from the aliases."""

import fnmatch
from collections.abc import Iterator

from device.sensors.aliases import ALIASES, Alias, Way

# What is no sensor of ours, and answers on many a Pi.
OTHERS = {
    0x20: "a port expander (MCP23017, PCF8574)",
    0x27: "a text display (PCF8574)",
    0x3C: "an OLED display (SSD1306)",
    0x3D: "an OLED display (SSD1306)",
    0x3F: "a text display (PCF8574A)",
    0x50: "an EEPROM",
    0x57: "the EEPROM of a clock module",
    0x68: "a clock with a battery (DS1307, DS3231)",
}
_KERNEL = ("iio", "hwmon", "w1")


def at(address: int) -> list[str]:
    """Return the plain names of the sensors that may be at an address, first whose usual one it is."""
    found = [name for name, alias in ALIASES.items() if address in alias.addresses]
    return sorted(found, key=lambda name: ALIASES[name].addresses.index(address))


def of_kernel(device: str) -> str | None:
    """Return the plain name of what the kernel calls so on an I2C bus, or rather the first."""
    for name, alias in ALIASES.items():
        for way in alias.ways if alias.addresses else ():
            if is_kernels(way.driver) and is_named(device, argument_of(way.driver)):
                return name
    return None


def of_class(path: str) -> tuple[int, ...]:
    """Return the addresses of the chips that a CircuitPython class reads; none where nobody knows."""
    for alias in ALIASES.values():
        if any(way.driver == f"circuitpython:{path}" for way in alias.ways):
            return alias.addresses
    return ()


def overlays_of(driver: str) -> Iterator[tuple[Alias, Way]]:
    """Return the ways with an overlay whose driver this is, each with its alias."""
    for alias in ALIASES.values():
        for way in alias.ways:
            if way.overlay and way.driver.partition(":")[0] == driver.partition(":")[0]:
                wanted, pattern = argument_of(driver), argument_of(way.driver)
                if wanted == pattern or is_named(wanted, pattern):
                    yield alias, way


def is_kernels(driver: str) -> bool:
    """Say whether a driver reads what the kernel has measured."""
    return driver.partition(":")[0] in _KERNEL


def is_named(name: str, pattern: str) -> bool:
    """Say whether a name of the kernel's is meant by what stands behind the colon of a driver."""
    return fnmatch.fnmatchcase(name, pattern)


def argument_of(driver: str) -> str:
    """Return what stands behind the colon of a driver."""
    return driver.partition(":")[2]

"""Plain names as drivers: `driver: bme280` is read by the best way that this machine has.

The kernel's driver goes first where a device of it is there, since it runs without privileges and
shares its bus; else a CircuitPython driver that is installed. Which one was taken, and why, is the
adapter's `note`; where neither is there the error says how to get each.
"""

import contextlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from device import sensors
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, libraries
from device.sensors.aliases import ADDRESS, ALIASES, PIN, Alias, Way
from device.sensors.options import Option, check
from device.sensors.source import SourceError
from device.sensors.sysfs import ROOT

_BUS = Option("bus", (int,), 0, 99)
_ACCEPTED = {
    ADDRESS: Option(ADDRESS, (int,), 0x03, 0x77),
    PIN: Option(PIN, (int, str)),
}
_KERNEL = ("iio", "hwmon", "w1")


def problems(name: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    alias = ALIASES[name or ""]
    if alias.takes is None:
        return sensors.problems(alias.ways[0].driver, options)
    return check(name or "", options, [*_taken(alias), ROOT])


def make(name: str | None, options: Mapping[str, Any]) -> Adapter:
    """Build the adapter; that of a sensor which has one way only is that way's own."""
    alias = ALIASES[name or ""]
    if alias.takes is None:
        adapter = sensors.make(alias.ways[0].driver, options)
        adapter.note = alias.ways[0].driver
        return adapter
    return Named(name or "", alias, options)


def _taken(alias: Alias) -> list[Option]:
    taken = [_ACCEPTED[each] for each in alias.takes or ()]
    return [*taken, _BUS] if alias.addresses else taken


class Named(Adapter):
    """A sensor of which it is not known before it is opened what reads it."""

    def __init__(self, name: str, alias: Alias, options: Mapping[str, Any]) -> None:
        self.channels: Sequence[Channel] = ()
        self.lane = f"i2c-{options.get('bus', 1)}" if alias.addresses else ""
        self._name = name
        self._alias = alias
        self._options = options
        self._taken: Adapter | None = None

    def open(self) -> None:
        """Take the first way that is open.

        Raises:
            SensorError: none is; the message says how to get each.
            Exception: whatever the way raises that should be open.
        """
        refused: list[str] = []
        for way in self._alias.ways:
            if (why_not := self._why_not(way)) is None:
                self._take(way, refused)
                return
            refused.append(why_not)
        raise SensorError(f"nothing reads a {self._name} here: {'; or '.join(refused)}")

    def read(self) -> Sequence[Sample]:
        """Read it.

        Raises:
            SensorError: not open; the rest is up to what reads it.
        """
        if self._taken is None:
            raise SensorError("not open")
        samples = self._taken.read()
        self.channels = self._taken.channels
        return samples

    def close(self) -> None:
        """Give it back; the next time another way may be open."""
        taken, self._taken = self._taken, None
        if taken is not None:
            taken.close()

    def _take(self, way: Way, refused: Sequence[str]) -> None:
        self._taken = sensors.make(way.driver, _options(way, self._options))
        self._taken.open()
        self.channels = self._taken.channels
        self.note = way.driver if not refused else f"{way.driver}, as {refused[0]}"

    def _why_not(self, way: Way) -> str | None:
        """Say why a way is not open, and how to open it; None: it is."""
        adapter = way.driver.partition(":")[0]
        if adapter in _KERNEL:
            return self._no_device(way)
        with contextlib.suppress(SourceError):
            libraries.findable()
        if find_spec(way.driver.partition(":")[2].partition(".")[0]) is None:
            return f"{way.package} is not installed: `{libraries.INSTALL} {way.package}`"
        return None

    def _no_device(self, way: Way) -> str | None:
        probe = sensors.make(way.driver, _options(way, self._options))
        try:
            probe.open()
        except (SensorError, OSError) as error:
            line = way.overlay.replace("PIN", str(self._options.get(PIN, "4")))
            how = f": `{line}` in /boot/firmware/config.txt and a reboot" if line else ""
            why = str(error).partition("; there are")[0]
            return f"{why}{how}"
        finally:
            probe.close()
        return None


def _options(way: Way, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a way: its own, and of those given what it understands."""
    adapter = way.driver.partition(":")[0]
    understood = {ADDRESS, ROOT.name} if adapter in _KERNEL else {ADDRESS, PIN, _BUS.name}
    if adapter in _KERNEL and way.driver.startswith("w1"):
        understood = {ROOT.name}
    found = {name: value for name, value in given.items() if name in understood}
    if adapter not in _KERNEL and isinstance(found.get(PIN), int):
        found[PIN] = f"D{found[PIN]}"
    return {**way.options, **found}

"""Plain names as drivers: `driver: bme280` is read by the best way that this machine has.

The kernel's driver goes first where a device of it is there, since it runs without privileges and
shares its bus; else a CircuitPython driver that is installed. Which one was taken, and why, is the
adapter's `note`; where neither is there the error says how to get each.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from device import sensors
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, libraries
from device.sensors.aliases import ADDRESS, ALIASES, HEADER_BUS, PIN, USUAL_PIN, Alias, Way
from device.sensors.devices import AbsentError
from device.sensors.options import Option, check
from device.sensors.sysfs import ROOT

_BUS = Option("bus", (int,), 0, 99)
_ACCEPTED = {
    ADDRESS: Option(ADDRESS, (int,), 0x03, 0x77),
    PIN: Option(PIN, (int,), 0, 27),
}
_KERNEL = ("iio", "hwmon")


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
        self.lane = f"i2c-{options.get(_BUS.name, HEADER_BUS)}" if alias.addresses else ""
        self._name = name
        self._alias = alias
        self._options = options
        self._taken: Adapter | None = None

    def open(self) -> None:
        """Take the first way that is open.

        Raises:
            SensorError: none is; the message says how to get each.
            Exception: whatever the way raises that is open.
        """
        refused: list[str] = []
        for way in self._alias.ways:
            try:
                _check_installed(way)
                self._open(way)
            except AbsentError as error:
                self.close()
                refused.append(self._how(way, error))
            else:
                self.note = way.driver + (f", as {refused[0]}" if refused else "")
                return
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

    def _open(self, way: Way) -> None:
        """Open a way; where no address was said, at each that the sensor may have.

        What a library takes for usual is not what most boards have.
        """
        given = _options(self._alias, way, self._options)
        has_choice = way.package and ADDRESS not in given
        *others, last = self._alias.addresses if has_choice and self._alias.addresses else (None,)
        for address in others:
            with contextlib.suppress(SensorError, OSError):
                self._open_with({**given, ADDRESS: address}, way)
                return
            self.close()
        self._open_with(given if last is None else {**given, ADDRESS: last}, way)

    def _open_with(self, options: Mapping[str, Any], way: Way) -> None:
        self._taken = sensors.make(way.driver, options)
        self._taken.open()
        self.channels = self._taken.channels

    def _how(self, way: Way, why_not: AbsentError) -> str:
        """Say why a way is not open, and what opens it."""
        why = str(why_not).partition("; there are")[0]
        line = overlay_line(self._alias, way, self._options)
        return why + (f": `{line}` in /boot/firmware/config.txt and a reboot" if line else "")


def overlay_line(alias: Alias, way: Way, options: Mapping[str, Any]) -> str:
    """Return the line of config.txt that loads the kernel's driver; empty where there is none.

    The address is always in it where a chip may have several: overlays differ in which they take for
    usual.
    """
    line = way.overlay.replace("PIN", str(options.get(PIN, USUAL_PIN)))
    if line and len(alias.addresses) > 1:
        line += f",addr={options.get(ADDRESS, alias.addresses[0]):#04x}"
    bus = options.get(_BUS.name, HEADER_BUS)
    return f"{line},i2c{bus}" if line and bus != HEADER_BUS else line


def _check_installed(way: Way) -> None:
    """See that the library of a way is there, without importing it.

    Raises:
        AbsentError: it is not.
    """
    if way.package and not libraries.is_installed(way.driver.partition(":")[2].partition(".")[0]):
        told = f"{way.package} is not installed: `{libraries.INSTALL} {way.package}`"
        raise AbsentError(told)


def _options(alias: Alias, way: Way, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a way: its own, and those given. The kernel's has no more channels than others."""
    if way.driver.partition(":")[0] in _KERNEL:
        return {"read": list(alias.channels), **way.options, **given}
    found = {**way.options, **given}
    found.pop(ROOT.name, None)
    if PIN in found:
        found[PIN] = f"D{found[PIN]}"
    return found

"""Driver `host`: this machine's own figures, as channels. Any Linux, no GPIO, nothing to install.

Which figures there are is found at open and stays so. A figure that fails in one read is NaN in that
read, and the others go on; only when all fail does the read fail. How each is read is `machine`'s.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from config.problems import shown
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, machine
from device.sensors.machine import NotOfferedError, Place, Source
from device.sensors.options import Option, check, completed

_OPTIONS = (
    Option("disk", (str,), least=1, default="/"),
    Option("interface", (str,), least=1),
    # Where proc/ and sys/ are: a recorded tree stands for another machine.
    Option("root", (str,), least=1, default="/"),
)

_FAILURES = (OSError, ValueError, LookupError, ArithmeticError)


class _Figure(NamedTuple):
    channel: Channel
    find: Callable[[Place], Source]


# Quantities are Home Assistant's device classes; `load` and `usage` have none there.
_MACHINE_FIGURES = (
    _Figure(Channel("cpu_temperature", "degC", "temperature", 1), machine.cpu_temperature),
    _Figure(Channel("load_1m", "", "load", 2), partial(machine.load, field=0)),
    _Figure(Channel("load_5m", "", "load", 2), partial(machine.load, field=1)),
    _Figure(Channel("load_15m", "", "load", 2), partial(machine.load, field=2)),
    _Figure(Channel("cpu_used", "%", "usage", 1), machine.cpu_used),
    _Figure(Channel("memory_used", "%", "usage", 1), machine.memory_used),
    _Figure(Channel("memory_available", "B", "data_size", 0), machine.memory_available),
    _Figure(Channel("swap_used", "%", "usage", 1), machine.swap_used),
    _Figure(Channel("network_received", "B", "data_size", 0), machine.network_received),
    _Figure(Channel("network_sent", "B", "data_size", 0), machine.network_sent),
    _Figure(Channel("uptime", "s", "duration", 2), machine.uptime),
    _Figure(Channel("under_voltage", "", "problem", 0), machine.under_voltage),
)
_DISK_FIGURES = (
    _Figure(Channel("disk_used", "%", "usage", 1), machine.disk_used),
    _Figure(Channel("disk_free", "B", "data_size", 0), machine.disk_free),
)


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    found = check("host", options, _OPTIONS)
    if argument is not None:
        found.append(OptionProblem(None, f"write `host` alone, not `host:{shown(argument)}`"))
    return found


def make(_argument: str | None, options: Mapping[str, Any]) -> "Host":
    """Build the adapter."""
    chosen = completed(options, _OPTIONS)
    return Host(Place(Path(chosen["root"]), chosen["disk"], chosen["interface"]))


class Host(Adapter):
    """Reads the figures that this machine offers; `channels` is empty until it was opened."""

    def __init__(self, place: Place) -> None:
        self.channels: Sequence[Channel] = ()
        self._texts: dict[str, str] = {}
        self._place = replace(place, texts=self._texts)
        self._sources: Sequence[Source] = ()

    def open(self) -> None:
        """Find out what this machine offers.

        Raises:
            SensorError: nothing at all.
        """
        self._texts.clear()
        found = _offered(_MACHINE_FIGURES, self._place)
        if not found:
            raise SensorError(_nothing(self._place.root))
        found += _offered(_DISK_FIGURES, self._place)
        self.channels, self._sources = zip(*found, strict=True)

    def read(self) -> list[Sample]:
        """Read every figure once; NaN stands for one that failed this time.

        Raises:
            SensorError: all failed, or not open.
        """
        if not self._sources:
            raise SensorError("not open")
        self._texts.clear()
        values = [_value(source) for source in self._sources]
        failures = [value for value in values if isinstance(value, Exception)]
        if len(failures) == len(values):
            raise SensorError(f"every figure failed; the first: {failures[0]}")
        return [
            Sample(channel.name, _rounded(value, channel.decimals), channel.unit)
            for channel, value in zip(self.channels, values, strict=True)
        ]

    def close(self) -> None:
        """Give nothing back: no file stays open between reads."""
        self._sources = ()


def _offered(figures: Iterable[_Figure], place: Place) -> list[tuple[Channel, Source]]:
    found = []
    for channel, find in figures:
        with contextlib.suppress(NotOfferedError):
            found.append((channel, _tried(find(place))))
    return found


def _tried(source: Source) -> Source:
    """Call a source once; cpu_used begins to measure with that. What fails now may do better later.

    Raises:
        NotOfferedError: this machine has no such figure.
    """
    try:
        source()
    except NotOfferedError:
        raise
    except _FAILURES:
        pass
    return source


def _value(source: Source) -> float | Exception:
    try:
        return float(source())
    except _FAILURES as error:
        return error


def _rounded(value: float | Exception, decimals: int | None) -> float:
    if isinstance(value, Exception) or not math.isfinite(value):
        return math.nan
    return round(value, decimals or 0)


def _nothing(root: Path) -> str:
    return (
        f"neither {root / 'proc'} nor {root / 'sys'} has anything to read: is /proc mounted, "
        "and does the systemd unit set ProcSubset=pid?"
    )

"""Driver `w1:ID`, or `w1:*`: DS18B20 and its kin on 1-wire, by the kernel's driver w1_therm.

    driver: 'w1:28-0316a2795aff'     # one probe: the channel `temperature`
    driver: 'w1:*'                   # all there are: a channel each, `p_28_0316a2795aff`

A probe takes 0.75 s to convert, one after the other; `timeout` is never less than that takes.
Documentation/w1/slaves/w1_therm.rst; DS18B20 datasheet (Analog Devices, 19-7487).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError
from device.sensors.options import check
from device.sensors.quantities import channel
from device.sensors.sysfs import ROOT
from wire.readings import Quality

# Family codes of thermometers: DS18S20, DS1822, DS18B20, DS1825, DS28EA00.
_THERMOMETERS = ("10", "22", "28", "3b", "42")
_ID = re.compile(r"([0-9a-f]{2})-([0-9a-f]{12})")
_SLAVE = re.compile(r"crc=[0-9a-f]{2} (YES|NO)\n.*t=(-?[0-9]+)", re.DOTALL)
_ALL = "*"
# What the register holds when the chip has power and has not converted yet: +85 degC by the datasheet.
_POWER_ON = 85.0
# So near to it a probe may really be.
_NEAR = 10.0
# What drivers say of a probe that does not answer; it measures from -55 on.
_ABSENT = -127.0
_CONVERTS_S = 0.75
_TEMPERATURE = channel("temperature")


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    found = check(f"w1:{argument}" if argument else "w1", options, (ROOT,))
    wanted = (argument or "").lower()
    if wanted != _ALL and not _ID.fullmatch(wanted):
        asked = "write `w1:*` for all probes, or the id of one, such as `w1:28-0316a2795aff`"
        found.append(OptionProblem(None, asked))
    elif wanted != _ALL and wanted[:2] not in _THERMOMETERS:
        told = f"a thermometer's id begins with {', '.join(_THERMOMETERS)}, not {wanted[:2]}"
        found.append(OptionProblem(None, told))
    return found


def make(argument: str | None, options: Mapping[str, Any]) -> "Probes":
    """Build the adapter."""
    return Probes((argument or "").lower(), Path(options.get("root") or "/"))


class Probes(Adapter):
    """One probe or all of them. A probe that vanishes is NaN, and is found again; a new one is taken up."""

    lane = "w1"  # the bus has one master, which one may use at a time

    def __init__(self, wanted: str, root: Path) -> None:
        self.channels: Sequence[Channel] = ()
        self._wanted = wanted
        self._folder = root / "sys/bus/w1/devices"
        self._last: dict[str, float] = {}

    @property
    def takes_s(self) -> float:  # type: ignore[override]
        """A second for the bus, and each probe's conversion."""
        return 1.0 + _CONVERTS_S * len(self.channels)

    def open(self) -> None:
        """Look what is there.

        Raises:
            SensorError: not the probe, or none at all.
        """
        self._last.clear()
        found = self._found()
        if self._wanted == _ALL and not found:
            raise SensorError(f"no thermometer in {self._folder}. {_HINT}")
        if self._wanted not in (_ALL, *found):
            there = ", ".join(found) or "none"
            raise SensorError(f"no probe {self._wanted}; there are: {there}. {_HINT}")
        self._take_up(found)

    def read(self) -> list[Sample]:
        """Read every probe once; NaN stands for one that fails, as long as another does not.

        Raises:
            OSError: all failed.
            SensorError: not open.
        """
        if not self.channels:
            raise SensorError("not open")
        if self._wanted == _ALL:
            self._take_up(self._found())
        samples, failures = [], []
        for probe, where in zip(self._probes(), self.channels, strict=True):
            try:
                samples.append(self._sample(probe, where))
            except (OSError, ValueError) as error:
                self._last.pop(probe, None)
                failures.append(error)
                samples.append(Sample(where.name, math.nan, where.unit))
        if len(failures) == len(samples):
            raise OSError(f"no probe answers; the first: {failures[0]}")
        return samples

    def close(self) -> None:
        """Give nothing back: no file stays open between reads."""
        self.channels = ()

    def _found(self) -> list[str]:
        names = sorted(each.name for each in self._folder.glob("*-*") if _ID.fullmatch(each.name))
        return [name for name in names if name[:2] in _THERMOMETERS]

    def _take_up(self, found: Sequence[str]) -> None:
        if self._wanted != _ALL:
            self.channels = (_TEMPERATURE,)
            return
        known = {each.name for each in self.channels}
        new = [name for each in found if (name := _channel_name(each)) not in known]
        if new:
            added = (replace(_TEMPERATURE, name=name) for name in new)
            self.channels = (*self.channels, *added)

    def _probes(self) -> list[str]:
        if self._wanted != _ALL:
            return [self._wanted]
        return [each.name.removeprefix("p_").replace("_", "-") for each in self.channels]

    def _sample(self, probe: str, where: Channel) -> Sample:
        value = self._temperature(probe)
        last = self._last.get(probe)
        if value <= _ABSENT:
            return Sample(where.name, math.nan, where.unit, Quality.SENTINEL)
        if value == _POWER_ON and (last is None or abs(last - _POWER_ON) > _NEAR):
            # It lost its power a moment ago, or really jumped to this: nobody can tell.
            return Sample(where.name, value, where.unit, Quality.POWER_ON_VALUE)
        self._last[probe] = value
        return Sample(where.name, value, where.unit)

    def _temperature(self, probe: str) -> float:
        """Return what a probe measures, in degC.

        Raises:
            OSError: it does not answer, or its answer came to harm.
            ValueError: its answer is no number.
        """
        folder = self._folder / probe
        if (file := folder / "temperature").exists():
            said = file.read_text().strip()
            if not said:
                raise OSError(f"{probe} does not answer")
            return int(said) / 1000
        answer = _SLAVE.search((folder / "w1_slave").read_text())
        if answer is None or answer[1] == "NO":
            raise OSError(f"the answer of {probe} came to harm: check its wires and the pull-up")
        return int(answer[2]) / 1000


_HINT = (
    "1-wire needs `dtoverlay=w1-gpio` in /boot/firmware/config.txt and a reboot, and a resistor of "
    "4.7 kOhm from data to 3.3 V"
)


def _channel_name(probe: str) -> str:
    return "p_" + probe.replace("-", "_")

"""Driver `agent`: the health of the agent itself, as channels of the sensor of that name.

What the agent says of itself is handed in; beside it stand the figures of the machine that tell why a
device fails: its supply, its temperature, its clock.
"""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from config.problems import shown
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, machine
from device.sensors.machine import NotOfferedError, Place, Source
from device.sensors.options import check
from service.kernelclock import kernel_synchronised

Facts = Mapping[str, float]

# What the agent says of itself; counts are since its start.
OWN = (
    Channel("link_up", "", "connectivity", 0),
    Channel("spooled_readings", "", "", 0),
    Channel("spooled_bytes", "B", "data_size", 0),
    Channel("dropped_readings", "", "", 0),
    Channel("dropped_events", "", "", 0),
    Channel("skipped_reads", "", "", 0),
    Channel("failed_reads", "", "", 0),
    Channel("failing_sensors", "", "", 0),
    Channel("abandoned_drivers", "", "", 0),
    Channel("slowest_read", "s", "duration", 4),
    Channel("card_failing", "", "problem", 0),
)
_CLOCK = Channel("clock_synchronised", "", "", 0)
_MACHINE: tuple[tuple[Channel, Callable[[Place], Source]], ...] = (
    (Channel("cpu_temperature", "degC", "temperature", 1), machine.cpu_temperature),
    (Channel("under_voltage", "", "problem", 0), machine.under_voltage),
    (Channel("throttled", "", "problem", 0), machine.throttled),
)


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    found = check("agent", options, ())
    if argument is not None:
        found.append(OptionProblem(None, f"write `agent` alone, not `agent:{shown(argument)}`"))
    return found


def make(_argument: str | None, _options: Mapping[str, Any]) -> "Own":
    """Build the adapter of an agent that does not run: a running one builds its own."""
    return Own(_nobody)


def _nobody() -> Facts:
    raise SensorError("only a running agent can tell")


class Own(Adapter):
    """Reads the agent by `ask`, which may block, and the machine below `root`."""

    def __init__(self, ask: Callable[[], Facts], root: Path = Path("/")) -> None:
        self.channels: Sequence[Channel] = (*OWN, _CLOCK)
        self._ask = ask
        self._place = Place(root, "/", None)
        self._sources: list[tuple[Channel, Source]] = []

    def open(self) -> None:
        """Find out what this machine offers."""
        self._sources = []
        for channel, find in _MACHINE:
            with contextlib.suppress(NotOfferedError):
                self._sources.append((channel, find(self._place)))
        self.channels = (*OWN, _CLOCK, *(channel for channel, _ in self._sources))

    def read(self) -> list[Sample]:
        """Ask for everything once; a figure of the machine that fails is NaN.

        Raises:
            SensorError: no agent runs.
        """
        facts = self._ask()
        samples = [Sample(channel.name, facts[channel.name], channel.unit) for channel in OWN]
        samples.append(Sample(_CLOCK.name, float(kernel_synchronised()), ""))
        return samples + [_sample(channel, source) for channel, source in self._sources]

    def close(self) -> None:
        """Give nothing back: no file stays open between reads."""


def _sample(channel: Channel, source: Source) -> Sample:
    value = math.nan
    with contextlib.suppress(OSError, ValueError):
        value = round(source(), channel.decimals or 0)
    return Sample(channel.name, value, channel.unit)

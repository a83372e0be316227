"""Driver `pulses`: counts the pulses of a pin: rain gauges, flow meters, energy meters, anemometers.

Every pulse is counted, between reads too, and the count goes on over `kill -9` and clean reboots (see
`tally`). What a pulse is worth is the channel's `scale` to say: `count: {scale: 0.2794, unit: mm}`.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from config.problems import shown
from device import PROGRAM
from device.clock import boot_id, boottime_ns
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, pins
from device.sensors.edges import Edges
from device.sensors.options import Option, check
from device.sensors.tally import Tally
from service.folders import runtime_folder, state_folder

_CLASS = "DigitalInputDevice"
_FOLDER = "pulses"
_OPTIONS = (
    Option("pin", (int, str), is_required=True),
    Option("pull_up", (bool,), may_be_null=True, default=True),
    Option("active_state", (bool,), may_be_null=True),
    Option("bounce_time", (float,), 0, 10, of="seconds", may_be_null=True),
)
COUNT = Channel("count", "", "", 0)
RATE = Channel("rate", "Hz", "frequency", 4)


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    found = check("pulses", options, _OPTIONS)
    if argument is not None:
        found.append(OptionProblem(None, f"write `pulses` alone, not `pulses:{shown(argument)}`"))
    if options.get("pull_up", True) is None and options.get("active_state") is None:
        found.append(OptionProblem("pull_up", "a pin without a pull needs `active_state`"))
    return found


def make(_argument: str | None, options: Mapping[str, Any]) -> "Pulses":
    """Build the adapter."""
    return Pulses(options)


class Pulses(Adapter):
    """The count of one pin, and its rate since the read before."""

    channels: Sequence[Channel] = (COUNT, RATE)

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = {"pull_up": True, **options}
        self._quiet_s = self._options.pop("bounce_time", None) or 0.0
        self._lock = threading.Lock()
        self._device: Any = None
        self._edges: Edges | None = None
        self._tally: Tally | None = None
        self._before = (0, 0)

    def open(self) -> None:
        """Take the pin, and go on with its count.

        Raises:
            SensorError: there are no pins, or not this one.
            OSError: the count cannot be kept.
        """
        self._device = pins.built(_CLASS, self._options)
        name = str(self._device.pin.info.name).lower()
        tally = Tally(
            name, runtime_folder(PROGRAM) / _FOLDER, state_folder(PROGRAM) / _FOLDER, boot_id()
        )
        tally.open()
        self._tally = tally
        self._before = (boottime_ns(), tally.count)
        self._edges = Edges(self._device, self._options, self._quiet_s, self._changed)

    def read(self) -> list[Sample]:
        """Give the count, and pulses a second since the read before, or since it was opened.

        Raises:
            SensorError: not open.
        """
        if self._tally is None:
            raise SensorError("not open")
        with self._lock:
            now_ns, count = boottime_ns(), self._tally.count
        before_ns, before = self._before
        self._before = (now_ns, count)
        rate = (count - before) / max(now_ns - before_ns, 1) * 1e9
        return [
            Sample(COUNT.name, float(count), COUNT.unit),
            Sample(RATE.name, round(rate, RATE.decimals), RATE.unit),
        ]

    def close(self) -> None:
        """Give the pin back, and keep the count."""
        edges, self._edges = self._edges, None
        if edges is not None:
            edges.close()
        device, self._device = self._device, None
        if device is not None:
            pins.close(device)
        with self._lock:
            tally, self._tally = self._tally, None
        if tally is not None:
            tally.close()

    def _changed(self, _time_ns: int, is_active: bool) -> None:
        with self._lock:
            if is_active and self._tally is not None:
                self._tally.step()

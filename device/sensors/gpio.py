"""Driver `gpiozero:ClassName`: an input of gpiozero, with that class's own keyword arguments.

Owns which attribute of which class is read, and what happens between reads; how gpiozero's classes are
built is `device.sensors.pins`'. Its smoothed classes block a read until their queue is full; that is
meant so: their `partial` mode would give zeros that nobody measured.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from device.clock import boottime_ns
from device.sensors import Adapter, Channel, Emit, OptionProblem, Sample, SensorError, pins
from device.sensors.edges import Edges
from device.sensors.quantities import channel


class _Hears(Enum):
    """What a class tells between reads."""

    NOTHING = "nothing"
    PIN = "the edges of its pin"
    CHANGES = "its own changes"
    TURNS = "its steps"


# The attributes that are called then.
_CALLED = {
    _Hears.CHANGES: ("when_activated", "when_deactivated"),
    _Hears.TURNS: ("when_rotated",),
}


class _Class(NamedTuple):
    attribute: str
    channel: Channel
    hears: _Hears = _Hears.NOTHING


def _state(name: str, quantity: str = "") -> Channel:
    return Channel(name, "", quantity, 0)


_CONVERTERS = (
    "MCP3001", "MCP3002", "MCP3004", "MCP3008", "MCP3201", "MCP3202", "MCP3204", "MCP3208",
    "MCP3301", "MCP3302", "MCP3304",
)  # fmt: skip
_CLASSES = {
    "Button": _Class("is_pressed", _state("pressed"), _Hears.PIN),
    "CPUTemperature": _Class("temperature", Channel("temperature", "degC", "temperature", 1)),
    "DigitalInputDevice": _Class("value", _state("value"), _Hears.PIN),
    "DiskUsage": _Class("usage", Channel("usage", "%", "usage", 1)),
    "DistanceSensor": _Class("distance", channel("distance")),
    "InputDevice": _Class("value", _state("value")),
    "LightSensor": _Class("value", Channel("light", "", "", 4)),
    "LineSensor": _Class("is_active", _state("line"), _Hears.CHANGES),
    "LoadAverage": _Class("load_average", Channel("load", "", "load", 2)),
    "MotionSensor": _Class("motion_detected", _state("motion", "motion"), _Hears.PIN),
    "PingServer": _Class("is_active", _state("reachable", "connectivity")),
    "RotaryEncoder": _Class("steps", Channel("steps", "", "", 0), _Hears.TURNS),
    "TimeOfDay": _Class("is_active", _state("active")),
    # 10 to 13 bits of max_voltage.
    **{name: _Class("voltage", Channel("voltage", "V", "voltage", 4)) for name in _CONVERTERS},
}
_BOUNCE = "bounce_time"
_SMOOTHED = "queue_len"


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so; needs no pins."""
    return pins.problems(argument, options, _CLASSES, "read")


def make(argument: str | None, options: Mapping[str, Any]) -> "GpioSensor":
    """Build the adapter."""
    return GpioSensor(argument or "", options)


class GpioSensor(Adapter):
    """One device of gpiozero, read by one attribute. States are 0 and 1.

    `bounce_time` of a class whose pin is listened to is heeded here.
    """

    def __init__(self, class_name: str, options: Mapping[str, Any]) -> None:
        self._class_name = class_name
        self._options = dict(options)
        self._attribute, self._channel, self._hears = _CLASSES[class_name]
        if self._hears is _Hears.PIN and self._options.get(_SMOOTHED, 1) > 1:
            self._hears = _Hears.CHANGES  # one edge is not yet what the queue will say
        self._quiet_s = 0.0
        if self._hears is _Hears.PIN:
            self._quiet_s = self._options.pop(_BOUNCE, None) or 0.0
        self.channels: Sequence[Channel] = (self._channel,)
        self.is_event_driven = self._hears is not _Hears.NOTHING
        self._emit: Emit = _to_nobody
        self._device: Any = None
        self._edges: Edges | None = None

    def listen(self, emit: Emit) -> None:
        """Emit each change of the state, with the time of its edge."""
        self._emit = emit

    def open(self) -> None:
        """Take the pins.

        Raises:
            SensorError: no gpiozero, no pins, or gpiozero does not take this class and options.
        """
        self._device = pins.built(self._class_name, self._options)
        if self._hears is _Hears.PIN:
            self._edges = Edges(self._device, self._options, self._quiet_s, self._changed)
        else:
            for name in _CALLED.get(self._hears, ()):
                setattr(self._device, name, self._took_place)

    def read(self) -> list[Sample]:
        """Read the attribute once; blocks while a smoothed device has not filled its queue.

        Raises:
            SensorError: not open.
        """
        if self._device is None:
            raise SensorError("not open")
        return self._samples(getattr(self._device, self._attribute))

    def close(self) -> None:
        """Give the pins back."""
        edges, self._edges = self._edges, None
        if edges is not None:
            edges.close()
        device, self._device = self._device, None
        if device is not None:
            pins.close(device)

    def _samples(self, value: float) -> list[Sample]:
        rounded = round(float(value), self._channel.decimals or 0)
        return [Sample(self._channel.name, rounded, self._channel.unit)]

    def _changed(self, time_ns: int, is_active: bool) -> None:
        self._emit(time_ns, self._samples(is_active))

    def _took_place(self) -> None:
        """Tell a change of a class that says itself when it has one, on gpiozero's thread."""
        device = self._device
        if device is not None:
            self._emit(boottime_ns(), self._samples(getattr(device, self._attribute)))


def _to_nobody(_time_ns: int, _samples: Sequence[Sample]) -> None:
    return

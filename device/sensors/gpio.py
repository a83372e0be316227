"""Driver `gpiozero:ClassName`: a sensor of gpiozero, with that class's own keyword arguments.

Owns which attribute of which class is read; how gpiozero's classes are built is
`device.sensors.pins`'. Its smoothed classes block a read until their queue is full; that is meant
so: their `partial` mode would give zeros that nobody measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError, pins


class _Read(NamedTuple):
    attribute: str
    channel: Channel


_CLASSES = {
    "Button": _Read("is_pressed", Channel("pressed", "", "", 0)),
    "CPUTemperature": _Read("temperature", Channel("temperature", "degC", "temperature", 1)),
    "DigitalInputDevice": _Read("value", Channel("value", "", "", 0)),
    # 10 bits of max_voltage: four decimals keep the steps apart from 0.1 V upwards.
    "MCP3008": _Read("voltage", Channel("voltage", "V", "voltage", 4)),
    "MotionSensor": _Read("motion_detected", Channel("motion", "", "motion", 0)),
}


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so; needs no pins."""
    return pins.problems(argument, options, _CLASSES, "read")


def make(argument: str | None, options: Mapping[str, Any]) -> "GpioSensor":
    """Build the adapter."""
    return GpioSensor(argument or "", options)


class GpioSensor(Adapter):
    """One device of gpiozero, read by one attribute. States are 0 and 1."""

    def __init__(self, class_name: str, options: Mapping[str, Any]) -> None:
        self._class_name = class_name
        self._options = options
        self._attribute, self._channel = _CLASSES[class_name]
        self.channels: Sequence[Channel] = (self._channel,)
        self._device: Any = None

    def open(self) -> None:
        """Take the pins.

        Raises:
            SensorError: no gpiozero, no pins, or gpiozero does not take this class and options.
        """
        self._device = pins.built(self._class_name, self._options)

    def read(self) -> list[Sample]:
        """Read the attribute once; blocks while a smoothed device has not filled its queue.

        Raises:
            SensorError: not open.
        """
        if self._device is None:
            raise SensorError("not open")
        value = round(float(getattr(self._device, self._attribute)), self._channel.decimals or 0)
        return [Sample(self._channel.name, value, self._channel.unit)]

    def close(self) -> None:
        """Give the pins back."""
        device, self._device = self._device, None
        if device is not None:
            pins.close(device)

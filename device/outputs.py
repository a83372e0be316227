"""Outputs: the pins that the YAML lets the collector switch, through gpiozero.

Owns which of its classes can be switched, and when a pin is taken and given back. Decides neither
who may switch it nor on which thread: its calls block, and all must come from one thread.
"""

from collections.abc import Mapping
from typing import Any

from config.problems import shown
from device.sensors import OptionProblem, pins
from device.sensors.options import choices

_LIBRARY = "gpiozero"
_CLASSES = ("Buzzer", "DigitalOutputDevice", "LED", "OutputDevice")


def problems(driver: str, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Say what is wrong with an output's driver and options, without touching hardware."""
    library, _, class_name = driver.partition(":")
    if library != _LIBRARY:
        accepted = [f"{_LIBRARY}:{each}" for each in _CLASSES]
        message = f"nothing to switch with `{shown(driver)}`.{choices(driver, accepted)}"
        return [OptionProblem(None, message)]
    return pins.problems(class_name, options, _CLASSES, "switched")


class Output:
    """One output. Its pin is taken when it is first switched, and given back by `close`.

    A pin that was given back is an input again: what hangs on it goes to where its own pull takes
    it. Errors are the driver's own, or a SensorError that says what to do.
    """

    def __init__(self, driver: str, options: Mapping[str, Any]) -> None:
        self._class_name = driver.partition(":")[2]
        self._options = options
        self._device: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it holds its pin."""
        return self._device is not None

    def switch(self, is_on: bool) -> bool:
        """Switch it on or off; return whether it was on before."""
        if self._device is None:
            self._device = pins.built(self._class_name, self._options)
        before = bool(self._device.value)
        if is_on:
            self._device.on()
        else:
            self._device.off()
        return before

    def close(self) -> None:
        """Give the pin back; never raises."""
        device, self._device = self._device, None
        if device is not None:
            pins.close(device)

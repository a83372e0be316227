"""What can blink so that a person finds this device: an output, or the Pi's own activity LED.

Knows nothing of when and how long. All calls block, and must come from one thread.
"""

import os
from pathlib import Path
from typing import Protocol

from device.outputs import Output

LEDS = Path("/sys/class/leds")
# As the kernel of a Pi names the green LED, today and formerly.
_ACTIVITY = ("ACT", "led0")


class Light(Protocol):
    """Something that can be seen; `name` says to people what."""

    name: str

    def show(self, is_on: bool) -> None:
        """Let it shine, or not. Raises any exception where that fails."""

    def restore(self) -> None:
        """Put it back to what it was before the first `show`; may raise."""


class OutputLight:
    """An output of the YAML."""

    def __init__(self, name: str, output: Output) -> None:
        self.name = f"the output `{name}`"
        self._output = output
        self._before: bool | None = None

    def show(self, is_on: bool) -> None:
        """Switch it."""
        before = self._output.switch(is_on)
        if self._before is None:
            self._before = before

    def restore(self) -> None:
        """Switch it back to what it was."""
        if self._before is not None:
            self._output.switch(self._before)


class ActivityLed:
    """An LED of the kernel, in `folder`: what drives it (its trigger) stands aside meanwhile.

    https://www.kernel.org/doc/html/latest/leds/leds-class.html
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"the LED {folder.name} of the board"
        self._folder = folder
        self._trigger: str | None = None
        self._brightness = "0"

    def show(self, is_on: bool) -> None:
        """Write its brightness."""
        if self._trigger is None:
            self._brightness = self._read("brightness")
            self._trigger = _chosen(self._read("trigger"))
            self._write("trigger", "none")
        self._write("brightness", self._read("max_brightness") if is_on else "0")

    def restore(self) -> None:
        """Give it back to its trigger."""
        if self._trigger is not None:
            # Brightness first: writing 0 would take away the trigger again.
            self._write("brightness", self._brightness)
            self._write("trigger", self._trigger)

    def _read(self, file: str) -> str:
        return (self._folder / file).read_text(encoding="ascii").strip()

    def _write(self, file: str, text: str) -> None:
        (self._folder / file).write_text(text, encoding="ascii")


def activity_led(leds: Path) -> ActivityLed | None:
    """Return the activity LED of this board, if it has one and we may write to it."""
    for name in _ACTIVITY:
        files = [leds / name / file for file in ("trigger", "brightness")]
        if all(os.access(file, os.W_OK) for file in files):
            return ActivityLed(leds / name)
    return None


def _chosen(triggers: str) -> str:
    """Return the one in force of `none [mmc0] timer`."""
    return triggers.partition("[")[2].partition("]")[0] or "none"

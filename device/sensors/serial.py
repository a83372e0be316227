"""Driver `serial:/dev/ttyACM0`: a board that prints lines on a serial port, by pyserial.

    driver: serial:/dev/serial/by-id/usb-Arduino_...-if00
    options: {baud: 115200}

A name under /dev/serial/by-id stays the same whatever else is plugged in. `baud` is 9600 where nothing
else is said, as in most sketches and the data sheets of most serial sensors; ports that are USB from
end to end heed it not at all. `parse`, `pattern`: see `line`. The first line after the port was opened
is left out, as nobody heard it begin.
"""

import errno
import importlib
import importlib.util
import os
import selectors
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from config.problems import shown
from device.clock import boottime_ns
from device.sensors import OptionProblem, SensorError, line
from device.sensors.heard import Splitter
from device.sensors.hearing import HearingAdapter, stale_after
from device.sensors.options import Option, check, completed
from wire.readings import is_one_line

_OPTIONS = (
    Option("baud", (int,), 50, 4_000_000, default=9600),
    *line.OPTIONS,
    stale_after(60.0),
)
_CHUNK_BYTES = 4096
_MISSING = (
    "pyserial is not installed: `sudo apt install python3-serial`, or `pip install pyserial` into "
    "the agent's environment"
)
_HINTS = {
    errno.ENOENT: "Is it plugged in? `ls -l /dev/serial/by-id` names what there is",
    errno.ENXIO: "Is it plugged in? `ls -l /dev/serial/by-id` names what there is",
    errno.EACCES: "Put the user who runs this into the group dialout: "
    "`sudo usermod -aG dialout USER`",
    errno.EPERM: "The service may use ttyACM, ttyAMA and ttyUSB; for another add `DeviceAllow=`, "
    "see docs/operations.md",
    errno.EAGAIN: "Another program has it open: `sudo fuser -v` on it says which",
    errno.EBUSY: "Another program has it open: `sudo fuser -v` on it says which",
}


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    if argument is None or not argument.startswith("/") or not is_one_line(argument):
        told = "" if not argument else f", not `serial:{shown(argument)}`"
        return [OptionProblem(None, f"write the port's path, as in `serial:/dev/ttyACM0`{told}")]
    found = check("serial", options, _OPTIONS) or line.problems(options)
    if importlib.util.find_spec("serial") is None:
        found.append(OptionProblem(None, _MISSING))
    return found


def make(argument: str | None, options: Mapping[str, Any]) -> "SerialLines":
    """Build the adapter."""
    return SerialLines(argument or "", completed(options, _OPTIONS))


class SerialLines(HearingAdapter):
    """Listens to one port, which nobody else may have open meanwhile."""

    def __init__(self, port: str, options: Mapping[str, Any]) -> None:
        super().__init__("serial-lines", options)
        self._port = port
        self._baud = options["baud"]
        self._splitter = Splitter()

    def _take(self, selector: selectors.BaseSelector, taken: ExitStack) -> None:
        port = self._opened()
        taken.callback(port.close)
        self._splitter = Splitter(from_within=True)
        selector.register(port, selectors.EVENT_READ, self._take_bytes)

    def _opened(self) -> Any:
        try:
            serial = importlib.import_module("serial")
        except ImportError as error:
            raise SensorError(f"{_MISSING} ({error})") from error
        if not hasattr(serial, "Serial"):
            raise SensorError(
                f"{serial.__file__} is another package, `serial`: uninstall it. {_MISSING}"
            )
        try:
            return serial.Serial(self._port, self._baud, timeout=0, exclusive=True)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            hint = _HINTS.get(error.errno or 0)
            told = f"cannot open {self._port}: {why}"
            raise SensorError(f"{told}. {hint}" if hint else told) from error
        except ValueError as error:  # a rate that this port cannot have
            raise SensorError(f"cannot open {self._port}: {error}") from error

    def _take_bytes(self, port: Any) -> None:
        try:
            data = port.read(_CHUNK_BYTES)
        except OSError as error:
            raise OSError(f"{self._port}: {error}") from error
        ended_ns = boottime_ns()
        self._hear(self._splitter.feed(data), ended_ns)

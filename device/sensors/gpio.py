"""Driver `gpiozero:ClassName`: a sensor of gpiozero, with that class's own keyword arguments.

Owns which attribute of which class is read, and what to do when there are no pins. gpiozero is
imported only when such a sensor is configured. Its smoothed classes block a read until their queue
is full; that is meant so: their `partial` mode would give zeros that nobody measured.
"""

import contextlib
import inspect
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from config.problems import shown
from device.sensors import Channel, OptionProblem, Sample, SensorError
from device.sensors.options import Option, check, choices


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

# What the signatures do not tell: https://gpiozero.readthedocs.io/en/stable/, api_input.html and
# api_spi.html. The number of a pin, or one of gpiozero's names for it ("GPIO17", "BOARD11").
_PIN = (int, str)
_SPI = ("port", "device", "clock_pin", "mosi_pin", "miso_pin", "select_pin")
_DOCUMENTED = {
    "pin": Option("pin", _PIN, is_required=True),
    "active_state": Option("active_state", (bool,), may_be_null=True),
    "bounce_time": Option("bounce_time", (float,), least=0, of="seconds", may_be_null=True),
    "queue_len": Option("queue_len", (int,), least=1),
    "channel": Option("channel", (int,), 0, 7),
    "port": Option("port", (int,)),
    "device": Option("device", (int,)),
    **{name: Option(name, _PIN) for name in _SPI[2:]},
}
_NOT_OPTIONS = {"self", "pin_factory", "partial"}

# What a failure says, and what to do then.
_HINTS = {
    ".lgd-nfy": "lgpio needs a working directory it may write to: set LG_WD to one",
    "GPIO busy": "another program or a kernel driver holds this pin: `gpioinfo` says which",
    "gpiochip": "put the user who runs this into the group gpio: `sudo usermod -aG gpio USER`",
}
_NO_PINS = (
    "on a Raspberry Pi `sudo apt install python3-lgpio` (seen from a virtual environment only when "
    "made with --system-site-packages) and put the user into the group gpio; "
    "without a Pi set GPIOZERO_PIN_FACTORY=mock"
)
_MISSING = (
    "gpiozero is not installed: `sudo apt install python3-gpiozero` or `pip install gpiozero`"
)

# gpiozero makes its pin factory and its shared SPI buses without a lock; every sensor has a thread.
_turn = threading.Lock()
_TURN_S = 10.0


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so; needs no pins."""
    if argument not in _CLASSES:
        asked = (
            f"no class `{shown(argument)}` to be read." if argument else "write `gpiozero:CLASS`."
        )
        return [OptionProblem(None, asked + choices(argument or "", _CLASSES))]
    try:
        accepted = _accepted(getattr(_gpiozero(), argument))
    except SensorError as error:
        return [OptionProblem(None, str(error))]
    return check(f"gpiozero:{argument}", options, accepted)


def make(argument: str | None, options: Mapping[str, Any]) -> "GpioSensor":
    """Build the adapter."""
    return GpioSensor(argument or "", options)


class GpioSensor:
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
        gpiozero = _gpiozero()
        with _in_turn(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _find_pins(gpiozero, caught)
            self._device = self._built(gpiozero)

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
            with contextlib.suppress(Exception), _in_turn():
                device.close()

    def _built(self, gpiozero: ModuleType) -> object:
        try:
            return getattr(gpiozero, self._class_name)(**self._options)
        except Exception as error:
            arguments = ", ".join(f"{name}={value!r}" for name, value in self._options.items())
            call = f"{self._class_name}({arguments})"
            raise SensorError(f"{call}: {_told(error)}{_hint(str(error))}") from error


@contextlib.contextmanager
def _in_turn() -> Iterator[None]:
    if not _turn.acquire(timeout=_TURN_S):
        raise SensorError("another gpiozero sensor hangs while it is opened or closed")
    try:
        yield
    finally:
        _turn.release()


def _gpiozero() -> ModuleType:
    try:
        import gpiozero
    except ImportError as error:
        raise SensorError(f"{_MISSING} ({error})") from error
    module: ModuleType = gpiozero
    return module


def _accepted(device_class: type) -> list[Option]:
    # Of __init__, because the metaclass hides the signature of the class itself.
    parameters = inspect.signature(device_class.__init__).parameters  # type: ignore[misc]
    names = [name for name in parameters if name not in _NOT_OPTIONS]
    if "spi_args" in names:
        names[names.index("spi_args") :] = _SPI
    return [_DOCUMENTED.get(name) or _option(name, parameters[name].default) for name in names]


def _option(name: str, default: object) -> Option:
    """Tell an option's type from its default; 10 may be 0.5, and True may be null."""
    match default:
        case bool():
            return Option(name, (bool,), may_be_null=True)
        case int() | float():
            return Option(name, (float,))
        case str():
            return Option(name, (str,))
    return Option(name, may_be_null=True)


def _find_pins(gpiozero: ModuleType, caught: Sequence[warnings.WarningMessage]) -> None:
    try:
        gpiozero.Device.ensure_pin_factory()
    except Exception as error:
        # gpiozero warns of what each of its pin factories lacked.
        tried = "".join(f"; {warning.message}" for warning in caught)
        hint = _hint(f"{error}{tried}", _NO_PINS).removeprefix(". ")
        raise SensorError(f"no pins. {hint}. ({_told(error)}{tried})") from error


def _hint(text: str, otherwise: str = "") -> str:
    hint = next((hint for part, hint in _HINTS.items() if part in text), otherwise)
    return hint and f". {hint[0].upper()}{hint[1:]}"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

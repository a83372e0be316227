"""gpiozero, as sensors and outputs use it: its classes built from options, its errors explained.

Knows no class by name and keeps no device. gpiozero is imported only when something configured
needs it.
"""

import contextlib
import inspect
import threading
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from config.problems import shown
from device.sensors import OptionProblem, SensorError
from device.sensors.options import Option, check, choices

# What the signatures do not tell: https://gpiozero.readthedocs.io/en/stable/, api_input.html,
# api_output.html and api_spi.html. The number of a pin, or one of gpiozero's names for it
# ("GPIO17", "BOARD11").
_PIN = (int, str)
_SPI = ("port", "device", "clock_pin", "mosi_pin", "miso_pin", "select_pin")
_DOCUMENTED = {
    "pin": Option("pin", _PIN, is_required=True),
    "active_state": Option("active_state", (bool,), may_be_null=True),
    "bounce_time": Option("bounce_time", (float,), least=0, of="seconds", may_be_null=True),
    **{name: Option(name, _PIN, is_required=True) for name in ("a", "b", "echo", "trigger")},
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
    "on a Raspberry Pi `sudo apt install python3-lgpio` (plain Debian: docs/install.md; seen from a virtual environment only when "
    "made with --system-site-packages) and put the user into the group gpio; "
    "without a Pi set GPIOZERO_PIN_FACTORY=mock"
)
_MISSING = (
    "gpiozero is not installed: `sudo apt install python3-gpiozero` or `pip install gpiozero`"
)

# gpiozero makes its pin factory and its shared SPI buses without a lock; every sensor has a thread.
_turn = threading.Lock()
_TURN_S = 10.0


def problems(
    class_name: str | None, options: Mapping[str, Any], classes: Collection[str], use: str
) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so; needs no pins.

    `classes` are those that serve here, and `use` says for what: "read", "switched".
    """
    if class_name is None or class_name not in classes:
        asked = (
            f"no class `{shown(class_name)}` to be {use}."
            if class_name
            else "write `gpiozero:CLASS`."
        )
        return [OptionProblem(None, asked + choices(class_name or "", classes))]
    try:
        accepted = _accepted(getattr(_gpiozero(), class_name))
    except SensorError as error:
        return [OptionProblem(None, str(error))]
    return check(f"gpiozero:{class_name}", options, accepted)


def built(class_name: str, options: Mapping[str, Any]) -> Any:
    """Build a device of gpiozero: from now on it has its pins.

    Raises:
        SensorError: no gpiozero, no pins, or gpiozero does not take this class and options.
    """
    gpiozero = _gpiozero()
    with _in_turn(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _find_pins(gpiozero, caught)
        return _called(getattr(gpiozero, class_name), options)


def close(device: Any) -> None:
    """Give the pins of a device back; never raises."""
    with contextlib.suppress(Exception), _in_turn():
        device.close()


def _called(device_class: Any, options: Mapping[str, Any]) -> Any:
    try:
        return device_class(**options)
    except Exception as error:
        arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
        call = f"{device_class.__name__}({arguments})"
        raise SensorError(f"{call}: {_told(error)}{_hint(str(error))}") from error


@contextlib.contextmanager
def _in_turn() -> Iterator[None]:
    if not _turn.acquire(timeout=_TURN_S):
        raise SensorError("another gpiozero device hangs while it is opened or closed")
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

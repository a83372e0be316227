"""Driver `circuitpython:module.Class`: any of the hundreds of CircuitPython's drivers.

    driver: circuitpython:adafruit_scd4x.SCD4X
    options: {address: 0x62, setup: [start_periodic_measurement]}

Options of ours, the others are the class's own:

    bus       the number of an I2C bus (1), or `spi`
    address   on that bus; left out, the one that the class takes for usual
    pin, cs   a pin by Blinka's name (`D4`): the sensor's, or its chip select
    setup     methods to call once, and attributes to set (`gain=2`)
    wrap      channel -> what reads one, by its class and arguments after the device:
              {battery: adafruit_ads1x15.analog_in.AnalogIn(0)}
    read      the properties, or methods without arguments, to read, or channel -> property; left out,
              all that CircuitPython's design guide names, in our units

A DHT measures every 2 s at most: an interval of 5 s or more leaves time for what it misses.
"""

import contextlib
import errno
import inspect
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from config.problems import shown
from device.sensors import (
    Adapter,
    Channel,
    OptionProblem,
    Sample,
    SensorError,
    buses,
    circuitpython_modules,
    properties,
)
from device.sensors.buses import BUSES
from device.sensors.options import Option, check
from device.sensors.properties import Property
from wire.readings import is_sensor_name

_BUS = Option("bus", (int, str), 0, 99)
_OURS = (
    _BUS,
    Option("address", (int,), 0x03, 0x77),
    Option("pin", (str,), least=1),
    Option("cs", (str,), least=1),
    Option("setup", (list,), 1, 32),
    Option("wrap", (dict,), 1, 32),
    Option("read"),
)
_NAMES = {option.name for option in _OURS}
_I2C, _PINS = ("i2c", "i2c_bus"), ("pin", "data_pin", "dht_pin")
_ADDRESSES = ("address", "addr", "i2c_address", "device_address")
_GIVEN = (*_I2C, *_PINS, *_ADDRESSES, "spi", "cs")
_WRAPPER = re.compile(r"([A-Za-z_][\w.]*)\.([A-Za-z_]\w*)\(\s*((?:[0-9]+\s*,?\s*)*)\)")


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without importing anything what can be checked so; a library may be installed later."""
    ours = {name: value for name, value in options.items() if name in _NAMES}
    found = check("circuitpython", ours, _OURS)
    if not found:
        found = [*_form_problems(ours)]
    module, dot, name = (argument or "").rpartition(".")
    if not dot or not all(part.isidentifier() for part in (*module.split("."), name)):
        told = "write `circuitpython:module.Class`, as in `circuitpython:adafruit_sht31d.SHT31D`"
        return [*found, OptionProblem(None, told)]
    return [*found, *circuitpython_modules.problems(module, name, options, _NAMES, _GIVEN)]


def make(argument: str | None, options: Mapping[str, Any]) -> "CircuitPython":
    """Build the adapter."""
    module, _, name = (argument or "").rpartition(".")
    return CircuitPython(module, name, options)


class CircuitPython(Adapter):
    """One object of one driver. Sensors of one bus share its object, and one thread."""

    def __init__(self, module: str, name: str, options: Mapping[str, Any]) -> None:
        self.channels: Sequence[Channel] = ()
        bus = options.get("bus", 1)
        has_bus = not ({"pin"} & options.keys()) or "bus" in options
        self.lane = (f"i2c-{bus}" if isinstance(bus, int) else bus) if has_bus else ""
        self._module = module
        self._name = name
        self._options = options
        self._bus: Any = None
        self._device: Any = None
        self._read: list[tuple[Any, Property]] = []
        self._is_reading = False
        self._failed = ""
        self._failed_until_s = 0.0

    def open(self) -> None:
        """Import the driver, take its bus, and build it.

        Raises:
            SensorError: the library is missing, or the class does not take this.
            OSError, RuntimeError, ValueError: it does not answer.
        """
        device_class = circuitpython_modules.loaded(self._module, self._name)
        self._is_reading = True
        try:
            self._device = self._built(device_class)
            self._set_up()
            self._read = self._parts()
            self._failed = ""
        finally:
            self._is_reading = False
        if not self._read:
            raise SensorError(
                f"{self._name} has no property that is known: name what to read in `read`; it has "
                f"{', '.join(_public(device_class)) or 'none'}"
            )
        self.channels = [where for _, each in self._read for where in each.channels]

    def read(self) -> list[Sample]:
        """Read every property once. Raises whatever the driver raises: OSError, RuntimeError may pass."""
        if not self._read:
            raise SensorError("not open")
        if self._failed and time.monotonic() < self._failed_until_s:
            raise RuntimeError(self._failed)  # what it gave now would be what it gave before
        self._is_reading = True
        try:
            return [one for device, each in self._read for one in properties.samples(device, each)]
        except RuntimeError as error:
            self._failed = str(error)
            self._failed_until_s = time.monotonic() + properties.repeats_s(self._device)
            raise
        finally:
            self._is_reading = False

    def close(self) -> None:
        """Give the device and its bus back; where a call of it hangs nobody gets that bus again."""
        device, self._device, self._read = self._device, None, []
        bus, self._bus = self._bus, None
        if bus is not None:
            BUSES.give_back(self.lane, bus, hangs=self._is_reading)
        for name in ("deinit", "exit"):
            release = getattr(device, name, None)
            if callable(release) and not self._is_reading:
                with contextlib.suppress(Exception):  # it is given up, whatever it says
                    release()
                return

    def _built(self, device_class: type) -> Any:
        taken = inspect.signature(device_class).parameters
        try:
            return device_class(**self._arguments(taken))
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            if _is_owned(error):
                raise SensorError(_OWNED) from error
            if isinstance(error, OSError | RuntimeError):
                raise
            raise SensorError(f"{self._name}: {error}{_hint(error)}") from error

    def _arguments(self, taken: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
        """Return what the class is called with: ours by the names that it has for them, and its own."""
        options = self._options
        arguments = {name: value for name, value in options.items() if name not in _NAMES}
        if "pin" in options:
            name = _first(taken, _PINS) or next(iter(taken))
            arguments[name] = _pin(options["pin"])
        elif options.get("bus") == "spi":
            self._bus = BUSES.take(self.lane, buses.spi)
            arguments[_first(taken, ("spi",)) or next(iter(taken))] = self._bus
            if "cs" in options:
                select = buses.blinka("digitalio").DigitalInOut(_pin(options["cs"]))
                arguments[_first(taken, ("cs", "cs_pin")) or "cs"] = select
        else:
            number = options.get("bus", 1)
            self._bus = BUSES.take(self.lane, lambda: buses.i2c(number))
            arguments[_first(taken, _I2C) or next(iter(taken))] = self._bus
        if "address" in options:
            arguments[_first(taken, _ADDRESSES) or "address"] = options["address"]
        return arguments

    def _set_up(self) -> None:
        for each in self._options.get("setup", ()):
            name, equals, value = each.partition("=")
            try:
                if equals:
                    setattr(self._device, name.strip(), _literal(value.strip()))
                else:
                    getattr(self._device, name.strip())()
            except (AttributeError, TypeError) as error:
                raise SensorError(f"`setup`: {each}: {error}") from error

    def _parts(self) -> list[tuple[Any, Property]]:
        if wrap := self._options.get("wrap"):
            return [self._wrapped(name, text) for name, text in wrap.items()]
        try:
            found = properties.chosen(self._device, self._options.get("read"))
        except AttributeError as error:
            there = ", ".join(_public(type(self._device)))
            raise SensorError(f"`read`: {error}; it has {there}") from error
        return [(self._device, each) for each in found]

    def _wrapped(self, name: str, text: str) -> tuple[Any, Property]:
        parts = _WRAPPER.fullmatch(text)
        assert parts is not None, "checked by `problems`"
        wrapper = circuitpython_modules.loaded(parts[1], parts[2])
        numbers = [int(each) for each in re.findall(r"\d+", parts[3])]
        try:
            made = wrapper(self._device, *numbers)
        except (TypeError, ValueError) as error:
            raise SensorError(f"`wrap`: {text}: {error}") from error
        (first, its), *_ = properties.known(type(made)).items() or [("value", None)]
        read = {name: first} if its is not None else {name: "value"}
        return made, properties.chosen(made, read)[0]


_OWNED = (
    "a driver of the kernel has this address: read it by that (`driver: iio:NAME` or `hwmon:NAME`; "
    "`telegauge-device doctor` says which), or take its `dtoverlay=` line out of config.txt"
)


def _is_owned(error: BaseException | None) -> bool:
    """Say whether the kernel refused the address; drivers make "No I2C device" of that."""
    while error is not None and not (isinstance(error, OSError) and error.errno == errno.EBUSY):
        error = error.__cause__ or error.__context__
    return error is not None


def _hint(error: Exception) -> str:
    if "No I2C device" in str(error):
        return ". `telegauge-device doctor` shows what answers on the bus"
    return ""


def _form_problems(options: Mapping[str, Any]) -> list[OptionProblem]:
    found = []
    if isinstance(options.get("bus"), str) and options["bus"] != "spi":
        told = f"`bus` is the number of an I2C bus, or spi, not {shown(options['bus'])}"
        found.append(OptionProblem("bus", told))
    for name, text in options.get("wrap", {}).items():
        if not isinstance(text, str) or not _WRAPPER.fullmatch(text):
            told = f"`{shown(name)}`: write module.Class(NUMBER), such as adafruit_ads1x15.analog_in.AnalogIn(0)"
            found.append(OptionProblem("wrap", told))
    read = options.get("read")
    names = read.values() if isinstance(read, dict) else read
    is_right = isinstance(read, dict | list) and all(isinstance(name, str) for name in names or ())
    if read is not None and not (is_right and read):
        told = "`read` is a list of properties, or a mapping of channels to them"
        found.append(OptionProblem("read", told))
    for option in ("wrap", "read"):
        named = options[option] if isinstance(options.get(option), dict) else ()
        for name in named:
            if not isinstance(name, str) or not is_sensor_name(name):
                told = f"`{shown(str(name))}` cannot name a channel: small letters, digits, `_`, a letter first"
                found.append(OptionProblem(option, told))
    return found


def _first(taken: Mapping[str, object], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in taken), None)


def _pin(name: str) -> Any:
    board = buses.blinka("board")
    try:
        return getattr(board, name)
    except AttributeError as error:
        raise SensorError(f"this board has no pin `{shown(name)}`: D4 is GPIO 4") from error


def _literal(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _public(device_class: type) -> list[str]:
    return [
        name
        for name in dir(device_class)
        if not name.startswith("_") and properties.is_property(device_class, name)
    ]

"""Driver `python:module.object`: a class or function of one's own.

    driver: python:tank.Tank
    options: {path: /sys/bus/iio/devices/iio:device0/in_voltage0_raw, scale: 0.002}

with this in /etc/telegauge/sensors.d/tank.py (or where the option `folder` says):

    class Tank:
        channels = {"level": "m"}

        def __init__(self, path, scale=1.0):
            self.path, self.scale = path, scale

        def read(self):
            with open(self.path) as file:
                return {"level": float(file.read()) * self.scale}

The other options are its keyword arguments. `read`, or the function itself, gives a number, a mapping
of channels to numbers, or a list of (channel, number, unit, quality), of which the last two may be left
out. A number may always be (number, unit); None is no value this time. A class may have `open` and
`close`, and `channels`, which maps each channel to its unit; left out, they are those that it gives.

A file stands alone: what several need is a package to install, which `python:package.module.object`
finds as an import would. Who may write the file or a folder above it could run code as the agent, so
that may be root and the agent's own user alone. It is imported once the sensor is opened, and once in
the agent's life.
"""

import contextlib
import importlib
import importlib.util
import math
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from config.problems import shown
from device.sensors import OptionProblem, Sample, SensorError, libraries, source
from device.sensors.found import FoundAdapter
from device.sensors.options import Option, check, choices, completed
from device.sensors.source import SourceError
from wire.readings import Quality, is_sensor_name, is_unit

_OPTIONS = (Option("folder", (str,), least=1, default="/etc/telegauge/sensors.d"),)
_MAX_CHANNELS = 1000
_IMPORT_WITHIN_S = 10.0
_ACCEPTED = (
    "a number, {channel: number} or [(channel, number, unit, quality), ...], where a number may be "
    "(number, unit)"
)
_turns: dict[str, threading.Lock] = {}


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Look at the source, and import nothing: that may touch hardware."""
    ours, theirs = _apart(options)
    if found := check("python", ours, _OPTIONS):
        return found
    module, dot, name = (argument or "").rpartition(".")
    if not dot or not all(part.isidentifier() for part in (*module.split("."), name)):
        told = "write `python:module.object`, as in `python:tank.Tank`"
        return [OptionProblem(None, told)]
    try:
        libraries.findable()
        file = source.found(module, Path(completed(ours, _OPTIONS)["folder"])).file
        source.check_writers(file)
        definition = source.defined(file, name)
    except SourceError as error:
        return [OptionProblem(None, str(error))]
    return [] if definition is None else list(_definition_problems(file, definition, theirs))


def make(argument: str | None, options: Mapping[str, Any]) -> "PythonSensor":
    """Build the adapter."""
    ours, theirs = _apart(options)
    module, _, name = (argument or "").rpartition(".")
    return PythonSensor(module, name, Path(completed(ours, _OPTIONS)["folder"]), theirs)


class PythonSensor(FoundAdapter):
    """One object of one module."""

    def __init__(self, module: str, name: str, folder: Path, keywords: Mapping[str, Any]) -> None:
        super().__init__(_MAX_CHANNELS)
        self._module = module
        self._name = name
        self._folder = folder
        self._keywords = keywords
        self._file = ""
        self._read: Callable[[], Any] | None = None
        self._made: Any = None

    def _start(self) -> None:
        self._stop()
        try:
            libraries.findable()
            module = source.found(self._module, self._folder)
            source.check_writers(module.file)
        except SourceError as error:
            raise SensorError(str(error)) from None
        self._file = str(module.file)
        with self._told():
            found = getattr(_loaded(module), self._name)
            if not isinstance(found, type):
                self._read = lambda: found(**self._keywords)
                return
            self._made = found(**self._keywords)
            self._read = self._made.read
            if hasattr(self._made, "open"):
                self._made.open()
            channels = getattr(self._made, "channels", None) or {}
        if not isinstance(channels, Mapping):
            raise SensorError(f"{self._file}: `channels` must be {{channel: unit}}")
        self._found.meet(
            self._checked(lambda: [_sample(name, None, unit) for name, unit in channels.items()])
        )
        self.channels = self._found.channels

    def _take(self) -> Sequence[Sample]:
        assert self._read is not None, "called between _start and _stop"
        with self._told():
            given = self._read()
        return self._checked(lambda: _samples(given))

    def _checked(self, made: Callable[[], list[Sample]]) -> list[Sample]:
        try:
            return made()
        except (TypeError, ValueError) as error:
            raise SensorError(f"{self._file}: `{self._name}` gave {error}") from None

    def _stop(self) -> None:
        made, self._made = self._made, None
        with contextlib.suppress(Exception, SystemExit):
            if hasattr(made, "close"):
                made.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - raised again, with its place
            self._raise(error)

    def _raise(self, error: BaseException) -> NoReturn:
        """Say where in the file it happened; what may pass stays of a kind that is tried again."""
        lines = [
            each.lineno
            for each in traceback.extract_tb(error.__traceback__)
            if each.filename == self._file
        ]
        where = f"{self._file}:{lines[-1]}" if lines else self._file
        message = f"{where}: {type(error).__name__}: {error}"
        for kind in (OSError, RuntimeError):
            if isinstance(error, kind):
                raise kind(message) from error
        raise SensorError(message) from error


def _apart(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    ours = {option.name for option in _OPTIONS}
    return (
        {name: value for name, value in options.items() if name in ours},
        {name: value for name, value in options.items() if name not in ours},
    )


def _definition_problems(
    file: Path, definition: source.Definition, options: Mapping[str, Any]
) -> Iterator[OptionProblem]:
    name = definition.name
    where = f"{file}:{definition.lineno}"
    if source.is_async(definition):
        yield OptionProblem(None, f"{where}: `{name}` is async: write a plain function")
    if source.lacks_method(definition, "read"):
        yield OptionProblem(None, f"{where}: the class `{name}` has no method `read`")
    accepted = source.keywords(definition)
    if accepted is None:
        return
    for option in options:
        if option not in accepted.names and not accepted.is_open:
            all_there_are = [*accepted.names, *(each.name for each in _OPTIONS)]
            told = f"`{name}` ({where}) has no argument `{shown(option)}`."
            yield OptionProblem(option, told + choices(option, all_there_are))
    for option in accepted.required:
        if option not in options:
            yield OptionProblem(None, f"`{name}` ({where}) needs the option `{option}`")


def _loaded(module: source.Module) -> ModuleType:
    """Import a module, once whoever asks: an installed one as any other, a file under its path."""
    name = module.name if module.is_installed else str(module.file)
    turn = _turns.setdefault(name, threading.Lock())
    if not turn.acquire(timeout=_IMPORT_WITHIN_S):
        raise RuntimeError("its import hangs, for another sensor")
    try:
        if module.is_installed:
            return importlib.import_module(name)
        return sys.modules.get(name) or _executed(name, module.file)
    finally:
        turn.release()


def _executed(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file always has a loader"
    assert spec.loader is not None, "a .py file always has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _samples(given: Any) -> list[Sample]:
    """Return what a read gave as samples.

    Raises:
        TypeError, ValueError: it is nothing of the kind.
    """
    if isinstance(given, Mapping):
        samples = [_sample(name, *_with_unit(number)) for name, number in given.items()]
    elif isinstance(given, list) or (isinstance(given, tuple) and not _is_pair(given)):
        samples = [_of_tuple(each) for each in given]
    else:
        samples = [_sample("value", *_with_unit(given))]
    names = [sample.channel for sample in samples]
    if len(set(names)) < len(names):
        raise ValueError("one channel twice")
    return samples


def _is_pair(given: tuple[Any, ...]) -> bool:
    return len(given) == 2 and isinstance(given[1], str)


def _with_unit(given: Any) -> tuple[Any, str]:
    return (given[0], given[1]) if isinstance(given, tuple) and _is_pair(given) else (given, "")


def _of_tuple(given: Any) -> Sample:
    if not isinstance(given, tuple) or not 2 <= len(given) <= 4:
        raise TypeError(f"{_shortly(given)}. Accepted: {_ACCEPTED}")
    return _sample(*given)


def _sample(channel: Any, number: Any, unit: Any = "", quality: Any = Quality.GOOD) -> Sample:
    if not isinstance(channel, str) or not is_sensor_name(channel):
        raise ValueError(
            f"the channel {_shortly(channel)}: small letters, digits and _, beginning with a letter"
        )
    if not isinstance(unit, str) or not is_unit(unit):
        raise ValueError(f"the unit {_shortly(unit)} for `{channel}`: a text of up to 16 bytes")
    if not isinstance(quality, int) or not 0 <= quality <= 255:
        raise ValueError(f"the quality {_shortly(quality)} for `{channel}`: 0 to 255")
    value = _as_float(number)
    return Sample(channel, value if quality < Quality.BAD else math.nan, unit, int(quality))


def _as_float(number: Any) -> float:
    if number is None:
        return math.nan
    if isinstance(number, str | bytes) or not hasattr(number, "__float__"):
        raise TypeError(f"{_shortly(number)}. Accepted: {_ACCEPTED}")
    try:
        value = float(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{_shortly(number)}: {error}") from None
    if math.isinf(value):
        raise ValueError("an infinite number")
    return value


def _shortly(given: object) -> str:
    return f"`{shown(repr(given)[:200])}`"

"""The adapter interface and the registry: from a `driver:` in the YAML to something that reads.

An adapter knows its hardware and nothing of schedules, batches or settings. Its module is imported
when a configured sensor names it, so nobody pays for drivers they do not use.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from config.problems import shown
from device.sensors.aliases import ALIASES
from device.sensors.options import OptionProblem, choices
from wire.readings import Quality

__all__ = [
    "ADAPTERS",
    "Adapter",
    "AdapterModule",
    "Channel",
    "Emit",
    "OptionProblem",
    "Sample",
    "SensorError",
    "make",
    "problems",
    "told",
]


class Sample(NamedTuple):
    """A raw value just read, in `unit`; NaN where the channel had none this time.

    `quality` is other than good where the adapter itself knows better: the value that a chip gives
    before it has measured, a channel that has been silent for too long. Bad goes with NaN.
    """

    channel: str
    value: float
    unit: str
    quality: int = Quality.GOOD


# Takes what happened between reads: when (CLOCK_BOOTTIME, ns), and the samples of that moment. May be
# called from any thread; neither blocks nor raises.
Emit: TypeAlias = Callable[[int, Sequence[Sample]], None]


@dataclass(frozen=True)
class Channel:
    """One quantity a sensor gives.

    `quantity` says what is measured (`temperature`), in Home Assistant's device-class words where
    one fits; `decimals` is how many digits after the point carry information.
    """

    name: str
    unit: str
    quantity: str = ""
    decimals: int | None = None


class SensorError(Exception):
    """A sensor could not be opened or read; the message says what to do where we know it."""


def told(error: BaseException) -> str:
    """Return what people are told of whatever a driver raised."""
    if isinstance(error, SensorError):  # written for people already
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Adapter(Protocol):
    """What the agent asks of a sensor; its classes inherit what they do not say themselves.

    All calls come from one worker thread, in the order `listen`, `open`, `read` ..., `close`; only
    where a call hangs may `close` come from another thread meanwhile, and it is the last then.

    Attributes:
        channels: known at the latest once `open` has returned; may be others after another `open`.
        lane: what it shares with others, such as `i2c-1`: all adapters of a lane are called from one
            thread. Empty: it has a thread of its own.
        takes_s: how long a read surely takes at the least, where that is long: a shorter `timeout` in
            the YAML would mean no reading ever.
        is_event_driven: `emit` gives readings of it between the reads.
        note: what people should know of how it is read, once it is open ("kernel driver bmp280");
            empty, most of the time.
    """

    channels: Sequence[Channel]
    lane: str = ""
    takes_s: float = 0.0
    is_event_driven: bool = False
    note: str = ""

    def listen(self, emit: Emit) -> None:  # noqa: ARG002
        """Call `emit` with whatever happens between two reads, from `open` on until `close`."""
        return  # most have nothing to say then

    def open(self) -> None:
        """Take the hardware. Raises any exception where that fails; may be called again then.

        Also called again, after a `close`, where reads failed again and again.
        """

    def read(self) -> Sequence[Sample]:
        """Read every channel once; may block.

        Raises any exception for a failed read: OSError and RuntimeError are tried again at once, as
        buses and chips fail in passing; what will not pass is a SensorError.
        """

    def close(self) -> None:
        """Give the hardware back; called also after a failed open, and must not raise."""


class AdapterModule(Protocol):
    """What a module named in ADAPTERS offers."""

    def problems(self, argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
        """Check without touching hardware what can be checked so."""

    def make(self, argument: str | None, options: Mapping[str, Any]) -> Adapter:
        """Build the adapter, of an argument and options that `problems` found nothing wrong with.

        `argument` is what stands behind the colon of `driver:`, None where there is no colon; of a
        plain name (see `aliases`) it is that.
        """


ADAPTERS = {
    "agent": "device.sensors.own",
    "circuitpython": "device.sensors.circuitpython",
    "exec": "device.sensors.exec",
    "gpiozero": "device.sensors.gpio",
    "host": "device.sensors.host",
    "hwmon": "device.sensors.hwmon",
    "iio": "device.sensors.iio",
    "lines": "device.sensors.lines",
    "pulses": "device.sensors.pulses",
    "python": "device.sensors.python",
    "replay": "device.sensors.replay",
    "serial": "device.sensors.serial",
    "synthetic": "device.sensors.synthetic",
    "w1": "device.sensors.w1",
}


def problems(driver: str, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Say what is wrong with a driver and its options, without touching hardware."""
    name, colon, _ = driver.partition(":")
    if name in ALIASES and colon:
        return [OptionProblem(None, f"write `{name}` alone, and the rest under `options`")]
    if name not in ADAPTERS and name not in ALIASES:
        unknown = f"unknown driver `{shown(name)}`.{choices(name, [*ADAPTERS, *ALIASES])}"
        return [OptionProblem(None, unknown)]
    module, argument = _module(driver)
    return module.problems(argument, options)


def make(driver: str, options: Mapping[str, Any]) -> Adapter:
    """Build the adapter that `driver:` names.

    Raises:
        SensorError: no such adapter, or options that it does not take.
    """
    if found := problems(driver, options):
        raise SensorError("; ".join(problem.message for problem in found))
    module, argument = _module(driver)
    return module.make(argument, options)


def _module(driver: str) -> tuple[AdapterModule, str | None]:
    """Return the module of a driver, and what it is to be told: what stands behind the colon."""
    name, colon, argument = driver.partition(":")
    if name in ALIASES:
        module: AdapterModule = importlib.import_module("device.sensors.named")
        return module, name
    module = importlib.import_module(ADAPTERS[name])
    return module, argument if colon else None

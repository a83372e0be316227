"""Driver `synthetic:KIND`: sensors without hardware, for demos, load and fault tests.

Owns the kinds and their options; what each kind gives is in `shapes`. With `ledger: FILE` every read
writes what it gives, so that a test can tell what the sensor produced whatever died afterwards.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from config.problems import shown
from device.sensors import Channel, OptionProblem, Sample, SensorError
from device.sensors.options import Option, check, choices, completed
from device.sensors.shapes import Counter, Shape, Sine, Step, Stuck, Walk

_LARGE = 1e12  # values stay finite, and keep three decimals
_UNIT_BYTES = 16  # what the wire has room for


def _number(name: str, default: float) -> Option:
    return Option(name, (float,), -_LARGE, _LARGE, default=default)


def _seconds(name: str, default: float) -> Option:
    return Option(name, (float,), 0.001, 86_400, of="seconds", default=default)


_COMMON = (
    Option("channels", (int,), 1, 1000, default=1),
    Option("unit", (str,), most=_UNIT_BYTES, default=""),
    Option("ledger", (str,), least=1),
)


class _Kind(NamedTuple):
    """A kind's own options are the arguments of its shape, save those that the adapter heeds."""

    shape: Callable[..., Shape]
    options: tuple[Option, ...]


_HEEDED = ("every", "delay")

_KINDS = {
    "sine": _Kind(Sine, (_seconds("period", 60), _number("amplitude", 1), _number("mean", 0))),
    "step": _Kind(Step, (_seconds("period", 60), _number("low", 0), _number("high", 1))),
    "walk": _Kind(
        Walk,
        (
            _number("start", 0),
            Option("step", (float,), 0, _LARGE, default=1),
            Option("seed", (int,)),
        ),
    ),
    "counter": _Kind(Counter, (Option("start", (int,), -_LARGE, _LARGE, default=0),)),
    "stuck": _Kind(Stuck, (_number("value", 0),)),
    # Every nth read fails, the others count; so does slow, after `delay`.
    "failing": _Kind(Counter, (Option("every", (int,), 1, _LARGE, default=1),)),
    "slow": _Kind(Counter, (_seconds("delay", 5),)),
}


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without touching hardware what can be checked so."""
    if argument not in _KINDS:
        asked = (
            f"no kind `{shown(argument)}` of synthetic sensor."
            if argument
            else "write `synthetic:KIND`."
        )
        return [OptionProblem(None, asked + choices(argument or "", _KINDS))]
    return check(f"synthetic:{argument}", options, _KINDS[argument].options + _COMMON)


def make(argument: str | None, options: Mapping[str, Any]) -> "Synthetic":
    """Build the adapter."""
    kind = _KINDS[argument or ""]
    own = completed(options, kind.options)
    heeded = {name: own.pop(name) for name in _HEEDED if name in own}
    return Synthetic(kind.shape(**own), **completed(options, _COMMON), **heeded)


class Synthetic:
    """A sensor of any kind.

    Reads are numbered from 1 over the adapter's life, failed ones too.

    Args:
        shape: gives the values.
        channels: how many; one is `value`, more are `value_1`, `value_2` ...
        unit: of all channels.
        ledger: a file that gets a line `n channel value` a sample, before `read` returns it.
        every: of so many reads the last fails; 0: none does.
        delay: how long a read takes, in seconds; `close`, from another thread, ends it at once.
    """

    def __init__(
        self,
        shape: Shape,
        channels: int,
        unit: str,
        ledger: str | None,
        every: int = 0,
        delay: float = 0,
    ) -> None:
        names = [f"value_{i}" for i in range(1, channels + 1)] if channels > 1 else ["value"]
        self.channels: Sequence[Channel] = [Channel(name, unit) for name in names]
        self._shape = shape
        self._every = every
        self._delay_s = delay
        self._ledger = Ledger(ledger) if ledger else None
        self._is_closed = threading.Event()
        self._is_closed.set()
        self._reads = 0

    def open(self) -> None:
        """Open the ledger, if there is one."""
        if self._ledger:
            self._ledger.open()
        self._is_closed.clear()

    def read(self) -> list[Sample]:
        """Give the values of this moment.

        Raises:
            SensorError: not open, closed meanwhile, or a read that is to fail.
        """
        if self._is_closed.wait(self._delay_s):
            raise SensorError("not open")
        self._reads += 1
        if self._every and self._reads % self._every == 0:
            raise SensorError(f"read {self._reads} fails, as asked by `every: {self._every}`")
        values = self._shape.values(self._reads, _boottime_s(), len(self.channels))
        samples = [
            Sample(channel.name, value, channel.unit)
            for channel, value in zip(self.channels, values, strict=True)
        ]
        if self._ledger:
            self._ledger.write(self._reads, samples)
        return samples

    def close(self) -> None:
        """End a slow read that is under way, and close the ledger."""
        self._is_closed.set()
        if self._ledger:
            self._ledger.close()


class Ledger:
    """A file that is told every sample; a line once written is there whatever dies, save the power."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None

    def open(self) -> None:
        """Open for appending; once is enough."""
        if self._fd is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o644)

    def write(self, n: int, samples: Sequence[Sample]) -> None:
        """Append the samples of the read `n`, in one write.

        Raises:
            SensorError: they could not all be written.
        """
        lines = "".join(f"{n} {sample.channel} {sample.value!r}\n" for sample in samples).encode()
        if self._fd is None or os.write(self._fd, lines) < len(lines):
            raise SensorError(f"the ledger {self._path} is full")

    def close(self) -> None:
        """Close; once is enough."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _boottime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)

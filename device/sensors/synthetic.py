"""Driver `synthetic:KIND`: sensors without hardware, for demos, load and fault tests.

Owns the kinds and their options; what each kind gives is in `shapes`. With `ledger: FILE` every read
writes what it gives and when, so that a test can tell what the sensor produced whatever died
afterwards. Reads are then numbered on behind the last one in the ledger, so that a counter gives no
value twice over restarts of the program.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from config.problems import shown
from device.sensors import Adapter, Channel, OptionProblem, Sample, SensorError
from device.sensors.options import Option, check, choices, completed
from device.sensors.shapes import Counter, Shape, Sine, Step, Stuck, Walk

_LARGE = 1e12  # values stay finite, and keep three decimals
_UNIT_BYTES = 16  # what the wire has room for
_LEDGER_TAIL_BYTES = 4096  # more than its longest line


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


class Synthetic(Adapter):
    """A sensor of any kind.

    Reads are numbered from 1 over the adapter's life, failed ones too; with a ledger they go on
    behind what it holds when it is opened.

    Args:
        shape: gives the values.
        channels: how many; one is `value`, more are `value_1`, `value_2` ...
        unit: of all channels.
        ledger: a file that gets a line `n channel value boottime_ns` a sample, before `read` returns
            it: the number of the read, the value, and CLOCK_BOOTTIME when it was given.
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
        """Open the ledger, if there is one, and count on behind it."""
        if self._ledger:
            self._reads = max(self._reads, self._ledger.open())
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
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        values = self._shape.values(self._reads, now_ns / 1e9, len(self.channels))
        samples = [
            Sample(channel.name, value, channel.unit)
            for channel, value in zip(self.channels, values, strict=True)
        ]
        if self._ledger:
            self._ledger.write(self._reads, samples, now_ns)
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

    def open(self) -> int:
        """Open for appending, where it is not open; return the number of the last read in it, or 0.

        A line that a kill tore is cut off: whoever tore it has not given that read to anyone.

        Raises:
            OSError: it cannot be opened.
            SensorError: the file is there and no ledger.
        """
        if self._fd is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o644)
        return self._last_read(self._fd)

    def write(self, n: int, samples: Sequence[Sample], given_ns: int) -> None:
        """Append the samples of the read `n`, in one write; `given_ns` is CLOCK_BOOTTIME.

        Raises:
            SensorError: they could not all be written.
        """
        lines = "".join(
            f"{n} {sample.channel} {sample.value!r} {given_ns}\n" for sample in samples
        ).encode()
        if self._fd is None or os.write(self._fd, lines) < len(lines):
            raise SensorError(f"the ledger {self._path} is full")

    def close(self) -> None:
        """Close; once is enough."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _last_read(self, fd: int) -> int:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return 0
        start = max(0, found.st_size - _LEDGER_TAIL_BYTES)
        tail = os.pread(fd, found.st_size - start, start)
        whole = tail[: tail.rfind(b"\n") + 1]
        number, *_ = (whole or tail).splitlines()[-1].split() or [b""]
        if not number.isdigit():  # before anything is cut off: it may be anyone's file
            raise SensorError(f"{self._path} is no ledger: name a new file, or none that is in use")
        if len(whole) < len(tail):
            os.ftruncate(fd, start + len(whole))
        return int(number) if whole else 0

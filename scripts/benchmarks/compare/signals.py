"""The data: what sensors on a 1 Hz grid give, as decimal numbers; the same for all parties.

An integer divided by a power of ten is the number that a parser makes of its decimal text.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SECOND_NS = 10**9
_Ints = npt.NDArray[np.int64]


class Column(NamedTuple):
    """One series: its name, its unit, and its values."""

    channel: str
    unit: str
    values: npt.NDArray[np.float64]

    def texts(self) -> list[str]:
        """Return the numbers as short as they can be written."""
        return [text.removesuffix(".0") for text in map(repr, self.values.tolist())]


class Sensor(NamedTuple):
    """What is read together, at the same times (UTC, ns)."""

    name: str
    times_ns: _Ints
    columns: list[Column]


class Device(NamedTuple):
    """One device's sensors; they have equally many reads."""

    name: str
    sensors: list[Sensor]

    @property
    def readings(self) -> int:
        """How many readings it has."""
        return sum(len(each.times_ns) * len(each.columns) for each in self.sensors)


class Wanted(NamedTuple):
    """What to make: `channels` of a sensor; jitter is uniform, in whole grains."""

    devices: int
    seconds: int
    start_ns: int
    channels: int = 10
    jitter_ns: int = 0
    grain_ns: int = 1_000_000

    @property
    def readings(self) -> int:
        """How many readings that will be."""
        return self.devices * self.seconds * len(KINDS)


def devices(wanted: Wanted, first: int = 0) -> Iterator[Device]:
    """Make the devices one by one from `first` on, always the same for the same wish."""
    for number in range(first, wanted.devices):
        yield _device(f"d{number:03d}", wanted, np.random.default_rng([7, number]))


def _device(name: str, wanted: Wanted, dice: np.random.Generator) -> Device:
    columns = [
        Column(channel, unit, make(dice, wanted.seconds) / 10.0**decimals)
        for channel, unit, decimals, make in KINDS
    ]
    parts = [columns[at : at + wanted.channels] for at in range(0, len(columns), wanted.channels)]
    return Device(
        name, [Sensor(f"s{at}", _times(wanted, dice), part) for at, part in enumerate(parts)]
    )


def _times(wanted: Wanted, dice: np.random.Generator) -> _Ints:
    grid = wanted.start_ns + np.arange(wanted.seconds, dtype=np.int64) * SECOND_NS
    if not wanted.jitter_ns:
        return grid
    grains = dice.integers(0, wanted.jitter_ns // wanted.grain_ns + 1, wanted.seconds)
    return grid + grains * wanted.grain_ns


def _walk(
    start: int, steps: Sequence[int], low: int, high: int
) -> Callable[[np.random.Generator, int], _Ints]:
    """Make something that moves by one of the steps each second, and turns at its bounds."""

    def make(dice: np.random.Generator, count: int) -> _Ints:
        way = start - low + np.cumsum(dice.choice(np.array(steps), count))
        there_and_back = np.mod(way, 2 * (high - low))
        return low + np.minimum(there_and_back, 2 * (high - low) - there_and_back)

    return make


def _noise(middle: int, spread: float) -> Callable[[np.random.Generator, int], _Ints]:
    def make(dice: np.random.Generator, count: int) -> _Ints:
        return np.rint(dice.normal(middle, spread, count)).astype(np.int64)

    return make


def _counter(dice: np.random.Generator, count: int) -> _Ints:
    return 10_000 + np.cumsum(dice.poisson(0.2, count))


def _busy(dice: np.random.Generator, count: int) -> _Ints:
    """Make a CPU's per cent: long stretches at a level, some noise on them."""
    level = np.repeat(dice.integers(20, 900, count // 60 + 1), 60)[:count]
    return np.clip(level + np.rint(dice.normal(0, 6, count)).astype(np.int64), 0, 1000)


def _state(dice: np.random.Generator, count: int) -> _Ints:
    return np.cumsum(dice.random(count) < 1 / 300) % 2


# Channel, unit, decimals, and what makes it.
KINDS: list[tuple[str, str, int, Callable[[np.random.Generator, int], _Ints]]] = [
    ("temperature", "degC", 1, _walk(215, (-1, 0, 0, 0, 0, 0, 0, 1), -200, 500)),
    ("humidity", "%", 1, _walk(450, (-1, 0, 0, 0, 0, 1), 0, 1000)),
    ("pressure", "hPa", 2, _walk(101325, (-2, -1, -1, 0, 0, 0, 0, 1, 1, 2), 95000, 105000)),
    ("voltage", "V", 3, _walk(3300, (-1, 0, 0, 1), 3000, 3600)),
    ("illuminance", "lx", 0, _walk(400, (-3, -2, -1, 0, 0, 0, 1, 2, 3), 0, 2000)),
    ("count", "1", 0, _counter),
    ("cpu", "%", 1, _busy),
    ("co2", "ppm", 0, _walk(600, (-1, 0, 0, 0, 1), 380, 5000)),
    ("state", "1", 0, _state),
    ("noise", "V", 2, _noise(500, 10.0)),
]

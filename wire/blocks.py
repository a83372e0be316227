"""Blocks: the columns of a batch, built on the device and read back anywhere.

A block is what one sensor read, one or more times, as packed little-endian columns:

    [sensor, times, [[channel, unit, values, qualities], ...]]

`times` is one i64 a read (CLOCK_BOOTTIME, nanoseconds), `values` one f64 a read, `qualities` one
byte a read, or nil where all are good. The envelope is MessagePack; a body is an array of blocks.
A sensor stands in more than one block of a body where its channels changed between two reads.
"""

import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from wire.errors import BatchError
from wire.readings import Quality, is_sensor_name, is_unit


class Point(NamedTuple):
    """What one channel gave in one read; `value` is NaN where `quality` is bad."""

    channel: str
    unit: str
    value: float
    quality: int


class Column(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One channel of a block: packed f64 values, and a quality byte each (nil: all good)."""

    channel: str
    unit: str
    values: bytes
    qualities: bytes | None


class Block(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One sensor's readings in a batch: packed i64 times, and a column a channel."""

    sensor: str
    times: bytes
    columns: list[Column]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Block])

# What an entry costs in the body at most, beside its texts: MessagePack's own heads.
_BLOCK_BYTES = 16
_COLUMN_BYTES = 24
_READING_BYTES = 9


def cost_bytes(points: Sequence[Point]) -> int:
    """Return an upper bound of what one read adds to a body."""
    texts = sum(len(point.channel) + len(point.unit.encode()) for point in points)
    return 64 + _BLOCK_BYTES + 8 + texts + len(points) * (_COLUMN_BYTES + _READING_BYTES)


class _OpenBlock:
    """The columns of one sensor while they grow."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.times = array("q")
        self.heads = [(point.channel, point.unit) for point in points]
        self.values = [array("d") for _ in points]
        self.qualities = [bytearray() for _ in points]

    def append(self, time_ns: int, points: Sequence[Point]) -> None:
        self.times.append(time_ns)
        for values, qualities, point in zip(self.values, self.qualities, points, strict=True):
            values.append(point.value)
            qualities.append(point.quality)

    def close(self, sensor: str) -> Block:
        columns = [
            Column(channel, unit, _packed(values), bytes(qualities) if any(qualities) else None)
            for (channel, unit), values, qualities in zip(
                self.heads, self.values, self.qualities, strict=True
            )
        ]
        return Block(sensor, _packed(self.times), columns)


class OpenBody:
    """The body of a batch that is still open; nothing of it is bounded here, its owner asks."""

    def __init__(self) -> None:
        self.readings = 0
        self.size_bytes = 0
        self.first_ns = 0
        self.last_ns = 0
        self._blocks: dict[tuple[str, tuple[tuple[str, str], ...]], _OpenBlock] = {}

    def add(self, sensor: str, time_ns: int, points: Sequence[Point]) -> None:
        """Add what one read of one sensor gave."""
        key = (sensor, tuple((point.channel, point.unit) for point in points))
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = _OpenBlock(points)
            self.size_bytes += cost_bytes(points)
        else:
            self.size_bytes += 8 + len(points) * _READING_BYTES
        block.append(time_ns, points)
        self.first_ns = min(self.first_ns, time_ns) if self.readings else time_ns
        self.last_ns = max(self.last_ns, time_ns) if self.readings else time_ns
        self.readings += len(points)

    def encoded(self) -> bytes:
        """Return the body as it travels, not deflated."""
        return _encoder.encode([block.close(key[0]) for key, block in self._blocks.items()])


def decode(body: bytes) -> list[Block]:
    """Read a body back, checking every name and every length.

    Raises:
        BatchError: it is not a body.
    """
    try:
        blocks = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BatchError(f"body is not an array of blocks: {error}") from None
    for block in blocks:
        _check(block)
    return blocks


def count(blocks: Sequence[Block]) -> int:
    """Return how many readings the blocks hold."""
    readings = 0
    for block in blocks:
        readings += len(block.times) // 8 * len(block.columns)
    return readings


def span_ns(blocks: Sequence[Block]) -> tuple[int, int]:
    """Return the first and the last time of the blocks (CLOCK_BOOTTIME, nanoseconds)."""
    times = _times(blocks[0])
    for block in blocks[1:]:
        times.extend(_times(block))
    return min(times), max(times)


def _check(block: Block) -> None:
    reads, rest = divmod(len(block.times), 8)
    if rest or not reads or not block.columns:
        raise BatchError(
            f"block of {len(block.times)} bytes of times, {len(block.columns)} columns"
        )
    _check_names(block.sensor, tuple([(each.channel, each.unit) for each in block.columns]))
    for column in block.columns:
        if len(column.values) != reads * 8:
            raise BatchError(f"{len(column.values)} bytes of values for {reads} times")
        if column.qualities is not None and len(column.qualities) != reads:
            raise BatchError(f"{len(column.qualities)} qualities for {reads} times")


@lru_cache(maxsize=1024)
def _check_names(sensor: str, channels: tuple[tuple[str, str], ...]) -> None:
    """Check names; those that were good are remembered, since a sensor's are the same in each batch."""
    if not is_sensor_name(sensor):
        raise BatchError(f"{sensor[:80]!r} cannot name a sensor")
    for channel, unit in channels:
        if not is_sensor_name(channel) or not is_unit(unit):
            raise BatchError(f"{channel[:80]!r} in {unit[:80]!r} is no channel")


def _packed(numbers: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _times(block: Block) -> "array[int]":
    times = array("q", block.times)
    if sys.byteorder == "big":
        times.byteswap()
    return times


def bad_points(channels: Sequence[tuple[str, str]], quality: Quality) -> list[Point]:
    """Return the points of a read that gave nothing: a NaN a channel, with the reason."""
    return [Point(channel, unit, float("nan"), quality) for channel, unit in channels]

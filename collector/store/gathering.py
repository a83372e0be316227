"""Gathering: from the blocks of many batches to the columns of each series, in order of time.

Small batches are joined as bytes: an array is made of a column once, not once a batch.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import Known
from collector.store.chunks import Columns, Run
from collector.store.parts import Times, dated, opened
from collector.store.rows import BatchRow
from wire import batches
from wire.blocks import Block
from wire.errors import BatchError


class Named(NamedTuple):
    """A series of a device, in one unit."""

    sensor: str
    channel: str
    unit: str


class Undecodable(NamedTuple):
    """What could not be read of a row: one batch, or the rest of the row, if nobody knows where it ends."""

    row_id: int
    sealed: bytes
    is_rest: bool


class _Alike(NamedTuple):
    """What blocks have in common that stand in the same columns."""

    sensor: str
    offset_ns: int
    known: Known
    error_ns: int | None
    channels: tuple[tuple[str, str], ...]


class _Packed:
    """The columns of blocks, as packed bytes: their times, and the values and qualities of each channel."""

    def __init__(self, channels: int) -> None:
        self.times: list[bytes] = []
        self.values: list[list[bytes]] = [[] for _ in range(channels)]
        self.qualities: list[list[bytes]] = [[] for _ in range(channels)]


class Gathered:
    """The readings of many batches of one device."""

    def __init__(self) -> None:
        self._of: dict[_Alike, _Packed] = {}

    def take(self, row: BatchRow) -> Iterator[Undecodable]:
        """Take the batches of a row; give those that cannot be read."""
        left = row.sealed
        try:
            for sealed in batches.split(row.sealed):
                left = left[len(sealed) :]
                try:
                    offset_ns, blocks = opened(row, sealed)
                except BatchError:
                    yield Undecodable(row.id, sealed, False)
                    continue
                for block in blocks:
                    self._add(row, offset_ns, block)
        except BatchError:
            yield Undecodable(row.id, left, True)

    def series(self) -> dict[Named, Columns]:
        """Return the columns of each series."""
        found: dict[Named, list[Columns]] = {}
        for alike, its in self._of.items():
            times_ns = dated(b"".join(its.times), alike.offset_ns)
            order = _order_of(times_ns)
            in_order = times_ns if order is None else times_ns[order]
            runs = (Run(len(times_ns), alike.known, alike.error_ns),)
            for place, (channel, unit) in enumerate(alike.channels):
                values = np.frombuffer(b"".join(its.values[place]), "<f8")
                qualities = np.frombuffer(b"".join(its.qualities[place]), np.uint8)
                if order is not None:
                    values, qualities = values[order], qualities[order]
                columns = Columns(in_order, values, qualities, runs)
                found.setdefault(Named(alike.sensor, channel, unit), []).append(columns)
        return {name: joined(columns) for name, columns in found.items()}

    def _add(self, row: BatchRow, offset_ns: int, block: Block) -> None:
        dating = row.dating
        channels = tuple([(column.channel, column.unit) for column in block.columns])
        alike = _Alike(block.sensor, offset_ns, dating.known, dating.error_ns, channels)
        its = self._of.get(alike)
        if its is None:
            its = self._of[alike] = _Packed(len(channels))
        its.times.append(block.times)
        all_good = bytes(len(block.times) // 8)
        for column, values, qualities in zip(block.columns, its.values, its.qualities, strict=True):
            values.append(column.values)
            qualities.append(column.qualities or all_good)


def joined(found: Sequence[Columns]) -> Columns:
    """Return the columns of one series as one, in order of time; equal times as they come."""
    if len(found) == 1:
        return found[0]
    times_ns = np.concatenate([columns.times_ns for columns in found])
    values = np.concatenate([columns.values for columns in found])
    qualities = np.concatenate([columns.qualities for columns in found])
    runs = [run for columns in found for run in columns.runs]
    whole = Columns(times_ns, values, qualities, _merged(runs))
    order = _order_of(times_ns)
    return whole if order is None else chosen(whole, order)


def chosen(columns: Columns, which: npt.NDArray[np.int64]) -> Columns:
    """Return some readings of a series, in the order named."""
    return Columns(
        columns.times_ns[which],
        columns.values[which],
        columns.qualities[which],
        _ordered(columns.runs, which),
    )


def _order_of(times_ns: Times) -> npt.NDArray[np.int64] | None:
    """Return the order of time; None where they are in it already."""
    if np.all(times_ns[1:] >= times_ns[:-1]):
        return None
    return np.argsort(times_ns, kind="stable")


def _ordered(runs: Sequence[Run], order: npt.NDArray[np.int64]) -> tuple[Run, ...]:
    """Return the runs of readings that were put in another order."""
    of_reading = np.repeat(np.arange(len(runs)), [run.readings for run in runs])[order]
    ends = np.append(np.flatnonzero(np.diff(of_reading)) + 1, len(order))
    lengths = np.diff(ends, prepend=0)
    which = of_reading[ends - 1]
    pairs = zip(which.tolist(), lengths.tolist(), strict=True)
    return _merged([runs[place]._replace(readings=length) for place, length in pairs])


def _merged(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return runs in which no two neighbours say the same."""
    made: list[Run] = []
    for run in runs:
        if made and made[-1][1:] == run[1:]:
            made[-1] = made[-1]._replace(readings=made[-1].readings + run.readings)
        else:
            made.append(run)
    return tuple(made)

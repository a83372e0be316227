"""Gathering: from the batches of a device to the columns of each series, in order of time.

Bodies of one layout are read together, so that hardly anything is done once a batch.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import OWN
from collector.store.chunks import Columns, Run
from collector.store.layouts import (
    Bodies,
    Layout,
    are_laid_out,
    headers_of,
    layout_of,
    matrix_of,
    numbers_at,
)
from collector.store.parts import Times
from collector.store.rows import BatchRow
from wire import batches
from wire.errors import BatchError

# So many layouts are looked for among bodies of one length; the others are read one by one.
_MOST_LAYOUTS = 8


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


class _Batch(NamedTuple):
    """A batch that is whole, and the how many-th it was."""

    number: int
    row: BatchRow
    sealed: bytes
    body: bytes


class _Blocks(NamedTuple):
    """Blocks of several batches: whose they are, how many reads each has, and their columns, end to end."""

    numbers: list[int]
    reads: int
    times_ns: Times
    values: list[npt.NDArray[np.float64]]
    qualities: list[npt.NDArray[np.uint8]]
    runs: tuple[Run, ...]


class Gathered:
    """The readings of many batches of one device; `undecodable` is complete once the series are asked for."""

    def __init__(self) -> None:
        self.undecodable: list[Undecodable] = []
        self._count = 0
        self._by_length: dict[int, list[_Batch]] = {}
        self._found: dict[tuple[str, tuple[tuple[str, str], ...]], list[_Blocks]] = {}

    def take(self, row: BatchRow) -> None:
        """Take the batches of a row."""
        at = 0
        try:
            for sealed in batches.split(row.sealed):
                at += len(sealed)
                self._open(row, sealed)
        except BatchError:
            self.undecodable.append(Undecodable(row.id, row.sealed[at:], True))

    def series(self) -> dict[Named, Columns]:
        """Return the columns of each series."""
        for alike in self._by_length.values():
            for layout, which, bodies in self._laid_out(alike):
                self._add(layout, which, bodies)
        self._by_length.clear()
        series: dict[Named, list[Columns]] = {}
        for (sensor, channels), several in self._found.items():
            columns = _columns_of(several)
            for (channel, unit), its in zip(channels, columns, strict=True):
                series.setdefault(Named(sensor, channel, unit), []).append(its)
        return {name: joined(columns) for name, columns in series.items()}

    def _open(self, row: BatchRow, sealed: bytes) -> None:
        try:
            if not (row.is_sound and batches.is_whole(sealed)):
                raise BatchError("it is damaged")
            body = batches.body_of(sealed)
        except BatchError:
            self.undecodable.append(Undecodable(row.id, sealed, False))
            return
        self._count += 1
        self._by_length.setdefault(len(body), []).append(_Batch(self._count, row, sealed, body))

    def _laid_out(self, left: list[_Batch]) -> Iterator[tuple[Layout, list[_Batch], Bodies]]:
        """Give batches by their layout."""
        for _ in range(_MOST_LAYOUTS):
            layout = None
            while left and layout is None:
                layout = self._layout_of(left[0])
                left = left if layout else left[1:]
            if layout is None:
                return
            bodies = matrix_of([batch.body for batch in left])
            is_alike = are_laid_out(bodies, layout, 0)
            if is_alike.all():
                yield layout, left, bodies
                return
            sides = is_alike.tolist()
            yield (
                layout,
                [batch for batch, its in zip(left, sides, strict=True) if its],
                bodies[is_alike],
            )
            left = [batch for batch, its in zip(left, sides, strict=True) if not its]
        for batch in left:
            layout = self._layout_of(batch)
            if layout is not None:
                yield layout, [batch], matrix_of([batch.body])

    def _layout_of(self, batch: _Batch) -> Layout | None:
        try:
            return layout_of(batch.body)
        except BatchError:
            self._cannot_read(batch)
            return None

    def _cannot_read(self, batch: _Batch) -> None:
        self.undecodable.append(Undecodable(batch.row.id, batch.sealed, False))

    def _add(self, layout: Layout, which: list[_Batch], bodies: Bodies) -> None:
        """Take what batches of one layout hold, but of those that cannot be what their header says."""
        headers = headers_of([batch.sealed for batch in which])
        is_own = np.array([batch.row.dating is OWN for batch in which])
        times = [numbers_at(bodies, block.times_at, block.reads, "<i8") for block in layout.blocks]
        is_told = _are_as_told(layout, headers, times)
        is_told &= ~is_own | (headers["flags"] & batches.SYNCHRONISED != 0)
        if not is_told.all():
            sides = is_told.tolist()
            for batch in [batch for batch, its in zip(which, sides, strict=True) if not its]:
                self._cannot_read(batch)
            which = [batch for batch, its in zip(which, sides, strict=True) if its]
            headers, bodies, is_own = headers[is_told], bodies[is_told], is_own[is_told]
            times = [boot_ns[is_told] for boot_ns in times]
        if not which:
            return
        numbers = [batch.number for batch in which]
        datings = [(batch.row.dating.known, batch.row.dating.error_ns) for batch in which]
        spans = [(len(list(its)), dating) for dating, its in groupby(datings)]
        offsets_ns = np.array([batch.row.dating.offset_ns or 0 for batch in which])
        own_ns = headers["wall_ns"] - headers["boot_ns"]
        offsets_ns = np.where(is_own, own_ns, offsets_ns)[:, np.newaxis].view(np.uint64)
        for block, boot_ns in zip(layout.blocks, times, strict=True):
            reads = block.reads
            # Unsigned numbers wrap, and so come out right whatever the offset of an odd clock pair.
            times_ns = boot_ns.view(np.uint64) + offsets_ns
            values, qualities = [], []
            for column in block.columns:
                values.append(numbers_at(bodies, column.values_at, reads, "<f8").reshape(-1))
                at = column.qualities_at
                qualities.append(
                    np.zeros(times_ns.size, np.uint8)
                    if at is None
                    else numbers_at(bodies, at, reads, "u1").reshape(-1)
                )
            runs = tuple([Run(reads * count, *dating) for count, dating in spans])
            found = _Blocks(
                numbers, reads, times_ns.view(np.int64).reshape(-1), values, qualities, runs
            )
            self._found.setdefault((block.sensor, block.channels), []).append(found)


def _are_as_told(
    layout: Layout, headers: npt.NDArray[np.void], times: Sequence[Times]
) -> npt.NDArray[np.bool_]:
    """Return of which batches the header tells how many readings they hold, and from when to when."""
    first_ns, last_ns = headers["first_ns"][:, np.newaxis], headers["last_ns"][:, np.newaxis]
    told: npt.NDArray[np.bool_] = headers["readings"] == layout.readings
    for boot_ns in times:
        told &= ((first_ns <= boot_ns) & (boot_ns <= last_ns)).all(axis=1)
    return told


def _columns_of(several: Sequence[_Blocks]) -> list[Columns]:
    """Return the columns of the channels of a sensor, in order of time; equal times as they came."""
    if len(several) == 1:
        _, _, times_ns, values, qualities, runs = several[0]
        order = _order_of(times_ns)
    else:
        times_ns = np.concatenate([its.times_ns for its in several])
        values = [np.concatenate(its) for its in zip(*[its.values for its in several], strict=True)]
        qualities = [
            np.concatenate(its) for its in zip(*[its.qualities for its in several], strict=True)
        ]
        runs = _merged([run for its in several for run in its.runs])
        came = np.concatenate([np.repeat(its.numbers, its.reads) for its in several])
        order = np.lexsort((came, times_ns))
    if order is not None:
        times_ns, runs = times_ns[order], _ordered(runs, order)
        values = [its[order] for its in values]
        qualities = [its[order] for its in qualities]
    return [
        Columns(times_ns, value, quality, runs)
        for value, quality in zip(values, qualities, strict=True)
    ]


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

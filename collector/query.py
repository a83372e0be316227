"""Queries: from stored batches to readings with UTC times, by series pattern and time range.

A batch's own clock pair dates it. Times are integers in nanoseconds, ranges are half open.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.store import BatchRow, Reader
from wire import batches
from wire.blocks import Column
from wire.errors import BatchError
from wire.readings import Reading, series_name

# What `latest` looks at, newest first, before it gives a series up as silent: the last hours of a
# device with a row a second, in about half a second.
_LATEST_ROWS = 20_000


class Part(NamedTuple):
    """Readings of one series that stand in one block: parallel arrays, times in UTC ns."""

    series: str
    unit: str
    times_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    qualities: npt.NDArray[np.uint8]


class Answer(NamedTuple):
    """The readings of each series in order of time, and how many batches could not be read."""

    series: list[Part]
    undecodable_batches: int


def readings(reader: Reader, pattern: str, start_ns: int, end_ns: int) -> Answer:
    """Return the readings of all series that match, from `start_ns` up to before `end_ns`."""
    found: dict[tuple[str, str], list[Part]] = {}
    undecodable = 0
    for device in reader.devices(pattern):
        for row in reader.between(device, start_ns, end_ns):
            for part in parts(row, pattern):
                if part is None:
                    undecodable += 1
                else:
                    found.setdefault(part[:2], []).append(_within(part, start_ns, end_ns))
    joined = [_joined(each) for _, each in sorted(found.items())]
    return Answer([part for part in joined if len(part.times_ns)], undecodable)


def latest(reader: Reader, pattern: str) -> dict[str, Reading]:
    """Return the last reading of each series that matches and was described."""
    found: dict[str, Reading] = {}
    described = reader.series(pattern)
    for device in reader.devices(pattern):
        wanted = {row.name for row in described if row.device == device.name}
        for _, row in zip(range(_LATEST_ROWS), reader.newest(device), strict=False):
            if all(name in found and found[name].time_ns >= row.to_ns for name in wanted):
                break
            for reading in _last_of(row, pattern):
                if reading.series not in found or found[reading.series].time_ns < reading.time_ns:
                    found[reading.series] = reading
    return found


def parts(row: BatchRow, pattern: str) -> Iterator[Part | None]:
    """Give what a row holds of the series that match; None for each batch that cannot be read."""
    try:
        for sealed in batches.split(row.sealed):
            yield from _parts_of_batch(row.device, sealed, pattern)
    except BatchError:
        yield None


def as_readings(part: Part) -> Iterator[Reading]:
    """Give the readings of a part one by one."""
    rows = zip(part.times_ns.tolist(), part.values.tolist(), part.qualities.tolist(), strict=True)
    for time_ns, value, quality in rows:
        yield Reading(part.series, time_ns, value, quality, part.unit)


def readings_of(row: BatchRow, pattern: str) -> list[Reading]:
    """Return the readings of one row that match, in order of time."""
    found = [part for part in parts(row, pattern) if part is not None]
    readings = [reading for part in found for reading in as_readings(part)]
    return sorted(readings, key=lambda reading: reading.time_ns)


def _parts_of_batch(device: str, sealed: bytes, pattern: str) -> Iterator[Part | None]:
    try:
        offset_ns = batches.open_header(sealed).clock.offset_ns
        blocks = batches.open_body(sealed)
    except BatchError:
        yield None
        return
    for block in blocks:
        times_ns = _dated(block.times, offset_ns)
        for column in block.columns:
            name = series_name(device, block.sensor, column.channel)
            if fnmatchcase(name, pattern):
                yield _part(name, times_ns, column)


def _dated(times: bytes, offset_ns: int) -> npt.NDArray[np.int64]:
    # The times fit 64 bits, as the header was checked; the offset of an odd clock pair may not.
    # Unsigned numbers wrap, and so come out right all the same.
    return (np.frombuffer(times, "<u8") + np.uint64(offset_ns % 2**64)).view(np.int64)


def _part(name: str, times_ns: npt.NDArray[np.int64], column: Column) -> Part:
    qualities = column.qualities or bytes(len(times_ns))
    return Part(
        name,
        column.unit,
        times_ns,
        np.frombuffer(column.values, "<f8"),
        np.frombuffer(qualities, np.uint8),
    )


def _within(part: Part, start_ns: int, end_ns: int) -> Part:
    inside = (part.times_ns >= start_ns) & (part.times_ns < end_ns)
    return _chosen(part, inside)


def _joined(found: list[Part]) -> Part:
    name, unit = found[0][:2]
    whole = Part(name, unit, *(np.concatenate(each) for each in list(zip(*found, strict=True))[2:]))
    return _chosen(whole, np.argsort(whole.times_ns, kind="stable"))


def _chosen(part: Part, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Part:
    return Part(
        part.series, part.unit, part.times_ns[which], part.values[which], part.qualities[which]
    )


def _last_of(row: BatchRow, pattern: str) -> Iterator[Reading]:
    for part in parts(row, pattern):
        if part is not None:
            yield max(as_readings(part), key=lambda reading: reading.time_ns)

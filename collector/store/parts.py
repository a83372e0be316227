"""Parts: readings of one series as columns, from batches as they were received and from chunks.

How a batch is dated its row says. Times are integers in nanoseconds, ranges are half open.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import LARGEST_NS, OWN, Dating, Known
from collector.store.rows import BatchRow
from wire import batches
from wire.blocks import Block, Column
from wire.errors import BatchError
from wire.readings import series_name

Times = npt.NDArray[np.int64]


class DatedReading(NamedTuple):
    """One value of one series as it is stored; `dating` says how its time is known.

    `time_ns` is UTC, None where it is unknown: then `dating` bounds it.
    """

    series: str
    time_ns: int | None
    value: float
    quality: int
    unit: str
    dating: Dating = OWN


class Part(NamedTuple):
    """Readings of one series in one unit: parallel arrays, times in UTC ns.

    Of readings whose `datings` say that their time is unknown `times_ns` is no time: it only keeps
    them in order. In a part of one block, all of `boot` then, it is CLOCK_BOOTTIME; else the latest
    that it may have been.
    """

    series: str
    unit: str
    times_ns: Times
    values: npt.NDArray[np.float64]
    qualities: npt.NDArray[np.uint8]
    datings: npt.NDArray[np.object_]
    boot: int = 0


_NOTHING = Part(
    "",
    "",
    np.empty(0, np.int64),
    np.empty(0),
    np.empty(0, np.uint8),
    np.empty(0, np.object_),
)


def parts_of(row: BatchRow, pattern: str = "*") -> Iterator[Part | None]:
    """Give what a row holds of the series that match; None for each batch that cannot be read."""
    try:
        for sealed in batches.split(row.sealed):
            yield from _parts_of_batch(row, sealed, pattern)
    except BatchError:
        yield None


def opened(row: BatchRow, sealed: bytes) -> tuple[int, list[Block]]:
    """Return the offset that dates a batch of a row, and its blocks.

    Raises:
        BatchError: it cannot be read, or its row is damaged: what would come of it is no time.
    """
    header, blocks = batches.open_batch(sealed)
    if not row.is_sound or (row.dating is OWN and not header.clock.synchronised):
        raise BatchError("its row does not say how it is dated")
    return header.clock.offset_ns if row.dating is OWN else row.dating.offset_ns or 0, blocks


def dated(times: bytes, offset_ns: int) -> Times:
    """Return packed CLOCK_BOOTTIMEs as UTC.

    They fit 64 bits, as the header was checked; the offset of an odd clock pair may not.
    Unsigned numbers wrap, and so come out right all the same.
    """
    return (np.frombuffer(times, "<u8") + np.uint64(offset_ns % 2**64)).view(np.int64)


def as_readings(part: Part) -> Iterator[DatedReading]:
    """Give the readings of a part one by one."""
    rows = zip(
        part.times_ns.tolist(),
        part.values.tolist(),
        part.qualities.tolist(),
        part.datings.tolist(),
        strict=True,
    )
    for time_ns, value, quality, dating in rows:
        when_ns = None if dating.known is Known.UNKNOWN else time_ns
        yield DatedReading(part.series, when_ns, value, quality, part.unit, dating)


def last_place(part: Part) -> int:
    """Return where the last reading of a part stands; of several of that time the last one."""
    return len(part.times_ns) - 1 - int(np.argmax(part.times_ns[::-1]))


def reading_of(part: Part, place: int) -> DatedReading:
    """Return one reading of a part."""
    dating: Dating = part.datings[place]
    time_ns = None if dating.known is Known.UNKNOWN else int(part.times_ns[place])
    value, quality = float(part.values[place]), int(part.qualities[place])
    return DatedReading(part.series, time_ns, value, quality, part.unit, dating)


def readings_of(row: BatchRow, pattern: str) -> list[DatedReading]:
    """Return the readings of one row that match, in order of time."""
    found = [part for part in parts_of(row, pattern) if part is not None]
    timed = [
        (time_ns, reading)
        for part in found
        for time_ns, reading in zip(part.times_ns.tolist(), as_readings(part), strict=True)
    ]
    return [reading for _, reading in sorted(timed, key=lambda each: each[0])]


def within(part: Part, start_ns: int, end_ns: int | None) -> Part:
    """Return what of a part lies in a range, or may, where nobody knows; `end_ns`: None, it has no end."""
    if part.boot:
        return part  # it may be anywhere within its bounds, which touch the range
    is_within = part.times_ns >= start_ns
    if end_ns is not None:
        is_within &= part.times_ns < end_ns
    return part if np.all(is_within) else chosen(part, is_within)


def joined(found: list[Part]) -> Part:
    """Return the parts of one series as one, in order of time; those of unknown time where they fit."""
    whole = _concatenated([part for part in found if not part.boot])
    by_boot: dict[int, list[Part]] = {}
    for part in found:
        if part.boot:
            by_boot.setdefault(part.boot, []).append(part)
    undated = [_placed(_concatenated(its)) for _, its in sorted(by_boot.items())]
    return in_order(_concatenated([whole, *undated]) if undated else whole)


def in_order(part: Part) -> Part:
    """Return the readings of a part in order of time; equal times as they stand."""
    if np.all(part.times_ns[1:] >= part.times_ns[:-1]):
        return part
    return chosen(part, np.argsort(part.times_ns, kind="stable"))


def chosen(part: Part, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Part:
    """Return some readings of a part."""
    return Part(
        part.series,
        part.unit,
        part.times_ns[which],
        part.values[which],
        part.qualities[which],
        part.datings[which],
        part.boot,
    )


def datings_of(runs: Iterable[tuple[int, Dating]]) -> npt.NDArray[np.object_]:
    """Return a dating a reading, from how many readings have which."""
    made = []
    for readings, dating in runs:
        these = np.empty(readings, np.object_)
        these.fill(dating)
        made.append(these)
    return made[0] if len(made) == 1 else np.concatenate(made)


def _parts_of_batch(row: BatchRow, sealed: bytes, pattern: str) -> Iterator[Part | None]:
    try:
        offset_ns, blocks = opened(row, sealed)
    except BatchError:
        yield None
        return
    boot = row.boot if row.dating.known is Known.UNKNOWN else 0
    for block in blocks:
        times_ns = dated(block.times, offset_ns)
        datings = datings_of([(len(times_ns), row.dating)])
        for column in block.columns:
            name = series_name(row.device, block.sensor, column.channel)
            if fnmatchcase(name, pattern):
                yield _part(name, times_ns, datings, boot, column)


def _part(
    name: str, times_ns: Times, datings: npt.NDArray[np.object_], boot: int, column: Column
) -> Part:
    return Part(
        name,
        column.unit,
        times_ns,
        np.frombuffer(column.values, "<f8"),
        qualities_of(column, len(times_ns)),
        datings,
        boot,
    )


def qualities_of(column: Column, readings: int) -> npt.NDArray[np.uint8]:
    """Return a quality a reading."""
    return np.frombuffer(column.qualities or bytes(readings), np.uint8)


def _placed(part: Part) -> Part:
    """Put readings of unknown time, of one boot, where they may have been at the latest."""
    ordered = in_order(part)
    latest_ns = [
        LARGEST_NS if dating.latest_ns is None else dating.latest_ns
        for dating in ordered.datings.tolist()
    ]
    return ordered._replace(times_ns=np.maximum.accumulate(np.array(latest_ns, np.int64)))


def _concatenated(found: list[Part]) -> Part:
    if not found:
        return _NOTHING
    if len(found) == 1:
        return found[0]
    return Part(
        found[-1].series,
        found[-1].unit,
        np.concatenate([part.times_ns for part in found]),
        np.concatenate([part.values for part in found]),
        np.concatenate([part.qualities for part in found]),
        np.concatenate([part.datings for part in found]),
    )

"""Queries: from stored batches to readings with UTC times, by series pattern and time range.

How a batch is dated its row says. Times are integers in nanoseconds, ranges are half open.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.clock import OWN, Dating, Known
from collector.store import BatchRow, Reader
from collector.times import END_OF_TIME_NS
from wire import batches
from wire.blocks import Column
from wire.errors import BatchError
from wire.readings import series_name

# What `latest` looks at, newest first, before it gives a series up as silent: the last hours of a
# device with a row a second, in about half a second.
_LATEST_ROWS = 20_000


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
    """Readings of one series that stand in one block: parallel arrays, times in UTC ns.

    Of readings whose `datings` say that their time is unknown `times_ns` is no time: it only keeps
    them in order. In a part of one block, all of `boot` then, it is CLOCK_BOOTTIME; else the latest
    that it may have been.
    """

    series: str
    unit: str
    times_ns: npt.NDArray[np.int64]
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


class Answer(NamedTuple):
    """The readings of each series in order of time, and how many batches could not be read.

    Those of unknown time are in their own order, where they may have been at the latest.
    """

    series: list[Part]
    undecodable_batches: int


def readings(reader: Reader, pattern: str, start_ns: int, end_ns: int) -> Answer:
    """Return the readings of all series that match, from `start_ns` up to before `end_ns`.

    Also those whose time is unknown and may lie in that range.
    """
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


def latest(reader: Reader, pattern: str) -> dict[str, DatedReading]:
    """Return the last reading of each series that matches and was described."""
    found: dict[str, tuple[tuple[int, int, int], DatedReading]] = {}
    described = reader.series(pattern)
    for device in reader.devices(pattern):
        wanted = {row.name for row in described if row.device == device.name}
        for _, row in zip(range(_LATEST_ROWS), reader.newest(device), strict=False):
            if all(name in found and _is_behind(found[name][0], row) for name in wanted):
                break
            for place, reading in _last_of(row, pattern):
                if reading.series not in found or found[reading.series][0] < place:
                    found[reading.series] = place, reading
    return {name: reading for name, (_, reading) in found.items()}


def parts(row: BatchRow, pattern: str) -> Iterator[Part | None]:
    """Give what a row holds of the series that match; None for each batch that cannot be read."""
    try:
        for sealed in batches.split(row.sealed):
            yield from _parts_of_batch(row, sealed, pattern)
    except BatchError:
        yield None


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


def readings_of(row: BatchRow, pattern: str) -> list[DatedReading]:
    """Return the readings of one row that match, in order of time."""
    found = [part for part in parts(row, pattern) if part is not None]
    timed = [
        (time_ns, reading)
        for part in found
        for time_ns, reading in zip(part.times_ns.tolist(), as_readings(part), strict=True)
    ]
    return [reading for _, reading in sorted(timed, key=lambda each: each[0])]


def _parts_of_batch(row: BatchRow, sealed: bytes, pattern: str) -> Iterator[Part | None]:
    try:
        header = batches.open_header(sealed)
        blocks = batches.open_body(sealed)
    except BatchError:
        yield None
        return
    if not row.is_sound or (row.dating is OWN and not header.clock.synchronised):
        yield None  # the row is damaged: what would come of it is no time
        return
    offset_ns = header.clock.offset_ns if row.dating is OWN else row.dating.offset_ns or 0
    boot = row.boot if row.dating.known is Known.UNKNOWN else 0
    for block in blocks:
        times_ns = _dated(block.times, offset_ns)
        datings = np.empty(len(times_ns), np.object_)
        datings.fill(row.dating)
        for column in block.columns:
            name = series_name(row.device, block.sensor, column.channel)
            if fnmatchcase(name, pattern):
                yield _part(name, times_ns, datings, boot, column)


def _dated(times: bytes, offset_ns: int) -> npt.NDArray[np.int64]:
    # The times fit 64 bits, as the header was checked; the offset of an odd clock pair may not.
    # Unsigned numbers wrap, and so come out right all the same.
    return (np.frombuffer(times, "<u8") + np.uint64(offset_ns % 2**64)).view(np.int64)


def _part(
    name: str,
    times_ns: npt.NDArray[np.int64],
    datings: npt.NDArray[np.object_],
    boot: int,
    column: Column,
) -> Part:
    qualities = column.qualities or bytes(len(times_ns))
    return Part(
        name,
        column.unit,
        times_ns,
        np.frombuffer(column.values, "<f8"),
        np.frombuffer(qualities, np.uint8),
        datings,
        boot,
    )


def _within(part: Part, start_ns: int, end_ns: int) -> Part:
    if part.boot:
        return part  # it may be anywhere within its bounds, which touch the range
    inside = (part.times_ns >= start_ns) & (part.times_ns < end_ns)
    return _chosen(part, inside)


def _joined(found: list[Part]) -> Part:
    whole = _concatenated([part for part in found if not part.boot])
    by_boot: dict[int, list[Part]] = {}
    for part in found:
        if part.boot:
            by_boot.setdefault(part.boot, []).append(part)
    undated = [_placed(_concatenated(its)) for _, its in sorted(by_boot.items())]
    return _in_order(_concatenated([whole, *undated]) if undated else whole)


def _placed(part: Part) -> Part:
    """Put readings of unknown time, of one boot, where they may have been at the latest."""
    ordered = _in_order(part)
    latest_ns = [
        END_OF_TIME_NS if dating.latest_ns is None else dating.latest_ns
        for dating in ordered.datings.tolist()
    ]
    return ordered._replace(times_ns=np.maximum.accumulate(np.array(latest_ns, np.int64)))


def _concatenated(found: list[Part]) -> Part:
    if not found:
        return _NOTHING
    return Part(
        found[-1].series,
        found[-1].unit,
        np.concatenate([part.times_ns for part in found]),
        np.concatenate([part.values for part in found]),
        np.concatenate([part.qualities for part in found]),
        np.concatenate([part.datings for part in found]),
    )


def _in_order(part: Part) -> Part:
    return _chosen(part, np.argsort(part.times_ns, kind="stable"))


def _chosen(part: Part, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Part:
    return Part(
        part.series,
        part.unit,
        part.times_ns[which],
        part.values[which],
        part.qualities[which],
        part.datings[which],
        part.boot,
    )


def _last_of(row: BatchRow, pattern: str) -> Iterator[tuple[tuple[int, int, int], DatedReading]]:
    """Give the last reading of each part, and what readings are in order by."""
    for part in parts(row, pattern):
        if part is not None:
            last = int(np.argmax(part.times_ns))
            time_ns = int(part.times_ns[last])
            place = (row.to_ns, part.boot, time_ns) if part.boot else (time_ns, 0, 0)
            yield place, list(as_readings(part))[last]


def _is_behind(place: tuple[int, int, int], row: BatchRow) -> bool:
    """Say whether a reading is later than all of a row; of unknown times rows may have the same."""
    return place[0] > row.to_ns or (place[0] == row.to_ns and row.dating.known is not Known.UNKNOWN)

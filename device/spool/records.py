"""What a tier keeps, and how it looks as bytes: epochs, reads of the open batch, gaps.

Whatever has no checksum of its own yet (a sealed batch has) gets a CRC-32 here: a flipped bit in a
database file is often not seen by the database.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from wire.batches import Place, open_header
from wire.blocks import Point
from wire.bodies import Gap, GapReason, Moment
from wire.errors import WireError

_T = TypeVar("_T")

_CHECKSUM_BYTES = 4
# Stands before a gap; a sealed batch begins with its version, which is never 0.
_GAP_MARK = b"\0"


class RecordError(Exception):
    """Bytes whose checksum does not fit them."""


class EpochFacts(msgspec.Struct):
    """One epoch, as far as this device knows it.

    `number`: the device's own count. `clock`: the best clock pair of its boot. `last_seq` and
    `readings`: what was closed. `mark`: acknowledged. `owner`: whom it was offered as,
    `name@collector`, or `name` where the collector did not say which it is.
    `end`: why it ended; `is_end_known`: whether `last_seq` is all there ever was, else what was lost
    was read before `until`. `is_over`: the collector has acknowledged the end. `is_durable`: every
    reading of it was on the card before it counted.
    """

    number: int
    epoch: bytes
    began_ns: int
    clock: Moment
    last_seq: int = 0
    readings: int = 0
    mark: int = 0
    owner: str | None = None
    end: str | None = None
    is_end_known: bool = True
    until: Moment | None = None
    is_over: bool = False
    datagrams: bool = False
    is_durable: bool = False

    def take_over(self, later: "EpochFacts") -> None:
        """Take what closing a batch has changed, once that is committed."""
        self.last_seq, self.readings, self.clock = later.last_seq, later.readings, later.clock


class Read(NamedTuple):
    """What one read of one sensor gave (or a part, where it is large); time is CLOCK_BOOTTIME."""

    sensor: str
    time_ns: int
    points: list[Point]


class Row(NamedTuple):
    """A closed batch (`sealed`), or the `gap` that stands in the place of some."""

    first_seq: int
    last_seq: int
    readings: int
    sealed: bytes = b""
    gap: Gap | None = None


class Stored(NamedTuple):
    """A row as it lies in the file: its key, its numbers, its body."""

    number: int
    seq: int
    last_seq: int
    readings: int
    body: bytes


class Span(NamedTuple):
    """What a tier holds of an epoch: from its lowest to its highest seq."""

    lowest: int
    highest: int


_encoder = msgspec.msgpack.Encoder()
_facts_decoder = msgspec.msgpack.Decoder(EpochFacts)
_read_decoder = msgspec.msgpack.Decoder(Read)
_gap_decoder = msgspec.msgpack.Decoder(Gap)


def checked(data: bytes) -> bytes:
    """Return the data with its checksum behind it."""
    return data + zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "little")


def verified(record: bytes) -> bytes:
    """Return the data of a record.

    Raises:
        RecordError: the checksum does not fit.
    """
    data = record[:-_CHECKSUM_BYTES]
    if checked(data) != record:
        raise RecordError(f"record of {len(record)} bytes does not fit its checksum")
    return data


def pack_facts(facts: EpochFacts) -> bytes:
    """Return an epoch as a record."""
    return checked(_encoder.encode(facts))


def unpack_facts(record: bytes) -> EpochFacts:
    """Read an epoch back, or raise RecordError."""
    return _decoded(_facts_decoder, record)


def pack_read(sensor: str, time_ns: int, points: Sequence[Point]) -> bytes:
    """Return one read as a record."""
    return checked(_encoder.encode((sensor, time_ns, points)))


def unpack_read(record: bytes) -> Read:
    """Read one back, or raise RecordError."""
    return _decoded(_read_decoder, record)


def pack_gap(gap: Gap) -> bytes:
    """Return a gap as the body of a row."""
    return _GAP_MARK + checked(_encoder.encode(gap))


def row_of(facts: EpochFacts, seq: int, last_seq: int, body: bytes) -> Row:
    """Read a row back; one that is damaged is the gap it leaves, never a wrong value."""
    try:
        if body.startswith(_GAP_MARK):
            gap = _decoded(_gap_decoder, body[1:])
            if (gap.epoch, gap.first_seq) == (facts.epoch, seq):
                return Row(seq, gap.last_seq, 0, gap=gap)
        else:
            header = open_header(body)
            if header.place == Place(facts.epoch, seq, header.place.before):
                return Row(seq, seq, header.readings, sealed=body)
    except (WireError, RecordError):
        pass
    return hole(facts.epoch, seq, max(seq, last_seq), GapReason.SPOOL_UNREADABLE)


def _decoded(decoder: msgspec.msgpack.Decoder[_T], record: bytes) -> _T:
    try:
        return decoder.decode(verified(record))
    except msgspec.MsgspecError as error:
        raise RecordError(f"record of {len(record)} bytes: {error}") from error


def hole(epoch: bytes, first_seq: int, last_seq: int, reason: str) -> Row:
    """Return the row that says of some batches only that they are gone."""
    return Row(first_seq, last_seq, 0, gap=Gap(epoch, first_seq, last_seq, reason))


def gap_over(epoch: bytes, rows: Sequence[Row], reason: str) -> Gap:
    """Return the gap that stands in the place of adjoining rows: how many readings, and of when."""
    readings: int | None = 0
    times: list[int] = []
    for row in rows:
        if row.gap is not None:
            lost, found = row.gap.readings, [row.gap.first_ns, row.gap.last_ns]
        else:
            header = open_header(row.sealed)
            lost, found = row.readings, [header.first_ns, header.last_ns]
        readings = None if readings is None or lost is None else readings + lost
        times += [time_ns for time_ns in found if time_ns is not None]
    return Gap(
        epoch,
        rows[0].first_seq,
        rows[-1].last_seq,
        reason,
        readings,
        min(times, default=None),
        max(times, default=None),
    )

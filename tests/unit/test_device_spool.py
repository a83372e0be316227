"""device.spool: whatever comes in what order, nothing is lost, doubled or renumbered."""

import math
import struct
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from device.spool import Spool
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire import blocks
from wire.batches import (
    CHECKSUM_BYTES,
    HEADER_BYTES,
    MAX_BODY_BYTES,
    MAX_READINGS,
    open_body,
    open_header,
)
from wire.blocks import Point
from wire.readings import Quality

KIB = 1024


def new_spool(max_bytes: int = 8 * KIB * KIB) -> Spool:
    """An empty spool."""
    return Spool(EPOCH, BOOT, lambda: CLOCK, max_bytes)


def read_of(channels: int, value: float = 1.0, quality: int = Quality.GOOD) -> list[Point]:
    """What a read of so many channels gave."""
    return [Point(f"value_{i}", "degC", value + i, quality) for i in range(channels)]


# series -> what it holds, in order: time, value (as bits: NaN equals itself), quality.
Series = dict[tuple[str, str, str], list[tuple[int, bytes, int]]]


def taken(into: Series, sensor: str, time_ns: int, points: Sequence[Point]) -> None:
    """Note what was accepted."""
    for point in points:
        entry = (time_ns, struct.pack("<d", point.value), point.quality)
        into[sensor, point.channel, point.unit].append(entry)


def unpacked(into: Series, sealed: bytes) -> None:
    """Note what a sealed batch holds."""
    for block in open_body(sealed):
        times = [time_ns for (time_ns,) in struct.iter_unpack("<q", block.times)]
        for column in block.columns:
            values = [column.values[i : i + 8] for i in range(0, len(column.values), 8)]
            qualities = column.qualities or bytes(len(times))
            key = (block.sensor, column.channel, column.unit)
            into[key].extend(zip(times, values, qualities, strict=True))


def body_bytes(sealed: bytes) -> int:
    """How long the body of a sealed batch is, before it was deflated."""
    body = sealed[HEADER_BYTES:-CHECKSUM_BYTES]
    return len(zlib.decompress(body)) if sealed[1] & 1 else len(body)


class Accept(NamedTuple):
    """A read arrives."""

    sensor: str
    channels: int
    value: float
    quality: int


class Close(NamedTuple):
    """The link asks for the open batch."""


class Acknowledge(NamedTuple):
    """The collector acknowledges this fraction of what it could."""

    fraction: float


Step = Accept | Close | Acknowledge

STEPS = st.one_of(
    st.builds(
        Accept,
        st.sampled_from(["air", "host", "s" * 63]),
        st.sampled_from([1, 2, 3, 50, 400, 999, 1000, 1001, 3000]),
        st.one_of(st.floats(allow_nan=True), st.integers(-5, 5).map(float)),
        st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.TIMED_OUT]),
    ),
    st.builds(Close),
    st.builds(Acknowledge, st.floats(0, 1)),
)


class Model:
    """A spool, and beside it in plain lists what it must hold."""

    def __init__(self, max_bytes: int) -> None:
        self.spool = new_spool(max_bytes)
        self.accepted: Series = defaultdict(list)
        self.sealed: list[bytes] = []  # every batch ever closed; seq 1 is at 0
        self.mark = 0
        self.count = 0
        self.full = False
        self.time_ns = 10**9

    def do(self, step: Step) -> None:
        """Do a step on both sides, then compare."""
        match step:
            case Accept():
                self._accept(step)
            case Close():
                held_bytes = self.spool.held_bytes
                self.spool.close_batch()
                assert not self.spool.has_open
                assert self.spool.held_bytes <= held_bytes, "closing takes no room"
            case Acknowledge():
                self._acknowledge(round(step.fraction * self.spool.last_seq))
        self._look_at_new_batches()
        self._compare()

    def _accept(self, step: Accept) -> None:
        spool, points = self.spool, read_of(step.channels, step.value, step.quality)
        self.time_ns += 100_000_000
        before = (spool.accepted, spool.held_bytes, spool.last_seq, spool.has_open)
        if spool.accept(step.sensor, self.time_ns, points):
            taken(self.accepted, step.sensor, self.time_ns, points)
            self.count += step.channels
        else:
            self.full = True
            after = (spool.accepted, spool.held_bytes, spool.last_seq, spool.has_open)
            assert after == before, "a refused read is refused whole"
            most = blocks.cost_bytes(points) + 8 * 400  # an envelope, a block head a part
            assert spool.held_bytes + most > spool.max_bytes, "refused although there was room"

    def _acknowledge(self, mark: int) -> None:
        gone = sum(open_header(each).readings for each in self.sealed[self.mark : mark])
        assert self.spool.acknowledge(mark) == gone
        self.mark = max(self.mark, mark)
        self.full = self.full and not gone

    def _look_at_new_batches(self) -> None:
        while batch := self.spool.batch(len(self.sealed) + 1):
            before = sum(open_header(each).readings for each in self.sealed)
            header = open_header(batch.sealed)
            assert header.place == batch.place == (EPOCH, len(self.sealed) + 1, before)
            assert (header.boot_id, header.clock) == (BOOT, CLOCK)
            assert header.readings == batch.readings <= MAX_READINGS
            assert body_bytes(batch.sealed) <= MAX_BODY_BYTES
            self.sealed.append(batch.sealed)

    def _compare(self) -> None:
        spool = self.spool
        assert spool.last_seq == len(self.sealed)
        assert spool.lowest_seq == self.mark + 1
        assert spool.held_bytes <= spool.max_bytes
        assert spool.is_full is self.full
        assert spool.accepted == self.count
        gone = sum(open_header(each).readings for each in self.sealed[: self.mark])
        assert (spool.acknowledged, spool.held_readings) == (gone, self.count - gone)
        for seq, sealed in enumerate(self.sealed, 1):
            held = spool.batch(seq)
            assert (held is None) if seq <= self.mark else (held and held.sealed == sealed)

    def finish(self) -> None:
        """All batches ever closed, end to end, are what was accepted, in order."""
        self.do(Close())
        found: Series = defaultdict(list)
        for sealed in self.sealed:
            unpacked(found, sealed)
        assert found == self.accepted


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([64 * KIB, 300 * KIB, 8 * KIB * KIB]), st.lists(STEPS, max_size=25))
def test_spool_is_what_a_plain_list_says(max_bytes: int, steps: list[Step]) -> None:
    """Nothing lost, order kept, seqs without a hole, `before` exact, never over its bound."""
    model = Model(max_bytes)
    for step in steps:
        model.do(step)
    model.finish()


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(0, 63))
def test_small_batches_stay_within_the_bound(channels: int, name: int) -> None:
    """Closing after each read, where the envelope weighs most, never goes over max_bytes."""
    spool = new_spool(64 * KIB)
    value = 0.1
    while spool.accept("s" + "x" * (name - 1), 10**9, read_of(channels, value)):
        value = math.nextafter(value * 1.37, 1e300)
        spool.close_batch()
        assert spool.held_bytes <= spool.max_bytes
    assert spool.held_bytes > spool.max_bytes * 0.8, "the bound is used, too"


def test_thousand_readings_close_the_batch() -> None:
    """Also while the link is down."""
    spool = new_spool()
    for number in range(999):
        assert spool.accept("air", number, read_of(1))
    assert (spool.last_seq, spool.has_open) == (0, True)
    assert spool.accept("air", 999, read_of(1))
    assert (spool.last_seq, spool.has_open) == (1, False)


def test_wide_read_is_split_by_channel() -> None:
    """3000 channels of one sensor at one time: no batch over its limits, no channel missing."""
    spool = new_spool()
    assert spool.accept("wall", 7, read_of(3000))
    spool.close_batch()
    found: Series = defaultdict(list)
    for seq in range(1, spool.last_seq + 1):
        batch = spool.batch(seq)
        assert batch is not None
        assert batch.readings <= MAX_READINGS
        unpacked(found, batch.sealed)
    assert [channel for _, channel, _ in found] == [f"value_{i}" for i in range(3000)]
    assert all(len(entries) == 1 for entries in found.values())


def test_full_spool_stays_full_until_an_acknowledgement() -> None:
    """What still fits is taken, but sampling does not begin again and again."""
    spool = new_spool(64 * KIB)
    while spool.accept("wide", 1, read_of(300)):
        spool.close_batch()
    was_full = [spool.is_full]
    assert spool.accept("air", 2, read_of(1))
    was_full.append(spool.is_full)
    assert spool.acknowledge(0) == 0
    was_full.append(spool.is_full)
    assert spool.acknowledge(1) == 300
    assert [*was_full, spool.is_full] == [True, True, True, False]
    assert spool.accept("wide", 3, read_of(300))


def test_empty_spool_holds_nothing() -> None:
    """Closing and acknowledging nothing changes nothing."""
    spool = new_spool()
    spool.close_batch()
    assert spool.acknowledge(10) == 0
    assert (spool.lowest_seq, spool.last_seq, spool.held_bytes, spool.held_readings) == (1, 0, 0, 0)
    assert spool.batch(1) is None

"""device.spool.open_batch: what fits a batch, and what closing makes of it."""

import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device.spool.open_batch import body_of, closed, fits, parts
from device.spool.records import Read
from kit.spools import points_of
from kit.tiers import epoch_of
from kit.wireworks import BOOT, CLOCK, MOMENT
from wire.batches import MAX_BODY_BYTES, MAX_READINGS, ClockPair, Place, open_body, open_header
from wire.blocks import OpenBody, Point, cost_bytes

# A name so long that bytes run out before readings do, and the other way round.
LONG, SHORT = "n" * 63, "n"


def channels(count: int, name: str = SHORT) -> list[Point]:
    """One read of so many channels."""
    return [Point(f"{name}{number}"[-63:], "degC", float(number), 0) for number in range(count)]


class Shape(NamedTuple):
    """What a read looks like; short, for the report of a test that fails."""

    sensor: str
    time_ns: int
    channels: int
    name: str

    def read(self) -> Read:
        """The read itself."""
        return Read(self.sensor, self.time_ns, channels(self.channels, self.name))


shapes = st.lists(
    st.builds(
        Shape,
        st.sampled_from(["air", "host", "s" * 63]),
        st.integers(0, 2**60),
        st.sampled_from([1, 2, 40, 600, 2500]),
        st.sampled_from([LONG, SHORT]),
    ),
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(shapes)
def test_whatever_fits_can_be_sealed(shapes: list[Shape]) -> None:
    """Nothing is left out, out of order, or too large for what the collector takes."""
    bodies, accepted = [OpenBody()], defaultdict(list)
    for sensor, time_ns, points in map(Shape.read, shapes):
        for part in parts(points):
            if not fits(bodies[-1], part):
                bodies.append(OpenBody())
            bodies[-1].add(sensor, time_ns, part)
            for point in part:
                accepted[sensor, point.channel].append((time_ns, point.value))
    found = defaultdict(list)
    for body in filter(lambda body: body.readings, bodies):
        assert len(body.encoded()) <= MAX_BODY_BYTES
        for series, values in series_of(closed(body, epoch_of(1), MOMENT)[1]).items():
            found[series] += values
    assert {key: sorted(values) for key, values in found.items()} == {
        key: sorted(values) for key, values in accepted.items()
    }


def series_of(sealed: bytes) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """What a sealed batch holds of each series: times and values."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for block in open_body(sealed):
        times = [time_ns for (time_ns,) in struct.iter_unpack("<q", block.times)]
        for column in block.columns:
            values = [value for (value,) in struct.iter_unpack("<d", column.values)]
            found[block.sensor, column.channel] += zip(times, values, strict=True)
    return found


@pytest.mark.parametrize(
    ("points", "is_whole"),
    [
        ([], True),
        (channels(1), True),
        (channels(MAX_READINGS), True),
        (channels(MAX_READINGS + 1), False),
        (channels(600, LONG), True),
        (channels(700, LONG), False),
    ],
)
def test_only_what_no_batch_could_hold_is_split(points: Sequence[Point], is_whole: bool) -> None:
    """What one read gave stays together, else its parts are in order, none of them empty."""
    found = parts(points)
    assert [point for part in found for point in part] == list(points)
    assert all(
        0 < len(part) <= MAX_READINGS and cost_bytes(part) <= MAX_BODY_BYTES for part in found
    )
    assert (len(found) <= 1) == is_whole


def test_batch_is_full_at_a_thousand_readings() -> None:
    """The thousandth still fits."""
    body = OpenBody()
    body.add("air", 1, channels(MAX_READINGS - 1))
    assert fits(body, channels(1))
    assert not fits(body, channels(2))


def test_batch_is_full_at_its_bytes() -> None:
    """Whatever comes first."""
    body = OpenBody()
    body.add("air", 1, channels(600, LONG))
    assert body.size_bytes + cost_bytes(channels(100, LONG)) > MAX_BODY_BYTES
    assert not fits(body, channels(100, LONG))
    assert fits(body, channels(1))


def test_empty_batch_takes_any_part() -> None:
    """Else what fits nowhere would be tried for ever."""
    assert fits(OpenBody(), channels(5000))


@settings(max_examples=12, deadline=None)
@given(shapes)
def test_open_batch_is_built_anew(shapes: list[Shape]) -> None:
    """From what was kept of it comes the same batch, to the byte."""
    reads = [shape.read() for shape in shapes]
    body = OpenBody()
    for read in reads:
        body.add(*read)
    built = body_of(iter(reads))
    assert built.encoded() == body.encoded()
    assert (built.readings, built.size_bytes, built.first_ns, built.last_ns) == (
        body.readings, body.size_bytes, body.first_ns, body.last_ns,
    )  # fmt: skip


def one_read() -> OpenBody:
    """An open batch of three readings."""
    return body_of([Read("air", 5, points_of([1.0, 2.0, 3.0]))])


def test_closed_batch_is_the_next_of_its_epoch() -> None:
    """It knows what came before it; the epoch itself learns of it once that is committed."""
    facts = epoch_of(7, last_seq=4, readings=40, mark=2, owner="greenhouse")
    before = replace(facts)
    after, sealed = closed(one_read(), facts, MOMENT)
    header = open_header(sealed)
    assert header.place == Place(facts.epoch, 5, 40)
    assert (header.boot_id, header.clock, header.readings) == (BOOT, CLOCK, 3)
    assert after == replace(before, last_seq=5, readings=43)
    assert facts == before


@pytest.mark.parametrize(
    ("was_trusted", "is_trusted", "is_renewed"),
    [(False, False, True), (False, True, True), (True, True, True), (True, False, False)],
)
def test_best_clock_pair_is_kept(was_trusted: bool, is_trusted: bool, is_renewed: bool) -> None:
    """The last one that the kernel trusted, else the last; the batch carries its own."""
    former = replace(MOMENT, synchronised=was_trusted)
    now = replace(MOMENT, boot_ns=9 * 10**9, wall_ns=3 * 10**18, synchronised=is_trusted)
    after, sealed = closed(one_read(), replace(epoch_of(1), clock=former), now)
    assert after.clock == (now if is_renewed else former)
    assert open_header(sealed).clock == ClockPair(9 * 10**9, 3 * 10**18, is_trusted)

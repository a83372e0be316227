"""collector.store.parts: what rows of batches hold comes out as columns, dated as the row says."""

import math
from collections import Counter
from fnmatch import fnmatchcase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import LARGEST_NS, OWN, Dating, Known
from collector.store import parts
from collector.store.parts import Part
from collector.store.rows import BatchRow
from kit.columns import LEAST, MOST, bits
from kit.stores import Read, at_ns, batch, read
from kit.wireworks import damaged
from wire.batches import ClockPair
from wire.errors import BatchError

UNSET = ClockPair(10**9, 0, synchronised=False)
PATTERNS = ["*", "cellar/air.*", "*.humidity", "cellar/soil.temperature", "attic/*", "CELLAR/*"]

reads = st.lists(
    st.builds(
        lambda at_s, value, sensor, channel, quality: read(
            at_s, value, sensor=sensor, channel=channel, quality=quality
        ),
        st.integers(0, 50),
        st.sampled_from([20.5, -0.0, 0.0, math.inf, math.nan, 1 / 3]),
        st.sampled_from(["air", "soil"]),
        st.sampled_from(["temperature", "humidity"]),
        st.sampled_from([0, 0, 1, 200]),
    ),
    min_size=1,
    max_size=12,
)


def row(*sealed: bytes, dating: Dating = OWN, boot: int = 1, is_sound: bool = True) -> BatchRow:
    """Batches end to end in a row."""
    return BatchRow(1, "cellar", 0, b"".join(sealed), dating, boot, is_sound)


def part(*times_ns: int, dating: Dating = OWN, boot: int = 0, first: int = 0) -> Part:
    """Readings of one series, whose values tell in which order they came."""
    count = len(times_ns)
    return Part(
        "cellar/air.temperature",
        "degC",
        np.array(times_ns, np.int64),
        np.arange(first, first + count, dtype=float),
        np.arange(count, dtype=np.uint8),
        parts.datings_of([(count, dating)]),
        boot,
    )


def unknown(latest_ns: int | None) -> Dating:
    """Of a time that nobody knows, at the latest then."""
    return Dating(Known.UNKNOWN, None, None, None, latest_ns)


# From batches


@given(some=st.lists(reads, min_size=1, max_size=3), pattern=st.sampled_from(PATTERNS))
def test_each_reading_that_matches_comes_once(some: list[list[Read]], pattern: str) -> None:
    """To the bit, with its time, quality and unit, out of every batch of the row."""
    sealed = [batch(seq, *its).sealed for seq, its in enumerate(some, 1)]
    given_ = [
        (f"cellar/{each.sensor}.{point.channel}", each.time_ns, point)
        for its in some
        for each in its
        for point in each.points
    ]
    found: list[tuple[object, ...]] = []
    for each in parts.parts_of(row(*sealed), pattern):
        assert each is not None
        columns = (each.times_ns.tolist(), bits(each.values), each.qualities.tolist())
        found += [(each.series, each.unit, *one) for one in zip(*columns, strict=True)]
    assert Counter(found) == Counter(
        (name, "degC", at_ns(0) + time_ns, *bits(np.array([point.value])), point.quality)
        for name, time_ns, point in given_
        if fnmatchcase(name, pattern)
    )


def test_batch_that_cannot_be_read_is_none() -> None:
    """Those around it are read; behind one whose end nobody knows nothing is."""
    first, second, third = (batch(seq).sealed for seq in (1, 2, 3))

    def values(*sealed: bytes) -> list[float | None]:
        """The reading of each batch."""
        return [None if each is None else each.values[0] for each in parts.parts_of(row(*sealed))]

    assert values(first, damaged(second), third) == [1.0, None, 3.0]
    assert values(first, second[:50]) == [1.0, None]
    assert values(b"no batch", third) == [None]


@pytest.mark.parametrize(
    ("dating", "is_sound"), [(OWN, False), (Dating(Known.SYNCED, 5), False), (OWN, True)]
)
def test_row_that_does_not_say_how_it_is_dated_is_not_read(dating: Dating, is_sound: bool) -> None:
    """What came of it would be no time: its row is damaged, or its clock was not set."""
    clock = UNSET if is_sound else ClockPair(0, 10**18, True)
    sealed = batch(1, clock=clock).sealed
    with pytest.raises(BatchError, match="dated"):
        parts.opened(row(sealed, dating=dating, is_sound=is_sound), sealed)
    assert list(parts.parts_of(row(sealed, dating=dating, is_sound=is_sound))) == [None]


def test_row_says_how_it_is_dated() -> None:
    """By another pair, or not at all: then the times are those of its boot."""
    sealed = batch(1, read(7), clock=UNSET).sealed
    derived = Dating(Known.DERIVED, 5, 3)
    (one,) = parts.parts_of(row(sealed, dating=derived))
    (other,) = parts.parts_of(row(sealed, dating=unknown(9), boot=4))
    assert one is not None
    assert other is not None
    assert (one.times_ns.tolist(), one.datings.tolist(), one.boot) == (
        [7 * 10**9 + 5],
        [derived],
        0,
    )
    assert (other.times_ns.tolist(), other.boot) == ([7 * 10**9], 4)


@given(offset_ns=st.integers(-(2**64) + 1, 2**64 - 1), data=st.data())
def test_any_offset_whose_sum_is_a_time(offset_ns: int, data: st.DataObject) -> None:
    """Neither the offset nor a sum on the way has to fit into 64 bits."""
    some = st.integers(max(LEAST, LEAST - offset_ns), min(MOST, MOST - offset_ns))
    times_ns = data.draw(st.lists(some, max_size=5))
    packed = np.array(times_ns, "<i8").tobytes()
    assert parts.dated(packed, offset_ns).tolist() == [each + offset_ns for each in times_ns]


def test_readings_of_a_row_come_in_order_of_time() -> None:
    """Across its batches, those of unknown time without one."""
    run = [batch(seq, read(at_s, at_s), clock=UNSET).sealed for seq, at_s in ((1, 5.0), (2, 4.0))]
    found = parts.readings_of(row(*run, damaged(run[0]), dating=unknown(None)), "*")
    assert [(each.value, each.time_ns) for each in found] == [(4.0, None), (5.0, None)]


# Parts


@given(
    times_ns=st.lists(st.integers(-20, 20), max_size=12),
    span=st.tuples(*[st.integers(-25, 25)] * 2),
)
def test_range_is_half_open(times_ns: list[int], span: tuple[int, int]) -> None:
    """Whatever the order; without an end, all from its start on. Of unknown times all may lie in it."""
    found = parts.within(part(*times_ns), *span)
    inside = [place for place, each in enumerate(times_ns) if span[0] <= each < span[1]]
    assert found.values.tolist() == found.qualities.tolist() == inside
    assert found.times_ns.tolist() == [times_ns[place] for place in inside]
    assert len(found.datings) == len(inside)
    from_there = [each for each in times_ns if each >= span[0]]
    assert parts.within(part(*times_ns), span[0], None).times_ns.tolist() == from_there
    undated = part(*times_ns, dating=unknown(3), boot=1)
    assert parts.within(undated, *span) is undated


@given(st.lists(st.lists(st.integers(-9, 9), max_size=6), min_size=1, max_size=5))
def test_joined_is_in_order_of_time(several: list[list[int]]) -> None:
    """Of equal times the one that came first goes first."""
    came = [each for its in several for each in its]
    firsts = np.cumsum([0, *map(len, several)]).tolist()
    found = parts.joined(
        [part(*its, first=first) for its, first in zip(several, firsts, strict=False)]
    )
    wanted = sorted(range(len(came)), key=lambda place: came[place])
    assert found.values.tolist() == wanted
    assert found.times_ns.tolist() == [came[place] for place in wanted]
    assert parts.in_order(found) is found


def test_undated_stand_where_they_may_have_been_at_the_latest() -> None:
    """Each boot in its own order, and no two boots mixed up; nobody knows when: at the end."""
    found = parts.joined(
        [
            part(5, dating=unknown(30), boot=2, first=10),
            part(7, 6, dating=unknown(20), boot=1, first=20),
            part(25, 15, first=30),
            part(4, dating=unknown(10), boot=2, first=40),
            part(3, dating=unknown(None), boot=3, first=50),
            part(8, dating=unknown(12), boot=1, first=60),
        ]
    )
    assert list(zip(found.times_ns.tolist(), found.values.tolist(), strict=True)) == [
        (10, 40), (15, 31), (20, 21), (20, 20), (20, 60), (25, 30), (30, 10), (LARGEST_NS, 50),
    ]  # fmt: skip
    assert [each.time_ns for each in parts.as_readings(found)] == [
        None, 15, None, None, None, 25, None, None,
    ]  # fmt: skip


def test_nothing_joined_is_nothing() -> None:
    """An empty part, which has no reading."""
    assert list(parts.as_readings(parts.joined([]))) == []


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([OWN, unknown(3), unknown(4)])), min_size=1
    )
)
def test_datings_are_one_a_reading(runs: list[tuple[int, Dating]]) -> None:
    """In the order of the runs."""
    wanted = [dating for count, dating in runs for _ in range(count)]
    assert parts.datings_of(runs).tolist() == wanted

"""collector.store.gathering: no reading of many batches is lost, changed, or put under another name."""

import math
import random
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock import OWN, Dating, Known
from collector.store import chunks, sealing
from collector.store.chunks import Columns, Run
from collector.store.gathering import Named, Undecodable, chosen, joined
from collector.store.parts import parts_of
from collector.store.rows import BatchRow
from kit.columns import bits
from kit.stores import Read, batch, read
from kit.wireworks import CLOCK, damaged, resealed
from wire.batches import HEADER_BYTES, ClockPair
from wire.blocks import Point

# Time, value and quality of readings, and how their time is known.
Listed = list[tuple[int, int, int, tuple[Known, int | None]]]
AIR = Named("air", "temperature", "degC")
SET_LATER = ClockPair(CLOCK.boot_ns, CLOCK.wall_ns + 10**9, synchronised=True)
UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
DERIVED, VAGUE = Dating(Known.DERIVED, CLOCK.offset_ns, 70), Dating(Known.DERIVED, 5, None)

_points = st.lists(
    st.builds(
        Point,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["V", "V", "A"]),
        st.sampled_from([1.5, 2.0, -0.0, math.nan, 1 / 3, math.inf]),
        st.sampled_from([0, 0, 0, 2, 200]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda point: point.channel,
)
reads = st.builds(
    Read, st.sampled_from(["x", "y"]), st.integers(0, 9).map(lambda s: s * 10**9), _points
)
kinds = st.sampled_from([(OWN, CLOCK), (OWN, SET_LATER), (DERIVED, UNSET), (VAGUE, UNSET)])
rows = st.lists(
    st.tuples(kinds, st.lists(st.lists(reads, min_size=1, max_size=4), min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)


def row_of(kind: tuple[Dating, ClockPair], some: list[list[Read]]) -> BatchRow:
    """A row of batches, dated in one way."""
    dating, clock = kind
    sealed = [batch(seq, *its, clock=clock).sealed for seq, its in enumerate(some, 1)]
    return BatchRow(1, "pi", 0, b"".join(sealed), dating, 1)


def columns(times_ns: list[int], first: int, run: tuple[Known, int | None]) -> Columns:
    """Readings whose values and qualities tell in which order they came."""
    count = len(times_ns)
    numbers = np.arange(first, first + count)
    return Columns(
        np.array(times_ns, np.int64),
        numbers.astype(float),
        numbers.astype(np.uint8),
        (Run(count, *run),),
    )


def listed(found: Columns) -> Listed:
    """The readings one by one, each with how its time is known."""
    each = [run[1:] for run in found.runs for _ in range(run.readings)]
    columns = (found.times_ns.tolist(), bits(found.values), found.qualities.tolist(), each)
    return list(zip(*columns, strict=True))


def gathered(*some: BatchRow) -> tuple[dict[Named, Listed], list[Undecodable]]:
    """What is gathered of rows, as it comes out of their chunks, and what could not be read."""
    sealed = sealing.seal(some)
    found = {}
    for chunk in sealed.chunks:
        shared = None if chunk.times is None else sealed.shared_times[chunk.times]
        assert chunk.series not in found, "one chunk a series"
        found[chunk.series] = listed(chunks.decode_row(chunk.data, chunk.readings, shared))
    return found, sorted(sealed.undecodable)


def asked(*some: BatchRow) -> Counter[tuple[object, ...]]:
    """The readings of rows, as a question has them that reads batch by batch."""
    found: Counter[tuple[object, ...]] = Counter()
    for row in some:
        known = (row.dating.known, row.dating.error_ns)
        for part in parts_of(row):
            if part is not None:
                each = zip(
                    part.times_ns.tolist(), bits(part.values), part.qualities.tolist(), strict=True
                )
                found.update((part.series, part.unit, *one, known) for one in each)
    return found


def counted(found: dict[Named, Listed]) -> Counter[tuple[object, ...]]:
    """The same of what was gathered."""
    return Counter(
        (f"pi/{name.sensor}.{name.channel}", name.unit, *each)
        for name, its in found.items()
        for each in its
    )


@given(rows)
@settings(max_examples=40)
def test_all_of_many_rows_by_series(
    some: list[tuple[tuple[Dating, ClockPair], list[list[Read]]]],
) -> None:
    """Each reading once, as a question to the same rows has it; each series in order of time."""
    made = [row_of(*each) for each in some]
    found, undecodable = gathered(*made)
    assert undecodable == []
    assert counted(found) == asked(*made)
    for its in found.values():
        assert [each[0] for each in its] == sorted(each[0] for each in its)


def test_bodies_of_one_length_may_hold_anything() -> None:
    """Other sensors, channels, units and qualities, however many; what is alike is not mixed up."""
    dice = random.Random(1)
    made = [
        batch(
            seq,
            *(
                read(
                    dice.randrange(9),
                    dice.choice([1.5, -0.0, math.nan]),
                    sensor=dice.choice("xyz"),
                    channel=dice.choice("abc"),
                    unit=dice.choice("VA"),
                    quality=dice.choice([0, 0, 3]),
                )
                for _ in range(dice.randint(1, 3))
            ),
        ).sealed
        for seq in range(1, 400)
    ]
    some = [BatchRow(1, "pi", 0, b"".join(made[:200])), BatchRow(2, "pi", 0, b"".join(made[200:]))]
    found, undecodable = gathered(*some)
    assert undecodable == []
    assert counted(found) == asked(*some)


def test_batch_that_cannot_be_read_is_given_back() -> None:
    """Its own bytes, whatever is wrong with it; the others of the row are taken."""
    run = [batch(seq).sealed for seq in range(1, 7)]
    run[1] = damaged(run[1])
    run[3] = resealed(run[3], HEADER_BYTES, b"?")
    run[4] = resealed(run[4], 2, b"\x07")
    found, undecodable = gathered(BatchRow(7, "pi", 0, b"".join(run)))
    assert undecodable == sorted(Undecodable(7, run[place], False) for place in (1, 3, 4))
    assert [each[1] for each in found[AIR]] == bits(np.array([1.0, 3.0, 6.0]))


def test_rest_of_a_row_is_given_back() -> None:
    """From where nobody knows any more where a batch ends; other rows are taken."""
    first, rest = batch(1).sealed, batch(2).sealed[:60] + b"?" * 9
    found, undecodable = gathered(
        BatchRow(7, "pi", 0, first + rest), BatchRow(8, "pi", 0, batch(3).sealed)
    )
    assert undecodable == [Undecodable(7, rest, True)]
    assert [each[1] for each in found[AIR]] == bits(np.array([1.0, 3.0]))


def test_nothing_gathered_is_no_series() -> None:
    """Of no row, of an empty one, and of one of which nothing can be read."""
    assert gathered() == gathered(BatchRow(1, "pi", 0, b"")) == ({}, [])
    sealed = batch(1).sealed
    unsound = BatchRow(2, "pi", 0, sealed, is_sound=False)
    assert gathered(unsound) == ({}, [Undecodable(2, sealed, False)])


_runs = st.sampled_from([(Known.SYNCED, 0), (Known.DERIVED, 0), (Known.DERIVED, None)])
_several = st.lists(
    st.tuples(st.lists(st.integers(-5, 5), min_size=1, max_size=6).map(sorted), _runs),
    min_size=1,
    max_size=6,
)


@given(_several)
def test_joined_is_in_order_of_time(
    several: list[tuple[list[int], tuple[Known, int | None]]],
) -> None:
    """Equal times as they come; each reading keeps what is its own, and no run is split in vain."""
    firsts = np.cumsum([0, *(len(times_ns) for times_ns, _ in several)]).tolist()
    parts = [
        columns(times_ns, first, run)
        for (times_ns, run), first in zip(several, firsts, strict=False)
    ]
    found = joined(parts)
    came = [each for part in parts for each in listed(part)]
    assert listed(found) == sorted(came, key=lambda each: each[0])
    assert all(one[1:] != other[1:] for one, other in zip(found.runs, found.runs[1:], strict=False))


@given(_several, st.data())
def test_chosen_are_those_named(
    several: list[tuple[list[int], tuple[Known, int | None]]], data: st.DataObject
) -> None:
    """In the order named."""
    whole = joined([columns(times_ns, 0, run) for times_ns, run in several])
    count = len(whole.times_ns)
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True))
    found = chosen(whole, np.array(places))
    assert listed(found) == [listed(whole)[place] for place in places]

"""collector.store.chunks: a chunk is its readings to the bit, small, and damage to it is found."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Known
from collector.store import chunks
from collector.store.chunks import ChunkError, Columns, Run
from kit.columns import (
    MOST,
    Floats,
    Integers,
    bits,
    damages,
    floats,
    grid,
    resealed,
    times,
    typical,
)

GOLDEN = Path(__file__).parents[1] / "golden"


def runs_of(count: int, cuts: list[int], kinds: list[tuple[Known, int | None]]) -> tuple[Run, ...]:
    """Runs of so many readings, cut at some places."""
    places = sorted({0, count, *(cut % count for cut in cuts)})
    return tuple(
        Run(to - place, *kinds[at % len(kinds)]) for at, (place, to) in enumerate(pairwise(places))
    )


@st.composite
def any_columns(draw: st.DrawFn) -> Columns:
    """Columns of readings as no sensor gives them."""
    times_ns: Integers = draw(times)
    values: Floats = np.resize(draw(floats), len(times_ns))
    some = draw(st.binary(min_size=1, max_size=20) | st.just(b"\0"))
    qualities = np.resize(np.frombuffer(some, np.uint8), len(times_ns))
    kind = st.tuples(
        st.sampled_from([Known.SYNCED, Known.DERIVED]), st.none() | st.integers(0, MOST - 1)
    )
    runs = runs_of(
        len(times_ns),
        draw(st.lists(st.integers(0, 400), max_size=5)),
        draw(st.lists(kind, min_size=1, max_size=3)),
    )
    return Columns(times_ns, values, qualities, runs)


def synced(times_ns: Integers, values: Floats) -> Columns:
    """Good readings of a synchronised clock."""
    good = np.zeros(len(values), np.uint8)
    return Columns(times_ns, values, good, (Run(len(values), Known.SYNCED, 0),))


def assert_same(found: Columns, wanted: Columns) -> None:
    """Check that all is the same to the bit."""
    assert found.times_ns.tolist() == wanted.times_ns.tolist()
    assert bits(found.values) == bits(wanted.values)
    assert found.qualities.tolist() == wanted.qualities.tolist()
    assert found.runs == wanted.runs


@given(any_columns())
def test_any_columns_come_back(columns: Columns) -> None:
    """With their times inside, and with times that are kept elsewhere."""
    count = len(columns.values)
    times_blob = chunks.encode_times(columns.times_ns)
    assert_same(chunks.decode(chunks.encode(columns, times_blob), count), columns)
    apart_ns = chunks.decode_times(times_blob, count)
    assert_same(chunks.decode(chunks.encode(columns, None), count, apart_ns), columns)


@given(any_columns())
def test_trust_is_that_of_the_whole(columns: Columns) -> None:
    """Qualities, runs and times are the same without the values; damage is found all the same."""
    count = len(columns.values)
    times_blob = chunks.encode_times(columns.times_ns)
    for inside in (times_blob, None):
        blob = chunks.encode(columns, inside)
        trust = chunks.decode_trust(blob, count)
        assert trust.times_of(None if inside else columns.times_ns).tolist() == (
            columns.times_ns.tolist()
        )
        assert (trust.times is None) == (inside is None)
        qualities = [0] * count if trust.qualities is None else trust.qualities.tolist()
        assert (qualities, trust.runs) == (columns.qualities.tolist(), columns.runs)
        assert trust.has_derived == any(run.known is Known.DERIVED for run in columns.runs)
        with pytest.raises(ChunkError):
            chunks.decode_trust(blob[:-1], count)


@given(any_columns(), damages)
def test_damage_is_found(columns: Columns, damage: Callable[[bytes], bytes]) -> None:
    """A bit, a cut, bytes too many, a wrong number of readings, of chunk and of times."""
    count = len(columns.values)
    times_blob = chunks.encode_times(columns.times_ns)
    blob = chunks.encode(columns, times_blob)
    for readings, data in ((count, damage(blob)), (count + 1, blob), (0, blob)):
        with pytest.raises(ChunkError):
            chunks.decode(data, readings)
    with pytest.raises(ChunkError):
        chunks.decode_times(damage(times_blob), count)


@given(any_columns(), st.lists(damages, min_size=1, max_size=3))
def test_harm_raises_nothing_else(columns: Columns, harm: list[Callable[[bytes], bytes]]) -> None:
    """Also where the checksum was made to fit: as many other readings, or a ChunkError."""
    count = len(columns.values)
    blob = chunks.encode(columns, chunks.encode_times(columns.times_ns))
    for each in harm:
        blob = each(blob) or b"\1"
    try:
        found = chunks.decode(resealed(blob, count), count)
    except ChunkError:
        return
    assert [len(column) for column in found[:3]] == [count] * 3
    assert sum(run.readings for run in found.runs) == count


def test_times_must_be_there() -> None:
    """A chunk without times is nothing alone, nor with those of another number of readings."""
    columns = synced(grid(5), np.arange(5.0))
    blob = chunks.encode(columns, None)
    for apart_ns in (None, grid(4)):
        with pytest.raises(ChunkError, match="the times of 5 readings are not there"):
            chunks.decode(blob, 5, apart_ns)


def test_typical_chunks_are_small() -> None:
    """Ten kinds of sensors, times and all: 0.38 byte a reading; of a minute not much more than it tells."""

    def mean_size(count: int) -> float:
        times_blob = chunks.encode_times(grid(count))
        columns = [synced(grid(count), values) for values in typical(count).values()]
        return float(np.mean([len(chunks.encode(each, times_blob)) for each in columns]) / count)

    assert mean_size(3600) <= 0.38
    assert mean_size(600) <= 0.45
    assert mean_size(60) <= 1.05


def test_constant_takes_a_few_bytes() -> None:
    """However many readings it is: times, qualities and runs too."""
    columns = synced(grid(3600), np.full(3600, 21.5))
    assert len(chunks.encode(columns, chunks.encode_times(grid(3600)))) <= 40


def test_real_series_is_small() -> None:
    """Temperatures of Seattle by the hour: lossless, and under a byte a reading."""
    rows = (GOLDEN / "real/seattle-temps.csv").read_text().splitlines()[3:]
    values = np.array([float(row.split(",")[1]) for row in rows])
    columns = synced(grid(len(values)) * 3600, values)
    blob = chunks.encode(columns, chunks.encode_times(columns.times_ns))
    assert_same(chunks.decode(blob, len(values)), columns)
    assert len(blob) < len(values)


GOLDEN_COLUMNS = {
    "decimals": lambda: synced(grid(100), np.round(20 + np.arange(100) ** 2 % 17 / 10, 1)),
    "constant": lambda: synced(grid(3600), np.full(3600, 21.5)),
    "floats": lambda: synced(grid(40, jitter_ms=5), 1 / (1 + np.arange(40.0))),
    "odd": lambda: Columns(
        np.array([-(2**63), 0, 0, 5, 2**63 - 1] * 4)[np.argsort([0, 1, 2, 3, 4] * 4, kind="stable")],
        np.array([np.nan, -0.0, 5e-324, np.inf, 0.1] * 4),
        np.array([0, 1, 128, 255, 0] * 4, np.uint8),
        (Run(3, Known.DERIVED, None), Run(10, Known.SYNCED, 0), Run(7, Known.DERIVED, 5)),
    ),
    "repeating": lambda: synced(np.delete(grid(2001), 77), np.resize([1.0, 5, 2, 900], 2000)),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN_COLUMNS)
def test_golden_chunks_decode(name: str) -> None:
    """What a store may hold since version 1 stays readable to the bit.

    To add one: write its columns above and call `add_golden(name)`. One that is there never changes.
    """
    wanted = GOLDEN_COLUMNS[name]()
    blob = bytes.fromhex((GOLDEN / f"chunks/{name}.hex").read_text())
    assert_same(chunks.decode(blob, len(wanted.values)), wanted)


def add_golden(name: str) -> None:
    """Write the chunk of a name that is new."""
    columns = GOLDEN_COLUMNS[name]()
    blob = chunks.encode(columns, chunks.encode_times(columns.times_ns))
    with (GOLDEN / f"chunks/{name}.hex").open("x") as file:
        file.write(blob.hex() + "\n")

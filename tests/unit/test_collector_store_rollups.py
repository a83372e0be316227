"""collector.store.rollups: rows of summaries come back to the bit, small, and damage is found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store import rollups
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets, ChunkError
from kit.columns import DAY_NS, SECOND_NS, Floats, bits, damages, floats, grid, resealed, typical

GOLDEN = Path(__file__).parents[1] / "golden"


def assert_same(found: Buckets, wanted: Buckets) -> None:
    """Check that all is the same to the bit."""
    for name in Buckets._fields:
        assert bits(getattr(found, name)) == bits(getattr(wanted, name)), name


def minutes_of(values: Floats, steps_s: list[int]) -> Buckets:
    """The minutes of values so many seconds behind each other."""
    steps = np.resize(steps_s, len(values)) * SECOND_NS
    return rollups.by_width(DAY_NS + np.cumsum(steps), values, MINUTE_NS)


SOME = st.builds(minutes_of, floats, st.lists(st.integers(0, 100), min_size=1, max_size=20))


@given(SOME)
def test_any_buckets_come_back(minutes: Buckets) -> None:
    """Of any values, of minutes with holes between them and without values in them."""
    assert_same(rollups.decode(rollups.encode(minutes, MINUTE_NS)), minutes)


@pytest.mark.parametrize("count", [1, 100, 3600, 40_000])
def test_typical_buckets_come_back(count: int) -> None:
    """Of few and of many readings, by the minute and by the hour."""
    for values in typical(count).values():
        minutes = rollups.by_width(grid(count) + 17 * SECOND_NS, values, MINUTE_NS)
        assert_same(rollups.decode(rollups.encode(minutes, MINUTE_NS)), minutes)
        hours = rollups.by_width(grid(count), values, HOUR_NS)
        assert_same(rollups.decode(rollups.encode(hours, HOUR_NS)), hours)


@given(SOME, damages)
def test_damage_is_found(minutes: Buckets, damage: Callable[[bytes], bytes]) -> None:
    """A bit, a cut, bytes too many."""
    with pytest.raises(ChunkError):
        rollups.decode(damage(rollups.encode(minutes, MINUTE_NS)))


@given(SOME, st.lists(damages, min_size=1, max_size=3))
def test_harm_raises_nothing_else(minutes: Buckets, harm: list[Callable[[bytes], bytes]]) -> None:
    """Also where the checksum was made to fit: other buckets, or a ChunkError."""
    blob = rollups.encode(minutes, MINUTE_NS)
    for each in harm:
        blob = each(blob) or b"\1"
    try:
        found = rollups.decode(resealed(blob, 1))
    except ChunkError:
        return
    assert len({len(column) for column in found}) == 1


def test_typical_rows_are_small() -> None:
    """Minutes of 1 Hz readings: bytes a reading of rows of an hour, and of a day."""

    def mean_size(count: int) -> float:
        minutes = [
            rollups.by_width(grid(count), values, MINUTE_NS) for values in typical(count).values()
        ]
        return float(np.mean([len(rollups.encode(each, MINUTE_NS)) for each in minutes]) / count)

    assert mean_size(3600) <= 0.075
    assert mean_size(86_400) <= 0.05


def test_what_is_no_row_is_refused() -> None:
    """Nothing at all, and starts between the multiples of the width."""
    minutes = minutes_of(np.arange(5.0), [60])
    with pytest.raises(ValueError, match="1 to"):
        rollups.encode(rollups.chosen(minutes, slice(0)), MINUTE_NS)
    with pytest.raises(ValueError, match="does not start at a multiple"):
        rollups.encode(minutes, 7 * MINUTE_NS + 1)


GOLDEN_BUCKETS = {
    "few": lambda: minutes_of(np.arange(100) / 10, [1]),
    "hour": lambda: minutes_of(np.arange(3600) ** 2 % 977 / 100, [1]),
    "many": lambda: minutes_of(np.arange(4000) * 7 % 1000 / 10, [7, 9, 200]),
    "floats": lambda: minutes_of(1 / (1 + np.arange(600.0)), [1]),
    "odd": lambda: minutes_of(np.resize([np.nan, -0.0, 1.5, np.nan, np.inf, 7], 300), [45]),
}


@pytest.mark.parametrize("name", GOLDEN_BUCKETS)
def test_golden_rollups_decode(name: str) -> None:
    """What a store may hold since version 1 stays readable to the bit.

    To add one: write its buckets above and call `add_golden(name)`. One that is there never changes.
    """
    blob = bytes.fromhex((GOLDEN / f"rollups/{name}.hex").read_text())
    assert_same(rollups.decode(blob), GOLDEN_BUCKETS[name]())


def add_golden(name: str) -> None:
    """Write the blob of a name that is new."""
    blob = rollups.encode(GOLDEN_BUCKETS[name](), MINUTE_NS)
    with (GOLDEN / f"rollups/{name}.hex").open("x") as file:
        file.write(blob.hex() + "\n")

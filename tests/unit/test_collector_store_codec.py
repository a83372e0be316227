"""collector.store.codec: times and values of any bits come back, and cost what they tell."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from collector.store import codec
from collector.store.blobs import ChunkError
from kit.columns import SECOND_NS, Floats, Integers, bits, damages, floats, grid, times, typical


@given(times)
def test_any_times_come_back(times_ns: Integers) -> None:
    """In rising order, equal ones too, over all 64 bits."""
    data = codec.encode_times(times_ns)
    assert codec.decode_times(data, len(times_ns)).tolist() == times_ns.tolist()


@given(floats)
def test_any_values_come_back(values: Floats) -> None:
    """Every bit of NaN, -0.0 and subnormals; decimals with some of them in between."""
    data = codec.encode_values(values)
    assert bits(codec.decode_values(data, len(values))) == bits(values)


@pytest.mark.parametrize(
    "name", ["walk", "single", "steps", "all nan", "half nan", "negative zeros", "huge", "binary"]
)
def test_each_kind_comes_back(name: str) -> None:
    """Of a full chunk: floats without and with a pattern, and the odd ones in great number."""
    some = np.random.default_rng(1)
    walk = np.cumsum(some.normal(0, 1, 3600))
    values = {
        "walk": walk,
        "single": walk.astype(np.float32).astype(np.float64),
        "steps": np.round(walk * 9) * 3.3 / 4096,
        "all nan": np.full(3600, np.nan),
        "half nan": np.where(some.random(3600) < 0.5, np.nan, walk),
        "negative zeros": np.round(walk / 99, 1) * -1.0,
        "huge": walk * 1e300,
        "binary": np.where(some.random(3600) < 0.5, -0.0, 1.0),
    }[name]
    data = codec.encode_values(values)
    assert bits(codec.decode_values(data, 3600)) == bits(values)
    assert len(data) < 8 * 3600 + 20


def test_regular_times_cost_a_few_bytes() -> None:
    """A grid, one with missed points, one with a few readings off it; jitter costs its entropy."""
    regular = grid(3600)
    assert len(codec.encode_times(regular)) <= 20
    assert len(codec.encode_times(np.delete(regular, [9, 700, 701, 3000]))) <= 40
    off = regular.copy()
    off[[9, 700, 3000]] += SECOND_NS // 80
    assert len(codec.encode_times(off)) <= 45
    assert len(codec.encode_times(grid(3600, jitter_ms=5))) <= 0.46 * 3600


def test_typical_values_cost_little() -> None:
    """Of ten kinds of sensors, in the mean over full chunks."""
    sizes = [len(codec.encode_values(values)) for values in typical(3600).values()]
    assert np.mean(sizes) <= 0.36 * 3600


@given(floats, times, damages)
def test_damage_raises_nothing_else(
    values: Floats, times_ns: Integers, damage: Callable[[bytes], bytes]
) -> None:
    """Where no checksum stands before it: as many other values, or a ChunkError."""
    try:
        data = damage(codec.encode_values(values))
        assert len(codec.decode_values(data, len(values))) == len(values)
        data = damage(codec.encode_times(times_ns))
        assert len(codec.decode_times(data, len(times_ns))) == len(times_ns)
    except ChunkError:
        pass

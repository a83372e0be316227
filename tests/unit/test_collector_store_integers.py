"""collector.store.integers: any 64-bit numbers come back, and what is regular costs next to nothing."""

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store import integers
from collector.store.blobs import ChunkError
from kit.columns import LEAST, MOST, Integers, damages
from kit.columns import integers as any_integers

ORDERS = st.sampled_from([(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])


@given(any_integers, ORDERS)
def test_any_numbers_come_back(numbers: Integers, orders: tuple[int, ...]) -> None:
    """Extremes, walks, constants, whatever wraps; by any order of differences."""
    column = integers.encode(numbers, orders)
    assert integers.decode(column, len(numbers)).tolist() == numbers.tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 100, 5000])
@pytest.mark.parametrize(
    "kind", ["walk", "noise", "wide", "repeating", "alike", "random", "parabola", "multiples"]
)
def test_each_kind_comes_back(kind: str, count: int) -> None:
    """Also of lengths at which a sample or a trial is no longer the whole."""
    some = np.random.default_rng(count)
    number = {
        "walk": np.cumsum(some.integers(-2, 3, count)),
        "noise": some.integers(0, 300, count),
        "wide": some.integers(0, 2**40, count),
        "repeating": np.resize([5, 1, 2**33, -7, 0, 12], count),
        "alike": np.where(some.random(count) < 0.01, some.integers(LEAST, MOST, count), 7),
        "random": some.integers(LEAST, MOST, count, endpoint=True),
        "parabola": np.arange(count) ** 2,
        "multiples": some.integers(-9, 9, count) * 10**15,
    }[kind]
    column = integers.encode(number)
    assert integers.decode(column, count).tolist() == number.tolist()
    assert len(column) <= 8 * count + 12


@pytest.mark.parametrize("step", [0, 1, 10**9, -(2**40)])
def test_equal_steps_take_a_few_bytes(step: int) -> None:
    """However many there are."""
    assert len(integers.encode(7 + step * np.arange(3600))) <= 12


def test_few_that_differ_take_a_few_bytes_each() -> None:
    """A regular grid with missed points, a constant with outliers."""
    regular = np.delete(np.arange(3600) * 10**9, [5, 900, 901, 3000])
    assert len(integers.encode(regular)) <= 35
    constant = np.full(3600, 21)
    constant[[7, 3000]] = 22
    assert len(integers.encode(constant)) <= 16


def test_numbers_of_another_type_than_asked_are_refused() -> None:
    """A column knows not how many it holds; it notices all the same."""
    column = integers.encode(np.random.default_rng(1).integers(0, 300, 500))
    for count in (0, 1, 499, 501):
        with pytest.raises(ChunkError):
            integers.decode(column, count)


@given(any_integers, damages)
def test_damage_raises_nothing_else(numbers: Integers, damage: Callable[[bytes], bytes]) -> None:
    """Where no checksum stands before it: other numbers, as many, or a ChunkError."""
    column = damage(integers.encode(numbers))
    with contextlib.suppress(ChunkError):
        assert len(integers.decode(column, len(numbers))) == len(numbers)


@given(st.binary(max_size=40), st.integers(1, 50))
def test_any_bytes_raise_nothing_else(data: bytes, count: int) -> None:
    """Also what was no column ever."""
    with contextlib.suppress(ChunkError):
        assert len(integers.decode(data, count)) == count

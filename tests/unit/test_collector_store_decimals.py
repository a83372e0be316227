"""collector.store.decimals: whole numbers of a power of ten, to the bit, or an exception."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store import decimals
from kit.columns import Floats, bits, floats


@given(floats)
def test_all_but_the_exceptions_come_back(values: Floats) -> None:
    """Whatever the values are: what is not named as an exception is the same to the bit."""
    found = decimals.scaled(values)
    if found is None:
        return
    restored = decimals.restored(found.numbers, found.exponent)
    restored[found.exceptions] = values[found.exceptions]
    assert bits(restored) == bits(values)


@pytest.mark.parametrize("exponent", range(10))
def test_exponent_is_the_smallest(exponent: int) -> None:
    """Of values with so many digits behind the point, negative ones too."""
    numbers = np.arange(-500, 1500)
    found = decimals.scaled(np.round(numbers / 10**exponent, exponent))
    assert found is not None
    assert (found.exponent, found.numbers.tolist()) == (exponent, numbers.tolist())
    assert not len(found.exceptions)


def test_few_odd_values_do_not_spoil_the_rest() -> None:
    """NaN, infinities, -0.0 and a stray are exceptions; the number before stands in for them."""
    values = np.arange(100) / 10
    values[[3, 4, 50, 60, 70]] = np.nan, np.nan, -0.0, np.inf, 1 / 3
    found = decimals.scaled(values)
    assert found is not None
    assert found.exceptions.tolist() == [3, 4, 50, 60, 70]
    assert found.numbers[[2, 3, 4, 5, 50, 60, 70]].tolist() == [2, 2, 2, 5, 49, 59, 69]


def test_leading_exceptions_take_the_first_number() -> None:
    """Where nothing stood before."""
    found = decimals.scaled(np.array([np.nan, np.nan, 1.5, 1.5]))
    assert found is not None
    assert found.numbers.tolist() == [15, 15, 15, 15]


def test_many_values_of_more_digits_raise_the_exponent() -> None:
    """A digit more costs less than many strays, and more than few."""
    values = np.arange(1000) / 10
    values[::10] += 0.05
    many = decimals.scaled(values)
    values = np.arange(1000) / 10
    values[500] += 0.05
    few = decimals.scaled(values)
    strict = decimals.scaled(values, stray_is_worth=1000)
    assert many is not None
    assert few is not None
    assert strict is not None
    assert (many.exponent, few.exponent, strict.exponent) == (2, 1, 2)
    assert few.exceptions.tolist() == [500]
    assert not len(strict.exceptions)


@pytest.mark.parametrize(
    "values",
    [np.full(5, np.nan), np.full(3, np.inf), np.random.default_rng(1).normal(0, 1, 1000)],
    ids=["nan", "infinite", "random"],
)
def test_what_is_no_decimal_is_none(values: Floats) -> None:
    """Nothing is gained then."""
    assert decimals.scaled(values) is None


@given(st.lists(st.floats(), min_size=1, max_size=12))
def test_few_come_back(values: list[float]) -> None:
    """A few values are all whole numbers, to the bit, or nothing is said."""
    found = decimals.scaled_few(values)
    if found is not None:
        exponent, numbers = found
        restored = np.array([number / 10**exponent for number in numbers])
        assert bits(restored) == bits(np.array(values))


def test_few_are_found() -> None:
    """With the smallest exponent; -0.0 and infinity do not fit."""
    assert decimals.scaled_few([21.5, 3.0, -0.25]) == (2, [2150, 300, -25])
    assert decimals.scaled_few([1.0, -0.0]) is None
    assert decimals.scaled_few([1.0, float("inf")]) is None

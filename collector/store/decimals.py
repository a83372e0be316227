"""Decimals: floats that are whole numbers of some power of ten, as those whole numbers. Pure.

Sensors give 21.4, not a float of 52 random bits: 214 with exponent 1. The division 214 / 10**1 is
rounded once, and so gives the very same bits. What does not come back so, to the bit, is an
exception: NaN, infinities, -0.0, a stray value of more digits.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LARGEST_EXPONENT = 9
# A sample is taken of no larger ones.
_LARGEST = 2.0**53
_TENS = [10.0**exponent for exponent in range(LARGEST_EXPONENT + 1)]
_ALL_TENS = np.array(_TENS)
_SAMPLE = 12
# Of a sample so much must fit; of all values no more than one in so many may stray.
_FITTING = 0.75
_ONE_STRAY_IN = 16
# A stray costs about as much as one digit more for so many values.
_STRAY_IS_WORTH = 24


class Decimal(NamedTuple):
    """Values as `numbers` / 10**`exponent`, but for those at `exceptions`, in rising order.

    There `numbers` has what stood before, so that it does not disturb.
    """

    exponent: int
    numbers: Integers
    exceptions: Integers


@np.errstate(over="ignore", invalid="ignore")
def scaled(values: Floats, stray_is_worth: int = _STRAY_IS_WORTH) -> Decimal | None:
    """Return values as whole numbers of the smallest exponent; None: they are no decimals.

    `stray_is_worth`: for how many values one digit more may be taken to have one stray less.
    """
    exponent = _guessed(values)
    if exponent is None:
        return None
    numbers, odd = _numbers(values, exponent)
    if odd is None:
        return Decimal(exponent, numbers, np.empty(0, np.int64))
    strays = _strays(values, odd)
    higher = _worthwhile(values[strays], exponent, len(values) / stray_is_worth)
    if higher is not None:
        exponent = higher
        numbers, odd = _numbers(values, exponent)
        if odd is None:
            return Decimal(exponent, numbers, np.empty(0, np.int64))
        strays = _strays(values, odd)
    if len(strays) * _ONE_STRAY_IN > len(values):
        return None
    return Decimal(exponent, _filled(numbers, odd), np.flatnonzero(odd))


class Decimals(NamedTuple):
    """Rows of a matrix as whole numbers: those at `rows` are `numbers` / 10**`exponents` to the bit."""

    rows: list[int]
    exponents: list[int]
    numbers: Integers


@np.errstate(over="ignore", invalid="ignore")
def scaled_all(values: Floats) -> Decimals:
    """Return the rows that are decimals throughout, with what `scaled` gives for each by itself."""
    sample = values[:, :: values.shape[1] // _SAMPLE + 1]
    whole = np.rint(sample * _ALL_TENS[:, np.newaxis, np.newaxis])
    whole /= _ALL_TENS[:, np.newaxis, np.newaxis]
    fits = np.add.reduce(whole == sample, axis=2) >= _FITTING * sample.shape[1]
    exponents = np.argmax(fits, axis=0)
    tens = _ALL_TENS[exponents][:, np.newaxis]
    product = values * tens
    numbers = np.rint(product, out=product).astype(np.int64)
    again = np.divide(numbers, tens, out=product)
    is_plain = (again.view(np.int64) == values.view(np.int64)).all(axis=1)
    is_plain &= (np.abs(sample) <= _LARGEST).all(axis=1)
    rows = np.flatnonzero(is_plain)
    if len(rows) < len(values):
        exponents, numbers = exponents[rows], numbers[rows]
    return Decimals(rows.tolist(), exponents.tolist(), numbers)


def scaled_few(values: list[float]) -> tuple[int, list[int]] | None:
    """Return the exponent and the whole numbers of a few values, None if one does not fit."""
    if not all(abs(value) <= _LARGEST and str(value) != "-0.0" for value in values):
        return None
    for exponent, power in enumerate(_TENS):
        numbers = [round(value * power) for value in values]
        if [number / power for number in numbers] == values:
            return exponent, numbers
    return None


def restored(numbers: Integers, exponent: int) -> Floats:
    """Return the values of whole numbers."""
    values = numbers.astype(np.float64)
    if exponent:
        values /= _TENS[exponent]
    return values


def filled(values: Floats, odd: npt.NDArray[np.bool_]) -> Floats:
    """Return values with each odd one as the last before it that is not."""
    return values[_behind(odd)]


def _guessed(values: Floats) -> int | None:
    """Return the smallest exponent that a sample fits."""
    sample = values[:: len(values) // _SAMPLE + 1].tolist()
    sample = [value for value in sample if -_LARGEST <= value <= _LARGEST]
    if not sample:
        sample = values[np.abs(values) <= _LARGEST][:_SAMPLE].tolist()
    enough = _FITTING * len(sample)
    for exponent, power in enumerate(_TENS) if sample else ():
        if [round(value * power) / power == value for value in sample].count(True) >= enough:
            return exponent
    return None


def _fits(values: Floats, exponent: int) -> bool:
    """Say whether all values are whole numbers of an exponent."""
    _, odd = _numbers(values, exponent)
    return odd is None


def _numbers(values: Floats, exponent: int) -> tuple[Integers, npt.NDArray[np.bool_] | None]:
    """Return all as whole numbers, and which of them are not, None where all are."""
    whole = values * _TENS[exponent]
    numbers = np.rint(whole, out=whole).astype(np.int64)
    odd = restored(numbers, exponent).view(np.int64) != values.view(np.int64)
    return numbers, odd if np.count_nonzero(odd) else None


def _strays(values: Floats, odd: npt.NDArray[np.bool_]) -> Integers:
    """Return where values are odd that have bits of their own: not NaN, not infinite, not -0.0."""
    return np.flatnonzero(odd & np.isfinite(values) & (values != 0.0))


def _worthwhile(strays: Floats, exponent: int, digit_costs: float) -> int | None:
    """Return the exponent with which strays fit as well, if its digits cost less than they do."""
    for higher in range(exponent + 1, LARGEST_EXPONENT + 1):
        if len(strays) < (higher - exponent) * digit_costs:
            return None
        if _fits(strays, higher):
            return higher
    return None


def _filled(numbers: Integers, odd: npt.NDArray[np.bool_]) -> Integers:
    return numbers[_behind(odd)]


def _behind(odd: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return for each place the last one up to it that is not odd; at the start the first."""
    places = np.arange(len(odd))
    places[odd] = 0
    places = np.maximum.accumulate(places)
    first = int(np.argmin(odd))
    return np.maximum(places, first)

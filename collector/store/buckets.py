"""Buckets: readings of one series summed up by spans of time. Pure.

Summaries are additive: those of parts, merged, are those of the whole, however it is parted. Totals
of decimals are therefore sums of whole numbers, divided once: the same float in any order, as long
as the sum has no more than some fifteen digits.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collector.store import decimals
from collector.store.decimals import Floats, Integers

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS

# Up to here a float tells from which whole number, divided, it comes.
_LARGEST_EXACT = 2**51


class Buckets(NamedTuple):
    """Summaries of one series: parallel arrays, an entry for each bucket with readings, by time.

    `counts` says how many readings have a value, `bads` how many have none. Of a bucket where none
    has, `first_ns` and `last_ns` are its start, the total is 0 and the other floats are NaN.
    """

    starts_ns: Integers
    counts: Integers
    bads: Integers
    first_ns: Integers
    last_ns: Integers
    firsts: Floats
    lasts: Floats
    minima: Floats
    maxima: Floats
    totals: Floats


class BucketNumbers(NamedTuple):
    """The same of several series that have values at the same times: these are whole numbers.

    `numbers`: of each series five rows, which are firsts, lasts, minima, maxima and totals.
    """

    starts_ns: Integers
    counts: Integers
    bads: Integers
    first_ns: Integers
    last_ns: Integers
    numbers: Integers


def empty(starts_ns: Integers) -> Buckets:
    """Return buckets in which no reading is."""
    counts, bads = np.zeros((2, len(starts_ns)), np.int64)
    firsts, lasts, minima, maxima = np.full((4, len(starts_ns)), np.nan)
    totals = np.zeros(len(starts_ns))
    return Buckets(
        starts_ns,
        counts,
        bads,
        starts_ns.copy(),
        starts_ns.copy(),
        firsts,
        lasts,
        minima,
        maxima,
        totals,
    )


def summarised(starts_ns: Integers, times_ns: Integers, values: Floats) -> Buckets:
    """Return the summaries of readings in order of time; `starts_ns`: of the bucket of each."""
    if not len(values):
        return empty(starts_ns)
    edges = _edges(starts_ns)
    return _summed_up(starts_ns[edges], edges, times_ns, values)


def by_width(times_ns: Integers, values: Floats, width_ns: int) -> Buckets:
    """Return the same for buckets that start at the multiples of a width, at less cost."""
    if not len(values):
        return empty(times_ns)
    return _summed_up(*_spread(times_ns, width_ns), times_ns, values)


def summarised_all(times_ns: Integers, numbers: Integers, width_ns: int) -> BucketNumbers:
    """Return the same of several series of whole numbers, a row each."""
    starts_ns, edges = _spread(times_ns, width_ns)
    ends = np.append(edges[1:], len(times_ns))
    found = np.empty((len(numbers), 5, len(edges)), np.int64)
    found[:, 0] = numbers[:, edges]
    found[:, 1] = numbers[:, ends - 1]
    np.minimum.reduceat(numbers, edges, axis=1, out=found[:, 2])
    np.maximum.reduceat(numbers, edges, axis=1, out=found[:, 3])
    np.add.reduceat(numbers, edges, axis=1, out=found[:, 4])
    counts = ends - edges
    return BucketNumbers(
        starts_ns, counts, np.zeros_like(counts), times_ns[edges], times_ns[ends - 1], found
    )


def are_summable(numbers: Integers) -> npt.NDArray[np.bool_]:
    """Return which rows of whole numbers have sums that a float tells exactly."""
    most = _LARGEST_EXACT // numbers.shape[1]
    lowest = np.minimum.reduce(numbers, axis=1)
    found: npt.NDArray[np.bool_] = (lowest > -most) & (np.maximum.reduce(numbers, axis=1) < most)
    return found


def merged(
    several: Sequence[Buckets], coarser: Callable[[Integers], Integers] | None = None
) -> Buckets:
    """Return as one what is about the same buckets; `coarser`: starts to the starts to be had.

    Of equal first times the earlier of the arguments has it, of equal last times the later.
    """
    whole = several[0]
    if len(several) > 1:
        whole = Buckets._make(np.concatenate(columns) for columns in zip(*several, strict=True))
    if coarser is not None:
        whole = whole._replace(starts_ns=coarser(whole.starts_ns))
    steps = whole.starts_ns[1:] - whole.starts_ns[:-1]
    if not np.count_nonzero(steps <= 0):
        return _with_own_times(whole)
    if np.count_nonzero(steps < 0):
        whole = chosen(whole, np.argsort(whole.starts_ns, kind="stable"))
    edges = _edges(whole.starts_ns)
    counts = np.add.reduceat(whole.counts, edges)
    first, last = _ends(whole, edges)
    return _with_own_times(
        Buckets(
            whole.starts_ns[edges],
            counts,
            np.add.reduceat(whole.bads, edges),
            whole.first_ns[first],
            whole.last_ns[last],
            whole.firsts[first],
            whole.lasts[last],
            np.fmin.reduceat(whole.minima, edges),
            np.fmax.reduceat(whole.maxima, edges),
            _sums(whole.totals, edges),
        )
    )


def means(buckets: Buckets) -> Floats:
    """Return the mean of each bucket, NaN where no reading has a value."""
    found = np.full(len(buckets.counts), np.nan)
    np.divide(buckets.totals, buckets.counts, out=found, where=buckets.counts > 0)
    return found


def chosen(buckets: Buckets, which: slice | npt.NDArray[np.bool_] | Integers) -> Buckets:
    """Return some of the buckets."""
    return Buckets._make(column[which] for column in buckets)


def _spread(times_ns: Integers, width_ns: int) -> tuple[Integers, Integers]:
    """Return the starts of the buckets that times in order lie in, and where each begins."""
    first, last = int(times_ns[0]) // width_ns, int(times_ns[-1]) // width_ns
    if last - first > len(times_ns):
        starts_ns = times_ns // width_ns * width_ns
        edges = _edges(starts_ns)
        return starts_ns[edges], edges
    starts_ns = np.arange(first, last + 1) * np.int64(width_ns)
    edges = np.searchsorted(times_ns, starts_ns)
    is_empty = edges == np.append(edges[1:], len(times_ns))
    if np.count_nonzero(is_empty):
        starts_ns, edges = starts_ns[~is_empty], edges[~is_empty]
    return starts_ns, edges


def _edges(starts_ns: Integers) -> Integers:
    """Return where each bucket begins in rows that are in order of buckets."""
    changes = np.flatnonzero(starts_ns[1:] != starts_ns[:-1])
    changes += 1
    return np.concatenate((np.zeros(min(1, len(starts_ns)), np.int64), changes))


def _summed_up(starts_ns: Integers, edges: Integers, times_ns: Integers, values: Floats) -> Buckets:
    """Return the summaries of the readings from each edge to the next."""
    has_none = np.isnan(values)
    if not np.count_nonzero(has_none):
        return _of_values(starts_ns, edges, times_ns, values)
    found = empty(starts_ns)
    found.bads[:] = np.add.reduceat(has_none.astype(np.int64), edges)
    counts = np.diff(edges, append=len(values)) - found.bads
    places = np.flatnonzero(counts)
    if len(places):
        has_value = ~has_none
        edges = np.cumsum(counts[places]) - counts[places]
        some = _of_values(starts_ns[places], edges, times_ns[has_value], values[has_value])
        for name in set(Buckets._fields) - {"starts_ns", "bads"}:
            getattr(found, name)[places] = getattr(some, name)
    return found


def _of_values(starts_ns: Integers, edges: Integers, times_ns: Integers, values: Floats) -> Buckets:
    ends = np.append(edges[1:], len(values))
    return Buckets(
        starts_ns,
        ends - edges,
        np.zeros(len(edges), np.int64),
        times_ns[edges],
        times_ns[ends - 1],
        values[edges],
        values[ends - 1],
        np.minimum.reduceat(values, edges) + 0.0,  # of 0.0 and -0.0 the order would decide
        np.maximum.reduceat(values, edges) + 0.0,
        _sums(values, edges),
    )


@np.errstate(over="ignore", invalid="ignore")
def _sums(values: Floats, edges: Integers) -> Floats:
    """Return the sums from each edge to the next: exact for decimals, as far as they are such."""
    sums: Floats = np.add.reduceat(values, edges) + 0.0
    decimal = decimals.scaled(values, stray_is_worth=len(values))
    if decimal is None:
        return sums
    numbers, inexact = decimal.numbers, np.zeros(len(edges), np.bool_)
    if len(decimal.exceptions):
        numbers[decimal.exceptions] = 0
        strays = decimal.exceptions[values[decimal.exceptions] != 0.0]
        inexact[np.searchsorted(edges, strays, "right") - 1] = True
    largest = max(int(np.maximum.reduce(numbers)), -int(np.minimum.reduce(numbers)))
    if largest >= _LARGEST_EXACT // len(numbers):
        inexact |= np.add.reduceat(np.abs(numbers.astype(np.float64)), edges) >= _LARGEST_EXACT
    exact = decimals.restored(np.add.reduceat(numbers, edges), decimal.exponent)
    return np.where(inexact, sums, exact)


def _ends(buckets: Buckets, edges: Integers) -> tuple[Integers, Integers]:
    """Return where the first and the last value of each group of buckets is."""
    has_value = buckets.counts > 0
    ends = np.append(edges[1:], len(has_value)) - 1
    is_in_order = (
        np.count_nonzero(has_value) == len(has_value)
        and not np.count_nonzero(buckets.first_ns[1:] < buckets.first_ns[:-1])
        and not np.count_nonzero(buckets.last_ns[1:] < buckets.last_ns[:-1])
    )
    if is_in_order:
        return edges, ends
    by_first = np.lexsort((buckets.first_ns, ~has_value, buckets.starts_ns))
    by_last = np.lexsort((buckets.last_ns, has_value, buckets.starts_ns))
    return by_first[edges], by_last[ends]


def _with_own_times(buckets: Buckets) -> Buckets:
    """Let buckets without a value begin and end where they start, though they were finer once."""
    if np.count_nonzero(buckets.counts) == len(buckets.counts):
        return buckets
    has_none = buckets.counts == 0
    return buckets._replace(
        first_ns=np.where(has_none, buckets.starts_ns, buckets.first_ns),
        last_ns=np.where(has_none, buckets.starts_ns, buckets.last_ns),
    )

"""collector.clock: one rule dates a reading, and never says more than the pairs of its boot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import (
    DRIFT,
    GOOD_NS,
    HOUR_NS,
    LARGEST_NS,
    NO_EARLIER_NS,
    SAME_NS,
    SECOND_NS,
    Dating,
    Known,
    OwnClock,
    Pair,
    Pairs,
    Source,
    dating_by,
    is_news,
)

NOW_NS = 1_790_000_000 * SECOND_NS
MEASURED, VOUCHED, SYNCHRONISED = Source

BOOT_NS = st.integers(0, 400 * 24 * HOUR_NS)
TRUTH = st.builds(
    Pair,
    BOOT_NS,
    st.integers(0, 2**62),
    st.sampled_from(Source),
    st.integers(0, 3 * SECOND_NS),
)
SOME = st.lists(TRUTH, max_size=12)


def pair(at_s: float, source: Source = SYNCHRONISED, error_s: float = 0, off_s: float = 0) -> Pair:
    """A pair so long after boot, and so far off the truth, which is `NOW_NS` at the start."""
    at_ns = round(at_s * SECOND_NS)
    return Pair(
        at_ns, NOW_NS + at_ns + round(off_s * SECOND_NS), source, round(error_s * SECOND_NS)
    )


def naive(pairs: list[Pair], boot_ns: int) -> Pair | None:
    """The rule, by looking at all pairs."""

    def best(*sources: Source) -> Pair | None:
        some = [each for each in pairs if each.source in sources]
        return min(some, key=lambda each: each.bound_ns(boot_ns), default=None)

    own = best(SYNCHRONISED)
    if own is not None and own.bound_ns(boot_ns) <= GOOD_NS:
        return own
    return best(SYNCHRONISED, VOUCHED) or best(MEASURED)


@given(SOME, BOOT_NS)
def test_rule_is_that_of_its_words(pairs: list[Pair], boot_ns: int) -> None:
    """However the pairs are searched: the bound is that of the best there is, by the same source."""
    found, wanted = Pairs(pairs).date(boot_ns), naive(pairs, boot_ns)
    assert (found is None) is (wanted is None)
    if found is not None and wanted is not None:
        assert found.bound_ns(boot_ns) == wanted.bound_ns(boot_ns)
        assert (found.source is MEASURED) is (wanted.source is MEASURED)


@given(
    st.lists(st.tuples(BOOT_NS, st.integers(0, 10**9)), min_size=1), BOOT_NS, st.integers(-100, 100)
)
def test_truth_is_within_the_bound(measured: list[tuple[int, int]], boot_ns: int, ppm: int) -> None:
    """Of a crystal of up to 100 ppm, and measurements that are as good as they say."""

    def utc_ns(at_ns: int) -> int:
        return NOW_NS + at_ns + at_ns * ppm // 10**6

    pairs = Pairs(
        Pair(at_ns, utc_ns(at_ns) + (error_ns if at_ns % 2 else -error_ns), MEASURED, error_ns)
        for at_ns, error_ns in measured
    )
    found = pairs.date(boot_ns)
    assert found is not None
    off_ns = abs(boot_ns + found.offset_ns - utc_ns(boot_ns))
    assert off_ns <= found.bound_ns(boot_ns) + 2  # of rounding


@given(SOME, TRUTH, BOOT_NS)
def test_pair_dates_nothing_out_of_its_reach(pairs: list[Pair], new: Pair, boot_ns: int) -> None:
    """What is outside is dated as well without it: only what is inside need be looked at again."""
    before, after = Pairs(pairs), Pairs([*pairs, new])
    first_ns, last_ns = after.reach(new)
    assert first_ns <= new.boot_ns <= last_ns
    if not first_ns <= boot_ns <= last_ns:
        known, former = after.date(boot_ns), before.date(boot_ns)
        assert known is not None
        assert former is not None
        assert known.bound_ns(boot_ns) == former.bound_ns(boot_ns)


def test_no_pair_says_nothing() -> None:
    """A time that is not known is not made up."""
    assert Pairs().date(0) is None


def test_nearest_synchronised_pair_dates() -> None:
    """Whatever was measured nearer, as long as it is good to a second."""
    pairs = Pairs([pair(0, off_s=1), pair(100, off_s=2), pair(70, MEASURED), pair(70, VOUCHED)])
    found = pairs.date(70 * SECOND_NS)
    assert found is not None
    assert found.offset_ns == NOW_NS + 2 * SECOND_NS
    assert dating_by(found, 60 * SECOND_NS, 70 * SECOND_NS) == Dating(
        Known.SYNCED, NOW_NS + 2 * SECOND_NS, 40 * SECOND_NS // DRIFT
    )


def test_synchronised_pair_of_long_ago_is_worth_less() -> None:
    """A crystal may drift by minutes in a month; what a collector measured that knows the time may not."""
    month_s = 30 * 24 * 3600
    vouched, measured = pair(month_s, VOUCHED, 0.01), pair(month_s, MEASURED, 0.001)
    assert Pairs([pair(0), vouched, measured]).date(month_s * SECOND_NS) == vouched
    assert Pairs([pair(0), measured]).date(month_s * SECOND_NS) == pair(0)
    assert Pairs([measured]).date(month_s * SECOND_NS) == measured


def test_better_measurement_dates_farther() -> None:
    """A round trip of two seconds is good for nothing that is near a quick one."""
    slow, quick = pair(0, MEASURED, 1.0), pair(3600, MEASURED, 0.001)
    pairs = Pairs([slow, quick])
    assert pairs.date(0) == quick
    assert dating_by(quick, 0, 0) == Dating(Known.DERIVED, NOW_NS, 361_000_000)


def test_best_of_an_hour_is_found() -> None:
    """Of uptime, whatever its source."""
    pairs = Pairs([pair(10), pair(20, MEASURED), pair(3700, VOUCHED)])
    assert pairs.of_hour(3599 * SECOND_NS) == pair(20, MEASURED)
    assert pairs.of_hour(3600 * SECOND_NS) == pair(3700, VOUCHED)
    assert pairs.of_hour(7200 * SECOND_NS) is None
    pairs.remove(pair(20, MEASURED))
    assert pairs.of_hour(0) is None
    assert len(pairs) == 2


@pytest.mark.parametrize(
    ("boot_ns", "wall_ns", "is_possible"),
    [(0, 2**62, True), (2**61, 0, False), (-(2**61), 0, False), (0, 2**62 + 1, False)],
)
def test_numbers_that_no_clock_shows(boot_ns: int, wall_ns: int, is_possible: bool) -> None:
    """A device may send any; nobody is to compute with them."""
    assert Pair(boot_ns, wall_ns, SYNCHRONISED).is_possible is is_possible


DERIVED = Dating(Known.DERIVED, 0, 1000)
UNKNOWN = Dating(Known.UNKNOWN, None, None, 5, 9)


@pytest.mark.parametrize(
    ("now", "former", "expected"),
    [
        (DERIVED, DERIVED, False),
        (DERIVED, DERIVED._replace(offset_ns=SAME_NS), False),
        (DERIVED, DERIVED._replace(offset_ns=SAME_NS + 1), True),
        (DERIVED, DERIVED._replace(error_ns=2000), False),
        (DERIVED, DERIVED._replace(error_ns=2001), True),
        (DERIVED._replace(known=Known.SYNCED), DERIVED, True),
        (DERIVED, UNKNOWN, True),
        (UNKNOWN, UNKNOWN, False),
        (UNKNOWN, UNKNOWN._replace(latest_ns=8), True),
    ],
)
def test_what_is_worth_writing_down(now: Dating, former: Dating, expected: bool) -> None:
    """A row is written again only for what matters: each costs the disk its readings once more."""
    assert is_news(now, former) is expected


def test_own_clock_before_what_was_received() -> None:
    """It is wrong, unless the kernel stands for it; a second back is no matter."""
    clock = OwnClock(NOW_NS)
    clock.heard(NOW_NS - 5)
    assert clock.is_possible(NOW_NS - SECOND_NS)
    assert not clock.is_possible(NOW_NS - SECOND_NS - 1)
    assert clock.is_possible(NOW_NS - SECOND_NS - 1, is_vouched=True)
    clock.heard(NOW_NS + SECOND_NS)
    assert not clock.is_possible(NOW_NS - 1)


def test_own_clock_before_this_program() -> None:
    """A collector that has received nothing yet knows that much."""
    clock = OwnClock(0)
    assert clock.is_possible(NO_EARLIER_NS)
    assert not clock.is_possible(NO_EARLIER_NS - 1, is_vouched=True)


def test_reach_of_the_only_pair_is_everything() -> None:
    """Whatever was read in that boot."""
    assert Pairs([pair(5)]).reach(pair(5)) == (-LARGEST_NS, LARGEST_NS)

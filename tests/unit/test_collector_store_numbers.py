"""collector.store.numbers: what a device says fits the file, and no span ends before it begins."""

from hypothesis import given
from hypothesis import strategies as st

from collector.store.numbers import LARGEST, bounded, spanning

times = st.none() | st.integers(-LARGEST, LARGEST)


@given(st.integers())
def test_bounded_is_the_nearest_that_fits(number: int) -> None:
    """SQLite has 64 bits and a sign; a number that fits is left alone."""
    assert -LARGEST <= bounded(number) <= LARGEST
    assert bounded(number) == number or abs(number) > LARGEST


@given(times, times, st.integers(0, LARGEST))
def test_span_never_ends_before_it_begins(from_ns: int | None, to_ns: int | None, now: int) -> None:
    """Where a clock was set back the end is now, or nothing at all; what can be is left alone."""
    end_ns = spanning(from_ns, to_ns, now)
    assert end_ns in (to_ns, now, None)
    assert end_ns is None or from_ns is None or from_ns <= end_ns
    if to_ns is None or from_ns is None or from_ns <= to_ns:
        assert end_ns == to_ns

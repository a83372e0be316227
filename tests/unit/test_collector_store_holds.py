"""collector.store.holds: how long the writer was held, never told as less than it was."""

import pytest

from collector.store import HoldsStatus
from collector.store.holds import Holds


def test_nothing_was_held() -> None:
    """All is zero."""
    assert Holds().status() == HoldsStatus(0, 0.0, 0.0, 0.0)


def test_quantiles_are_the_upper_ends_of_steps() -> None:
    """At most a tenth too much, and never more than the longest."""
    holds = Holds()
    for ms in range(1, 101):
        holds.note(ms / 1000)
    status = holds.status()
    assert (status.count, status.longest_ms) == (100, 100.0)
    assert 50 <= status.p50_ms <= 55
    assert 99 <= status.p99_ms <= 100


@pytest.mark.parametrize("duration_s", [0.0, 1e-9, 3600.0])
def test_what_is_beyond_the_steps_counts_too(duration_s: float) -> None:
    """Nothing is too short or too long."""
    holds = Holds()
    holds.note(duration_s)
    status = holds.status()
    assert status.count == 1
    assert status.longest_ms == pytest.approx(duration_s * 1000, abs=1e-3)
    assert status.p99_ms <= status.longest_ms

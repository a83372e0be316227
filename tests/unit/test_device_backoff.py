"""device.backoff: doubling, jittered, bounded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from device.backoff import FIRST_REFUSED_S, FIRST_S, LONGEST_REFUSED_S, LONGEST_S, Backoff

CEILINGS_S = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_ceiling_doubles_up_to_a_minute() -> None:
    """PROTOCOL.md: up to 1 s, 2 s, 4 s ... 60 s."""
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_s() for _ in CEILINGS_S] == CEILINGS_S


def test_jitter_is_full() -> None:
    """A fraction of the whole wait: devices that lost the collector together come back apart."""
    backoff = Backoff(lambda: 0.25)
    assert [backoff.next_s() for _ in CEILINGS_S] == [each / 4 for each in CEILINGS_S]


def test_peer_may_ask_for_more() -> None:
    """`retry_after_s` lengthens a wait and never shortens one."""
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_s(at_least_s) for at_least_s in (30.0, 1.5, 600.0)] == [30.0, 2.0, 600.0]


def test_refused_device_waits_long() -> None:
    """A minute, then twice as long each time, up to an hour; nothing of it is left to chance."""
    backoff = Backoff(lambda: 0.0)
    waits_s = [backoff.refused_s() for _ in range(9)]
    assert waits_s == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0]
    assert (waits_s[0], waits_s[-1]) == (FIRST_REFUSED_S, LONGEST_REFUSED_S)


def test_the_two_waits_are_apart() -> None:
    """Tries at an address where nobody is do not lengthen the wait of who is refused."""
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_s(), backoff.refused_s(), backoff.next_s()] == [1.0, 60.0, 2.0]


def test_reset_begins_anew() -> None:
    """After a session that worked, or a join, the next wait is short again."""
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.next_s()
        backoff.refused_s()
    backoff.reset()
    assert [backoff.next_s(), backoff.next_s()] == [1.0, 2.0]
    assert backoff.refused_s() == 60.0


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 3600.0), min_size=1, max_size=20))
def test_chance_stays_within_the_bounds(asked_s: list[float]) -> None:
    """Whatever the dice say, a wait lies between what was asked for and the ceiling."""
    backoff, ceiling_s = Backoff(), FIRST_S
    for at_least_s in asked_s:
        assert at_least_s <= backoff.next_s(at_least_s) <= max(at_least_s, ceiling_s)
        ceiling_s = min(ceiling_s * 2, LONGEST_S)

"""collector.measuring: a PONG says what a device's clock showed, give or take half the round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import HOUR_NS, SECOND_NS, Pair, Source
from collector.measuring import FIRST_TOKEN, Measured, Measuring, is_better
from kit.wireworks import BOOT, MOMENT
from wire.bodies import Moment, Pong

NOW_NS = 1_790_000_000 * SECOND_NS
OTHER_BOOT = bytes(range(32, 48))


def moment(boot_ns: int, boot_id: bytes = BOOT) -> Moment:
    """What a device without the time says."""
    return Moment(boot_id, boot_ns, 7)


def measured(
    measuring: Measuring,
    boot_ns: int,
    trip_s: float,
    boot_id: bytes = BOOT,
    *,
    is_vouched: bool = False,
) -> Measured | None:
    """Ask, and be answered after so long."""
    token = measuring.ask(50.0)
    pong = Pong(token, moment(boot_ns, boot_id))
    return measuring.answered(pong, 50.0 + trip_s, NOW_NS, is_vouched)


@given(st.integers(0, 10**15), st.floats(0, 15), st.floats(0, 1))
def test_truth_lies_within_the_error(boot_ns: int, trip_s: float, share: float) -> None:
    """Whenever between the two the device has looked at its clock."""
    found = measured(Measuring(), boot_ns, trip_s)
    assert found is not None
    looked_ns = NOW_NS - round(trip_s * share * SECOND_NS)
    assert abs(found.pair.wall_ns - looked_ns) <= found.pair.error_ns + 2
    assert found.pair.offset_ns % 1_000_000 == 0, "a regular grid stays one"


def test_source_says_who_stands_behind_it() -> None:
    """The kernel of the collector, or nobody."""
    for is_vouched, source in ((False, Source.MEASURED), (True, Source.VOUCHED)):
        found = measured(Measuring(), 5, 0.1, is_vouched=is_vouched)
        assert found is not None
        assert found.pair.source is source


def test_latest_is_at_hand_whether_it_was_told_or_not() -> None:
    """What the clock shows now is worth knowing, although the store has better pairs."""
    measuring = Measuring()
    assert measuring.latest is None
    assert measured(measuring, 0, 0.1) == measuring.latest
    assert measured(measuring, SECOND_NS, 0.9) is None
    assert measuring.latest is not None
    assert measuring.latest.clock == moment(SECOND_NS)


def test_best_of_an_hour_is_told() -> None:
    """And only where it is better than what was told: each costs a commit."""
    measuring = Measuring()
    trips = [(0, 0.5), (60, 0.6), (120, 0.2), (180, 0.2), (3600, 0.9), (3660, 0.8)]
    told = [
        at_s for at_s, trip_s in trips if measured(measuring, at_s * SECOND_NS, trip_s) is not None
    ]
    assert told == [0, 120, 3600, 3660]


def test_another_boot_begins_anew() -> None:
    """What was told of one says nothing of the other."""
    measuring = Measuring()
    assert measured(measuring, 5, 0.1)
    assert measured(measuring, 6, 0.5, OTHER_BOOT)
    assert not measured(measuring, 7, 0.6, OTHER_BOOT)


def test_only_the_answer_to_the_last_question_counts() -> None:
    """One that comes twice, late, or by itself says nothing: nobody knows when it was asked for."""
    measuring = Measuring()
    former, token = measuring.ask(0.0), measuring.ask(1.0)
    assert former == FIRST_TOKEN
    for wrong in (0, former, token + 1):
        assert measuring.answered(Pong(wrong, MOMENT), 2.0, NOW_NS, False) is None
    assert measuring.answered(Pong(token, MOMENT), 2.0, NOW_NS, False)
    assert measuring.answered(Pong(token, MOMENT), 2.0, NOW_NS, False) is None
    assert measuring.is_answered


def test_older_device_says_nothing_of_its_clock() -> None:
    """There is no need to ask it again."""
    measuring = Measuring()
    assert measuring.answered(Pong(measuring.ask(0.0)), 1.0, NOW_NS, False) is None
    assert not measuring.is_answered


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Pair(0, 0, Source.MEASURED, 5), Pair(0, 0, Source.MEASURED, 6), True),
        (Pair(0, 0, Source.MEASURED, 5), Pair(0, 0, Source.MEASURED, 5), False),
        (Pair(0, 0, Source.VOUCHED, 9), Pair(0, 0, Source.MEASURED, 5), True),
        (Pair(0, 0, Source.MEASURED, 5), Pair(0, 0, Source.VOUCHED, 9), False),
    ],
)
def test_what_is_better(one: Pair, other: Pair, expected: bool) -> None:
    """Who stands behind it first, then how quick it was."""
    assert is_better(one, other) is expected


def test_an_hour_is_one_of_uptime() -> None:
    """Not of this session."""
    measuring = Measuring()
    assert measured(measuring, HOUR_NS - 1, 0.1)
    assert measured(measuring, HOUR_NS, 0.1)

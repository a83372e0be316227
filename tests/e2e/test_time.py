"""Times are right afterwards: real programs, on a Pi whose clock is anything but.

What the sensor gave, and when, its ledger says in CLOCK_BOOTTIME; what that was in UTC the test knows.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clock import Known
from kit.fakeclocks import ClocklessPi, clockless_pi
from kit.results import Results

HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S
# Far enough back to be in 1970.
TO_1970_S = -int(56.8 * YEAR_S)


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[ClocklessPi]:
    """A device without a clock, and its collector."""
    with clockless_pi(tmp_path) as pi:
        yield pi


def is_right(pi: ClocklessPi, boot: int) -> None:
    """The times of a boot are right to a second, and as good as they say, and in order."""
    found = pi.stored(boot)
    errors_s = pi.errors_s(boot)
    assert len(errors_s) == len(found)
    assert max(map(abs, errors_s)) < 1, errors_s
    assert [each.number for each in found] == sorted(each.number for each in found)


def is_bounded(pi: ClocklessPi, boot: int) -> None:
    """The times of a boot are unknown, and the truth lies within what is said of them."""
    for each in pi.stored(boot):
        assert each.dating.known is Known.UNKNOWN
        earliest_ns, latest_ns = each.dating.earliest_ns, each.dating.latest_ns
        assert latest_ns is not None
        assert pi.truth_ns(each.number, boot) < latest_ns
        assert earliest_ns is None or earliest_ns < pi.truth_ns(each.number, boot)


def known(pi: ClocklessPi, boot: int) -> set[Known]:
    """How the times of a boot are known."""
    return {each.dating.known for each in pi.stored(boot)}


def test_boot_in_1970(pi: ClocklessPi) -> None:
    """What is read before the clock is set is as right as what is read after."""
    pi.rig.collector.start()
    pi.boot(TO_1970_S)
    pi.rig.wait_for_reads(10)
    pi.synchronise()
    pi.rig.wait_for_reads(15)
    pi.rig.wait_until_sent()
    pi.stop()
    is_right(pi, 1)
    assert Known.UNKNOWN not in known(pi, 1)
    assert pi.stored(1)[-1].dating.known is Known.SYNCED


def test_boots_without_a_network(pi: ClocklessPi) -> None:
    """Of one the clock is an hour slow, then an hour fast, then set right; one never knows the time.

    Then a collector comes. The first is dated by its own clock, the second lies between its neighbours.
    """
    pi.boot(-HOUR_S)
    pi.rig.wait_for_reads(10)
    pi.set_clock(HOUR_S)
    pi.rig.wait_for_reads(10)
    pi.synchronise()
    pi.rig.wait_for_reads(5)
    pi.power_off()
    pi.boot(TO_1970_S)
    pi.rig.wait_for_reads(10)
    pi.power_off()
    pi.rig.collector.start()
    pi.boot(TO_1970_S)
    pi.rig.wait_for_reads(10)
    pi.rig.wait_until_sent()
    pi.stop()
    is_right(pi, 1)
    assert known(pi, 1) == {Known.SYNCED}
    is_bounded(pi, 2)
    is_right(pi, 3)
    assert known(pi, 3) == {Known.DERIVED}
    numbers = [each.number for each in pi.stored()]
    assert numbers == sorted(numbers), "order never depends on what is known of times"


def test_leap_backwards_during_an_outage(pi: ClocklessPi) -> None:
    """The wall clock of a device dates nothing that is not synchronised."""
    pi.rig.collector.start()
    pi.boot(-7)
    pi.rig.wait_for_reads(10)
    pi.rig.wait_until_sent()
    assert pi.rig.collector.stop() == 0
    pi.rig.wait_for_reads(5)
    pi.set_clock(-24 * HOUR_S)
    pi.rig.wait_for_reads(10)
    pi.rig.collector.start()
    pi.rig.wait_until_sent()
    pi.stop()
    is_right(pi, 1)
    assert known(pi, 1) == {Known.DERIVED}


def test_batches_of_an_earlier_boot_come_after_a_reboot(pi: ClocklessPi) -> None:
    """They are dated by the pairs of their own boot, however long they waited."""
    pi.rig.collector.start()
    pi.boot(TO_1970_S)
    pi.rig.wait_for_reads(10)
    pi.rig.wait_until_sent()
    assert pi.rig.collector.stop() == 0
    pi.rig.wait_for_reads(5)
    pi.power_off()
    pi.boot(56 * YEAR_S)
    pi.rig.wait_for_reads(10)
    pi.rig.collector.start()
    pi.rig.wait_until_sent()
    pi.stop()
    for boot in (1, 2):
        is_right(pi, boot)
        assert known(pi, boot) == {Known.DERIVED}


# A boot that found a collector, and was cut off from it before anyone looked.
_MAY_BE = "?"


def wander(pi: ClocklessPi, dice: random.Random) -> dict[str, object]:
    """Some boots, each with any clock, with a collector or not, set right or not, in any order."""
    kinds: list[str] = []
    for _ in range(dice.randint(3, 5)):
        pi.boot(dice.choice([TO_1970_S, -HOUR_S, 0, HOUR_S, 56 * YEAR_S]))
        kinds.append("" if pi.rig.collector.is_dead() else _MAY_BE)
        for _ in range(dice.randint(1, 4)):
            pi.rig.wait_for_reads(dice.randint(3, 8))
            match dice.choice(["leap", "connect", "outage", "synchronise"]):
                case "leap" if "s" not in kinds[-1]:
                    pi.set_clock(dice.randint(-2, 2) * HOUR_S)
                case "connect" if pi.rig.collector.is_dead():
                    pi.rig.collector.start()
                    pi.rig.wait_until_sent()
                case "outage" if not pi.rig.collector.is_dead():
                    assert pi.rig.collector.stop() == 0
                case "synchronise" if "s" not in kinds[-1]:
                    pi.synchronise()
                    pi.rig.wait_for_reads(5)
                    kinds[-1] += "s"
            if not pi.rig.collector.is_dead():
                pi.rig.wait_until_sent()
                kinds[-1] += "c"
        pi.power_off()
    if pi.rig.collector.is_dead():
        pi.rig.collector.start()
    pi.boot(TO_1970_S)
    pi.rig.wait_until_sent()
    pi.stop()
    judge(pi, kinds)
    return {"boots": len(kinds) + 1, "unknown": kinds.count(""), "stored": len(pi.stored())}


def judge(pi: ClocklessPi, kinds: list[str]) -> None:
    """Each boot by what happened in it; the last one was connected."""
    for boot, kind in enumerate(kinds, 1):
        if kind != _MAY_BE:
            (is_right if kind else is_bounded)(pi, boot)
    is_right(pi, len(kinds) + 1)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(20))
def test_any_boots(pi: ClocklessPi, seed: int) -> None:
    """Every boot that was synchronised or connected at some time is right; others are bounded."""
    results = Results("time")
    if results.has(seed):
        pytest.skip("done in an earlier run")
    results.add(seed, **wander(pi, random.Random(seed)))

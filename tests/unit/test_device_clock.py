"""device.clock: the pairs that turn times since boot into UTC."""

import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device import clock
from device.clock import MS_NS, RENEW_NS, Clock, boot_id, boottime_ns, renewed
from wire.batches import ClockPair

BOOT_NS = st.integers(0, 10**18)
OFFSET_NS = st.integers(-(10**18), 2 * 10**18)


@settings(deadline=None)
@given(BOOT_NS, OFFSET_NS, st.booleans())
def test_first_pair_is_right_to_half_a_millisecond(
    boot_ns: int, offset_ns: int, synchronised: bool
) -> None:
    """The offset is in whole milliseconds; the boot time is as it was read."""
    pair = renewed(None, boot_ns, boot_ns + offset_ns, synchronised)
    assert (pair.boot_ns, pair.synchronised) == (boot_ns, synchronised)
    assert pair.offset_ns % MS_NS == 0
    assert abs(pair.offset_ns - offset_ns) <= MS_NS // 2


@settings(deadline=None)
@given(BOOT_NS, OFFSET_NS, st.integers(0, 10**15), st.integers(-4 * MS_NS, 4 * MS_NS))
def test_offset_is_kept_while_the_clocks_agree(
    boot_ns: int, offset_ns: int, later_ns: int, moved_ns: int
) -> None:
    """Up to 2 ms apart the former offset stays; beyond it is taken anew."""
    former = renewed(None, boot_ns, boot_ns + offset_ns, synchronised=False)
    now_ns = boot_ns + later_ns
    pair = renewed(former, now_ns, now_ns + former.offset_ns + moved_ns, synchronised=True)
    assert (pair.boot_ns, pair.synchronised) == (now_ns, True)
    if abs(moved_ns) <= RENEW_NS:
        assert pair.offset_ns == former.offset_ns
    else:
        assert pair.offset_ns != former.offset_ns
        assert pair.offset_ns % MS_NS == 0
        assert abs(pair.offset_ns - former.offset_ns - moved_ns) <= MS_NS // 2


def test_step_of_the_wall_clock_is_followed() -> None:
    """A Pi that learns the time at last says so in its next batch."""
    at_boot = renewed(None, 5 * 10**9, 5 * 10**9, synchronised=False)
    wall_ns = 1_790_000_000 * 10**9
    assert renewed(at_boot, 6 * 10**9, wall_ns, synchronised=True) == ClockPair(
        6 * 10**9, wall_ns, synchronised=True
    )


def test_boot_id_is_the_kernels() -> None:
    """16 bytes, the same at every call of one boot."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot_id() == uuid.UUID(text).bytes
    assert len(boot_id()) == 16


@pytest.mark.parametrize("answers", [(False, False), (False, True), (True, False), (True, True)])
def test_clock_vouches_for_nothing_that_it_showed_before(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[bool, bool]
) -> None:
    """It may be set, and called synchronised, between the look at it and the question."""
    said = iter(answers)
    monkeypatch.setattr(clock, "kernel_synchronised", lambda: next(said))
    assert Clock().pair().synchronised is all(answers)


def test_boottime_runs_on() -> None:
    """It is CLOCK_BOOTTIME, and never goes back."""
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    times_ns = [boottime_ns() for _ in range(100)]
    assert [before_ns, *times_ns] == sorted([before_ns, *times_ns])
    assert times_ns[-1] <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_clock_remembers_its_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches of a quiet minute have one offset: their grid stays regular in UTC."""
    times_ns = [10**18, 10**18 + RENEW_NS, 10**18 + 2 * RENEW_NS]
    wall_ns = iter([time_ns for time_ns in times_ns for _ in range(3)])
    monkeypatch.setattr(clock, "boottime_ns", lambda: 0)
    monkeypatch.setattr(time, "time_ns", lambda: next(wall_ns))
    pairs = Clock()
    assert [pairs.pair().offset_ns for _ in times_ns] == [times_ns[i] for i in (0, 0, 2)]


def test_busy_moment_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several tries that pair counts whose clocks were read closest together."""
    boot_ns = iter([0, 80_000_000, 100_000_000, 100_000_200, 100_000_300, 190_000_000])
    wall_ns = iter([10**18 + 79_000_000, 10**18 + 100_000_100, 10**18 + 100_000_400])
    monkeypatch.setattr(clock, "boottime_ns", lambda: next(boot_ns))
    monkeypatch.setattr(time, "time_ns", lambda: next(wall_ns))
    assert Clock().pair()[:2] == (100_000_100, 10**18 + 100_000_100)


def test_real_clock_gives_utc() -> None:
    """The pair's wall clock is this machine's, as far as a test can tell."""
    before_ns, pair, after_ns = time.time_ns(), Clock().pair(), time.time_ns()
    slack_ns = 10**9  # a machine under load may stop between two clocks
    assert before_ns - slack_ns <= pair.wall_ns <= after_ns + slack_ns

"""collector.store.clocks: boots in their order, the pairs that are worth keeping, and what they bound."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.clock import HOUR_NS, SAME_NS, SECOND_NS, Dating, Known, Pair, Source
from collector.store import clocks as clocks_module
from collector.store.clocks import At, Boot, Clocks
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.transaction import Transaction
from kit.stores import at_ns, batch, commit, rows
from kit.wireworks import BOOT, CLOCK
from wire.batches import ClockPair

DEVICE = 1
FORMER, LATER, LAST = (bytes([number]) * 16 for number in (1, 2, 3))
PAIRS = "SELECT boot_ns, wall_ns, source, error_ns FROM clock_pair ORDER BY boot, boot_ns"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store that knows a device."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    return file


@pytest.fixture
def clocks(file: Path) -> Iterator[Clocks]:
    """The clocks of it, each change of which is committed at once."""
    with closing(open_for_writing(file)) as database:
        database.execute("DELETE FROM clock_pair")
        yield Clocks(database)


def shown(at_s: float, off_ns: int = 0) -> ClockPair:
    """What a synchronised clock shows so long after boot."""
    return ClockPair(round(at_s * SECOND_NS), at_ns(at_s) + off_ns, synchronised=True)


def measured(at_s: float, error_ns: int = 1000, source: Source = Source.MEASURED) -> Pair:
    """What the collector measures so long after boot."""
    return Pair(round(at_s * SECOND_NS), at_ns(at_s), source, error_ns)


def unknown(clocks: Clocks, boot: Boot, received_ns: int | None = None) -> Dating:
    """How a reading is dated whose boot has no pair."""
    dating = clocks.date(boot, 5, 5, received_ns)
    assert (dating.known, dating.offset_ns, dating.error_ns) == (Known.UNKNOWN, None, None)
    return dating


# Pairs that are kept.


def test_pair_that_says_nothing_new_is_not_kept(file: Path, clocks: Clocks) -> None:
    """A year of a clock that is right leaves one an hour, whatever comes in what order."""
    boot = clocks.boot(DEVICE, FORMER)
    times_s = [number * 60 for number in range(600)]
    for at_s in [*times_s[300:], *times_s[:300], *times_s]:
        clocks.note(boot, shown(at_s, at_s % 2_000))
    assert 10 <= len(rows(file, PAIRS)) <= 20


def test_clock_that_was_set_is_kept(file: Path, clocks: Clocks) -> None:
    """A step says something new, whenever it is."""
    boot = clocks.boot(DEVICE, FORMER)
    for number, off_ns in enumerate([0, SAME_NS, SAME_NS + 1, 0]):
        clocks.note(boot, shown(number, off_ns))
    assert [wall_ns - at_ns(boot_ns / SECOND_NS) for boot_ns, wall_ns, *_ in rows(file, PAIRS)] == [
        0, SAME_NS + 1, 0,
    ]  # fmt: skip


def test_numbers_that_no_clock_shows_are_not_kept(file: Path, clocks: Clocks) -> None:
    """Nor is more than a boot can need: who claims it has its own batches dated, and no others."""
    boot = clocks.boot(DEVICE, FORMER)
    clocks.note(boot, ClockPair(2**62, 0, synchronised=True))
    clocks.measure(boot, Pair(0, 2**63, Source.MEASURED))
    assert rows(file, PAIRS) == []


def test_pairs_of_a_boot_are_bounded(
    file: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that claims a step with each batch fills neither memory nor disk."""
    monkeypatch.setattr(clocks_module, "MAX_PAIRS", 5)
    boot = clocks.boot(DEVICE, FORMER)
    for number in range(20):
        clocks.note(boot, shown(number, number * SECOND_NS))
    assert len(rows(file, PAIRS)) == 5


def test_best_of_each_hour_is_kept(file: Path, clocks: Clocks) -> None:
    """The quickest, of a collector that knows the time before others."""
    boot = clocks.boot(DEVICE, FORMER)
    for at_s, error_ns in ((0, 900), (60, 700), (120, 800), (3600, 900)):
        clocks.measure(boot, measured(at_s, error_ns))
    assert [row[::3] for row in rows(file, PAIRS)] == [(60 * SECOND_NS, 700), (HOUR_NS, 900)]
    clocks.measure(boot, measured(180, 5000, Source.VOUCHED))
    assert [row[2:] for row in rows(file, PAIRS)] == [(1, 5000), (0, 900)]


def test_nothing_is_measured_beside_a_clock_that_is_right(file: Path, clocks: Clocks) -> None:
    """Within an hour of it; it is worth more."""
    boot = clocks.boot(DEVICE, FORMER)
    clocks.note(boot, shown(0))
    clocks.measure(boot, measured(3599))
    clocks.measure(boot, measured(3600))
    assert [row[2] for row in rows(file, PAIRS)] == [2, 0]


def test_what_is_kept_is_read_back(clocks: Clocks) -> None:
    """A collector that begins anew dates as the former one did."""
    boot = clocks.boot(DEVICE, FORMER)
    clocks.note(boot, shown(0))
    clocks.measure(boot, measured(7200))
    clocks.forget()
    again = clocks.boot(DEVICE, FORMER)
    assert again is not boot
    assert again.row_id == boot.row_id
    assert sorted(again.pairs) == sorted(boot.pairs)
    assert clocks.by_row(boot.row_id) is again


# Dates, and what bounds them.


def test_readings_are_dated_by_their_boot(clocks: Clocks) -> None:
    """By no other, however near."""
    boot, other = clocks.boot(DEVICE, FORMER), clocks.boot(DEVICE, LATER)
    clocks.note(boot, shown(0))
    assert clocks.date(boot, 0, 0, None) == Dating(Known.SYNCED, CLOCK.offset_ns, 0)
    unknown(clocks, other)


def test_time_that_64_bits_cannot_say_is_unknown(clocks: Clocks) -> None:
    """A device may claim that it read something after the end of time."""
    boot = clocks.boot(DEVICE, FORMER)
    clocks.note(boot, shown(0))
    assert clocks.date(boot, 2**63 - 1, 2**63 - 1, None).known is Known.UNKNOWN


def test_boot_of_unknown_time_lies_between_its_neighbours(clocks: Clocks) -> None:
    """After the last that is known of the one before, before the start of the one behind it."""
    clocks.hold(DEVICE, [FORMER])
    former = clocks.boot(DEVICE, FORMER)
    clocks.note(former, shown(100))
    clocks.hold(DEVICE, [LATER, LAST])
    boot = clocks.boot(DEVICE, LATER)
    assert unknown(clocks, boot, at_ns(9000))[3:] == (at_ns(100), at_ns(9000))
    clocks.measure(clocks.boot(DEVICE, LAST), measured(8000, 77))
    # Which began before: that cannot be, and bounds nothing.
    assert unknown(clocks, boot, at_ns(9000)).latest_ns == at_ns(9000)
    clocks.measure(
        clocks.boot(DEVICE, LAST), Pair(8 * HOUR_NS, at_ns(8 * 3600 + 500), Source.VOUCHED)
    )
    bounds = unknown(clocks, boot, at_ns(9000))[3:]
    assert bounds == (at_ns(100), at_ns(500) + 8 * HOUR_NS // 10_000)


def test_neighbours_that_are_unknown_themselves_bound_nothing(clocks: Clocks) -> None:
    """Those behind them do."""
    clocks.hold(DEVICE, [FORMER])
    clocks.note(clocks.boot(DEVICE, FORMER), shown(100))
    clocks.hold(DEVICE, [LATER, LAST])
    assert unknown(clocks, clocks.boot(DEVICE, LAST)).earliest_ns == at_ns(100)


def test_boot_that_is_told_of_late_has_no_place(clocks: Clocks) -> None:
    """A card that could not be read is found again: what was on it may be of any time before."""
    clocks.hold(DEVICE, [FORMER])
    clocks.note(clocks.boot(DEVICE, FORMER), shown(100))
    clocks.hold(DEVICE, [LATER, FORMER])
    assert unknown(clocks, clocks.boot(DEVICE, LATER))[3:] == (None, None)
    clocks.hold(DEVICE, [LAST])
    assert unknown(clocks, clocks.boot(DEVICE, LAST)).earliest_ns == at_ns(100)


def test_receipt_that_cannot_be_bounds_nothing(clocks: Clocks) -> None:
    """Nothing is received before it is read: then the collector's clock was wrong."""
    clocks.hold(DEVICE, [FORMER])
    clocks.note(clocks.boot(DEVICE, FORMER), shown(100))
    clocks.hold(DEVICE, [LATER])
    assert unknown(clocks, clocks.boot(DEVICE, LATER), at_ns(99)).latest_ns is None


def test_span_of_a_moment(clocks: Clocks) -> None:
    """UTC as it is, of a clock that is right without a margin, else with one; or what bounds it."""
    clocks.hold(DEVICE, [FORMER])
    former = clocks.boot(DEVICE, FORMER)
    clocks.note(former, shown(100))
    assert clocks.span(None) == (None, None)
    assert clocks.span(At(7)) == (7, 7)
    assert clocks.span(At(90 * SECOND_NS, former)) == (at_ns(90), at_ns(90))
    clocks.hold(DEVICE, [LATER])
    later = clocks.boot(DEVICE, LATER)
    assert clocks.span(At(5, later)) == (at_ns(100), None)
    clocks.measure(later, measured(300, 50))
    assert clocks.span(At(300 * SECOND_NS, later)) == (at_ns(300) - 50, at_ns(300) + 50)


def test_forgetting_clocks_changes_no_answer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector of many devices does not remember all their boots."""
    monkeypatch.setattr(clocks_module, "_REMEMBERED", 0)
    untrusted = CLOCK._replace(synchronised=False)
    with closing(open_for_writing(file)) as database:
        group = Transaction(database)
        for seq in range(2, 5):
            group.begin(at_ns(100))
            assert group.store("greenhouse", [batch(seq, clock=untrusted)]).hole is None
            group.commit()
    assert rows(file, "SELECT dated FROM batch") == [(0,), (1,), (1,), (1,)]
    assert rows(file, "SELECT boot_id FROM boot") == [(BOOT,)]

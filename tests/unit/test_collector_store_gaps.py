"""collector.store.gaps: each question and each change concerns the rows it means, and no others."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.clock import Pair, Source
from collector.store.clocks import At, Clocks
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.gaps import Gaps, Missing
from kit.stores import batch, commit, rows
from kit.wireworks import EPOCH
from wire.batches import ClockPair

DEVICE, EPOCH_ROW = 1, 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with two devices, an epoch each."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    commit(file, "cellar", batch(1, epoch=EPOCH))
    return file


@pytest.fixture
def gaps(file: Path) -> Iterator[Gaps]:
    """Its gaps, each change of which is committed at once."""
    with closing(open_for_writing(file)) as database:
        yield Gaps(database, Clocks(database))


def times(file: Path) -> list[tuple[object, ...]]:
    """The bounds of all gaps, UTC."""
    return rows(file, "SELECT from_ns, to_ns FROM gap ORDER BY id")


def spans(file: Path) -> list[tuple[object, ...]]:
    """The gaps: seqs, readings, to."""
    return rows(file, "SELECT first_seq, last_seq, readings, to_ns FROM gap ORDER BY id")


def test_count_fills_in_the_gap_before_a_batch(file: Path, gaps: Gaps) -> None:
    """One that is counted already, lies elsewhere or is another epoch's stays as it is."""
    for missing in (
        Missing(2, 3, None, None, "spool_full", readings=4, before=1),
        Missing(4, 6, None, None, "spool_full", before=10),
        Missing(7, 9, None, None, "spool_full", before=10),
        Missing(7, None, None, None, "spool_lost"),
    ):
        gaps.add(DEVICE, EPOCH_ROW, missing, 0)
    gaps.add(2, 2, Missing(4, 6, None, None, "spool_full", before=10), 0)
    for last_seq in (3, 6):
        gaps.count(EPOCH_ROW, last_seq, 12)
    assert [span[2] for span in spans(file)] == [4, 2, None, None, None]


def test_tail_is_the_gap_without_a_last_seq(gaps: Gaps) -> None:
    """Of this epoch."""
    gaps.add(DEVICE, EPOCH_ROW, Missing(2, 3, None, None, "spool_full"), 0)
    assert gaps.tail(EPOCH_ROW) is None
    tail = gaps.add_tail(DEVICE, EPOCH_ROW, Missing(4, None, None, None, "spool_lost"), 0)
    assert gaps.tail(EPOCH_ROW) == tail == (2, 4)
    assert gaps.tail(2) is None


def test_tail_that_is_shortened_past_its_end(file: Path, gaps: Gaps) -> None:
    """Then nobody knows when it ends; a time that is not told stays."""
    tail = gaps.add_tail(DEVICE, EPOCH_ROW, Missing(4, None, At(10), At(20), "spool_lost"), 0)
    assert gaps.shorten_tail(tail, 5, None) == (1, 5)
    gaps.shorten_tail(tail, 6, At(20))
    assert rows(file, "SELECT first_seq, from_ns, to_ns FROM gap") == [(6, 20, 20)]
    gaps.shorten_tail(tail, 7, At(21))
    assert rows(file, "SELECT first_seq, from_ns, to_ns FROM gap") == [(7, 21, None)]


def test_explaining_a_tail_takes_no_time_away(file: Path, gaps: Gaps) -> None:
    """A reason without a time leaves the time that is known."""
    tail = gaps.add_tail(DEVICE, EPOCH_ROW, Missing(4, None, At(10), At(20), "spool_lost"), 0)
    gaps.explain_tail(tail, None, "power_cut")
    assert rows(file, "SELECT to_ns, reason FROM gap") == [(20, "power_cut")]


def test_bounds_follow_what_is_known_of_their_boots(file: Path) -> None:
    """They are moments of boots: a pair that comes later dates them; UTC stays as it is."""
    with closing(open_for_writing(file)) as database:
        clocks = Clocks(database)
        gaps = Gaps(database, clocks)
        boot, other = clocks.boot(DEVICE, bytes(16)), clocks.boot(DEVICE, bytes(range(40, 56)))
        missing = Missing(4, None, At(10**9, boot), At(2 * 10**9, other), "spool_lost")
        gaps.add(DEVICE, EPOCH_ROW, missing, 0)
        gaps.add(DEVICE, EPOCH_ROW, Missing(0, 0, At(10), At(20), "power_cut"), 0)
        assert times(file) == [(None, None), (10, 20)]
        for each in (boot, other):
            clocks.note(each, ClockPair(0, 5 * 10**9, True))
            assert clocks.has_stale
            gaps.date_anew(each)
    assert times(file) == [(6 * 10**9, 7 * 10**9), (10, 20)]


def test_bound_of_a_measured_time_is_on_the_safe_side(file: Path) -> None:
    """A gap begins no later and ends no earlier than what is missing."""
    with closing(open_for_writing(file)) as database:
        clocks = Clocks(database)
        boot = clocks.boot(DEVICE, bytes(16))
        clocks.measure(boot, Pair(10**9, 6 * 10**9, Source.MEASURED, 1000))
        missing = Missing(4, None, At(10**9, boot), At(10**9, boot), "spool_lost")
        Gaps(database, clocks).add(DEVICE, EPOCH_ROW, missing, 0)
    assert times(file) == [(6 * 10**9 - 1000, 6 * 10**9 + 1000)]


def test_loss_is_known_by_its_mark_or_a_tail(gaps: Gaps) -> None:
    """A tail tells it where it has the reason and reaches to the present epoch."""

    def is_known(reason: str = "power_cut", began_ns: int = 20) -> bool:
        return gaps.has_loss(DEVICE, EPOCH_ROW, reason, At(began_ns))

    gaps.add(2, 2, Missing(0, 0, At(10), At(20), "power_cut"), 0)
    gaps.add(2, 2, Missing(4, None, At(10), At(20), "power_cut"), 0)
    assert not is_known()
    gaps.add(DEVICE, EPOCH_ROW, Missing(4, None, At(10), At(20), "power_cut"), 0)
    assert is_known()
    assert not is_known(began_ns=21)
    assert not is_known("spool_lost")
    gaps.add(DEVICE, EPOCH_ROW, Missing(0, 0, At(10), At(20), "power_cut"), 0)
    assert is_known("spool_lost", 21)

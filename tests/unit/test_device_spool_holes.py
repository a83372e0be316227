"""device.spool.holes: what follows in an epoch has no hole, whatever rows are gone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.spool.holes import without_holes
from device.spool.records import Row, hole
from kit.spools import gaps
from kit.tiers import epoch_of, seqs

EPOCH = epoch_of(1).epoch
LAST_SEQ = 20


def batch(seq: int) -> Row:
    """A row that is there."""
    return Row(seq, seq, 1, b"sealed")


@settings(deadline=None)
@given(
    seq=st.integers(1, LAST_SEQ),
    mark=st.integers(0, LAST_SEQ + 5),
    there=st.sets(st.integers(1, LAST_SEQ)),
    is_end_known=st.booleans(),
)
def test_nothing_goes_missing_silently(
    seq: int, mark: int, there: set[int], is_end_known: bool
) -> None:
    """Rows and gaps follow each other from what was asked for on, and each row that is there comes."""
    facts = epoch_of(1, last_seq=LAST_SEQ, mark=mark, is_end_known=is_end_known)
    rows = [batch(each) for each in sorted(there) if each >= seq]
    found = without_holes(facts, seq, rows)
    assert [row for row in found if row.gap is None] == rows
    for row in found:
        assert row.first_seq == seq
        seq = row.last_seq + 1
        if row.gap:
            is_mark_behind = row.gap.reason == "collector_rollback"
            assert (row.last_seq <= mark) if is_mark_behind else (row.first_seq > mark)
            assert (row.gap.epoch, row.gap.readings) == (EPOCH, None)
    if not rows:
        assert bool(found) == is_end_known
        assert not found or seq == LAST_SEQ + 1


def test_what_was_acknowledged_once_the_collector_has_lost() -> None:
    """It is told apart from what was lost here."""
    found = without_holes(epoch_of(1, last_seq=9, mark=4), 2, [batch(7)])
    assert gaps(found) == [
        (2, 4, "collector_rollback", None),
        (5, 6, "spool_lost", None),
    ]
    assert found[-1] == batch(7)


def test_gap_that_begins_before_what_was_asked_for() -> None:
    """It stays whole: the collector takes what of it is news."""
    gap = hole(EPOCH, 2, 6, "spool_full")
    assert without_holes(epoch_of(1, last_seq=7), 4, [gap, batch(7)]) == [gap, batch(7)]


@pytest.mark.parametrize(
    ("is_end_known", "expected"),
    [(True, [(3, 5, "spool_lost")]), (False, [])],
    ids=["known end", "unknown end"],
)
def test_where_no_row_is_left(
    is_end_known: bool, expected: list[tuple[int, int, str | None]]
) -> None:
    """Up to its end, if that is known; else END says how it ended."""
    facts = epoch_of(1, last_seq=5, is_end_known=is_end_known)
    assert seqs(without_holes(facts, 3, [])) == expected


def test_behind_the_last_row_nothing_is_missing_yet() -> None:
    """More may be on its way, from another tier or from the sensors."""
    facts = epoch_of(1, last_seq=5)
    assert without_holes(facts, 3, [batch(3)]) == [batch(3)]
    assert without_holes(facts, 6, []) == []

"""collector.store.missing: what is not stored is in a gap, once, with the best times there are."""

from pathlib import Path
from typing import Any

import pytest

from collector.store import Stored
from collector.store.database import FILE_NAME
from kit.stores import (
    OTHER_EPOCH,
    SECOND_NS,
    THIRD_EPOCH,
    at_ns,
    batch,
    change,
    held,
    holding,
    moment,
    read,
    rows,
    transaction,
)
from kit.wireworks import BOOT, EPOCH
from wire.bodies import End, Gap, Moment, OpenDatagrams

NOW_NS = at_ns(100_000)
LARGEST = 2**63 - 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def gaps(file: Path) -> list[tuple[Any, ...]]:
    """All gaps: epoch, seqs, readings, times, reason."""
    return rows(
        file,
        "SELECT epoch.epoch, first_seq, last_seq, gap.readings, from_ns, to_ns, reason FROM gap"
        " LEFT JOIN epoch ON epoch.id = gap.epoch ORDER BY gap.id",
    )


def counts(file: Path) -> list[tuple[Any, ...]]:
    """The readings of all gaps."""
    return rows(file, "SELECT readings FROM gap ORDER BY id")


def counted(file: Path) -> list[tuple[Any, ...]]:
    """The counted readings of all epochs."""
    return rows(file, "SELECT counted FROM epoch ORDER BY id")


def begun(file: Path, *seqs: int) -> None:
    """An epoch that began 1 s after boot, with batches stored."""
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(began_s=1)))
        group.store("greenhouse", [batch(seq) for seq in seqs])


# Tails: what HOLD does not name.


def test_epoch_that_is_no_longer_held_gets_a_tail(file: Path) -> None:
    """From its last reading to the beginning of the present epoch, and nobody knows how many."""
    begun(file, 1, 2)
    with transaction(file, NOW_NS) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
    assert gaps(file) == [(EPOCH, 3, None, None, at_ns(2), at_ns(60), "spool_lost")]


def test_tail_of_an_epoch_without_readings_begins_with_it(file: Path) -> None:
    """That it was there, and had accepted something, is all that is known."""
    begun(file)
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
    assert gaps(file) == [(EPOCH, 1, None, None, at_ns(1), at_ns(60), "spool_lost")]


def test_tail_has_the_reason_of_the_device(file: Path) -> None:
    """A device that knows why says so; what is told so is not told once more for the device."""
    begun(file, 1)
    for _ in range(2):
        with transaction(file) as group:
            group.hold("greenhouse", holding(held(OTHER_EPOCH, 60), lost="power_cut"))
    assert gaps(file) == [(EPOCH, 2, None, None, at_ns(1), at_ns(60), "power_cut")]


def test_epoch_has_one_tail(file: Path) -> None:
    """However often it is not named, and by however many starts."""
    begun(file, 1)
    for epoch in (OTHER_EPOCH, OTHER_EPOCH, THIRD_EPOCH):
        with transaction(file) as group:
            group.hold("greenhouse", holding(held(OTHER_EPOCH, 60), held(epoch, 70)))
    assert [gap[:3] for gap in gaps(file)] == [(EPOCH, 2, None)]


def test_named_and_ended_epochs_get_no_tail(file: Path) -> None:
    """Nor do those of another device."""
    begun(file, 1)
    with transaction(file) as group:
        group.store("greenhouse", [batch(1, epoch=OTHER_EPOCH)])
        group.end("greenhouse", End(OTHER_EPOCH, "stopped", 1, 1))
        group.hold("greenhouse", holding(held(THIRD_EPOCH, 60), held()))
        group.hold("cellar", holding(held(THIRD_EPOCH, 60)))
    assert gaps(file) == []


def test_datagram_epoch_gets_a_tail_too(file: Path) -> None:
    """Its END may be lost like any other."""
    with transaction(file) as group:
        group.open_datagrams("greenhouse", OpenDatagrams(EPOCH, moment(1), SECOND_NS))
        group.store_datagrams("greenhouse", EPOCH, [batch(3)])
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60), held(EPOCH, datagrams=True)))
    assert gaps(file) == []
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
    assert gaps(file) == [(EPOCH, 4, None, None, at_ns(3), at_ns(60), "spool_lost")]


def test_clock_that_was_set_back_gives_no_span_backwards(file: Path) -> None:
    """What was lost was read before it is told of."""
    begun(file, 1, 2)
    with transaction(file, NOW_NS) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 1)))
    assert gaps(file) == [(EPOCH, 3, None, None, at_ns(2), NOW_NS, "spool_lost")]


def test_better_clock_moves_the_end_of_what_was_lost(file: Path) -> None:
    """The beginning of the present epoch is known better once the Pi's clock is set."""
    begun(file, 1)
    unset = Moment(BOOT, 0, at_ns(-3600))
    for clock in (unset, moment(0), unset):
        with transaction(file, NOW_NS) as group:
            group.hold("greenhouse", holding(held(OTHER_EPOCH, 7200, clock=clock), lost="x"))
    assert gaps(file) == [(EPOCH, 2, None, None, at_ns(1), at_ns(7200), "x")]


def test_largest_mark_has_no_tail(file: Path) -> None:
    """Nothing can come behind it."""
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 1, LARGEST, "spool_full"))
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
    assert [gap[:3] for gap in gaps(file)] == [(EPOCH, 1, LARGEST)]


# Tails are taken back.


def test_tail_goes_when_the_epoch_goes_on(file: Path) -> None:
    """The copy of a card, or a frame of a session that died: it was not lost after all."""
    begun(file, 1)
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
        group.store("greenhouse", [batch(1)])
    assert len(gaps(file)) == 1, "a batch that is known already says nothing new"
    with transaction(file) as group:
        group.store("greenhouse", [batch(2)])
    assert gaps(file) == []


def test_tail_goes_with_a_gap_too(file: Path) -> None:
    """What a GAP says is known better."""
    begun(file, 1)
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
        group.record_gap("greenhouse", Gap(EPOCH, 2, 3, "spool_full", 20))
    assert [gap[:4] for gap in gaps(file)] == [(EPOCH, 2, 3, 20)]


def test_what_came_before_a_hold_does_not_take_back_its_tail(file: Path) -> None:
    """Requests of one group count in the order they came."""
    begun(file, 1)
    with transaction(file) as group:
        group.store("greenhouse", [batch(2)])
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
        group.store("greenhouse", [batch(3)])
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
    assert [gap[:3] for gap in gaps(file)] == [(EPOCH, 4, None)]


def test_tail_of_an_ended_epoch_is_shortened(file: Path) -> None:
    """Its END said that more is missing than came since."""
    begun(file, 1)
    with transaction(file) as group:
        group.end("greenhouse", End(EPOCH, "power_cut", until=moment(50)))
        group.store("greenhouse", [batch(2)])
        group.store("greenhouse", [batch(3)])
    assert gaps(file) == [(EPOCH, 4, None, None, at_ns(3), at_ns(50), "power_cut")]
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 4, 5, "spool_full"))
        group.store("greenhouse", [batch(6, read(60))])
    assert gaps(file)[0] == (EPOCH, 7, None, None, at_ns(60), None, "power_cut")
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 7, LARGEST, "spool_full"))
    assert [gap[1] for gap in gaps(file)] == [4, 7]


# What HOLD says is lost.


def test_loss_that_no_epoch_shows_is_recorded_once(file: Path) -> None:
    """From the device's latest reading to its new beginning, whatever epoch that was of."""
    begun(file, 1, 2)
    with transaction(file) as group:
        group.store("greenhouse", [batch(1, read(40), epoch=OTHER_EPOCH)])
        group.end("greenhouse", End(OTHER_EPOCH, "stopped", 1, 1))
        group.end("greenhouse", End(EPOCH, "stopped", 2, 2))
    for _ in range(2):
        with transaction(file) as group:
            group.hold("greenhouse", holding(held(THIRD_EPOCH, 60), lost="power_cut"))
            group.store("greenhouse", [batch(1, read(70), epoch=THIRD_EPOCH)])
    assert gaps(file) == [(THIRD_EPOCH, 0, 0, None, at_ns(40), at_ns(60), "power_cut")]


def test_device_never_heard_of_has_lost_nothing(file: Path) -> None:
    """Nothing was expected of it; nor is there when it connects again."""
    for _ in range(2):
        with transaction(file) as group:
            group.hold("greenhouse", holding(held(EPOCH, 60), held(OTHER_EPOCH), lost="power_cut"))
    assert gaps(file) == []


def test_next_loss_is_recorded_again(file: Path) -> None:
    """Each start that lost something says so."""
    begun(file, 1)
    with transaction(file) as group:
        group.end("greenhouse", End(EPOCH, "stopped", 1, 1))
        for epoch, began_s in ((OTHER_EPOCH, 60), (THIRD_EPOCH, 70)):
            group.hold("greenhouse", holding(held(epoch, began_s), lost="spool_unreadable"))
            group.end("greenhouse", End(epoch, "stopped", 0, 0))
    assert [gap[:3] for gap in gaps(file)] == [(OTHER_EPOCH, 0, 0), (THIRD_EPOCH, 0, 0)]


# END.


def test_known_end_turns_what_is_not_here_into_a_gap(file: Path) -> None:
    """Its reason, where that is none of a gap, does not say why; the count is exact."""
    begun(file, 1, 2)
    with transaction(file) as group:
        assert group.end("greenhouse", End(EPOCH, "restarted", 7, 12, moment(30))) == 7
    assert gaps(file) == [(EPOCH, 3, 7, 10, at_ns(2), at_ns(30), "spool_lost")]
    assert rows(file, "SELECT mark, counted, ended FROM epoch") == [(7, 12, "restarted")]


def test_known_end_for_a_reason_of_a_gap(file: Path) -> None:
    """The device knows why; without a count nobody knows how many."""
    begun(file, 1)
    with transaction(file) as group:
        group.end("greenhouse", End(EPOCH, "spool_unreadable", 3))
    assert gaps(file) == [(EPOCH, 2, 3, None, at_ns(1), None, "spool_unreadable")]
    assert counted(file) == [(None,)]


def test_complete_epoch_ends_without_a_gap(file: Path) -> None:
    """Nothing is missing, and nothing is said to be."""
    begun(file, 1, 2)
    with transaction(file) as group:
        assert group.end("greenhouse", End(EPOCH, "stopped", 2, 2)) == 2
        group.hold("greenhouse", holding(held(OTHER_EPOCH)))
    assert gaps(file) == []


def test_end_that_is_told_again_changes_nothing(file: Path) -> None:
    """Its acknowledgement was lost; whatever it says now, it has been settled."""
    begun(file, 1)
    for last_seq in (3, 5, None):
        with transaction(file) as group:
            assert group.end("greenhouse", End(EPOCH, "restarted", last_seq)) == 3
    assert [gap[:3] for gap in gaps(file)] == [(EPOCH, 2, 3)]


def test_end_below_the_mark_moves_nothing(file: Path) -> None:
    """Of two copies of a card one ended the epoch, the other went on."""
    begun(file, 1, 2, 3)
    with transaction(file) as group:
        assert group.end("greenhouse", End(EPOCH, "stopped", 1, 1)) == 3
        assert group.store("greenhouse", [batch(4)]) == Stored({EPOCH: 4})
    assert gaps(file) == []
    assert counted(file) == [(4,)]


def test_end_of_an_epoch_never_heard_of(file: Path) -> None:
    """Whatever it held never came, and that is known exactly."""
    with transaction(file) as group:
        assert group.end("greenhouse", End(EPOCH, "stopped", 4, 40)) == 4
        assert group.end("greenhouse", End(OTHER_EPOCH, "stopped", 0, 0)) == 0
    assert gaps(file) == [(EPOCH, 1, 4, 40, None, None, "spool_lost")]
    assert rows(file, "SELECT mark, ended FROM epoch") == [(4, "stopped"), (0, "stopped")]


def test_unknown_end_leaves_a_tail(file: Path) -> None:
    """Up to the next boot; nobody knows how many."""
    begun(file, 1, 2)
    with transaction(file) as group:
        assert group.end("greenhouse", End(EPOCH, "power_cut", until=moment(30))) == 2
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
    assert gaps(file) == [(EPOCH, 3, None, None, at_ns(2), at_ns(30), "power_cut")]


def test_unknown_end_explains_the_tail_that_is_there(file: Path) -> None:
    """HOLD did not name the epoch; its END came all the same, and knows better."""
    begun(file, 1)
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
        group.end("greenhouse", End(EPOCH, "power_cut", until=moment(30)))
    assert gaps(file) == [(EPOCH, 2, None, None, at_ns(1), at_ns(30), "power_cut")]


def test_unknown_end_for_no_reason_is_a_lost_spool(file: Path) -> None:
    """Why a gap is there is said in the words of gaps."""
    begun(file, 1)
    with transaction(file) as group:
        group.end("greenhouse", End(EPOCH, "restarted"))
    assert gaps(file) == [(EPOCH, 2, None, None, at_ns(1), None, "spool_lost")]


def test_known_end_replaces_a_tail(file: Path) -> None:
    """What was unknown is known now."""
    begun(file, 1)
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 60)))
        group.end("greenhouse", End(EPOCH, "stopped", 3, 3))
    assert [gap[:4] for gap in gaps(file)] == [(EPOCH, 2, 3, 2)]


# GAP.


def test_times_of_a_gap_by_the_clock_of_its_epoch(file: Path) -> None:
    """CLOCK_BOOTTIME becomes UTC through what HOLD said."""
    begun(file, 1)
    with transaction(file) as group:
        gap = Gap(EPOCH, 2, 3, "spool_full", 9, 5 * SECOND_NS, 8 * SECOND_NS)
        group.record_gap("greenhouse", gap)
    assert gaps(file) == [(EPOCH, 2, 3, 9, at_ns(5), at_ns(8), "spool_full")]


@pytest.mark.parametrize("seqs", [(), (1, 2)])
def test_gap_without_times_begins_where_the_epoch_had_got(file: Path, seqs: tuple[int]) -> None:
    """Its beginning, or its last reading; the end is not known."""
    begun(file, *seqs)
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 1, 4, "spool_unreadable"))
    assert gaps(file) == [
        (EPOCH, len(seqs) + 1, 4, None, at_ns(2 if seqs else 1), None, "spool_unreadable")
    ]


def test_times_of_a_gap_without_a_clock(file: Path) -> None:
    """They are CLOCK_BOOTTIME of a boot that nobody knows."""
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 1, 4, "spool_full", 4, 0, 9))
    assert gaps(file) == [(EPOCH, 1, 4, 4, None, None, "spool_full")]


def test_next_batch_counts_a_gap(file: Path) -> None:
    """It says how many readings were before it; exact, also if the collector began anew between."""
    begun(file, 1, 2)
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 3, 5, "spool_unreadable"))
    assert (counts(file), counted(file)) == ([(None,)], [(None,)])
    with transaction(file) as group:
        group.store("greenhouse", [batch(6, before=32), batch(7, before=33)])
    assert (counts(file), counted(file)) == ([(30,)], [(34,)])


def test_what_is_cut_off_a_gap_is_not_counted_in_it(file: Path) -> None:
    """Of what the device counted, part is stored; the next batch says how much is not."""
    begun(file, 1, 2)
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 2, 4, "spool_full", 25))
    assert counts(file) == [(None,)]
    with transaction(file) as group:
        group.store("greenhouse", [batch(5, before=26)])
    assert (counts(file), counted(file)) == ([(24,)], [(27,)])


def test_end_counts_the_last_gap(file: Path) -> None:
    """No batch comes behind it, and END knows how many there were."""
    begun(file, 1, 2)
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 3, 5, "spool_unreadable"))
        group.end("greenhouse", End(EPOCH, "stopped", 5, 12))
    assert (counts(file), counted(file)) == ([(10,)], [(12,)])


def test_two_uncounted_gaps_are_not_counted_together(file: Path) -> None:
    """How many were in both is known; how many in each is not, and none is made up."""
    begun(file, 1)
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 2, 2, "spool_full"))
        group.record_gap("greenhouse", Gap(EPOCH, 3, 3, "spool_full"))
        group.store("greenhouse", [batch(4, before=21)])
        group.record_gap("greenhouse", Gap(EPOCH, 5, 5, "spool_full"))
        group.store("greenhouse", [batch(6, before=29)])
    assert counts(file) == [(None,), (None,), (7,)]


def test_counts_that_cannot_be_are_not_taken(file: Path) -> None:
    """Fewer readings up to a batch than are stored: nobody knows how many were missing."""
    begun(file, 1)
    with transaction(file) as group:
        group.store("greenhouse", [batch(2, before=50)])
        group.record_gap("greenhouse", Gap(EPOCH, 3, 4, "spool_full"))
        group.store("greenhouse", [batch(5, before=3)])
        group.end("greenhouse", End(EPOCH, "stopped", 7, 2))
    assert counts(file) == [(None,), (None,)]


# A backup that was gone back to.


def restored(file: Path) -> None:
    """The store lost what it received between 10 and 20 s after boot."""
    begun(file, 1)
    change(
        file,
        "INSERT INTO gap (device, from_ns, to_ns, reason, recorded_ns)"
        " VALUES (1, ?, ?, 'collector_rollback', 0)",
        at_ns(10),
        at_ns(20),
    )


@pytest.mark.parametrize(
    ("first_s", "last_s", "reason", "is_told"),
    [
        (10, 20, "collector_rollback", True),
        (12, 15, "collector_rollback", True),
        (9, 15, "collector_rollback", False),
        (12, 21, "collector_rollback", False),
        (12, None, "collector_rollback", False),
        (12, 15, "spool_full", False),
    ],
)
def test_rollback_is_told_once(
    file: Path, first_s: int, last_s: int | None, reason: str, is_told: bool
) -> None:
    """What lies within the span that the stamp of the backup gave only moves the mark."""
    restored(file)
    last_ns = None if last_s is None else last_s * SECOND_NS
    with transaction(file) as group:
        gap = Gap(EPOCH, 2, 3, reason, 20, first_s * SECOND_NS, last_ns)
        assert group.record_gap("greenhouse", gap) == 3
    assert len(gaps(file)) == (1 if is_told else 2)
    assert rows(file, "SELECT mark, counted FROM epoch") == [(3, 21)]


def test_rollback_of_another_device_tells_nothing(file: Path) -> None:
    """The span is each device's own."""
    restored(file)
    with transaction(file) as group:
        group.hold("cellar", holding(held()))
        gap = Gap(EPOCH, 1, 3, "collector_rollback", 20, 12 * SECOND_NS, 15 * SECOND_NS)
        group.record_gap("cellar", gap)
    assert len(gaps(file)) == 2


# Datagrams.


def datagrams(file: Path, *seqs: int, end: End | None = None) -> None:
    """A datagram epoch that began 1 s after boot, with two readings a batch."""
    with transaction(file) as group:
        group.open_datagrams("greenhouse", OpenDatagrams(EPOCH, moment(1), SECOND_NS))
        came = [batch(n, read(n), read(n), before=2 * n - 2) for n in seqs]
        group.store_datagrams("greenhouse", EPOCH, came)
        if end is not None:
            group.end("greenhouse", end)


def test_lost_datagrams_are_one_gap(file: Path) -> None:
    """Counted where the device said how many it sent."""
    datagrams(file, 2, 5, 3, end=End(EPOCH, "stopped", 7, 14, moment(30)))
    assert gaps(file) == [(EPOCH, 1, 7, 8, at_ns(1), at_ns(30), "datagram_lost")]
    assert rows(file, "SELECT mark, batches, readings FROM epoch") == [(7, 3, 6)]


def test_lost_datagrams_before_the_last(file: Path) -> None:
    """Where the last one came, nothing behind it is missing."""
    datagrams(file, 2, 5, end=End(EPOCH, "rolled", 5))
    assert gaps(file) == [(EPOCH, 1, 5, 6, at_ns(1), at_ns(5), "datagram_lost")]


def test_lost_datagrams_that_nobody_counted(file: Path) -> None:
    """The last one is missing, and with it the count."""
    datagrams(file, 2, end=End(EPOCH, "rolled", 5))
    assert gaps(file) == [(EPOCH, 1, 5, None, at_ns(1), None, "datagram_lost")]


def test_no_datagram_lost(file: Path) -> None:
    """Then there is no gap."""
    datagrams(file, 2, 1, 3, end=End(EPOCH, "rolled", 3, 6))
    assert gaps(file) == []


def test_datagrams_of_unknown_end(file: Path) -> None:
    """What is missing below the highest is counted; behind it lies a tail."""
    datagrams(file, 2, 5, end=End(EPOCH, "power_cut", until=moment(30)))
    assert sorted(gaps(file), key=lambda gap: int(gap[1])) == [
        (EPOCH, 1, 5, 6, at_ns(1), at_ns(5), "datagram_lost"),
        (EPOCH, 6, None, None, at_ns(5), at_ns(30), "power_cut"),
    ]


def test_datagram_that_comes_behind_its_end(file: Path) -> None:
    """It is stored, so it is no longer missing."""
    datagrams(file, 2, 4, end=End(EPOCH, "stopped", 4, 8))
    datagrams(file, 1)
    assert [gap[1:4] for gap in gaps(file)] == [(1, 4, 2)]
    datagrams(file, 3)
    assert gaps(file) == []
    assert rows(file, "SELECT mark, batches, readings, counted FROM epoch") == [(4, 4, 8, 8)]


def test_datagram_that_comes_behind_an_unknown_end(file: Path) -> None:
    """The tail begins later, and what lies between is counted."""
    datagrams(file, 2, end=End(EPOCH, "power_cut"))
    datagrams(file, 4)
    assert sorted(gap[1:4] for gap in gaps(file)) == [(1, 4, 4), (5, None, None)]

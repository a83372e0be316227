"""collector.store.transaction: the mark moves with the batch, so nothing is stored twice."""

import random
import time
from pathlib import Path

import pytest

from collector.store import Stored
from collector.store.database import FILE_NAME
from kit.stores import (
    BOOTED_NS,
    MOMENT,
    OTHER_EPOCH,
    SECOND_NS,
    THIRD_EPOCH,
    arrived,
    batch,
    described,
    held,
    holding,
    read,
    rows,
    transaction,
)
from kit.wireworks import BOOT, CLOCK, EPOCH, sealed_batch
from wire import batches
from wire.batches import ClockPair
from wire.bodies import End, Gap, Held, Moment, OpenDatagrams

RUNS = "SELECT first_seq, last_seq, readings FROM batch ORDER BY id"
COUNTS = "SELECT mark, batches, readings, counted, last_ns FROM epoch"
EPOCHS = "SELECT device.name, epoch, mark, readings FROM epoch JOIN device ON device.id = device"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def test_batch_above_the_mark_is_stored(file: Path) -> None:
    """The next of an epoch is taken, and the mark moves with it."""
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(1)]) == Stored({EPOCH: 1})
        assert group.store("greenhouse", [batch(2)]) == Stored({EPOCH: 2})
    assert rows(file, RUNS) == [(1, 2, 2)]
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 2, 2)]


def test_batch_at_or_below_the_mark_is_acknowledged_again(file: Path) -> None:
    """What comes twice is stored once, in the same group and in a later one."""
    for _ in range(2):
        with transaction(file) as group:
            assert group.store("greenhouse", [batch(1), batch(2)]).marks == {EPOCH: 2}
            assert group.store("greenhouse", [batch(1)]) == Stored({EPOCH: 2})
            assert group.store("greenhouse", [batch(2)]) == Stored({EPOCH: 2})
    assert rows(file, RUNS) == [(1, 2, 2)]


def test_batch_beyond_the_next_is_a_hole(file: Path) -> None:
    """What is before the hole is stored and told, nothing after it is."""
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(1), batch(3), batch(2)]) == Stored(
            {EPOCH: 1}, EPOCH
        )
        assert group.store("greenhouse", [batch(9)]) == Stored({}, EPOCH)
    assert rows(file, RUNS) == [(1, 1, 1)]
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 1, 1)]


def test_first_batch_of_an_epoch_must_be_the_first(file: Path) -> None:
    """An epoch that begins with its second batch has a hole, however often it is tried."""
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(2)]) == Stored({}, EPOCH)
        assert group.store("greenhouse", [batch(2)]) == Stored({}, EPOCH)
    assert rows(file, RUNS) == []


def test_epochs_and_devices_do_not_mix(file: Path) -> None:
    """Each (device, epoch) has its own mark, whatever order they come in."""
    with transaction(file) as group:
        run = [batch(1), batch(1, epoch=OTHER_EPOCH), batch(2), batch(3)]
        assert group.store("greenhouse", run) == Stored({EPOCH: 3, OTHER_EPOCH: 1})
        assert group.store("cellar", [batch(1)]) == Stored({EPOCH: 1})
        run = [batch(2, epoch=OTHER_EPOCH)]
        assert group.store("greenhouse", run) == Stored({OTHER_EPOCH: 2})
    assert rows(file, EPOCHS) == [
        ("greenhouse", EPOCH, 3, 3),
        ("greenhouse", OTHER_EPOCH, 2, 2),
        ("cellar", EPOCH, 1, 1),
    ]
    assert sorted(rows(file, RUNS)) == [(1, 1, 1), (1, 2, 2), (1, 3, 3)]


def test_batches_of_a_group_share_a_row(file: Path) -> None:
    """A run stands end to end as it came, with the span of its times in UTC."""
    run = [batch(1, read(9), read(4)), batch(2, read(2)), batch(3, read(6), read(7))]
    before_ns = time.time_ns()
    with transaction(file) as group:
        group.store("greenhouse", run[:1])
        group.store("greenhouse", run[1:])
    ((from_ns, to_ns, received_ns, sealed),) = rows(
        file, "SELECT from_ns, to_ns, received_ns, sealed FROM batch"
    )
    assert (from_ns, to_ns) == (BOOTED_NS + 2 * SECOND_NS, BOOTED_NS + 9 * SECOND_NS)
    assert before_ns <= received_ns <= time.time_ns()
    assert list(batches.split(sealed)) == [each.sealed for each in run]
    assert rows(file, RUNS) == [(1, 3, 5)]
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 3, 5)]


def test_span_of_a_row_is_by_each_batch_s_own_clock(file: Path) -> None:
    """The clock may be set between two batches: all of a row say the same."""
    later = CLOCK._replace(wall_ns=CLOCK.wall_ns + 3600 * SECOND_NS)
    with transaction(file) as group:
        group.store("greenhouse", [batch(1, read(5), clock=later), batch(2, read(6))])
    assert rows(file, "SELECT from_ns, to_ns FROM batch ORDER BY id") == [
        (BOOTED_NS + 3605 * SECOND_NS, BOOTED_NS + 3605 * SECOND_NS),
        (BOOTED_NS + 6 * SECOND_NS, BOOTED_NS + 6 * SECOND_NS),
    ]


def test_row_ends_before_64_kib(file: Path) -> None:
    """A long run becomes several rows, none longer than 64 KiB, none torn, all in order."""
    noise = random.Random(1)
    values = [noise.random() for _ in range(1000)]
    run = [arrived(sealed_batch(seq, values)) for seq in range(1, 31)]
    with transaction(file) as group:
        assert group.store("greenhouse", run) == Stored({EPOCH: 30})
    found = rows(file, "SELECT first_seq, last_seq, readings, sealed FROM batch ORDER BY id")
    assert len(found) > 1
    expected = 1
    for first_seq, last_seq, readings, sealed in found:
        assert len(sealed) <= 64 * 1024
        assert (first_seq, readings) == (expected, 1000 * (last_seq - first_seq + 1))
        assert len(list(batches.split(sealed))) == last_seq - first_seq + 1
        expected = last_seq + 1
    assert expected == 31


def test_gap_takes_the_place_of_batches(file: Path) -> None:
    """In one group with batches: the order holds, and the mark moves over the gap."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        assert group.record_gap("greenhouse", Gap(EPOCH, 2, 5, "spool_full", 400)) == 5
        assert group.store("greenhouse", [batch(6)]) == Stored({EPOCH: 6})
    assert rows(file, RUNS) == [(1, 1, 1), (6, 6, 1)]
    assert rows(file, "SELECT first_seq, last_seq, readings, reason FROM gap") == [
        (2, 5, 400, "spool_full")
    ]
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 6, 2)]


def test_only_what_is_above_the_mark_becomes_a_gap(file: Path) -> None:
    """A gap that is told again, or over what was stored, takes nothing away."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1), batch(2)])
        assert group.record_gap("greenhouse", Gap(EPOCH, 1, 2, "spool_full")) == 2
        assert group.record_gap("greenhouse", Gap(EPOCH, 1, 4, "spool_full")) == 4
        assert group.record_gap("greenhouse", Gap(EPOCH, 1, 4, "spool_full")) == 4
    assert rows(file, "SELECT first_seq, last_seq, readings FROM gap") == [(3, 4, None)]
    assert rows(file, RUNS) == [(1, 2, 2)]


def test_gap_beyond_the_next_is_a_hole(file: Path) -> None:
    """A gap is no way round the rule."""
    with transaction(file) as group:
        assert group.record_gap("greenhouse", Gap(EPOCH, 2, 3, "spool_full")) is None
        assert group.store("greenhouse", [batch(1)]).marks == {EPOCH: 1}
        assert group.record_gap("greenhouse", Gap(EPOCH, 3, 3, "spool_full")) is None
    assert rows(file, "SELECT * FROM gap") == []


def test_mark_can_reach_the_largest_number(file: Path) -> None:
    """A device that says so fills its epoch, and breaks nothing."""
    largest = 2**63 - 1
    with transaction(file) as group:
        gap = Gap(EPOCH, 1, largest, "power_cut", largest)
        assert group.record_gap("greenhouse", gap) == largest
        assert group.store("greenhouse", [batch(largest, read(1))]) == Stored({EPOCH: largest})
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, largest, 0)]


def test_hold_answers_the_mark_of_each_epoch(file: Path) -> None:
    """Also of what the same group has brought; an epoch never heard of begins at 0."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1), batch(2)])
        marks = group.hold("greenhouse", holding(held(OTHER_EPOCH), held(), held()))
        assert marks == {OTHER_EPOCH: 0, EPOCH: 2}
        assert group.hold("cellar", holding(held())) == {EPOCH: 0}
        assert group.hold("cellar", holding()) == {}
    assert rows(file, EPOCHS) == [
        ("greenhouse", EPOCH, 2, 2),
        ("greenhouse", OTHER_EPOCH, 0, 0),
        ("cellar", EPOCH, 0, 0),
    ]


def test_hole_stops_its_epoch_only(file: Path) -> None:
    """One device's epochs come in one request: what is wrong with one costs the others nothing."""
    run = [batch(1), batch(1, epoch=OTHER_EPOCH), batch(3), batch(2, epoch=OTHER_EPOCH), batch(2)]
    with transaction(file) as group:
        assert group.store("greenhouse", run) == Stored({EPOCH: 1, OTHER_EPOCH: 2}, EPOCH)
    assert sorted(rows(file, RUNS)) == [(1, 1, 1), (1, 2, 2)]


def test_row_of_an_epoch_says_what_is_stored(file: Path) -> None:
    """Batches, readings, the latest time of them all; and the count that the device gives."""
    late = ClockPair(CLOCK.boot_ns, CLOCK.wall_ns + 60 * SECOND_NS, synchronised=True)
    with transaction(file) as group:
        group.store("greenhouse", [batch(1, read(9), read(4)), batch(2, read(5), before=2)])
    assert rows(file, COUNTS) == [(2, 2, 3, 3, 9 * SECOND_NS)]
    with transaction(file) as group:
        group.store("greenhouse", [batch(3, read(6), clock=late, before=3)])
    assert rows(file, COUNTS) == [(3, 3, 4, 4, 9 * SECOND_NS)]


def test_heard_is_when_the_mark_moved(file: Path) -> None:
    """A batch that came again, and a device that only says what it holds, is nothing new."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
    (first,) = rows(file, "SELECT heard_ns FROM epoch")
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        group.hold("greenhouse", holding(held()))
        group.end("greenhouse", End(EPOCH, "stopped", 1, 1))
    assert rows(file, "SELECT heard_ns FROM epoch") == [first]


def test_a_lie_about_counts_breaks_nothing(file: Path) -> None:
    """The largest numbers that a frame can say are kept as well as 64 bits can."""
    largest = 2**63 - 1
    wild = Moment(BOOT, -(2**62), 2**62, synchronised=True)
    with transaction(file) as group:
        group.hold("greenhouse", holding(Held(EPOCH, 1, wild, 2**62), held(OTHER_EPOCH)))
        group.store("greenhouse", [batch(1, before=largest)])
        group.record_gap("greenhouse", Gap(EPOCH, 2, 3, "spool_full", largest, 2**62, 2**62))
        group.record_gap("greenhouse", Gap(EPOCH, 4, largest, "spool_full", largest))
        group.end("greenhouse", End(OTHER_EPOCH, "power_cut", None, None, wild))
        group.hold("greenhouse", holding(held(THIRD_EPOCH), lost="power_cut"))
        assert group.end("greenhouse", End(EPOCH, "stopped", largest, largest)) == largest
    assert rows(file, "SELECT counted FROM epoch WHERE epoch = ?", EPOCH) == [(largest,)]


def test_rolled_back_group_never_was(file: Path) -> None:
    """What was remembered of it is forgotten with it."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        group.describe("greenhouse", described("air.temperature"))
        group.hold("greenhouse", holding(held(OTHER_EPOCH)))
        group.rollback()
        group.begin(time.time_ns())
        assert group.store("cellar", [batch(1)]) == Stored({EPOCH: 1})
        assert group.store("greenhouse", [batch(2)]) == Stored({}, EPOCH)
    assert rows(file, "SELECT name FROM device ORDER BY id") == [("cellar",), ("greenhouse",)]
    assert rows(file, "SELECT * FROM gap") == []


DATAGRAMS = "SELECT mark, batches, readings, counted FROM epoch WHERE datagrams"


def wish(epoch: bytes = EPOCH) -> OpenDatagrams:
    """What a device that chooses datagrams asks for."""
    return OpenDatagrams(epoch, MOMENT, 0)


def test_datagrams_are_stored_in_any_order(file: Path) -> None:
    """All that came is kept; the mark is the highest, whatever lies before it."""
    with transaction(file) as group:
        group.open_datagrams("greenhouse", wish())
        came = [batch(5), batch(2), batch(9)]
        assert group.store_datagrams("greenhouse", EPOCH, came) == Stored({EPOCH: 9})
        group.store_datagrams("greenhouse", EPOCH, [batch(8), batch(1)])
    assert rows(file, DATAGRAMS) == [(9, 5, 5, 9)]
    ((first, last, count, sealed),) = rows(
        file, "SELECT first_seq, last_seq, readings, sealed FROM batch"
    )
    found = [batches.open_header(each).place.seq for each in batches.split(sealed)]
    assert (first, last, count, found) == (1, 9, 5, [1, 2, 5, 8, 9])


def test_late_datagrams_leave_mark_and_count(file: Path) -> None:
    """What was overtaken by a whole group is stored, and counts."""
    for run in ([batch(5)], [batch(2), batch(1)]):
        with transaction(file) as group:
            group.store_datagrams("greenhouse", EPOCH, run)
    assert rows(file, DATAGRAMS) == [(5, 3, 3, 5)]


def test_epoch_without_batches_may_become_one_of_datagrams(file: Path) -> None:
    """HOLD may have named it before the device asked for its key, and it may ask again."""
    with transaction(file) as group:
        group.hold("greenhouse", holding(held()))
        assert group.open_datagrams("greenhouse", wish())
        assert group.open_datagrams("greenhouse", wish())
    with transaction(file) as group:
        group.store_datagrams("greenhouse", EPOCH, [batch(3)])
    assert rows(file, DATAGRAMS) == [(3, 1, 1, 3)]


def test_datagram_epoch_that_was_used_is_not_opened_again(file: Path) -> None:
    """With a new key its seqs would come again, and be stored again."""
    with transaction(file) as group:
        group.store_datagrams("greenhouse", EPOCH, [batch(3)])
        assert not group.open_datagrams("greenhouse", wish())
        assert group.open_datagrams("greenhouse", wish(OTHER_EPOCH))
        group.end("greenhouse", End(OTHER_EPOCH, "stopped", 0, 0))
        assert not group.open_datagrams("greenhouse", wish(OTHER_EPOCH))


def test_epoch_with_batches_takes_no_datagrams(file: Path) -> None:
    """Its mark means that nothing before it is missing; a device that mixes the two is refused."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        assert not group.open_datagrams("greenhouse", wish())
        assert group.store_datagrams("greenhouse", EPOCH, [batch(7)]) == Stored({})
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 1, 1)]


def test_gap_of_a_datagram_epoch_is_left_to_its_end(file: Path) -> None:
    """What is missing there is counted once."""
    with transaction(file) as group:
        group.store_datagrams("greenhouse", EPOCH, [batch(4)])
        assert group.record_gap("greenhouse", Gap(EPOCH, 5, 6, "spool_full")) == 4
    assert rows(file, "SELECT * FROM gap") == []


def test_nothing_is_there_before_commit(file: Path) -> None:
    """A group that does not reach COMMIT leaves no trace."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        group.describe("greenhouse", described("air.temperature"))
        assert rows(file, "SELECT * FROM device") == []
    assert rows(file, "SELECT name FROM device") == [("greenhouse",)]

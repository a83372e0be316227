"""collector.store.transaction: the mark moves with the batch, so nothing is stored twice."""

import random
import time
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit.stores import (
    BOOTED_NS,
    OTHER_EPOCH,
    SECOND_NS,
    arrived,
    batch,
    described,
    read,
    rows,
    transaction,
)
from kit.wireworks import CLOCK, EPOCH, sealed_batch
from wire import batches
from wire.frames import ChannelDescription, Describe, Gap, SensorDescription

RUNS = "SELECT first_seq, last_seq, readings FROM batch ORDER BY id"
EPOCHS = "SELECT device.name, epoch, mark, readings FROM epoch JOIN device ON device.id = device"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def test_batch_above_the_mark_is_stored(file: Path) -> None:
    """The next of an epoch is taken, and the mark moves with it."""
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(1)]) == ({EPOCH: 1}, False)
        assert group.store("greenhouse", [batch(2)]) == ({EPOCH: 2}, False)
    assert rows(file, RUNS) == [(1, 2, 2)]
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 2, 2)]


def test_batch_at_or_below_the_mark_is_acknowledged_again(file: Path) -> None:
    """What comes twice is stored once, in the same group and in a later one."""
    for _ in range(2):
        with transaction(file) as group:
            assert group.store("greenhouse", [batch(1), batch(2)])[0] == {EPOCH: 2}
            assert group.store("greenhouse", [batch(1)]) == ({EPOCH: 2}, False)
            assert group.store("greenhouse", [batch(2)]) == ({EPOCH: 2}, False)
    assert rows(file, RUNS) == [(1, 2, 2)]


def test_batch_beyond_the_next_is_a_hole(file: Path) -> None:
    """What is before the hole is stored and told, nothing after it is."""
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(1), batch(3), batch(2)]) == ({EPOCH: 1}, True)
        assert group.store("greenhouse", [batch(9)]) == ({}, True)
    assert rows(file, RUNS) == [(1, 1, 1)]
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 1, 1)]


def test_first_batch_of_an_epoch_must_be_the_first(file: Path) -> None:
    """An epoch that begins with its second batch has a hole, however often it is tried."""
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(2)]) == ({}, True)
        assert group.store("greenhouse", [batch(2)]) == ({}, True)
    assert rows(file, RUNS) == []


def test_epochs_and_devices_do_not_mix(file: Path) -> None:
    """Each (device, epoch) has its own mark, whatever order they come in."""
    with transaction(file) as group:
        marks, hole = group.store(
            "greenhouse", [batch(1), batch(1, epoch=OTHER_EPOCH), batch(2), batch(3)]
        )
        assert (marks, hole) == ({EPOCH: 3, OTHER_EPOCH: 1}, False)
        assert group.store("cellar", [batch(1)]) == ({EPOCH: 1}, False)
        assert group.store("greenhouse", [batch(2, epoch=OTHER_EPOCH)])[0] == {OTHER_EPOCH: 2}
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
    """The clock may be set between two batches of a run."""
    later = CLOCK._replace(wall_ns=CLOCK.wall_ns + 3600 * SECOND_NS)
    with transaction(file) as group:
        group.store("greenhouse", [batch(1, read(5), clock=later), batch(2, read(6))])
    assert rows(file, "SELECT from_ns, to_ns FROM batch") == [
        (BOOTED_NS + 6 * SECOND_NS, BOOTED_NS + 3605 * SECOND_NS)
    ]


def test_row_ends_before_64_kib(file: Path) -> None:
    """A long run becomes several rows, none longer than 64 KiB, none torn, all in order."""
    noise = random.Random(1)
    values = [noise.random() for _ in range(1000)]
    run = [arrived(sealed_batch(seq, values)) for seq in range(1, 31)]
    with transaction(file) as group:
        assert group.store("greenhouse", run) == ({EPOCH: 30}, False)
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
        assert group.store("greenhouse", [batch(6)]) == ({EPOCH: 6}, False)
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
        assert group.store("greenhouse", [batch(1)])[0] == {EPOCH: 1}
        assert group.record_gap("greenhouse", Gap(EPOCH, 3, 3, "spool_full")) is None
    assert rows(file, "SELECT * FROM gap") == []


def test_mark_can_reach_the_largest_number(file: Path) -> None:
    """A device that says so fills its epoch, and breaks nothing."""
    largest = 2**63 - 1
    with transaction(file) as group:
        gap = Gap(EPOCH, 1, largest, "power_cut", largest)
        assert group.record_gap("greenhouse", gap) == largest
        assert group.store("greenhouse", [batch(largest, read(1))]) == ({EPOCH: largest}, False)
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, largest, 0)]


def test_marks_of_unknown_epochs_leave_no_rows(file: Path) -> None:
    """A question about an epoch does not make one."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        assert group.marks("greenhouse", [OTHER_EPOCH, EPOCH]) == {OTHER_EPOCH: 0, EPOCH: 1}
        assert group.marks("cellar", [EPOCH]) == {EPOCH: 0}
    assert rows(file, EPOCHS) == [("greenhouse", EPOCH, 1, 1)]


def test_marks_are_remembered_and_read_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting epochs, as a collector of many does, changes no answer."""
    monkeypatch.setattr("collector.store.transaction._REMEMBERED_EPOCHS", 1)
    with transaction(file) as group:
        for seq in range(1, 4):
            group.store("greenhouse", [batch(seq), batch(seq, epoch=OTHER_EPOCH)])
            group.commit()
            group.begin(time.time_ns())
        assert group.marks("greenhouse", [EPOCH, OTHER_EPOCH]) == {EPOCH: 3, OTHER_EPOCH: 3}
    assert [row[2:] for row in rows(file, EPOCHS)] == [(3, 3), (3, 3)]


def test_description_is_kept_and_replaced(file: Path) -> None:
    """The newest word on a series counts; a series that is gone stays as it was."""
    with transaction(file) as group:
        group.describe("greenhouse", described("air.temperature", "soil.temperature"))
        group.describe("greenhouse", described("air.temperature", unit="degF", interval_s=60.0))
        group.describe("cellar", Describe([], label=None))
    assert rows(
        file, "SELECT sensor, channel, unit, interval_s, decimals, label FROM series ORDER BY id"
    ) == [
        ("air", "temperature", "degF", 60.0, 1, "label of temperature"),
        ("soil", "temperature", "degC", 1.0, 1, "label of temperature"),
    ]
    assert rows(file, "SELECT name, label FROM device ORDER BY id") == [
        ("greenhouse", "by the window"),
        ("cellar", None),
    ]


def test_nothing_is_there_before_commit(file: Path) -> None:
    """A group that does not reach COMMIT leaves no trace."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
        group.describe("greenhouse", described("air.temperature"))
        assert rows(file, "SELECT * FROM device") == []
    assert rows(file, "SELECT name FROM device") == [("greenhouse",)]


def test_channel_without_a_label_has_its_sensors(file: Path) -> None:
    """A door has one channel, and people label the door."""
    channel = ChannelDescription("pressed")
    sensor = SensorDescription("door", "gpiozero:Button", 1.0, [channel], label="Garden door")
    with transaction(file) as group:
        group.describe("greenhouse", Describe([sensor]))
    assert rows(file, "SELECT label FROM series") == [("Garden door",)]

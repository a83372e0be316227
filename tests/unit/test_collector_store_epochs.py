"""collector.store.epochs: rows are what was written, or the file is damaged."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME, open_for_writing
from collector.store.transaction import Transaction
from kit.stores import (
    OTHER_EPOCH,
    SECOND_NS,
    at_ns,
    batch,
    change,
    held,
    holding,
    moment,
    rows,
    transaction,
)
from kit.wireworks import BOOT, EPOCH
from service.damage import is_damage
from wire.bodies import End, Held, Moment

FACTS = "SELECT boot_id, began_ns, last_ns FROM epoch LEFT JOIN boot ON boot.id = epoch.boot"
OTHER_BOOT = bytes(range(32, 48))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


@pytest.fixture
def running(file: Path) -> Iterator[Transaction]:
    """A store that was opened before anything happened to its file."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1), batch(2)])
        group.store("greenhouse", [batch(1, epoch=OTHER_EPOCH)])
        group.end("greenhouse", End(OTHER_EPOCH, "stopped", 1, 1))
    with closing(open_for_writing(file)) as database:
        yield Transaction(database)
        with suppress(sqlite3.OperationalError):
            database.execute("ROLLBACK")


DAMAGES = [
    "UPDATE epoch SET mark = mark - 1",
    "UPDATE epoch SET mark = mark + 1",
    "UPDATE epoch SET mark = 'two'",
    "UPDATE epoch SET device = 2",
    "UPDATE epoch SET datagrams = 1 - datagrams",
    "UPDATE epoch SET ended = CAST(X'FF' AS TEXT)",
    "UPDATE epoch SET ended = iif(ended IS NULL, 'stopped', NULL)",
    "UPDATE epoch SET checksum = checksum + 1",
]


@pytest.mark.parametrize("statement", DAMAGES)
@pytest.mark.parametrize("epoch", [EPOCH, OTHER_EPOCH], ids=["open", "ended"])
def test_changed_row_is_damage(
    file: Path, running: Transaction, statement: str, epoch: bytes
) -> None:
    """What decides whether a batch is new is never believed when it does not fit its checksum."""
    change(file, f"{statement} WHERE epoch = ?", epoch)
    device = "greenhouse"
    if "device" in statement:
        change(file, "INSERT INTO device (id, name, first_heard_ns) VALUES (2, 'cellar', 0)")
        device = "cellar"
    running.begin(time.time_ns())
    with pytest.raises(sqlite3.DatabaseError, match="checksum of an epoch row") as caught:
        running.hold(device, holding(held(epoch)))
    assert is_damage(caught.value)


def test_rows_are_read_back_as_written(file: Path) -> None:
    """A collector that begins anew knows what the former one knew."""
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(began_s=3), held(OTHER_EPOCH, 4, datagrams=True)))
        group.store("greenhouse", [batch(1), batch(2)])
        group.store_datagrams("greenhouse", OTHER_EPOCH, [batch(4, epoch=OTHER_EPOCH)])
        group.end("greenhouse", End(EPOCH, "power_cut"))
        written = [group._epochs.take(1, name, 0) for name in (EPOCH, OTHER_EPOCH)]
    with transaction(file) as group:
        read = [group._epochs.take(1, name, 0) for name in (EPOCH, OTHER_EPOCH)]
    for one, other in zip(written, read, strict=True):
        assert one is not other
        assert one.boot is not None
        assert other.boot is not None
        assert one.boot.row_id == other.boot.row_id
        # That is of the run which was open, and says nothing once it is written.
        for name in {*one.__slots__} - {"boot", "run_offset_ns"}:
            assert getattr(one, name) == getattr(other, name), name


def test_forgetting_epochs_changes_no_answer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector of many devices does not remember them all."""
    monkeypatch.setattr("collector.store.epochs._REMEMBERED", 1)
    with transaction(file) as group:
        for seq in range(1, 4):
            group.store("greenhouse", [batch(seq), batch(seq, epoch=OTHER_EPOCH)])
            group.commit()
            group.begin(time.time_ns())
            assert not group._epochs._known
        marks = group.hold("greenhouse", holding(held(), held(OTHER_EPOCH)))
        assert marks == {EPOCH: 3, OTHER_EPOCH: 3}
    assert rows(file, "SELECT mark, readings FROM epoch") == [(3, 3), (3, 3)]


def test_batches_say_of_which_boot_an_epoch_is(file: Path) -> None:
    """HOLD says when it began; told again, nothing changes."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
    assert rows(file, FACTS) == [(BOOT, None, SECOND_NS)]
    unset = Moment(BOOT, SECOND_NS, at_ns(-100))
    for began_ns in (4 * SECOND_NS, 5 * SECOND_NS):
        with transaction(file) as group:
            group.hold("greenhouse", holding(Held(EPOCH, 1, unset, began_ns)))
        assert rows(file, FACTS) == [(BOOT, 4 * SECOND_NS, SECOND_NS)]


def test_epoch_that_is_said_to_be_of_another_boot(file: Path) -> None:
    """What was known of it counted from another beginning, and is forgotten."""
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(began_s=2)))
        group.store("greenhouse", [batch(1)])
    with transaction(file) as group:
        other = Moment(OTHER_BOOT, SECOND_NS, at_ns(-100))
        group.hold("greenhouse", holding(Held(EPOCH, 1, other, 7 * SECOND_NS)))
    assert rows(file, FACTS) == [(OTHER_BOOT, 7 * SECOND_NS, None)]


def test_pair_of_a_hold_is_kept_if_the_kernel_trusts_it(file: Path) -> None:
    """No other says what time it is."""
    for clock, pairs in ((Moment(BOOT, SECOND_NS, at_ns(-100)), 0), (moment(5), 1)):
        with transaction(file) as group:
            group.hold("greenhouse", holding(held(began_s=2, clock=clock)))
        found = rows(file, "SELECT boot_ns, wall_ns, source FROM clock_pair")
        assert found == [(5 * SECOND_NS, at_ns(5), 2)][:pairs]


def test_clock_is_set_without_a_batch_waiting_for_it(file: Path) -> None:
    """The row keeps its checksum, and its marks."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
    with transaction(file) as group:
        group.hold("greenhouse", holding(held()))
    with transaction(file) as group:
        assert group.hold("greenhouse", holding(held())) == {EPOCH: 1}

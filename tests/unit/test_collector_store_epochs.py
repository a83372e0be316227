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

CLOCK_FACTS = "SELECT boot_id, began_ns, offset_ns FROM epoch"


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
        for name in one.__slots__:
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


def test_first_clock_is_kept(file: Path) -> None:
    """Also one that the kernel does not trust: better than none."""
    unset = Moment(BOOT, SECOND_NS, at_ns(-100))
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
    assert rows(file, CLOCK_FACTS) == [(None, None, None)]
    with transaction(file) as group:
        group.hold("greenhouse", holding(Held(EPOCH, 1, unset, 4 * SECOND_NS)))
    assert rows(file, CLOCK_FACTS) == [(BOOT, at_ns(-97), at_ns(-101))]


def test_clock_that_the_kernel_trusts_replaces_what_was_known(file: Path) -> None:
    """And nothing but another such replaces that."""
    unset = Moment(BOOT, SECOND_NS, at_ns(-100))
    for clock, offset_ns in ((unset, at_ns(-101)), (moment(5), at_ns(0)), (unset, at_ns(0))):
        with transaction(file) as group:
            group.hold("greenhouse", holding(held(began_s=2, clock=clock)))
        assert rows(file, CLOCK_FACTS) == [(BOOT, offset_ns + 2 * SECOND_NS, offset_ns)]


def test_clock_is_set_without_a_batch_waiting_for_it(file: Path) -> None:
    """The row keeps its checksum, and its marks."""
    with transaction(file) as group:
        group.store("greenhouse", [batch(1)])
    with transaction(file) as group:
        group.hold("greenhouse", holding(held()))
    with transaction(file) as group:
        assert group.hold("greenhouse", holding(held())) == {EPOCH: 1}

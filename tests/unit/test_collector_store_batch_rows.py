"""collector.store.batch_rows: a run of batches becomes one row, whose number was never another's."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.clock import Dating, Known
from collector.store.batch_rows import BatchRows
from collector.store.clocks import Clocks
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.dating import columns_of
from collector.store.epochs import Epoch, Epochs
from collector.store.gaps import Gaps
from collector.store.unsealed import Unsealed
from kit.stores import batch, commit, read, rows
from kit.wireworks import BOOT, EPOCH
from wire.receiver import Arrived

SPAN_NS = (10**9, 3 * 10**9)
OWN = (0, None, None, 5, 7)
NOT_AT_ALL = columns_of(Dating(Known.UNKNOWN), *SPAN_NS)


class BatchRig:
    """Rows of one epoch of a device; each is committed at once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.unsealed = Unsealed(database)
        self.batch_rows = BatchRows(database, self.unsealed)
        clocks = Clocks(database)
        self.epoch: Epoch = Epochs(database, Gaps(database, clocks), clocks).take(1, EPOCH, 0)
        self.epoch.boot = clocks.boot(1, BOOT)

    def add(self, *run: Arrived, dated: tuple[int, int | None, int | None, int, int] = OWN) -> int:
        """Add a row; return how many readings it has."""
        found = self.batch_rows.add(self.epoch, run, SPAN_NS, dated, 99)
        self.unsealed.committed()
        return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store that knows a device, with a row."""
    commit(tmp_path / FILE_NAME, "pi", batch(1))
    return tmp_path / FILE_NAME


@pytest.fixture
def rig(file: Path) -> Iterator[BatchRig]:
    """A rig on it."""
    with closing(open_for_writing(file)) as database:
        yield BatchRig(database)


def ids(file: Path) -> list[int]:
    """The numbers of all rows."""
    return [row_id for (row_id,) in rows(file, "SELECT id FROM batch ORDER BY id")]


def test_row_says_what_stands_in_it(file: Path, rig: BatchRig) -> None:
    """The batches as they came, end to end, and whose, when and how many they are."""
    run = [batch(2), batch(3, read(2), read(3))]
    assert rig.add(*run) == 3
    columns = (
        "device, epoch, first_seq, last_seq, readings, boot, first_ns, last_ns, received_ns, dated,"
        " offset_ns, error_ns, from_ns, to_ns, sealed"
    )
    assert rows(file, f"SELECT {columns} FROM batch WHERE id = 2") == [
        (1, 1, 2, 3, 3, 1, *SPAN_NS, 99, *OWN, run[0].sealed + run[1].sealed)
    ]


def test_numbers_grow_whatever_goes(file: Path, rig: BatchRig) -> None:
    """Who follows what is committed goes by them: none comes again, sealed or deleted or both."""
    rig.add(batch(2))
    rig.database.execute("UPDATE progress SET sealed_row = 2")
    rig.database.execute("DELETE FROM batch")
    rig.add(batch(3))
    assert ids(file) == [3]
    rig.database.execute("UPDATE progress SET sealed_row = 3")
    rig.database.execute("DELETE FROM batch")
    again = BatchRig(rig.database)
    again.add(batch(4))
    assert ids(file) == [4]


def test_what_can_be_sealed_is_counted(rig: BatchRig) -> None:
    """Not what has no time yet: it waits for one."""
    before = rig.unsealed.readings()
    assert rig.add(batch(2), dated=NOT_AT_ALL) == 1
    assert rig.unsealed.readings() == before
    rig.add(batch(3, read(1), read(2)))
    assert rig.unsealed.readings() == before + 2


def test_numbers_of_what_was_undone_come_again(file: Path, rig: BatchRig) -> None:
    """A hole would be told to who follows as something missed."""
    rig.add(batch(2))
    rig.database.execute("BEGIN")
    rig.add(batch(3))
    rig.database.execute("ROLLBACK")
    rig.batch_rows.forget()
    rig.add(batch(3))
    assert ids(file) == [1, 2, 3]

"""collector.store.stamp: whoever goes on with a backup knows which time is missing."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.store.database import FILE_NAME, open_for_writing
from collector.store.stamp import settle_stamp, stamp
from kit.stores import batch, commit, rows

TAKEN_NS = 1_790_000_000 * 10**9 + 5
GAPS = (
    "SELECT name, epoch, first_seq, last_seq, readings, from_ns, to_ns, reason FROM gap"
    " JOIN device ON device.id = device ORDER BY gap.id"
)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A stamped copy of a store with two devices."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    commit(file, "cellar", batch(1))
    copy = tmp_path / "restored" / FILE_NAME
    copy.parent.mkdir()
    shutil.copy(file, copy)
    stamp(copy, TAKEN_NS)
    return copy


def test_stamp_becomes_a_gap_of_every_device(copy: Path) -> None:
    """From the backup to now, once, whatever epochs there are; and the log says so."""
    before_ns = time.time_ns()
    with capture_logs() as logs:
        open_for_writing(copy).close()
        open_for_writing(copy).close()
    found = rows(copy, GAPS)
    assert [gap[:6] + gap[7:] for gap in found] == [
        (name, None, None, None, None, TAKEN_NS, "collector_rollback")
        for name in ("greenhouse", "cellar")
    ]
    assert all(max(before_ns, TAKEN_NS) <= gap[6] for gap in found)
    (event,) = logs
    assert (event["event"], event["log_level"]) == ("store_restored", "warning")
    assert event["devices"] == ["cellar", "greenhouse"]
    assert event["taken"] == "2026-09-21T14:13:20+00:00"


def test_copy_itself_shows_no_gap(copy: Path) -> None:
    """What lies in a drawer has lost nothing yet."""
    assert rows(copy, GAPS) == []
    assert rows(copy, "SELECT taken_ns FROM backup_stamp") == [(TAKEN_NS,)]
    assert [each.name for each in copy.parent.iterdir()] == [FILE_NAME]


def test_of_two_stamps_the_earlier_counts(copy: Path) -> None:
    """A copy of a copy lacks what came since the first."""
    stamp(copy, TAKEN_NS + 10)
    open_for_writing(copy).close()
    assert [gap[5] for gap in rows(copy, GAPS)] == [TAKEN_NS, TAKEN_NS]
    assert rows(copy, "SELECT * FROM backup_stamp") == []


def test_clock_that_was_set_back_gives_no_span_backwards(copy: Path) -> None:
    """It is empty then."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        settle_stamp(copy, database, TAKEN_NS - 1)
    assert {gap[5:7] for gap in rows(copy, GAPS)} == {(TAKEN_NS, TAKEN_NS)}


def test_without_a_stamp_nothing_is_written(tmp_path: Path) -> None:
    """An ordinary start changes nothing."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    before = file.read_bytes()
    with capture_logs() as logs, closing(sqlite3.connect(file)) as database:
        settle_stamp(file, database, TAKEN_NS)
    assert file.read_bytes() == before
    assert logs == []


def test_failure_leaves_the_stamp(copy: Path) -> None:
    """Half of it must not stay: the next start tries again."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.execute(
            "CREATE TEMP TRIGGER t BEFORE DELETE ON backup_stamp BEGIN SELECT RAISE(ABORT, 'no');"
            " END"
        )
        with pytest.raises(sqlite3.IntegrityError):
            settle_stamp(copy, database, TAKEN_NS + 1)
        assert not database.in_transaction
    assert rows(copy, GAPS) == []
    assert rows(copy, "SELECT taken_ns FROM backup_stamp") == [(TAKEN_NS,)]


def test_stamp_is_there_once_it_returns(copy: Path) -> None:
    """Also where the process dies the moment after."""
    script = (
        "import os, pathlib\n"
        "from collector.store.stamp import stamp\n"
        f"stamp(pathlib.Path({str(copy)!r}), 7)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT)}, timeout=60, check=True
    )
    assert done.returncode == 0
    assert rows(copy, "SELECT min(taken_ns) FROM backup_stamp") == [(7,)]


def test_stamping_what_is_no_store(tmp_path: Path) -> None:
    """The error is SQLite's; nobody takes it for done."""
    with pytest.raises(sqlite3.OperationalError, match="backup_stamp"):
        stamp(tmp_path / "empty.db", TAKEN_NS)

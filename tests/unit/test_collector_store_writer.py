"""collector.store.writer: told after COMMIT, many requests to a commit, an end with the file's."""

import sqlite3
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.store import Revoked, Stored
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.writer import REQUEST_BYTES
from kit.stores import (
    MOMENT,
    OTHER_EPOCH,
    WriterRig,
    at_ns,
    batch,
    change,
    described,
    held,
    holding,
    locked,
    read,
    rows,
    transaction,
    writer_rig,
)
from kit.waiting import WITHIN_S, wait_until
from kit.wireworks import EPOCH
from service.damage import is_damage
from wire.bodies import Describe, End, Gap, OpenDatagrams

STORED = "SELECT ifnull(sum(readings), 0) FROM batch"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def ignored(_answer: object) -> None:
    """Take an answer that does not matter."""


def test_who_asked_is_told_after_commit(file: Path) -> None:
    """What an answer speaks of is there for every other connection."""
    seen: list[object] = []
    with writer_rig(file) as rig:
        for seq in range(1, 6):

            def done(stored: Stored, seq: int = seq) -> None:
                seen.append((stored, rows(file, STORED)[0][0] >= seq))

            rig.writer.store("greenhouse", [batch(seq)], done)
        rig.run_until(lambda: len(seen) == 5)
    assert seen == [(Stored({EPOCH: seq}), True) for seq in range(1, 6)]


def test_answers_come_on_the_loop_in_order(file: Path) -> None:
    """Every kind of request is answered in the caller's thread, in the order of the asking."""
    answers: list[object] = []
    threads: set[str] = set()

    def done(answer: object) -> None:
        answers.append(answer)
        threads.add(threading.current_thread().name)

    with writer_rig(file) as rig:
        rig.writer.hold("greenhouse", holding(held()), done)
        rig.writer.describe("greenhouse", described("air.temperature"), done)
        rig.writer.store("greenhouse", [batch(1), batch(3)], done)
        rig.writer.record_gap("greenhouse", Gap(EPOCH, 2, 4, "spool_full"), done)
        rig.writer.record_gap("greenhouse", Gap(EPOCH, 9, 9, "spool_full"), done)
        rig.writer.end("greenhouse", End(EPOCH, "stopped", 6, 60), done)
        rig.writer.open_datagrams("greenhouse", OpenDatagrams(OTHER_EPOCH, MOMENT, 0), done)
        rig.writer.store_datagrams("greenhouse", OTHER_EPOCH, [batch(3), batch(2)], done)
        rig.writer.end("greenhouse", End(OTHER_EPOCH, "stopped", 4, 4), done)
        rig.run_until(lambda: len(answers) == 9)
    assert answers == [
        {EPOCH: 0},
        None,
        Stored({EPOCH: 1}, EPOCH),
        4,
        None,
        6,
        True,
        Stored({OTHER_EPOCH: 3}),
        4,
    ]
    assert threads == {threading.current_thread().name}


def test_nothing_of_a_revoked_device_is_stored(file: Path) -> None:
    """Whatever it is, also what waited already; each request is answered, and others go on."""
    answers: list[object] = []
    with writer_rig(file) as rig:
        with locked(file):
            rig.writer.catch_up(ignored)
            wait_until(lambda: rig.writer.is_stuck(time.monotonic(), 0.0))
            rig.writer.hold("greenhouse", holding(held()), answers.append)
            rig.writer.describe("greenhouse", described("air.temperature"), answers.append)
            rig.writer.store("greenhouse", [batch(1)], answers.append)
            rig.writer.record_gap("greenhouse", Gap(EPOCH, 2, 4, "spool_full"), answers.append)
            rig.writer.end("greenhouse", End(EPOCH, "stopped", 6, 60), answers.append)
            rig.writer.open_datagrams("greenhouse", OpenDatagrams(OTHER_EPOCH, MOMENT, 0), answers.append)  # fmt: skip
            rig.writer.store_datagrams("greenhouse", OTHER_EPOCH, [batch(3)], answers.append)
            rig.revoked.add("greenhouse")
        assert rig.store("cellar", batch(1)) == Stored({EPOCH: 1})
        assert [type(answer) for answer in answers] == [Revoked] * 7
        assert rig.writer.pending_bytes == 0
        rig.revoked.clear()
        assert rig.store("greenhouse", batch(1)) == Stored({EPOCH: 1})
    assert rows(file, "SELECT name FROM device ORDER BY id") == [("cellar",), ("greenhouse",)]
    assert rows(file, STORED) == [(2,)]
    assert rows(file, "SELECT * FROM gap") == rows(file, "SELECT * FROM series") == []


def test_catching_up_is_told_behind_all_that_was_asked_before(file: Path) -> None:
    """When that is committed, by an answer of no meaning."""
    answers: list[object] = []
    with writer_rig(file) as rig:
        for seq in range(1, 4):
            rig.writer.store("greenhouse", [batch(seq)], answers.append)
        assert rig.ask(rig.writer.catch_up) is None
        assert answers == [Stored({EPOCH: seq}) for seq in range(1, 4)]
        assert rows(file, STORED) == [(3,)]


def test_nothing_is_told_while_the_commit_waits(file: Path) -> None:
    """A slow disk delays the answer; it does not make one up."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        with locked(file):
            answers = rig.store_all("greenhouse", [batch(2)])
            wait_until(lambda: rig.writer.is_stuck(time.monotonic(), 0.1))
            rig.run_waiting()
            assert not answers
            assert rig.writer.pending_bytes == len(batch(2).sealed)
        rig.run_until(lambda: answers)
    assert rows(file, STORED) == [(2,)]


def test_many_requests_share_a_commit(file: Path) -> None:
    """What gathers while a commit runs goes into the next one."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        with locked(file):
            answers = rig.store_all("greenhouse", [batch(seq) for seq in range(2, 502)])
        rig.run_until(lambda: len(answers) == 500)
        assert rig.writer.commits <= 3
        assert rig.deliveries == rig.writer.commits
    assert rows(file, STORED) == [(501,)]


def test_group_takes_a_limited_number(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to ask does not wait for all who came after."""
    monkeypatch.setattr("collector.store.writer._GROUP_REQUESTS", 10)
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        with locked(file):
            answers = rig.store_all("greenhouse", [batch(seq) for seq in range(2, 102)])
        rig.run_until(lambda: len(answers) == 100)
        assert 10 <= rig.writer.commits <= 13


def test_pending_bytes_return_to_nothing(file: Path) -> None:
    """Every request counts while it waits, and no longer."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        assert rig.writer.pending_bytes == 0
        with locked(file):
            answers = rig.store_all("greenhouse", [batch(2), batch(2), batch(9)])
            rig.writer.describe("greenhouse", Describe([]), ignored)
            rig.writer.hold("greenhouse", holding(held()), ignored)
            rig.writer.record_gap("greenhouse", Gap(EPOCH, 3, 3, "spool_full"), ignored)
            rig.writer.end("greenhouse", End(EPOCH, "stopped", 3, 3), ignored)
            wish = OpenDatagrams(OTHER_EPOCH, MOMENT, 0)
            rig.writer.open_datagrams("greenhouse", wish, ignored)
            came = [batch(1), batch(2)]
            rig.writer.store_datagrams("greenhouse", OTHER_EPOCH, came, ignored)
            size_bytes = 5 * len(batch(2).sealed) + 5 * REQUEST_BYTES
            assert rig.writer.pending_bytes == size_bytes
        rig.run_until(lambda: rig.writer.pending_bytes == 0)
        assert len(answers) == 3


def test_close_commits_what_waits(file: Path) -> None:
    """A stop loses nothing that was asked before it, however much that is."""
    rig = WriterRig(file)
    rig.writer.start()
    rig.store("greenhouse", batch(1))
    with ThreadPoolExecutor(1) as threads:
        with locked(file):
            rig.store_all("greenhouse", [batch(2)])
            wait_until(lambda: rig.writer._group.busy_since_s is not None)
            rig.store_all("greenhouse", [batch(seq) for seq in range(3, 102)])
            closing = threads.submit(rig.writer.close, WITHIN_S)
            wait_until(lambda: rig.writer._requests.qsize() == 100)
            assert not closing.done()
        assert closing.result()
    assert rows(file, STORED) == [(101,)]
    assert not file.with_name(FILE_NAME + "-wal").exists()


def test_close_does_not_wait_for_ever(file: Path) -> None:
    """A commit that hangs is reported; the stop goes on."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        with locked(file):
            rig.store_all("greenhouse", [batch(2)])
            assert not rig.writer.close(0.01)


def test_is_stuck_while_one_commit_lasts(file: Path) -> None:
    """A watchdog can tell a commit that hangs from having nothing to do."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        wait_until(lambda: not rig.writer.is_stuck(time.monotonic() + 3600, 1))
        with locked(file):
            answers = rig.store_all("greenhouse", [batch(2)])
            wait_until(lambda: rig.writer.is_stuck(time.monotonic() + 3600, 1))
            assert not rig.writer.is_stuck(time.monotonic(), 3600)
        rig.run_until(lambda: answers)


def assert_ends(rig: WriterRig, kind: type[Exception]) -> None:
    """The next batch must end the writer, told once, with nothing acknowledged."""
    answers = rig.store_all("greenhouse", [batch(2), batch(3)])
    rig.run_until(lambda: rig.failures)
    wait_until(lambda: rig.writer.close(WITHIN_S))
    more = rig.store_all("greenhouse", [batch(4)])
    rig.run_waiting()
    assert [type(each) for each in rig.failures] == [kind]
    assert not answers + more


def is_acknowledged(rig: WriterRig, seq: int) -> bool:
    """Ask for one batch; say whether it was stored, or the writer failed."""
    answers = rig.store_all("greenhouse", [batch(seq)])
    rig.run_until(lambda: answers or rig.failures)
    return bool(answers)


def test_error_of_the_file_ends_the_writer(file: Path) -> None:
    """No acknowledgement for what was not committed, also not for what was asked later."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        change(file, "DROP TABLE batch")
        assert_ends(rig, sqlite3.OperationalError)


def test_full_disk_ends_the_writer_and_leaves_a_sound_file(file: Path) -> None:
    """What was acknowledged before is there, of the rest nothing, and a new start goes on."""
    rig = WriterRig(file)
    (pages,) = rig.database.execute("PRAGMA page_count").fetchone()
    rig.database.execute(f"PRAGMA max_page_count = {pages + 2}")
    rig.writer.start()
    acknowledged = 0
    while is_acknowledged(rig, acknowledged + 1):
        acknowledged += 1
    assert rig.writer.close(WITHIN_S)
    assert "full" in str(rig.failures[0])
    assert acknowledged > 1
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert rows(file, "SELECT mark FROM epoch") == rows(file, STORED) == [(acknowledged,)]
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(acknowledged + 1)]) == Stored(
            {EPOCH: acknowledged + 1}
        )


def test_damaged_epoch_ends_the_writer(file: Path) -> None:
    """A mark that does not fit its checksum is never used, also not before a restart finds it."""
    with writer_rig(file) as rig:
        with transaction(file) as group:
            group.store("greenhouse", [batch(1), batch(2)])
        change(file, "UPDATE epoch SET mark = 1")
        assert_ends(rig, sqlite3.DatabaseError)
        assert is_damage(rig.failures[0])


def test_refused_row_is_rejected_and_the_writer_goes_on(file: Path) -> None:
    """What the file will not take costs nobody else anything."""
    open_for_writing(file).close()
    change(
        file,
        f"CREATE TRIGGER poison BEFORE INSERT ON batch WHEN NEW.to_ns = {at_ns(666)}"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )
    poison = batch(2, read(666))
    with writer_rig(file) as rig:
        stored = rig.store("greenhouse", batch(1), poison, batch(3))
        assert stored.marks == {EPOCH: 1}
        assert stored.rejected == [(EPOCH, 2, "the store cannot take it: poison")]
        gap = Gap(EPOCH, 2, 2, "rejected", 1)
        assert rig.ask(rig.writer.record_gap, "greenhouse", gap) == 2
        assert rig.store("greenhouse", batch(3)) == Stored({EPOCH: 3})
    assert not rig.failures


def test_fault_of_ours_ends_the_writer_too(file: Path) -> None:
    """Whatever ends the thread is told: a collector that cannot store must not go on."""
    with writer_rig(file) as rig:
        rig.store("greenhouse", batch(1))
        rig.writer.describe("greenhouse", Describe([], label="\ud800"), ignored)
        rig.run_until(lambda: rig.failures)
        assert isinstance(rig.failures[0], UnicodeEncodeError)
    with open_for_writing(file) as database:
        assert database.execute(STORED).fetchone() == (1,)
    database.close()


def test_job_of_a_writer_that_has_ended_is_given_up(tmp_path: Path) -> None:
    """Whoever brings one late does not wait for ever."""
    rig = WriterRig(tmp_path / FILE_NAME)
    rig.writer.start()
    assert rig.writer.do(lambda group: group.now_ns).result(WITHIN_S)
    assert rig.writer.close(WITHIN_S)
    with pytest.raises(CancelledError):
        rig.writer.do(lambda group: group.now_ns).result(WITHIN_S)

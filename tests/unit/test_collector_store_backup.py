"""collector.store.backup: a whole copy while others write, or nothing."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import StoreError
from collector.store import BackupError, back_up, backup, copying
from collector.store.database import FILE_NAME, open_for_writing
from kit.stores import batch, change, commit, read, rows
from kit.waiting import WITHIN_S, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with three batches."""
    file = tmp_path / "state" / FILE_NAME
    commit(file, "greenhouse", batch(1), batch(2), batch(3))
    return file


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the copy is to go."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder / "copy.db"


def names_beside(target: Path) -> list[str]:
    """Everything in the folder of the copy."""
    return [each.name for each in target.parent.iterdir()]


def prefix_in(copy: Path) -> int:
    """The mark of the only epoch, after checking that all up to it is there and nothing else."""
    assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
    mark, batches, readings = rows(copy, "SELECT mark, batches, readings FROM epoch")[0]
    assert (batches, readings) == (mark, mark)
    stored = rows(copy, "SELECT first_seq, last_seq, readings FROM batch ORDER BY first_seq")
    seqs = [seq for first, last, _ in stored for seq in range(first, last + 1)]
    assert seqs == list(range(1, mark + 1))
    assert sum(readings for _, _, readings in stored) == mark
    return int(mark)


def pages_of(file: Path, count: int) -> None:
    """Let a store have so many pages at least."""
    seq = 4
    while file.stat().st_size < count * 4096:
        commit(file, "greenhouse", batch(seq, read(seq)))
        seq += 1


def test_copy_is_a_store(file: Path, target: Path) -> None:
    """With all that is committed, and only its owner may read it."""
    began_ns = time.time_ns()
    copy = back_up(file, target, 1)
    assert prefix_in(target) == 3
    assert copy.size_bytes == target.stat().st_size
    assert began_ns <= copy.taken_ns <= time.time_ns()
    assert target.stat().st_mode & 0o777 == 0o600
    with closing(open_for_writing(target)) as database:
        assert database.execute("SELECT mark FROM epoch").fetchall() == [(3,)]


def test_copy_is_one_file(file: Path, target: Path) -> None:
    """What lies beside it need not be copied too, nor be there to read it."""
    back_up(file, target, 1)
    assert names_beside(target) == [target.name]
    assert rows(target, "PRAGMA journal_mode") == [("delete",)]


def test_copy_says_when_it_was_taken(file: Path, target: Path) -> None:
    """So that whoever goes on with it knows what is lost; the store itself is no copy."""
    copy = back_up(file, target, 1)
    assert rows(target, "SELECT taken_ns FROM backup_stamp") == [(copy.taken_ns,)]
    assert rows(file, "SELECT taken_ns FROM backup_stamp") == []


def test_going_on_with_a_copy_records_what_is_lost(file: Path, target: Path) -> None:
    """A gap from the instant of the copy on."""
    copy = back_up(file, target, 1)
    open_for_writing(target).close()
    assert rows(target, "SELECT from_ns, reason FROM gap") == [
        (copy.taken_ns, "collector_rollback")
    ]


def test_what_a_running_collector_has_not_checkpointed_is_copied(file: Path, target: Path) -> None:
    """What is committed counts, wherever SQLite keeps it."""
    with closing(open_for_writing(file)) as database:
        database.execute("UPDATE device SET label = 'new'")
        assert file.with_name(f"{FILE_NAME}-wal").stat().st_size
        back_up(file, target, 1)
    assert rows(target, "SELECT label FROM device") == [("new",)]


@given(steps=st.integers(1, 9), at=st.sets(st.integers(0, 40), max_size=6))
@settings(max_examples=15, deadline=None)
def test_commits_between_the_steps_neither_wait_nor_show(
    tmp_path_factory: pytest.TempPathFactory, steps: int, at: set[int]
) -> None:
    """The copy is of the instant it began, in how many steps whatever, and nobody is kept waiting."""
    folder = tmp_path_factory.mktemp("backup")
    file, target = folder / FILE_NAME, folder / "copy.db"
    commit(file, "greenhouse", *(batch(seq) for seq in range(1, 150)))
    looks, seq = 0, 150
    check_room = backup._check_room

    def commit_too(part: Path, wanted_bytes: int, reserved_bytes: int) -> None:
        nonlocal looks, seq
        if looks in at:
            commit(file, "greenhouse", batch(seq))
            seq += 1
        looks += 1
        check_room(part, wanted_bytes, reserved_bytes)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(copying, "_STEP_PAGES", steps)
        monkeypatch.setattr(backup, "_check_room", commit_too)
        back_up(file, target, 1)
    assert prefix_in(target) == 149
    assert prefix_in(file) == seq - 1


class Committer:
    """Commits batch after batch in a thread of its own; `slowest_s` is the longest commit."""

    def __init__(self, file: Path) -> None:
        self.mark = 3
        self.slowest_s = 0.0
        self._file = file
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Committer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(WITHIN_S)

    def _run(self) -> None:
        while not self._is_over.is_set():
            began_s = time.monotonic()
            commit(self._file, "greenhouse", batch(self.mark + 1))
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
            self.mark += 1


def test_copies_while_a_writer_commits(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a whole prefix, at least what was committed before it began."""
    monkeypatch.setattr(copying, "_STEP_PAGES", 2)
    with Committer(file) as committer:
        for number in range(8):
            wait_until(lambda before=committer.mark: committer.mark > before)
            copy = target.with_name(f"{number}.db")
            before = committer.mark
            back_up(file, copy, 1)
            assert before <= prefix_in(copy) <= committer.mark + 1
    assert committer.slowest_s < WITHIN_S
    assert prefix_in(file) == committer.mark


def test_nothing_is_replaced(file: Path, target: Path) -> None:
    """Neither a file, nor what only looks like none."""
    target.write_text("precious")
    with pytest.raises(BackupError, match=r"copy\.db: is there already"):
        back_up(file, target, 1)
    assert target.read_text() == "precious"
    target.unlink()
    target.symlink_to("nowhere")
    with pytest.raises(BackupError, match="is there already"):
        back_up(file, target, 1)
    with pytest.raises(BackupError, match=r"state/telegauge\.db: is there already"):
        back_up(file, file, 1)


def test_file_that_appears_meanwhile_is_not_replaced(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy takes a while; whoever was first keeps the name."""
    monkeypatch.setattr(backup, "_check", lambda part: target.write_text("precious"))
    with pytest.raises(BackupError, match="is there already"):
        back_up(file, target, 1)
    assert names_beside(target) == [target.name]
    assert target.read_text() == "precious"


def test_another_backup_to_the_same_file_is_left_alone(file: Path, target: Path) -> None:
    """Or what a killed one left: the message says what to do."""
    part = target.with_name("copy.db.part")
    part.write_text("half")
    with pytest.raises(BackupError, match=r"copy\.db\.part: is there already: .*Remove it if none"):
        back_up(file, target, 1)
    assert part.read_text() == "half"


def test_places_where_no_copy_can_be(file: Path, target: Path) -> None:
    """A folder and a folder that is missing are told apart."""
    with pytest.raises(BackupError, match=r"elsewhere: is a folder. Name a file in it"):
        back_up(file, target.parent, 1)
    with pytest.raises(BackupError, match=r"missing: no such folder"):
        back_up(file, target.parent / "missing" / "copy.db", 1)
    (target.parent / "file").touch()
    with pytest.raises(BackupError, match=r"file: no such folder"):
        back_up(file, target.parent / "file" / "copy.db", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_folder_of_another_user(file: Path, target: Path) -> None:
    """Whoever may not use it is told which command helps."""
    target.parent.chmod(0o700)
    become_nobody = "os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    done = script(file, target, f"import os; import collector.store; {become_nobody}")
    assert done.stderr == ""
    assert done.stdout == f"{target.parent}: may not be looked at. Try again with sudo\n"


def test_where_no_store_is_nothing_is_made(tmp_path: Path, target: Path) -> None:
    """The message is that of every question."""
    with pytest.raises(StoreError, match="no store here"):
        back_up(tmp_path / "missing.db", target, 1)
    assert names_beside(target) == []


def test_too_little_room_is_told_before_anything_is_copied(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much is to be copied, how much there is, and what to do."""
    monkeypatch.setattr(backup, "free_bytes", lambda _: 20_000)
    with pytest.raises(
        BackupError, match=r"elsewhere: too little room: [0-9.]+ MiB .*another disk"
    ):
        back_up(file, target, 0)
    assert names_beside(target) == []


def test_copy_does_not_stop_the_collector(file: Path, target: Path) -> None:
    """Beside the store its floor stays free, else the copy would end what it is a copy of."""
    with pytest.raises(BackupError, match=r"store\.min_free"):
        back_up(file, target, 2**60)
    assert names_beside(target) == []


def test_room_that_goes_while_it_copies(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up before the disk is full, and leaves nothing."""
    pages_of(file, 20)
    left = iter([10**9, 10**9, 10])
    monkeypatch.setattr(copying, "_STEP_PAGES", 2)
    monkeypatch.setattr(backup, "free_bytes", lambda _: next(left))
    with pytest.raises(BackupError, match="too little room"):
        back_up(file, target, 0)
    assert names_beside(target) == []


def test_interrupted_copy_leaves_nothing(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it copies."""

    def interrupt(_part: Path) -> Iterator[int]:
        yield 10**9
        raise KeyboardInterrupt

    asked = interrupt(target)
    monkeypatch.setattr(backup, "free_bytes", lambda _: next(asked))
    with pytest.raises(KeyboardInterrupt):
        back_up(file, target, 0)
    assert names_beside(target) == []


@pytest.mark.parametrize("what", ["page", "epoch"])
def test_damaged_store_gives_no_copy(file: Path, target: Path, what: str) -> None:
    """A backup that cannot be trusted is none; the message is that of every question."""
    if what == "epoch":
        change(file, "UPDATE epoch SET mark = 7")
    else:
        pages_of(file, 20)
        data = bytearray(file.read_bytes())
        data[2 * 4096 : 3 * 4096] = bytes(each ^ 0xFF for each in data[2 * 4096 : 3 * 4096])
        file.write_bytes(data)
    with pytest.raises(StoreError, match=r"telegauge\.db: cannot be read: .*sets a damaged store"):
        back_up(file, target, 1)
    assert names_beside(target) == []


def script(file: Path, target: Path, before: str = "") -> "subprocess.CompletedProcess[str]":
    """Make a copy in a process of its own."""
    code = (
        f"import sys; from pathlib import Path\n{before}\n"
        "from collector.store import BackupError, back_up\n"
        "try:\n    back_up(Path(sys.argv[1]), Path(sys.argv[2]), 1)\n"
        "except BackupError as error:\n    print(error)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(file), str(target)], check=False, cwd=ROOT,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_disk_that_takes_no_more(file: Path, target: Path) -> None:
    """Whatever is the matter with it, the message names the file, and nothing is left."""
    pages_of(file, 20)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40960, 40960))"
    done = script(file, target, limit)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{target}.part: the copy cannot be made: ")
    assert names_beside(target) == []


def test_killed_before_its_end_there_is_no_copy(file: Path, target: Path) -> None:
    """Only what is whole and on disk ever has its name."""
    arm = "import os; os.environ['TELEGAUGE_CRASH_AT'] = 'backup_copied'"
    assert script(file, target, arm).returncode == -9
    assert names_beside(target) == ["copy.db.part"]
    assert "Remove it" in script(file, target).stdout
    (target.parent / "copy.db.part").unlink()
    assert script(file, target).stdout == ""
    assert prefix_in(target) == 3


def test_store_of_an_older_program_is_to_be_brought_up_to_date(file: Path, target: Path) -> None:
    """A collector does that; a copy of it would have no place for its stamp."""
    change(file, "PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="Start telegauge-collector"):
        back_up(file, target, 1)


def test_copy_of_a_copy(file: Path, target: Path) -> None:
    """Nobody need go on with the first one before."""
    first = back_up(file, target, 1)
    second = target.with_name("second.db")
    assert back_up(target, second, 1).damages == []
    open_for_writing(second).close()
    assert rows(second, "SELECT from_ns FROM gap") == [(first.taken_ns,)]


def test_reader_of_the_store_only_needs_to_read(file: Path, target: Path) -> None:
    """The connection cannot change what it copies."""
    before = file.read_bytes()
    back_up(file, target, 1)
    assert file.read_bytes() == before
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE device SET label = 'still mine'")

"""collector.store.database: the file is durable, and a damaged one costs no start."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.errors import StoreError
from collector.store.database import (
    FILE_NAME,
    VERSION,
    open_for_reading,
    open_for_writing,
    set_aside,
)
from kit.stores import batch, change, commit, open_reader, rows

ROOT = Path(__file__).parents[2]
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def pragma(database: sqlite3.Connection, name: str) -> object:
    """What SQLite says of one of its settings."""
    return database.execute(f"PRAGMA {name}").fetchone()[0]


def filled(file: Path) -> bytes:
    """A store with enough in it to have pages of every kind; return the file's bytes."""
    commit(file, "greenhouse", *[batch(seq) for seq in range(1, 2001)])
    assert not file.with_name(file.name + "-wal").exists(), "a clean close leaves one file"
    return file.read_bytes()


def flipped_page(data: bytes) -> bytes:
    """All bits of the third page, where tables begin, turned round."""
    size = int.from_bytes(data[16:18], "big")
    page = bytes(each ^ 0xFF for each in data[2 * size : 3 * size])
    return data[: 2 * size] + page + data[3 * size :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda data: b"no database at all " * (len(data) // 19),
    "zeroed header": lambda data: bytes(100) + data[100:],
    "cut in half": lambda data: data[: len(data) // 2],
    "cut to one page": lambda data: data[:4096],
    "flipped page": flipped_page,
    "a format that never was": lambda data: data[:18] + b"\x12" + data[19:],
}
damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


def test_the_pragmas_that_the_promises_rest_on(file: Path) -> None:
    """WAL with synchronous=FULL: what is committed survives a power cut."""
    with closing(open_for_writing(file)) as database:
        assert pragma(database, "journal_mode") == "wal"
        assert pragma(database, "synchronous") == 2
        assert pragma(database, "secure_delete") == 0
        assert pragma(database, "user_version") == VERSION


def test_the_writers_cache_is_small(file: Path) -> None:
    """Of a new file and of one that was there: what it caches the kernel has too."""
    for _ in range(2):
        with closing(open_for_writing(file)) as database:
            assert pragma(database, "cache_size") == -512


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """Readings are nobody else's business."""
    file = tmp_path / "a" / "b" / FILE_NAME
    open_for_writing(file).close()
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_reopened_store_keeps_what_is_in_it(file: Path) -> None:
    """Opening changes nothing, however often."""
    commit(file, "greenhouse", batch(1), batch(2))
    for _ in range(2):
        open_for_writing(file).close()
    assert rows(file, "SELECT first_seq, last_seq, readings FROM batch") == [(1, 2, 2)]


def test_empty_file_becomes_a_store(file: Path) -> None:
    """What a power cut may leave of a first start is not damage."""
    file.touch()
    open_for_writing(file).close()
    assert [each.name for each in file.parent.iterdir()] == [FILE_NAME]


@damages
def test_damaged_store_is_set_aside(file: Path, damage: Callable[[bytes], bytes]) -> None:
    """A new store begins, the log is loud, and the damaged one keeps its bytes."""
    damaged = damage(filled(file))
    file.write_bytes(damaged)
    with capture_logs() as logs, closing(open_for_writing(file)) as database:
        assert database.execute("SELECT count(*) FROM batch").fetchone() == (0,)
    (aside,) = file.parent.glob(f"{FILE_NAME}.damaged-*")
    assert aside.read_bytes() == damaged
    (event,) = logs
    assert event["log_level"] == "error"
    assert (event["event"], event["moved_to"]) == ("store_set_aside", str(aside))


def test_store_of_a_damaged_epoch_is_set_aside(file: Path) -> None:
    """A mark that nobody wrote would let readings be stored twice, or never."""
    filled(file)
    change(file, "UPDATE epoch SET mark = 1999")
    with capture_logs() as logs, closing(open_for_writing(file)) as database:
        assert database.execute("SELECT count(*) FROM epoch").fetchone() == (0,)
    assert [event["event"] for event in logs] == ["store_set_aside"]


def test_companions_are_set_aside_too(file: Path) -> None:
    """A write-ahead log of the damaged file must not be taken for the new one's."""
    for ending in ("", "-wal", "-shm"):
        file.with_name(FILE_NAME + ending).write_text(f"data{ending}")
    set_aside(file)
    kept = {each.name.partition("Z")[2]: each.read_text() for each in file.parent.iterdir()}
    assert kept == {"": "data", "-wal": "data-wal", "-shm": "data-shm"}


def test_second_damaged_store_does_not_replace_the_first(file: Path) -> None:
    """On a bad disk damage comes again at once; the first file is the one with the readings."""
    for text in (b"first " * 999, b"second " * 999):
        file.write_bytes(text)
        open_for_writing(file).close()
    kept = {each.read_bytes()[:5] for each in file.parent.glob("*.damaged-*Z")}
    assert kept == {b"first", b"secon"}


def test_what_a_killed_collector_left_is_recovered(file: Path) -> None:
    """A write-ahead log without its owner is read, not thrown away."""
    database = open_for_writing(file)
    database.execute("INSERT INTO device (name, first_heard_ns) VALUES ('greenhouse', 0)")
    copy = file.parent / "copy" / FILE_NAME
    copy.parent.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(file.with_name(FILE_NAME + ending), copy.with_name(FILE_NAME + ending))
    database.close()
    with closing(open_for_writing(copy)) as recovered:
        assert recovered.execute("SELECT name FROM device").fetchall() == [("greenhouse",)]


@pytest.mark.parametrize("open_store", [open_for_writing, open_for_reading])
def test_store_of_a_newer_program_is_left_alone(
    file: Path, open_store: Callable[[Path], sqlite3.Connection]
) -> None:
    """The message says which versions, and the file is as it was."""
    filled(file)
    change(file, f"PRAGMA user_version = {VERSION + 1}")
    before = file.read_bytes()
    with pytest.raises(
        StoreError, match=rf"newer telegauge-collector .*version {VERSION + 1}, .* knows {VERSION}"
    ):
        open_store(file)
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.damaged-*"))


@pytest.mark.parametrize("open_store", [open_for_writing, open_for_reading])
def test_folder_in_place_of_the_file(
    file: Path, open_store: Callable[[Path], sqlite3.Connection]
) -> None:
    """It is named, and nothing is moved."""
    file.mkdir()
    with pytest.raises(StoreError, match=f"{FILE_NAME}: cannot be"):
        open_store(file)
    assert file.is_dir()


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    """The folder is named as what cannot be made."""
    (tmp_path / "state").touch()
    with pytest.raises(StoreError, match=r"state: cannot be made: File exists"):
        open_for_writing(tmp_path / "state" / FILE_NAME)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_reading_where_no_store_is(tmp_path: Path, folder: str) -> None:
    """A question makes no file, and asks what may have been forgotten."""
    with pytest.raises(StoreError, match=r"STATE_DIRECTORY, or store\.folder"):
        open_for_reading(tmp_path / folder / FILE_NAME)
    assert not list(tmp_path.iterdir())


def test_reading_a_store_that_is_only_begun(file: Path) -> None:
    """A file without tables is no store yet."""
    file.touch()
    with pytest.raises(StoreError, match="no store here"):
        open_for_reading(file)


def test_reading_changes_nothing(file: Path) -> None:
    """The connection itself refuses to write."""
    filled(file)
    with (
        closing(open_for_reading(file)) as database,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        database.execute("DELETE FROM batch")


def test_readers_work_while_a_writer_commits(file: Path) -> None:
    """A question sees what is committed, and does not wait for what is not."""
    commit(file, "greenhouse", batch(1))
    with closing(open_for_writing(file)) as database, open_reader(file) as reader:
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE epoch SET readings = 7")
        assert [each.readings for each in reader.devices()] == [1]
        database.execute("COMMIT")
        assert [each.readings for each in reader.devices()] == [7]


@as_root
@pytest.mark.parametrize("opening", ["open_for_writing", "open_for_reading"])
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_store_of_another_user(tmp_path: Path, opening: str, closed: str) -> None:
    """Whoever may not use it is told which command helps, also where the folder hides the file."""
    file = tmp_path / "state" / FILE_NAME
    open_for_writing(file).close()
    file.chmod(0o600)
    file.parent.chmod(0o700 if closed == "folder" else 0o777)
    os.chown(file, 0, 0)
    tmp_path.chmod(0o755)
    script = (
        "import os\n"
        "from pathlib import Path\n"
        "from collector.store import database\n"
        "from collector.errors import StoreError\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n"
        f"    database.{opening}(Path('state/{FILE_NAME}'))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.startswith("state")
    assert "sudo" in done.stdout

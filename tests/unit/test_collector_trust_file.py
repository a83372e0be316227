"""collector.trust_file: for its owner alone, whole after every change, told where it is not."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.errors import TrustError
from collector.trust_file import FILE_NAME, VERSION, Member, TrustFile, put_member
from kit.stores import change, rows
from service.keyfile import KeyFileError

ROOT = Path(__file__).parents[2]
NOBODY = 65534
WHOLE = Member("greenhouse", b"k" * 32, b"n" * 32, b"j" * 32, 1, 2, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file may be."""
    return tmp_path / FILE_NAME


@pytest.fixture
def file(path: Path) -> Iterator[TrustFile]:
    """The open file, new."""
    opened = TrustFile(path)
    yield opened
    opened.close()


def put(file: TrustFile, *members: Member) -> None:
    """Keep members, in one change."""
    with file.change() as database:
        for member in members:
            put_member(database, member)


def test_members_are_kept_as_they_are(path: Path, file: TrustFile) -> None:
    """Every field, and nothing where nothing is; another version of one takes its place."""
    bare = Member("cellar")
    put(file, WHOLE, bare)
    assert file.members() in ([WHOLE, bare], [bare, WHOLE])
    put(file, Member("greenhouse", b"x" * 32))
    file.close()
    again = TrustFile(path)
    assert {member.name: member for member in again.members()} == {
        "greenhouse": Member("greenhouse", b"x" * 32),
        "cellar": bare,
    }
    again.close()


def test_file_and_its_journal_are_for_the_owner_alone(path: Path, file: TrustFile) -> None:
    """Whatever the umask: what is being changed lies in the journal too."""
    before = os.umask(0)
    try:
        with file.change() as database:
            put_member(database, WHOLE)
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {FILE_NAME: 0o600, f"{FILE_NAME}-journal": 0o600}


def test_file_that_others_may_read_is_refused(path: Path, file: TrustFile) -> None:
    """Before anything is read from it."""
    file.close()
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        TrustFile(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_leaves_it_to_the_owner_of_the_folder(path: Path) -> None:
    """`sudo telegauge-collector invite` before the first start must not lock the collector out."""
    os.chown(path.parent, NOBODY, NOBODY)
    file = TrustFile(path)
    with file.change() as database:
        put_member(database, WHOLE)
        owners = {each.stat().st_uid for each in path.parent.iterdir()}
    file.close()
    assert owners == {NOBODY}


def test_change_that_fails_changes_nothing(file: TrustFile) -> None:
    """Whatever it fails with: what was raised comes out, and the next change works."""
    put(file, WHOLE)

    def fail() -> None:
        with file.change() as database:
            put_member(database, Member("cellar"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert file.members() == [WHOLE]
    put(file, Member("cellar"))
    assert len(file.members()) == 2


def test_fault_of_the_file_is_told(path: Path, file: TrustFile) -> None:
    """As an error of ours that says what to do; nothing has changed."""
    put(file, WHOLE)
    change(
        path, "CREATE TRIGGER full BEFORE INSERT ON member BEGIN SELECT RAISE(FAIL, 'full'); END"
    )
    with pytest.raises(TrustError, match=rf"{path}, which knows .* cannot be used: full\. "):
        put(file, Member("cellar"))
    change(path, "DROP TRIGGER full")
    assert file.members() == [WHOLE]


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever it is" * 40, b"SQLite format 3\0"]
)
def test_file_that_is_none_is_told(path: Path, content: bytes) -> None:
    """It is left as it is: keys may be saved from it."""
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TrustError, match="Without it nobody is let in"):
        TrustFile(path)
    assert path.read_bytes() == content


def test_table_that_cannot_be_read_is_told(path: Path, file: TrustFile) -> None:
    """Damage that only shows when the members are read."""
    change(path, "ALTER TABLE member RENAME COLUMN joined_ns TO other")
    with pytest.raises(TrustError, match=f"{path}.*cannot be used: no such column"):
        file.members()


def test_folder_in_its_place_is_told(path: Path) -> None:
    """As any other."""
    path.mkdir(mode=0o700)
    with pytest.raises(TrustError, match=f"{path}.*cannot be used"):
        TrustFile(path)


def test_file_of_a_newer_program_is_refused(path: Path, file: TrustFile) -> None:
    """What it knows beyond this one must not be lost."""
    file.close()
    change(path, f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(TrustError, match=f"newer telegauge-collector.*version {VERSION + 1}"):
        TrustFile(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_kill_leaves_all_of_a_change_or_nothing(path: Path, file: TrustFile, place: str) -> None:
    """What a change returned from is on disk; what it did not is not there."""
    put(file, WHOLE)
    file.close()
    die = "os.kill(os.getpid(), 9)"
    script = (
        "import os\nfrom pathlib import Path\n"
        "from collector.trust_file import Member, TrustFile, put_member\n"
        f"file = TrustFile(Path({str(path)!r}))\n"
        "with file.change() as database:\n"
        "    database.execute('PRAGMA cache_spill = 1')\n"
        "    put_member(database, Member('greenhouse', b'x' * 32))\n"
        f"    {die if place == 'before' else ''}\n"
        "    put_member(database, Member('cellar'))\n"
        f"    {die if place == 'within' else ''}\n"
        f"{die}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, timeout=60
    )
    assert done.returncode == -9, done.stderr
    again = TrustFile(path)
    names = {member.name: member.key for member in again.members()}
    again.close()
    changed = {"greenhouse": b"x" * 32, "cellar": None}
    assert names == (changed if place == "after" else {"greenhouse": WHOLE.key})


def test_every_change_is_synced(file: TrustFile) -> None:
    """The journal's removal, which is the commit, too."""
    assert file._database.execute("PRAGMA synchronous").fetchone() == (3,)
    assert file._database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert file._database.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_shapes_are_strict(path: Path, file: TrustFile) -> None:
    """A text is no key: the file itself refuses it."""
    put(file, WHOLE)
    with pytest.raises(sqlite3.IntegrityError):
        change(path, "UPDATE member SET key = 'text'")
    assert rows(path, "SELECT key FROM member") == [(WHOLE.key,)]

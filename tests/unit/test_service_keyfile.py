"""service.keyfile: for their owner alone, whole or absent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service import keyfile
from service.keyfile import MAX_BYTES, KeyFileError

ROOT = Path(__file__).parents[2]
NOBODY = 65534
NO_CREDENTIALS: dict[str, str] = {}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a key file may be."""
    return tmp_path / "key"


def test_what_is_written_is_read(file: Path) -> None:
    """For the owner alone, whatever the umask; another one takes its place, and nothing is left."""
    before = os.umask(0)
    try:
        keyfile.write(file, b"first")
        keyfile.write(file, b"\0second")
    finally:
        os.umask(before)
    assert keyfile.read(file, NO_CREDENTIALS) == b"\0second"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_file_that_is_missing_is_none(file: Path) -> None:
    """And nothing to complain about."""
    assert keyfile.read(file, NO_CREDENTIALS) is None
    keyfile.check(file, NO_CREDENTIALS)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    """The message says what to do, and doing that is enough."""
    file.write_bytes(b"secret")
    file.chmod(mode)
    for look in (keyfile.read, keyfile.check):
        with pytest.raises(KeyFileError, match=rf"mode 0{mode:o}.*chmod 600 {file}") as caught:
            look(file, NO_CREDENTIALS)
        assert "secret" not in str(caught.value)
    file.chmod(0o600)
    keyfile.check(file, NO_CREDENTIALS)
    assert keyfile.read(file, NO_CREDENTIALS) == b"secret"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_modes_that_keep_others_out(file: Path, mode: int) -> None:
    """They need not be ours."""
    file.write_bytes(b"secret")
    file.chmod(mode)
    assert keyfile.read(file, NO_CREDENTIALS) == b"secret"


def test_mode_that_counts_is_of_what_a_link_leads_to(file: Path) -> None:
    """A link has no mode of its own."""
    target = file.with_name("target")
    target.write_bytes(b"secret")
    target.chmod(0o644)
    file.symlink_to(target)
    with pytest.raises(KeyFileError, match="0644"):
        keyfile.read(file, NO_CREDENTIALS)
    with pytest.raises(KeyFileError, match="0644"):
        keyfile.check(file, NO_CREDENTIALS)


def test_link_is_replaced_and_not_followed(file: Path) -> None:
    """Whoever could plant one must not choose what is overwritten."""
    target = file.with_name("target")
    target.write_bytes(b"precious")
    file.symlink_to(target)
    keyfile.write(file, b"secret")
    assert target.read_bytes() == b"precious"
    assert not file.is_symlink()


def test_what_systemd_hands_over(tmp_path: Path, file: Path) -> None:
    """By name, in its folder and nowhere else; the mode there shows more than it grants."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert keyfile.handed_over("key", environ) is None
    assert keyfile.handed_over("key", NO_CREDENTIALS) is None
    handed = folder / "key"
    handed.write_bytes(b"secret")
    handed.chmod(0o440)
    file.write_bytes(b"other")
    file.chmod(0o440)
    assert keyfile.handed_over("key", environ) == handed
    keyfile.check(handed, environ)
    assert keyfile.read(handed, environ) == b"secret"
    for elsewhere in (NO_CREDENTIALS, {"CREDENTIALS_DIRECTORY": str(tmp_path / "other")}):
        with pytest.raises(KeyFileError):
            keyfile.read(handed, elsewhere)
    with pytest.raises(KeyFileError):
        keyfile.read(file, environ)


@as_root
def test_who_is_not_let_into_the_folder_gets_nothing_handed_over(tmp_path: Path) -> None:
    """A check before a reload is told of the folder by systemd 252, and may not look into it."""
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    (tmp_path / "key").write_bytes(b"secret")
    tmp_path.chmod(0o700)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    done = python(f"print(keyfile.handed_over('key', {environ!r}))\n", user=NOBODY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_what_is_too_long_is_no_key_file(file: Path) -> None:
    """It is not read into memory whole."""
    keyfile.write(file, bytes(MAX_BYTES))
    assert keyfile.read(file, NO_CREDENTIALS) == bytes(MAX_BYTES)
    with file.open("r+b") as grown:
        grown.truncate(2**40)
    with pytest.raises(KeyFileError, match=f"more than {MAX_BYTES} bytes"):
        keyfile.read(file, NO_CREDENTIALS)


def test_what_cannot_be_read_is_told(file: Path) -> None:
    """With the system's own words."""
    file.mkdir()
    with pytest.raises(KeyFileError, match=f"cannot read the key file {file}: Is a directory"):
        keyfile.read(file, NO_CREDENTIALS)


@pytest.mark.parametrize("obstacle", ["a folder in its place", "no folder to be in"])
def test_what_cannot_be_written_is_told(file: Path, obstacle: str) -> None:
    """Nothing is left lying about."""
    if obstacle == "no folder to be in":
        file = file.parent / "missing" / "key"
    else:
        file.mkdir()
    with pytest.raises(KeyFileError, match=f"cannot write the key file {file}: "):
        keyfile.write(file, b"secret")
    assert list(file.parent.glob(".*")) == []


def python(script: str, *, user: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a script that has `keyfile` and `Path`, as some user."""
    become = "" if user is None else f"os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
    head = f"import os\nfrom pathlib import Path\nfrom service import keyfile\n{become}"
    return subprocess.run(
        [sys.executable, "-c", head + script],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@as_root
def test_root_leaves_it_to_the_owner_of_the_folder(file: Path) -> None:
    """`sudo telegauge-...` writes what the program itself must be able to read."""
    os.chown(file.parent, NOBODY, NOBODY)
    keyfile.write(file, b"secret")
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (NOBODY, NOBODY, 0o600)


@as_root
def test_who_may_not_write_is_told_of_sudo(tmp_path: Path) -> None:
    """What was there is still there."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    file = tmp_path / "key"
    keyfile.write(file, b"former")
    done = python(
        f"try:\n    keyfile.write(Path({str(file)!r}), b'new')\n"
        "except keyfile.KeyFileError as error:\n    print(error)\n",
        user=NOBODY,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"cannot write the key file {file}: Permission denied. Put sudo in front of the command\n"
    )
    assert file.read_bytes() == b"former"


@pytest.mark.parametrize("place", ["open", "write", "fsync", "replace", "end"])
def test_kill_leaves_the_former_or_the_new(file: Path, place: str) -> None:
    """At each step of the writing: never a part, never nothing."""
    keyfile.write(file, b"former")
    done = python(
        "import signal\n"
        "def die(*_, **__):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"place, file = {place!r}, Path({str(file)!r})\n"
        "if place == 'open': os.open = die\n"
        "if place == 'write': keyfile.open = die\n"
        "if place == 'fsync': os.fsync = die\n"
        "if place == 'replace': Path.replace = die\n"
        "if place == 'end': keyfile._sync = die\n"
        "keyfile.write(file, b'new')\n"
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert keyfile.read(file, NO_CREDENTIALS) == (b"new" if place == "end" else b"former")
    keyfile.write(file, b"newest")
    assert keyfile.read(file, NO_CREDENTIALS) == b"newest"


def test_written_before_it_is_put_in_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Durably, and the folder after it: in this order a power cut leaves the former or the new."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        what = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("sync folder" if what == file.parent else f"sync {what.read_bytes().decode()}")
        fsync(descriptor)

    def note_replace(part: Path, target: Path) -> Path:
        steps.append("replace")
        return replace(part, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    keyfile.write(file, b"secret")
    assert steps == ["sync secret", "replace", "sync folder"]

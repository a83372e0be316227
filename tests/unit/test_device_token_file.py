"""device.token_file: one file, whatever its name leads to by then, and nothing but a file."""

import os
import socket
from pathlib import Path

import pytest

from device.token_file import MAX_BYTES, TokenFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a token."""
    file = tmp_path / "token"
    file.write_bytes(b"tg1-AAAA")
    return file


def test_read_and_erased(path: Path) -> None:
    """Overwritten before it is removed, for whoever has it open or under another name."""
    other = path.with_name("other")
    other.hardlink_to(path)
    with TokenFile(path) as file:
        assert file.read() == b"tg1-AAAA"
        file.erase()
    assert not path.exists()
    assert other.read_bytes() == bytes(8)


def test_file_that_took_its_name_is_left_alone(path: Path) -> None:
    """What was read is overwritten all the same."""
    with TokenFile(path) as file:
        former = path.rename(path.with_name("former"))
        path.write_bytes(b"mine")
        file.erase()
    assert path.read_bytes() == b"mine"
    assert former.read_bytes() == bytes(8)


def test_file_that_is_gone_is_erased(path: Path) -> None:
    """There is nothing more to do."""
    with TokenFile(path) as file:
        path.unlink()
        file.erase()
    assert not path.exists()


def test_no_more_than_a_token_may_have(path: Path) -> None:
    """Of what is no token only the beginning is read."""
    path.write_bytes(b"t" * (MAX_BYTES + 1))
    with TokenFile(path) as file:
        assert file.read() == b"t" * MAX_BYTES


def make(kind: str, path: Path) -> None:
    """Put something that is no file at a path."""
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
        case "symbolic link":
            target = path.with_name("target")
            target.write_bytes(b"tg1-AAAA")
            path.symlink_to(target)


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "symbolic link"])
def test_what_is_no_file_is_named(path: Path, kind: str) -> None:
    """And not opened: a pipe would be waited for, a link may lead anywhere."""
    make(kind, path)
    with pytest.raises(OSError, match=f"it is a {kind}, and a regular file is expected"):
        TokenFile(path)


def test_device_is_none() -> None:
    """There are some that notice when they are opened."""
    with pytest.raises(OSError, match="it is a device"):
        TokenFile(Path("/dev/null"))

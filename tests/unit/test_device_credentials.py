"""device.credentials: what a join left is read back whole, or the error says what to do."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device import credentials
from device.credentials import FILE_NAME, Credentials
from device.errors import JoinError
from service.keyfile import KeyFileError

FOUND = Credentials("greenhouse", bytes(range(32)), bytes(range(32, 64)), ("192.168.1.10:8888",))
NOBODY: dict[str, str] = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder that many examples use."""
    return tmp_path_factory.mktemp("state")


def write(folder: Path, data: bytes) -> None:
    """Put a key file into a folder, as only its owner may read it."""
    file = folder / FILE_NAME
    file.write_bytes(data)
    file.chmod(0o600)


def test_what_was_stored_is_loaded(tmp_path: Path) -> None:
    """In a file that nobody else may read; what a later join stores takes its place."""
    credentials.store(tmp_path, FOUND)
    assert credentials.load(tmp_path, NOBODY) == FOUND
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    shed = Credentials("shed", bytes(32), bytes(32), ("[fe80::1%eth0]:9", "hub.local:8888"))
    credentials.store(tmp_path, shed)
    assert credentials.load(tmp_path, NOBODY) == shed
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_file_of_before_invitations_were_kept(tmp_path: Path) -> None:
    """It stays good; a later one says which invitation it is of."""
    old = b'{"device":"pi","key":"%s","fingerprint":"%s","addresses":["hub:1"]}'
    write(tmp_path, old % ((base64.b64encode(bytes(32)),) * 2))
    found = credentials.load(tmp_path, NOBODY)
    assert found == Credentials("pi", bytes(32), bytes(32), ("hub:1",), None)
    invited = replace(FOUND, invitation=bytes(8))
    credentials.store(tmp_path, invited)
    assert credentials.load(tmp_path, NOBODY) == invited


def test_replaced_are_those_that_are_meant(tmp_path: Path) -> None:
    """And no others that were put there meanwhile; nor is a file made where there is none."""
    other = replace(FOUND, key=bytes(32))
    with pytest.raises(JoinError):
        credentials.replace(tmp_path, other, FOUND)
    assert credentials.load(tmp_path, NOBODY) is None
    credentials.store(tmp_path, FOUND)
    credentials.replace(tmp_path, other, FOUND)
    with pytest.raises(JoinError, match="joined again"):
        credentials.replace(tmp_path, FOUND, FOUND)
    assert credentials.load(tmp_path, NOBODY) == other


def test_device_that_never_joined_has_none(tmp_path: Path) -> None:
    """Neither where the folder is empty nor where there is none."""
    assert credentials.load(tmp_path, NOBODY) is None
    assert credentials.load(tmp_path / "none", NOBODY) is None


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The key may be known to them; the message has the command that mends it."""
    credentials.store(tmp_path, FOUND)
    (tmp_path / FILE_NAME).chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        credentials.load(tmp_path, NOBODY)


def test_what_systemd_hands_over_goes_first(tmp_path: Path) -> None:
    """Whatever the state folder holds; its mode is systemd's own business."""
    handed, state = tmp_path / "handed", tmp_path / "state"
    for folder in (handed, state):
        folder.mkdir()
        credentials.store(folder, FOUND)
    environ = {"CREDENTIALS_DIRECTORY": str(handed)}
    shed = Credentials("shed", bytes(32), bytes(32), ("hub:8888",))
    credentials.store(handed, shed)
    (handed / FILE_NAME).chmod(0o440)
    assert credentials.is_handed_over(environ)
    assert credentials.load(state, environ) == shed
    (handed / FILE_NAME).unlink()
    assert not credentials.is_handed_over(environ), "a folder with other things in it"
    assert credentials.load(state, environ) == FOUND


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("device", '"Green house"'),
        ("device", '""'),
        ("key", '"AAAA"'),
        ("fingerprint", '"?"'),
        ("addresses", "[]"),
        ("addresses", '["my_hub:8888"]'),
        ("addresses", '["hub:0"]'),
        ("addresses", "null"),
    ],
)
def test_damaged_fields_are_told(tmp_path: Path, field: str, text: str) -> None:
    """Which file, what is wrong, and that joining again mends it; never a part of the key."""
    credentials.store(tmp_path, FOUND)
    good = (tmp_path / FILE_NAME).read_text()
    begin = good.index(f'"{field}":') + len(field) + 3
    end = good.index("]" if field == "addresses" else ',"', begin) + (field == "addresses")
    write(tmp_path, (good[:begin] + text + good[end:]).encode())
    with pytest.raises(JoinError, match="Join again, with a new token") as caught:
        credentials.load(tmp_path, NOBODY)
    assert str(caught.value).startswith(f"{tmp_path / FILE_NAME} is not what a join wrote: ")
    assert "AAECAwQF" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\0" * 200, b"{}", b"[1]", b"\xff\xfe{}", b"{" * 50])
def test_file_that_is_something_else(tmp_path: Path, data: bytes) -> None:
    """Such as the zeros of a card that lost its power: an error with what to do."""
    write(tmp_path, data)
    with pytest.raises(JoinError, match="Join again"):
        credentials.load(tmp_path, NOBODY)


def test_file_of_another_size_than_a_key_files(tmp_path: Path) -> None:
    """It is not read to its end."""
    write(tmp_path, b" " * 2**20)
    with pytest.raises(KeyFileError, match="no key file"):
        credentials.load(tmp_path, NOBODY)


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=3),
    size=st.integers(0, 400),
)
def test_any_damage_is_told_or_harmless(
    folder: Path, changes: list[tuple[int, int]], size: int
) -> None:
    """Bytes changed or cut off: whatever is loaded is credentials, and nothing else is raised."""
    credentials.store(folder, FOUND)
    damaged = bytearray((folder / FILE_NAME).read_bytes())
    for at, byte in changes:
        damaged[at % len(damaged)] = byte
    write(folder, bytes(damaged[:size]))
    try:
        found = credentials.load(folder, NOBODY)
    except JoinError:
        return
    assert found is not None
    assert credentials.checked(found) == found


def test_store_that_fails_leaves_the_former(tmp_path: Path) -> None:
    """A name that is a folder cannot be replaced; nothing is left beside it."""
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(KeyFileError, match="cannot write the key file"):
        credentials.store(tmp_path, FOUND)
    assert os.listdir(tmp_path) == [FILE_NAME]  # noqa: PTH208 - names are what is compared

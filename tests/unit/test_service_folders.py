"""service.folders: systemd's folders where it hands them over, else the usual ones."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.folders import FolderError, owned, prepared, runtime_folder, state_folder

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="root's places are only root's")
def test_the_usual_places() -> None:
    """Started by root, a program looks where its unit keeps its files."""
    assert state_folder("telegauge-device", {}) == Path("/var/lib/telegauge-device")
    assert runtime_folder("telegauge-device", {}) == Path("/run/telegauge-device")


def test_a_user_who_tries_it_out_has_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an installed service nothing needs to be set, and the two programs do not meet."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    home = {"HOME": "/home/ada"}
    assert state_folder("telegauge-x", home) == Path("/home/ada/.local/state/telegauge-x")
    assert runtime_folder("telegauge-x", home) == Path("/home/ada/.local/state/telegauge-x/run")
    xdg = home | {"XDG_STATE_HOME": "/data/state", "XDG_RUNTIME_DIR": "/run/user/1000"}
    assert state_folder("telegauge-x", xdg) == Path("/data/state/telegauge-x")
    assert runtime_folder("telegauge-x", xdg) == Path("/run/user/1000/telegauge-x/run")
    assert state_folder("telegauge-x", {}) == Path("/.local/state/telegauge-x")


def test_a_user_asks_the_installed_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the service's folder is there, commands look into it, whoever types them."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert runtime_folder("lock", {"HOME": str(tmp_path)}) == Path("/run/lock")


def test_systemd_says_where() -> None:
    """The first of several counts: systemd.exec(5) separates them by colons."""
    environ = {"STATE_DIRECTORY": "/srv/state:/srv/more", "RUNTIME_DIRECTORY": "/srv/run"}
    assert state_folder("telegauge-device", environ) == Path("/srv/state")
    assert runtime_folder("telegauge-device", environ) == Path("/srv/run")


def test_an_empty_variable_is_none() -> None:
    """`STATE_DIRECTORY= command` is how shells unset a variable."""
    empty = state_folder("telegauge-device", {"STATE_DIRECTORY": "", "HOME": "/home/ada"})
    assert empty == state_folder("telegauge-device", {"HOME": "/home/ada"})


def test_a_relative_folder_is_the_one_meant_at_the_start() -> None:
    """A later change of the working directory moves nothing."""
    assert state_folder("x", {"STATE_DIRECTORY": "state"}) == Path.cwd() / "state"


def test_a_missing_folder_is_made_for_its_owner(tmp_path: Path) -> None:
    """What is in there is nobody else's; a second call leaves it as it is."""
    folder = tmp_path / "a" / "b"
    assert prepared(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert prepared(folder) == folder


@pytest.mark.parametrize("place", ["/proc/telegauge", "FILE", "FILE/below"])
def test_a_folder_that_cannot_be_is_explained(tmp_path: Path, place: str) -> None:
    """The message names the folder and what to set."""
    file = tmp_path / "file"
    file.touch()
    folder = Path(place.replace("FILE", str(file)))
    with pytest.raises(FolderError, match="STATE_DIRECTORY=") as caught:
        prepared(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_is_explained() -> None:
    """It exists, but may not be written to: said at the start, not at the first write."""
    ran = subprocess.run(
        [sys.executable, "-c", AS_NOBODY],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=True,
    )
    assert ran.stdout.startswith("cannot write to the folder /etc. STATE_DIRECTORY and")


AS_NOBODY = """
import os, pathlib
from service.folders import FolderError, prepared
os.setuid(65534)
try:
    prepared(pathlib.Path("/etc"))
except FolderError as error:
    print(error)
"""


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    """It would take the socket, and the sensors or the store, from the first, which goes on."""
    folder = tmp_path / "run"
    with owned(folder):
        with pytest.raises(FolderError, match="another instance is running"), owned(folder):
            pytest.fail("two own the folder")
        assert folder.is_dir()
    with owned(folder):
        pass


def test_a_killed_instance_gives_the_folder_back(tmp_path: Path) -> None:
    """The kernel ends what a process held, whatever ended the process."""
    hold = (
        "import pathlib, sys, time; from service.folders import owned\n"
        "with owned(pathlib.Path(sys.argv[1])):\n    print('owned', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"owned\n"
        with pytest.raises(FolderError), owned(tmp_path):
            pytest.fail("two own the folder")
        other.kill()
    with owned(tmp_path):
        pass

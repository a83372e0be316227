"""device.sensors.libraries: where people's own libraries are found, and when not."""

import importlib
import sys
from pathlib import Path

import pytest

from device.sensors.libraries import findable
from device.sensors.source import SourceError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a library in it; the places of imports are as before afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "a_library_of_ones_own.py").write_text("answer = 42\n")
    (tmp_path / "json.py").write_text("raise SystemExit\n")
    return tmp_path


def test_library_is_found(folder: Path) -> None:
    """Behind all others, so that nothing is replaced by it."""
    findable(folder)
    findable(folder)
    assert importlib.import_module("a_library_of_ones_own").answer == 42
    assert sys.path.count(str(folder)) == 1
    assert sys.path[-1] == str(folder)


def test_folder_that_others_may_write_to_is_refused(folder: Path) -> None:
    """Who puts a file there would run code as the agent."""
    folder.chmod(0o777)
    with pytest.raises(SourceError, match="chmod go-w"):
        findable(folder)
    assert str(folder) not in sys.path


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    """Most people need none."""
    findable(tmp_path / "none")
    assert str(tmp_path / "none") not in sys.path

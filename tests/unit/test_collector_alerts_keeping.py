"""collector.alerts.keeping: what was noted is there after a kill, and a file that fails stops nothing."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.alerts.expected import Expected
from collector.alerts.keeping import FILE_NAME, LAZY_S, Keeping, KeptDevice, kept_in
from kit.alerts import alert, notification
from kit.stores import locked

DEVICE = KeptDevice({"pi/air.temperature": Expected(10.0, 600.0, event_driven=True)}, True)


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    """An empty one."""
    made = Keeping(tmp_path / FILE_NAME)
    assert made.load() == ([], [], {})
    yield made
    made._close()


def test_what_is_written_is_there(keeping: Keeping) -> None:
    """All kinds, whole; for its owner alone."""
    keeping.note(alert(1, members=("a", "b"), value=3.5))
    keeping.note(notification(1))
    keeping.note_device("pi", DEVICE)
    keeping.write(0.0)
    kept = kept_in(keeping.path)
    assert kept.alerts == [alert(1, members=("a", "b"), value=3.5)]
    assert kept.notifications == [notification(1)]
    assert kept.devices == {"pi": DEVICE}
    for file in keeping.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_last_state_counts_and_what_is_forgotten_goes(keeping: Keeping) -> None:
    """Of each thing one row."""
    keeping.note(alert(1))
    keeping.note(alert(2))
    keeping.note_device("pi", DEVICE)
    keeping.write(0.0)
    keeping.note(alert(1, state="seen"))
    keeping.forget(alert(2))
    keeping.forget("pi")
    keeping.write(0.0)
    assert kept_in(keeping.path) == ([alert(1, state="seen")], [], {})


def test_what_is_not_urgent_waits(keeping: Keeping) -> None:
    """A card wears with each write; what is urgent takes it along."""
    keeping.note(alert(1), is_urgent=False)
    keeping.write(LAZY_S - 1)
    assert kept_in(keeping.path).alerts == []
    keeping.write(LAZY_S)
    assert len(kept_in(keeping.path).alerts) == 1
    keeping.note(alert(2), is_urgent=False)
    keeping.note(alert(3))
    keeping.write(LAZY_S + 1)
    assert len(kept_in(keeping.path).alerts) == 3
    keeping.note(alert(4), is_urgent=False)
    keeping.close(LAZY_S + 2)
    assert len(kept_in(keeping.path).alerts) == 4


def test_file_that_cannot_be_written(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, what was noted waits, and is written when that is possible again."""
    monkeypatch.setattr("collector.alerts.keeping._BUSY_TIMEOUT_S", 0.01)
    keeping._close()
    keeping.note(alert(1))
    with locked(keeping.path):
        keeping.write(0.0)
        assert "not kept" in keeping.trouble
    keeping.write(LAZY_S)
    assert keeping.trouble == ""
    assert kept_in(keeping.path).alerts == [alert(1)]


@pytest.mark.parametrize("damage", ["no database at all", "no alert"])
def test_damaged_file_is_set_aside(keeping: Keeping, damage: str) -> None:
    """And a new one begun; what it held is still there for who wants to look."""
    keeping.note(alert(1))
    keeping.close(0.0)
    if damage == "no alert":
        with sqlite3.connect(keeping.path) as database:
            database.execute("UPDATE alert SET data = x'7b'")
        database.close()
    else:
        keeping.path.write_bytes(damage.encode() * 100)
    assert keeping.load() == ([], [], {})
    assert keeping.path.with_name(f"{FILE_NAME}.damaged").exists()
    keeping.note(alert(2))
    keeping.write(0.0)
    assert kept_in(keeping.path).alerts == [alert(2)]


def test_file_of_a_newer_program_is_left_alone(keeping: Keeping) -> None:
    """Nothing is kept then, and that is said."""
    keeping.close(0.0)
    with sqlite3.connect(keeping.path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = keeping.path.read_bytes()
    assert keeping.load() == ([], [], {})
    assert "a newer telegauge-collector made it" in keeping.trouble
    keeping.note(alert(1))
    keeping.write(0.0)
    assert keeping.path.read_bytes() == before


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """No file, no crash."""
    keeping = Keeping(tmp_path / "missing" / FILE_NAME)
    assert keeping.load() == ([], [], {})
    keeping.note(alert(1))
    keeping.write(0.0)
    assert "not kept" in keeping.trouble
    (tmp_path / "missing").mkdir()
    keeping.close(LAZY_S)
    assert kept_in(keeping.path).alerts == [alert(1)]


def test_nothing_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Asking makes none."""
    assert kept_in(tmp_path / FILE_NAME) == ([], [], {})
    assert not list(tmp_path.iterdir())

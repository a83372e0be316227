"""device.doctor.place: files below a root, and programs that may be missing, fail or hang."""

import sys
from pathlib import Path

import pytest

from device.doctor import place as places
from device.doctor.place import Place, run_program
from kit.users import not_root, open_folder


def test_files_of_another_machine(tmp_path: Path) -> None:
    """By their paths on it; what cannot be read is None."""
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/model").write_bytes(b"Pi \xff\0")
    place = Place(tmp_path)
    assert place.text("/sys/model") == "Pi \ufffd"
    assert place.text("/sys/none") is None
    assert place.text("/sys") is None
    assert [each.name for each in place.named("/sys/*")] == ["model"]
    assert (place.exists("/sys/model"), place.exists("/sys/none")) == (True, False)


def test_what_one_may_not_look_at() -> None:
    """Is as if it were not there."""
    with open_folder() as root:
        (root / "closed/in").mkdir(parents=True)
        (root / "closed").chmod(0o000)
        with not_root():
            place = Place(root)
            assert place.text("/closed/in/file") is None
            assert not place.exists("/closed/in")
            assert place.named("/closed/in/*") == []


def test_links_are_told_as_that_machine_has_them(tmp_path: Path) -> None:
    """What /dev/serial/by-id names is /dev/ttyACM0 there."""
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/ttyACM0").touch()
    (tmp_path / "dev/serial/by-id/usb-1").symlink_to("../../ttyACM0")
    assert Place(tmp_path).target("/dev/serial/by-id/usb-1") == "/dev/ttyACM0"
    assert Place(tmp_path).target("/dev/none") == "/dev/none"
    assert Place().target("/dev/none") == "/dev/none"


def test_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one prints; None where it is missing, fails, or does not end."""
    assert run_program((sys.executable, "-c", "print('x')")) == "x\n"
    assert run_program((sys.executable, "-c", "print('x'); raise SystemExit(1)")) is None
    assert run_program(("no-such-program-anywhere",)) is None
    monkeypatch.setattr(places, "_WITHIN_S", 0.1)
    assert run_program((sys.executable, "-c", "import time; time.sleep(60)")) is None

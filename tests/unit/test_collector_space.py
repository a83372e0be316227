"""collector.space: how much is free, and when that is too little."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collector import space
from collector.space import FreeSpace, free_bytes

FLOOR = 1000


class Disk:
    """A disk and a clock that do as they are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
        self.free = free
        self.now_s = 100.0
        self.looks = 0
        monkeypatch.setattr(space, "free_bytes", self._free_bytes)
        self.space = FreeSpace(Path("/store"), FLOOR, lambda: self.now_s)

    def _free_bytes(self, folder: Path) -> int | None:
        assert folder == Path("/store")
        self.looks += 1
        return self.free

    def later(self, free: int | None) -> bool:
        """Say whether it is low a while later, with so much free."""
        self.free = free
        self.now_s += 1.0
        return self.space.is_low()


def test_free_is_what_the_system_says(tmp_path: Path) -> None:
    """What a user who is not root may still write, in bytes."""
    found = free_bytes(tmp_path)
    stat = os.statvfs(tmp_path)
    assert found is not None
    assert abs(found - stat.f_bavail * stat.f_frsize) < 2**30


def test_real_disk_has_a_byte_and_no_exbibytes(tmp_path: Path) -> None:
    """On the real clock, too."""
    assert not FreeSpace(tmp_path, 1).is_low()
    with capture_logs():
        assert FreeSpace(tmp_path, 2**60).is_low()


def test_folder_that_cannot_be_asked_is_not_low(tmp_path: Path) -> None:
    """Whoever writes there will meet what is wrong."""
    assert free_bytes(tmp_path / "missing") is None
    missing = FreeSpace(tmp_path / "missing", 2**60)
    assert not missing.is_low()
    assert missing.free_bytes is None


@pytest.mark.parametrize(("free", "low"), [(999, True), (1000, False), (0, True), (None, False)])
def test_low_is_below_the_floor(
    monkeypatch: pytest.MonkeyPatch, free: int | None, low: bool
) -> None:
    """At the floor itself there is still enough."""
    disk = Disk(monkeypatch, free)
    assert disk.space.is_low() is low
    assert disk.space.free_bytes == free


def test_back_only_a_twentieth_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the floor itself each commit would change the answer."""
    disk = Disk(monkeypatch, 5000)
    free = [1000, 999, 1000, 1050, 1051, 1000, 999]
    assert [disk.later(each) for each in free] == [False, True, True, True, False, False, True]


def test_another_floor_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the next look."""
    disk = Disk(monkeypatch, FLOOR)
    with capture_logs():
        assert not disk.space.is_low()
        disk.space.set_floor(FLOOR + 1)
        assert disk.space.is_low()
        disk.space.set_floor(FLOOR // 2)
        assert not disk.space.is_low()


def test_each_change_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much there is, how much there has to be, and what happens meanwhile."""
    disk = Disk(monkeypatch, 5000)
    with capture_logs() as logs:
        for free in (5000, 10, 9, 8, 5000, 5000):
            disk.later(free)
    low, back = logs
    assert (low["event"], low["log_level"]) == ("store_space_low", "warning")
    assert (low["folder"], low["free_bytes"], low["min_free_bytes"]) == ("/store", 10, FLOOR)
    assert "store.min_free" in low["detail"]
    assert (back["event"], back["log_level"]) == ("store_space_back", "info")
    assert (back["free_bytes"], back["min_free_bytes"]) == (5000, FLOOR)


def test_it_looks_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked, by whatever question."""
    disk = Disk(monkeypatch, 5000)
    for _ in range(1000):
        disk.space.is_low()
        assert disk.space.free_bytes == 5000
        disk.now_s += 0.001
    assert disk.looks == 1
    disk.now_s += 0.1
    disk.space.is_low()
    assert disk.looks == 2


@given(st.lists(st.one_of(st.none(), st.integers(0, 2 * FLOOR)), max_size=30))
def test_whatever_the_disk_does(free: list[int | None]) -> None:
    """Below the floor it is low, above the floor and a 20th it is not, between it stays."""
    with pytest.MonkeyPatch.context() as monkeypatch, capture_logs() as logs:
        disk = Disk(monkeypatch, FLOOR * 2)
        was_low, changes = False, 0
        for each in free:
            is_low = disk.later(each)
            if each is None or each * 20 > FLOOR * 21:
                assert not is_low
            elif each < FLOOR:
                assert is_low
            else:
                assert is_low == was_low
            changes += is_low != was_low
            was_low = is_low
    assert len(logs) == changes

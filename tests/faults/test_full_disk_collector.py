"""The collector's disk is full, or fails: nothing is acknowledged that is not there afterwards.

Real collectors on a small file system, or with system calls that return an error at a chosen moment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.disks import fill, resize, sized_tmpfs, strace_inject
from kit.feeder import acknowledged, check_store, fed_over_tls, feed_all
from kit.programs import Program
from kit.results import Results

DEVICES = 2
MIB = 1024 * 1024
STORE_FILES = (FILE_NAME, FILE_NAME + "-wal")


class Rig:
    """A collector, devices that know what it acknowledged, and the folder of its store."""

    def __init__(self, folder: Path, state: Path | None = None, min_free: str = "1MiB") -> None:
        self.folder = folder
        self.port = programs.free_port()
        self.collector = programs.collector(folder, self.port, min_free=min_free, state=state)
        self.feeders = fed_over_tls(self.collector.state, self.port, DEVICES)

    def feed(self, more: int) -> bool:
        """Feed until so many more batches are acknowledged, or the sessions end; say which."""
        wanted = acknowledged(self.feeders) + more
        feed_all(self.feeders, self.port, lambda: acknowledged(self.feeders) >= wanted)
        return acknowledged(self.feeders) >= wanted

    def check(self) -> None:
        """Everything acknowledged is in the store, whole and once."""
        check_store(self.collector.state, self.feeders, self.folder)

    def recover(self) -> None:
        """The collector starts again, knows all it acknowledged, and takes more."""
        self.collector.prefix = []
        self.collector.start()
        assert self.feed(50), self.collector.said()
        assert self.collector.stop() == 0, self.collector.said()
        self.check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    with sized_tmpfs(tmp_path / "disk", 6 * MIB) as disk:
        yield disk


def test_below_the_floor_nothing_is_taken(tmp_path: Path, small_disk: Path) -> None:
    """Devices are sent away with the reason; once there is room they are taken again."""
    # The collector looks once a second: the floor is far above what comes in that time.
    resize(small_disk, 24 * MIB)
    rig = Rig(tmp_path, small_disk / "state", "20MiB")
    try:
        rig.collector.start()
        while rig.feed(100):
            pass
        assert not rig.collector.is_dead(), rig.collector.said()
        assert rig.feeders[0].farewells[-1] == "disk_full"
        before = acknowledged(rig.feeders)
        assert not rig.feed(1)
        assert acknowledged(rig.feeders) == before
        resize(small_disk, 200 * MIB)
        while not rig.feed(100):
            assert not rig.collector.is_dead(), rig.collector.said()
        assert rig.collector.stop() == 0
        rig.check()
    finally:
        rig.collector.end()


def test_a_disk_that_is_full_at_once(tmp_path: Path, small_disk: Path) -> None:
    """Somebody else takes all of it between two looks: nothing is acknowledged that is not kept."""
    rig = Rig(tmp_path, small_disk / "state")
    try:
        rig.collector.start()
        assert rig.feed(50)
        fill(small_disk)
        while rig.feed(20):  # what the -wal file has room for already
            pass
        if all(feeder.farewells[-1:] == ["disk_full"] for feeder in rig.feeders):
            rig.collector.kill()  # it looked before it met the end of the disk
        else:
            rig.collector.wait_dead()
            assert rig.collector.exit_code == 1
            assert "store_failed" in rig.collector.said()
        resize(small_disk, 64 * MIB)
        rig.check()
        rig.recover()
    finally:
        rig.collector.end()


class Case(NamedTuple):
    """Which call fails with what, at which time, and whether the store is there already."""

    call: str
    error: str
    nth: int
    is_new: bool


FAILURES = [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO")]
QUICK = [
    Case("pwrite64", "ENOSPC", 2, is_new=True),
    Case("pwrite64", "ENOSPC", 9, is_new=False),
    Case("pwrite64", "EIO", 40, is_new=False),
    Case("fdatasync", "EIO", 1, is_new=False),
    Case("fdatasync", "EIO", 7, is_new=False),
]


def fail(folder: Path, case: Case) -> dict[str, object]:
    """Let one call fail while devices send; check what is left; return what was seen."""
    rig = Rig(folder)
    log = folder / "strace"
    try:
        if not case.is_new:
            rig.collector.start()
            assert rig.feed(20)
            assert rig.collector.stop() == 0
        files = [rig.collector.state / name for name in STORE_FILES]
        rig.collector.prefix = list(strace_inject(case.call, case.error, str(case.nth), log, files))
        went_on = rig.collector.try_start() and rig.feed(200)
        code = rig.collector.stop() if went_on else _ended(rig.collector)
        assert code in (0, 1), rig.collector.said()
        rig.check()
        rig.recover()
    finally:
        rig.collector.end()
    failed = log.read_text().count("(INJECTED)")
    return {"failed_calls": failed, "exit_code": code, "went_on": went_on}


def _ended(collector: Program) -> int:
    collector.wait_dead()
    assert collector.exit_code is not None
    return collector.exit_code


@pytest.mark.parametrize("case", QUICK, ids=lambda case: f"{case.call}-{case.error}-{case.nth}")
def test_a_call_fails(tmp_path: Path, case: Case) -> None:
    """The nth write or sync of the store fails: the collector ends with 1, and the next one goes on."""
    seen = fail(tmp_path, case)
    assert seen["failed_calls"], "the call never came"
    assert seen["exit_code"] == 1


@pytest.mark.full
def test_each_call_fails(tmp_path: Path) -> None:
    """The same for the first 50 of each, with a new store and with one that is there already."""
    results = Results("full_disk_collector")
    for call, error in FAILURES:
        for nth in range(1, 51):
            for is_new in (True, False):
                case = Case(call, error, nth, is_new)
                if not results.has(case):
                    name = f"{call}-{error}-{nth}-{is_new}"
                    results.add(case, **fail(tmp_path / name, case))

"""kit.powercut: the power cut has teeth, and is fair."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from kit.powercut import PowerCut, power_cut
from kit.waiting import wait_until

CUTS = 50


@pytest.fixture
def power(tmp_path: Path) -> Iterator[PowerCut]:
    with power_cut(tmp_path) as power:
        yield power


def write(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file, to the disk or not."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fdatasync(file.fileno())


def test_what_is_synced_survives(power: PowerCut) -> None:
    """And is all that does; the names of both files do too."""
    write(power.folder / "synced", b"kept" * 1000, sync=True)
    write(power.folder / "unsynced", b"lost" * 1000)
    assert (power.folder / "unsynced").read_bytes() == b"lost" * 1000
    power.cut("drop")
    with pytest.raises(OSError, match="Input/output error"):
        (power.folder / "synced").read_bytes()
    power.power_on()
    assert (power.folder / "synced").read_bytes() == b"kept" * 1000
    assert (power.folder / "unsynced").read_bytes() == b""
    assert (power.durable / "synced").read_bytes() == b"kept" * 1000


def test_an_overwritten_file_goes_back(power: PowerCut) -> None:
    """To what was synced last, also where it had become shorter."""
    write(power.folder / "file", b"a" * 5000, sync=True)
    with (power.folder / "file").open("r+b") as file:
        file.truncate(10)
        file.seek(2000)
        file.write(b"b")
    assert (power.folder / "file").read_bytes() == b"a" * 10 + bytes(1990) + b"b"
    power.cut("drop")
    power.power_on()
    assert (power.folder / "file").read_bytes() == b"a" * 5000


def test_torn_keeps_whole_sectors(power: PowerCut) -> None:
    """Each old or new, some of both, and the same ones for the same seed."""
    results = []
    for _ in range(2):
        write(power.folder / "file", b"a" * 51_200, sync=True)
        with (power.folder / "file").open("r+b") as file:
            file.write(b"b" * 51_200)
        power.cut("torn", seed=5)
        power.power_on()
        results.append((power.folder / "file").read_bytes())
    sectors = {results[0][at : at + 512] for at in range(0, 51_200, 512)}
    assert sectors == {b"a" * 512, b"b" * 512}
    assert results[0] == results[1]


def test_a_rename_carries_what_is_unsynced(power: PowerCut) -> None:
    """The new name is durable, what was written under the old one is not."""
    write(power.folder / "old", b"lost")
    (power.folder / "old").rename(power.folder / "new")
    assert (power.folder / "new").read_bytes() == b"lost"
    power.cut("drop")
    power.power_on()
    assert [each.name for each in power.folder.iterdir()] == ["new"]
    assert (power.folder / "new").read_bytes() == b""


def test_a_cut_at_an_operation(power: PowerCut) -> None:
    """Before the one behind so many, and no later one succeeds."""
    with (power.folder / "file").open("wb", buffering=0) as file:
        power.cut_after(4, "drop")
        for number in range(2):
            file.write(b"x")
            os.fsync(file.fileno())
            assert not power.is_off, number
        with pytest.raises(OSError, match="Input/output error"):
            file.write(b"x")
    assert power.is_off
    assert (power.durable / "file").read_bytes() == b"xx"


def acknowledged(file: Path, synchronous: str, done: int) -> int:
    """Insert rows behind those done, one a commit, until the power is cut; return the last done."""
    database = sqlite3.connect(file, isolation_level=None)
    # Ended by "disk I/O error"; whoever asked looks whether that was the cut.
    with closing(database), suppress(sqlite3.OperationalError):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.execute("PRAGMA wal_autocheckpoint = 20")
        database.execute("CREATE TABLE IF NOT EXISTS row (n INTEGER, data BLOB)")
        while True:
            database.execute("INSERT INTO row VALUES (?, ?)", (done + 1, bytes(300)))
            done += 1
    return done


def lost_rows(power: PowerCut, synchronous: str) -> int:
    """Cut many times, at places that the seed chooses; return how many commits were lost in all."""
    kept = lost = 0
    for seed in range(CUTS):
        dice = random.Random(seed)
        power.cut_after(dice.randint(30, 300), dice.choice(["drop", "torn"]), seed)
        done = acknowledged(power.folder / "rows.db", synchronous, kept)
        assert power.is_off
        power.power_on()
        with closing(sqlite3.connect(power.folder / "rows.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            numbers = [number for (number,) in database.execute("SELECT n FROM row ORDER BY n")]
        kept = len(numbers)
        assert numbers == list(range(1, kept + 1))
        assert kept <= done + 1, "a commit that was under way may have been durable already"
        lost += max(0, done - kept)
    assert kept > 10 * CUTS or lost
    return lost


def test_sqlite_full_loses_nothing(power: PowerCut) -> None:
    """With synchronous=FULL every commit that succeeded is there after any cut."""
    assert lost_rows(power, "FULL") == 0


def test_sqlite_normal_loses_commits(power: PowerCut) -> None:
    """With synchronous=NORMAL some are not: the harness can tell one from the other."""
    assert lost_rows(power, "NORMAL") > 0


def test_no_mount_stays_behind(tmp_path: Path) -> None:
    """Even where a program has files open there, and where the test was killed."""
    with power_cut(tmp_path) as power:
        file = (power.folder / "file").open("wb", buffering=0)
        file.write(b"x")
        assert power.mounted()
    assert not power.mounted()
    with pytest.raises(OSError, match="not connected"):
        file.write(b"x")
    with suppress(OSError):
        file.close()
    code = (
        "import sys, signal; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from kit.powercut import power_cut\n"
        "with power_cut(Path(sys.argv[2])): print(1, flush=True); signal.pause()\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1]), str(tmp_path / "other")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        child.send_signal(signal.SIGKILL)
    wait_until(lambda: str(tmp_path) not in Path("/proc/self/mountinfo").read_text())

"""What is written to the card: nothing while the collector acknowledges, little in an outage.

Hours in seconds, with a spool whose clock a test sets; and a real agent, whose writes strace counts.
"""

import asyncio
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from device.spool import Spool
from device.spool.start import FILE_NAME
from kit.disks import sized_tmpfs, strace_log
from kit.results import Results
from kit.rigs import Rig, ballast, rig
from kit.spools import OWNER, Home, at_rest
from kit.waiting import wait_until
from wire.blocks import Point

A_SECOND = 5
HOUR_S = 3600
AT_RISK_S = 10.0
MOVE_AT_S = 0.8 * AT_RISK_S
# What the promise is for an outage, by what the agent writes; a disk writes whole pages.
MOST_BYTES_A_READING = 350
# An epoch's row, and where there is none yet the file itself.
EPOCH_BYTES = 64 * 1024
PAGE_BYTES = 4096
SPOOL = "spool: {at_risk: 3s}\n"


class Written(NamedTuple):
    """What was handed to the file system, and what that hands to the disk (nothing in memory)."""

    file_bytes: int
    disk_bytes: int

    def since(self, before: "Written") -> "Written":
        """Return what was written since."""
        return Written(self.file_bytes - before.file_bytes, self.disk_bytes - before.disk_bytes)


async def written(spool: Spool) -> Written:
    """Return what the card's thread, which does nothing else, has written (proc(5), io)."""
    assert spool.mover
    await at_rest(spool)
    thread = spool.mover.card._thread.native_id
    lines = Path(f"/proc/self/task/{thread}/io").read_text().splitlines()
    figures = {name: int(value) for name, value in (line.split(": ") for line in lines)}
    return Written(figures["wchar"], figures["write_bytes"])


class Readings:
    """Five sensors, each read once a second, in turn; values that hardly deflate."""

    def __init__(self, home: Home, spool: Spool) -> None:
        self.given = 0
        self._home = home
        self._spool = spool
        self._dice = random.Random(1)

    def take(self) -> None:
        """Let the next sensor be read."""
        self._home.clock.go_on(1 / A_SECOND)
        point = Point("temperature", "degC", self._dice.gauss(20.0, 5.0), 0)
        sensor = f"sensor_{self.given % A_SECOND}"
        assert self._spool.accept(sensor, self._home.clock.boot_ns, [point])
        self.given += 1


async def in_time(folder: Path, seconds: int) -> tuple[Written, Written]:
    """Let a collector acknowledge every second; return what was written meanwhile, and around it."""
    home = Home(folder)
    async with home.opened(at_risk_s=AT_RISK_S) as spool:
        await spool.held(OWNER)
        begun = await written(spool)
        readings, facts = Readings(home, spool), spool.epochs.present
        assert facts is not None
        for _ in range(seconds):
            for _ in range(A_SECOND):
                readings.take()
                assert spool.at_risk_now_s() < MOVE_AT_S
            spool.close_batch()
            assert spool.acknowledge(facts, facts.last_seq)
        meanwhile = (await written(spool)).since(begun)
        assert spool.acknowledged == readings.given
        spool.end()
        assert await spool.mover.move()
        return meanwhile, (await written(spool)).since(meanwhile)


async def outage(folder: Path, seconds: int) -> dict[str, float]:
    """Let nobody acknowledge for so long; return what was written a reading."""
    home = Home(folder)
    async with home.opened(at_risk_s=AT_RISK_S) as spool:
        begun, readings = await written(spool), Readings(home, spool)
        while readings.given < seconds * A_SECOND:
            readings.take()
            if spool.at_risk_now_s() >= MOVE_AT_S:
                assert await spool.move()
        assert await spool.move()
        during = (await written(spool)).since(begun)
        assert spool.at_risk_readings == 0
        assert spool.held_readings == readings.given
    return {
        "readings": readings.given,
        "bytes_a_reading": round(during.file_bytes / readings.given, 1),
        "disk_bytes_a_reading": round(during.disk_bytes / readings.given, 1),
    }


def check_in_time(folder: Path, seconds: int) -> dict[str, object]:
    """Check what is written while all is well; return what was seen."""
    meanwhile, around = asyncio.run(in_time(folder, seconds))
    assert meanwhile == Written(0, 0)
    assert around.file_bytes < EPOCH_BYTES
    return {"seconds": seconds, "bytes": 0, "at_start_and_end": around.file_bytes}


def check_outage(folder: Path, seconds: int) -> dict[str, float]:
    """Check what is written in an outage; return what was seen."""
    seen = asyncio.run(outage(folder, seconds))
    assert 0 < seen["bytes_a_reading"] <= MOST_BYTES_A_READING
    assert seen["disk_bytes_a_reading"] <= MOST_BYTES_A_READING
    return seen


def test_nothing_is_written_while_the_collector_acknowledges(tmp_path: Path) -> None:
    """An hour at five readings a second: the epoch's row at its start and its end, nothing else."""
    check_in_time(tmp_path, HOUR_S)


def test_an_outage_writes_little(tmp_path: Path) -> None:
    """An hour of it: at most 350 bytes a reading, also in whole pages of the disk."""
    check_outage(tmp_path, HOUR_S)


# What strace writes of a call, whether or not another thread is between its begin and its end.
_CALL = re.compile(r"(fdatasync|pwrite64)\((\d+)(?:.*, (\d+), (\d+))?(?:\) += \d+| <unfinished)")


def traced(log: Path) -> Written:
    """Return what strace saw: bytes that were written, and those of the pages that syncs found so."""
    file_bytes = synced = 0
    pages: dict[str, set[int]] = {}
    for call, file, size, offset in _CALL.findall(log.read_text()):
        if call == "fdatasync":
            synced += len(pages.pop(file, ()))
        else:
            begin, end = int(offset), int(offset) + int(size)
            file_bytes += end - begin
            pages.setdefault(file, set()).update(range(begin // PAGE_BYTES, -(-end // PAGE_BYTES)))
    return Written(file_bytes, (synced + sum(map(len, pages.values()))) * PAGE_BYTES)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Rig, Path]]:
    """A rig that has nothing but the agent's card on the disk; and strace's log of what that gets."""
    card, log = tmp_path / "card", tmp_path / "strace"
    card.mkdir()
    if kind_of_disk(card) == "tmpfs":
        pytest.skip("the temporary folder is in memory, of which the kernel counts nothing")
    with sized_tmpfs(tmp_path / "memory", 64 * 2**20) as memory:
        (memory / "device").mkdir()
        (memory / "device" / "state").symlink_to(card)
        with rig(memory, more=SPOOL, others=ballast("ballast", 300)) as made:
            files = [card / name for name in (FILE_NAME, FILE_NAME + "-wal")]
            made.device.prefix = list(strace_log("pwrite64,fdatasync", log, files))
            yield made, log


def kind_of_disk(folder: Path) -> str:
    """Return of which kind the file system of a folder is."""
    command = ["stat", "--file-system", "--format=%T", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_real_agent_writes_at_its_start_and_end(watched: tuple[Rig, Path]) -> None:
    """While its collector acknowledges no file of the card is written to."""
    rig, log = watched
    rig.start()
    wait_until(lambda: rig.device.ask("status")["acknowledged_readings"])
    begun = traced(log)
    assert 0 < begun.file_bytes < EPOCH_BYTES
    rig.wait_for_reads(35)
    assert traced(log) == begun
    rig.stop()
    assert traced(log).file_bytes < EPOCH_BYTES


def test_the_status_says_what_is_written(watched: tuple[Rig, Path]) -> None:
    """In an outage it agrees with what strace saw, in pages of the disk."""
    rig, log = watched
    rig.device.start()
    begun = traced(log)
    wait_until(lambda: traced(log).file_bytes > begun.file_bytes + 100_000)
    rig.wait_for_reads(1)
    said, seen = rig.device.ask("status")["spool"]["written_bytes"], traced(log)
    assert seen.file_bytes < said
    # A file that is made, and grows, costs the file system some pages of its own.
    assert said == pytest.approx(seen.disk_bytes, rel=0.1, abs=10 * PAGE_BYTES)
    assert (
        f"written to disk since the start: {said / 2**10:.1f} KiB"
        in rig.device.command("status").stdout
    )


@pytest.mark.full
@pytest.mark.parametrize("check", [check_in_time, check_outage])
def test_a_day(tmp_path: Path, check: Callable[[Path, int], dict[str, object]]) -> None:
    """The same for a day: 432,000 readings."""
    results = Results("card writes of a day")
    if results.has(check.__name__):
        pytest.skip("done in an earlier run")
    results.add(check.__name__, **check(tmp_path, 24 * HOUR_S))

"""telegauge-collector tail: what is sealed while it looks is shown once, or it says that it is not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.commands.tail import _MISSED
from collector.store.database import FILE_NAME
from kit import programs
from kit.feeder import Feeder, acknowledged, feed_all
from kit.programs import Program
from kit.sealing import SealingRig, sealing_rig
from kit.stores import batch, described, open_reader, read, rows
from kit.waiting import WITHIN_S, wait_until

# Devices, and what their values begin at.
DEVICES = {"first": 0.0, "second": 1000.0, "third": 2000.0}


@pytest.fixture
def port() -> int:
    """Where the collector listens."""
    return programs.free_port()


@pytest.fixture
def collector(tmp_path: Path, port: int) -> Iterator[Program]:
    """A collector that is not started."""
    program = programs.collector(tmp_path / "collector", port)
    yield program
    program.end()


class Tail:
    """The command as a process, whose output goes to files."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def values(self) -> list[float]:
        """What was shown."""
        lines = (self._folder / "out").read_text().splitlines(keepends=True)
        return [json.loads(line)["value"] for line in lines if line.endswith("\n")]

    def missed(self) -> int:
        """How often it said that it missed something."""
        return (self._folder / "err").read_text().count(_MISSED)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stop it meanwhile, as a terminal does whose output nobody reads; it stands when this begins."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def tail(program: Program, pattern: str = "*") -> Iterator[Tail]:
    """`tail --json`, which ends with 0."""
    command = [
        sys.executable,
        "-m",
        "collector",
        "tail",
        "-c",
        str(program.config),
        "--json",
        pattern,
    ]
    with (
        (program.folder / "out").open("wb") as out,
        (program.folder / "err").open("wb") as err,
        subprocess.Popen(command, env=program.environment, stdout=out, stderr=err) as process,
    ):
        try:
            yield Tail(process, program.folder)
            process.send_signal(signal.SIGINT)
            assert process.wait(WITHIN_S) == 0
        finally:
            process.kill()


def stored(program: Program) -> list[float]:
    """All values in the store, sorted."""
    with open_reader(program.state / FILE_NAME) as reader:
        parts = reader.range("*", 0, 2**62).parts
    return sorted(value for part in parts for value in part.values.tolist())


def test_everything_is_shown_once_while_the_collector_seals(collector: Program, port: int) -> None:
    """By itself it seals nothing that is so young that it may not have been shown yet."""
    collector.start()
    feeders = [Feeder(f"pi-{number}") for number in range(2)]

    def feed(more: int) -> None:
        """Send more batches."""
        wanted = acknowledged(feeders) + more
        feed_all(feeders, port, lambda: acknowledged(feeders) >= wanted)

    feed(1)
    with tail(collector) as shown:
        wait_until(lambda: feed(1) or shown.values())
        before = set(stored(collector))
        feed(400)
        wait_until(lambda: rows(collector.state / FILE_NAME, "SELECT 1 FROM chunk"))
        feed(20)
        wanted = set(stored(collector)) - before
        wait_until(lambda: wanted <= set(shown.values()))
    assert len(shown.values()) == len(set(shown.values()))
    assert shown.missed() == 0


@pytest.fixture
def rig(collector: Program) -> Iterator[SealingRig]:
    """The store of a collector that does not run, which the test writes to and seals."""
    with sealing_rig(collector.state / FILE_NAME) as made:
        for device in DEVICES:
            made.do(
                lambda group, device=device: group.describe(device, described("air.temperature"))
            )
        yield made


def store(rig: SealingRig, device: str, seq: int) -> None:
    """Store a row of one reading."""
    rig.do(lambda group: group.store(device, [batch(seq, read(seq, DEVICES[device] + seq))]))


def seal(rig: SealingRig, device: str) -> None:
    """Seal all rows of a device, however young they are."""
    ((device_id,),) = rows(rig.path, "SELECT id FROM device WHERE name = ?", device)
    while rig.sealer.drain(device_id):
        pass


@pytest.fixture
def shown(collector: Program, rig: SealingRig) -> Iterator[Tail]:
    """The command on that store, which has shown all so far."""
    seqs = iter(range(1, 10_000))
    with tail(collector) as made:
        wait_until(lambda: store(rig, "first", next(seqs)) or made.values())
        wanted = float(next(seqs) - 1)
        wait_until(lambda: made.values()[-1] == wanted)
        yield made


def test_what_was_sealed_unseen_is_told(rig: SealingRig, shown: Tail) -> None:
    """Also where nothing follows it."""
    before = shown.values()
    with shown.held():
        for seq in (1, 2, 3):
            store(rig, "second", seq)
        seal(rig, "second")
    wait_until(lambda: shown.missed() == 1)
    store(rig, "third", 1)
    wait_until(lambda: shown.values() == [*before, DEVICES["third"] + 1])
    assert shown.missed() == 1


def test_what_was_sealed_between_others_is_told(rig: SealingRig, shown: Tail) -> None:
    """What is left of what came with it is shown."""
    before = shown.values()
    with shown.held():
        for device in ("third", "second"):
            store(rig, device, 1)
        store(rig, "third", 2)
        seal(rig, "second")
    wait_until(lambda: shown.values() == [*before, DEVICES["third"] + 1, DEVICES["third"] + 2])
    wait_until(lambda: shown.missed() == 1)


def test_what_was_sealed_when_it_was_shown_is_not_told(rig: SealingRig, shown: Tail) -> None:
    """Nothing is shown again, and nothing was missed."""
    store(rig, "second", 1)
    wait_until(lambda: shown.values()[-1] == DEVICES["second"] + 1)
    before = shown.values()
    for device in ("first", "second"):
        seal(rig, device)
    with shown.held():
        store(rig, "second", 2)
        store(rig, "third", 1)
    wait_until(lambda: shown.values() == [*before, DEVICES["second"] + 2, DEVICES["third"] + 1])
    assert shown.missed() == 0

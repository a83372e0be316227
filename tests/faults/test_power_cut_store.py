"""The power of the collector's disk is cut, again and again: nothing that it acknowledged is lost.

Real collectors on a file system that forgets or tears what was not synced, at operations that a seed
chooses; each starts on what the cut before has left, and may be cut while it recovers.
"""

import random
from pathlib import Path

import pytest

from kit import programs
from kit.feeder import acknowledged, check_store, fed_over_tls, feed_all
from kit.powercut import How, PowerCut, power_cut
from kit.programs import Program
from kit.results import Results
from kit.waiting import wait_until

DEVICES = 3
# So many cuts hit one store before a new one is begun.
CUTS_A_STORE = 10


class Round:
    """One store, the collector on it, and devices that know what it acknowledged."""

    def __init__(self, folder: Path, power: PowerCut) -> None:
        self.power = power
        self.folder = folder
        self.name = folder.name
        self.port = programs.free_port()
        self.collector = self._collector()
        self.feeders = fed_over_tls(self.collector.state, self.port, DEVICES)

    def cut(self, seed: int) -> dict[str, object]:
        """Run a collector until the power goes; check what is left; say what was seen."""
        dice = random.Random(seed)
        how: How = "torn" if dice.random() < 0.7 else "drop"
        at_start = dice.random() < 0.3
        # Up to some tens of commits, and now and then far enough for a checkpoint.
        after = dice.randint(0, 60 if at_start else dice.choice([100, 1000, 4000]))
        before = acknowledged(self.feeders)
        try:
            self._run_until_cut(after, how, seed, at_start=at_start)
        finally:
            self.collector.end()
        self.power.power_on()
        marks = check_store(self.power.durable / self.name, self.feeders, self.folder)
        return {
            "how": how,
            "at_start": at_start,
            "after_operations": after,
            "acknowledged_batches": acknowledged(self.feeders) - before,
            "stored_batches": sum(marks.values()),
            "lost_batches": 0,
        }

    def _run_until_cut(self, after: int, how: How, seed: int, *, at_start: bool) -> None:
        if at_start:
            self.power.cut_after(after, how, seed)
        if self.collector.try_start():
            if not at_start:
                self.power.cut_after(after, how, seed)
            feed_all(self.feeders, self.port)
        wait_until(lambda: self.power.is_off)

    def finish(self) -> None:
        """With power, everything goes on: the marks are known, and more is stored."""
        self.collector.start()
        try:
            wanted = acknowledged(self.feeders) + 100
            feed_all(self.feeders, self.port, lambda: acknowledged(self.feeders) >= wanted)
            assert acknowledged(self.feeders) >= wanted
            assert self.collector.stop() == 0, self.collector.said()
        finally:
            self.collector.end()
        check_store(self.power.durable / self.name, self.feeders, self.folder)

    def _collector(self) -> Program:
        return programs.collector(self.folder, self.port, state=self.power.folder / self.name)


def cut_many(tmp_path: Path, cuts: int) -> None:
    """Cut so many times, in rounds."""
    results = Results("power_cut_store")
    with power_cut(tmp_path / "power") as power:
        for first in range(0, cuts, CUTS_A_STORE):
            seeds = range(first, min(first + CUTS_A_STORE, cuts))
            if all(map(results.has, seeds)):
                continue
            a_round = Round(tmp_path / str(first), power)
            for seed in seeds:
                results.add(seed, **a_round.cut(seed))
            a_round.finish()


def test_power_cuts(tmp_path: Path) -> None:
    """20 cuts: every acknowledged batch is there, whole, once, and the file is sound."""
    cut_many(tmp_path, 20)


@pytest.mark.full
def test_500_power_cuts(tmp_path: Path) -> None:
    """The same, 500 times."""
    cut_many(tmp_path, 500)

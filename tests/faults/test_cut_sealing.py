"""The collector is killed, or its power is cut, in the midst of sealing: what it acknowledged is there, once.

Nobody sends anything meanwhile: all that is written is what sealing writes. What is left is sent more,
sealed on, and hit again.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

from collector.store.database import FILE_NAME
from kit import programs
from kit.feeder import Feeder, acknowledged, check_store, feed_all
from kit.powercut import How, PowerCut, power_cut
from kit.results import Results
from kit.stores import rows
from service.control import ControlError

DEVICES = 3
# So many batches come between two hits; sealing them takes some transactions, and a tenth of a second.
MORE = 300
HITS_A_STORE = 10
HOWS: list[How] = ["torn", "torn", "drop"]


class Killed:
    """A collector that seals, and is killed; devices that know what it acknowledged."""

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self.port = programs.free_port()
        self.collector = programs.collector(folder, self.port, state=state)
        self.feeders = [Feeder(f"pi-{number}") for number in range(DEVICES)]
        self.durable = self.collector.state
        self.folder = folder
        self._killing = Timer(0, self.collector.kill)

    def strike(self, dice: random.Random) -> None:
        """Let it happen soon."""
        self._killing = Timer(dice.uniform(0, 0.05), self.collector.kill)
        self._killing.start()

    def recover(self) -> None:
        """Wait until it is over."""
        self._killing.join()

    def hit(self, seed: int) -> bool:
        """Seal, until it happens; check what that leaves, and say whether it came too late."""
        self._fill()
        self.strike(random.Random(seed))
        was_sealed = self._seal()
        self.recover()
        self.check()
        return was_sealed

    def check(self) -> None:
        """Everything that was acknowledged is there, once and as it was sent."""
        check_store(self.durable, self.feeders, self.folder)

    def finish(self) -> None:
        """It can be sealed to the end, and is sound."""
        self._fill()
        assert self._seal()
        assert self.collector.stop() == 0, self.collector.said()
        self.check()
        file = self.durable / FILE_NAME
        assert rows(file, "SELECT count(*) FROM batch") == [(0,)]
        verified = self.collector.command("verify", str(file))
        assert verified.returncode == 0, verified.stdout

    def _fill(self) -> None:
        self.collector.start()
        wanted = acknowledged(self.feeders) + MORE
        feed_all(self.feeders, self.port, lambda: acknowledged(self.feeders) >= wanted)

    def _seal(self) -> bool:
        with suppress(ControlError):
            while not self.collector.ask("seal"):
                pass
            return True
        return False


class WithoutPower(Killed):
    """The same on a disk whose power is cut: what was not synced is gone, or torn."""

    def __init__(self, folder: Path, power: PowerCut) -> None:
        super().__init__(folder, power.folder / folder.name)
        self.durable = power.durable / folder.name
        self._power = power

    def strike(self, dice: random.Random) -> None:
        """Let it happen at an operation to come."""
        self._power.cut_after(dice.randint(0, 60), dice.choice(HOWS), dice.randrange(10**6))

    def recover(self) -> None:
        """Let the power come back, once nobody has a file open."""
        self.collector.end()
        self._power.power_on()


def hit_many(made: Callable[[Path], Killed], folder: Path, hits: int, results: Results) -> None:
    """Hit so many times, and take a new store now and then; not all may have come too late."""
    were_late = []
    for first in range(0, hits, HITS_A_STORE):
        seeds = range(first, min(first + HITS_A_STORE, hits))
        if all(map(results.has, seeds)):
            continue
        store = made(folder / str(first))
        try:
            for seed in seeds:
                were_late.append(store.hit(seed))
                results.add(seed, late=were_late[-1], lost=0, twice=0, altered=0)
            store.finish()
        finally:
            store.collector.end()
    assert not were_late or not all(were_late)


def kill_many(folder: Path, hits: int) -> None:
    """Kill so many times."""
    hit_many(Killed, folder, hits, Results("kills while sealing"))


def cut_many(folder: Path, hits: int) -> None:
    """Cut the power so many times."""
    with power_cut(folder / "power") as power:
        results = Results("power cuts while sealing")
        hit_many(lambda each: WithoutPower(each, power), folder, hits, results)


def test_kills(tmp_path: Path) -> None:
    """At any moment: what is not sealed stands as it came, what is sealed stands once."""
    kill_many(tmp_path, 3)


def test_power_cuts(tmp_path: Path) -> None:
    """At any operation on the disk."""
    cut_many(tmp_path, 3)


@pytest.mark.full
def test_500_kills(tmp_path: Path) -> None:
    """The same, 500 times."""
    kill_many(tmp_path, 500)


@pytest.mark.full
def test_500_power_cuts(tmp_path: Path) -> None:
    """The same, 500 times."""
    cut_many(tmp_path, 500)

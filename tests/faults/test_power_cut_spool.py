"""The power of a device is cut in an outage, again and again: at most `at_risk` is lost, and said.

Real agents whose card is a file system that forgets or tears what was not synced. Each cut comes at an
operation or a moment that a seed chooses, also while an agent takes up what the cut before has left.
It ends the agent and takes the runtime folder with it, and the next start is of another boot. Only the
clock since boot goes on, since the oracle judges by it.
"""

import random
import shutil
import sqlite3
import subprocess
import uuid
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from device import credentials
from device.spool import EpochFacts
from device.spool.tier import Tier
from kit import oracle, rigs
from kit.powercut import How, PowerCut, power_cut
from kit.results import Results
from kit.rigs import Rig
from kit.waiting import wait_until
from kit.wireworks import MOMENT
from wire.bodies import GapReason

AT_RISK_S = 1.0
# A busy machine may move that much later, and see that much later that the power is off.
LATE_S = 1.0
# So many cuts hit one spool before a new one is begun; these have few channels and many in turn.
CUTS_A_SPOOL = 10
CHANNELS = (3, 300)
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_prefix(boot_id: Path) -> Sequence[str]:
    """Return what to put before a command so that it sees the boot id in a file; skip where that fails.

    The command has a mount namespace of its own, and keeps its process id.
    """
    if shutil.which("unshare") is None:
        pytest.skip("no unshare (package util-linux)")
    bind = f'mount --bind "$0" {BOOT_ID} && exec "$@"'
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", bind, str(boot_id)]
    probe = subprocess.run(
        [*prefix, "cat", BOOT_ID], check=False, capture_output=True, text=True, timeout=60
    )
    if probe.stdout != boot_id.read_text():
        pytest.skip(f"no other boot id can be shown here: {probe.stderr.strip()}")
    return prefix


class Round:
    """One device with its spool, whose power is cut; and its collector, which is away most of the time."""

    def __init__(self, rig: Rig, power: PowerCut, folder: Path) -> None:
        self.rig = rig
        self.power = power
        self.folder = folder
        self.boot_id = folder / "boot_id"
        self._boot()
        rig.device.prefix = list(boot_prefix(self.boot_id))
        state = power.folder / folder.name
        state.mkdir()
        found = credentials.load(rig.device.state, {})
        assert found is not None
        credentials.store(state, found)
        rig.device.environment["STATE_DIRECTORY"] = str(state)

    def cut(self, seed: int) -> None:
        """Run the agent until the power goes; leave everything as the next boot finds it."""
        dice = random.Random(seed)
        how: How = "torn" if dice.random() < 0.7 else "drop"
        at_start = dice.random() < 0.4
        # A start has about ten operations on the card, a move fewer; the first start has thirty.
        after = dice.randint(0, dice.choice([10, 40]))
        reads = dice.randint(0, dice.choice([15, 40]))
        if at_start:
            self.power.cut_after(after, how, seed)
        elif dice.random() < 0.4:
            self.rig.collector.start()  # the cut comes while it takes what the outage has left
        if self.rig.device.try_start():
            if not at_start:
                self.power.cut_after(after, how, seed)
            wanted = oracle.reads(self.rig.ledger) + reads
            wait_until(lambda: self.power.is_off or oracle.reads(self.rig.ledger) >= wanted)
        if not self.power.is_off:
            self.power.cut(how, seed)
        self.rig.device.end()
        self.rig.collector.end()
        self.power.power_on()
        self._boot()

    def finish(self) -> dict[str, object]:
        """With power and a collector all arrives, but what the cuts took: judge that."""
        cuts_ns = list(self.rig.device.ends_ns)
        self.rig.start()
        held = self.rig.held()
        wait_until(lambda: self._acknowledged() >= held, 120)
        self.rig.stop()
        verdict, lost_s = self.rig.verdict(), self._lost_s(cuts_ns)
        # Not of batches, but of a whole spool (0, 0): one that a cut left half begun looks like a lost one.
        gaps = [gap for gap in oracle.gaps(self.rig.collector.state) if gap.first_seq]
        assert verdict.clean, verdict
        assert verdict.in_gap > 0, "the cuts have no teeth"
        assert {gap.reason for gap in gaps} == {GapReason.POWER_CUT}
        assert len(gaps) <= CUTS_A_SPOOL, "more than one a cut"
        assert max(lost_s) < AT_RISK_S + LATE_S
        assert "malformed" not in self.rig.device.said(), "a cut damages nothing"
        assert not list((self.power.durable / self.folder.name).glob("*.damaged-*"))
        return {
            "given": verdict.given, "stored": verdict.stored, "in_gap": verdict.in_gap,
            "missing": 0, "twice": 0, "altered": 0, "unsure": verdict.unsure,
            "gaps": len(gaps), "longest_lost_s": round(max(lost_s), 3),
        }  # fmt: skip

    def _acknowledged(self) -> int:
        return int(self.rig.device.ask("status")["acknowledged_readings"])

    def _lost_s(self, cuts_ns: Sequence[int]) -> list[float]:
        """How long before its cut each read was given that is not stored whole."""
        stored = oracle.stored(self.rig.collector.state, rigs.SENSOR)
        kept = {(channel, value) for channel, values in stored.items() for value in values}
        return [
            (cuts_ns[bisect_left(cuts_ns, read.given_ns)] - read.given_ns) / 1e9
            for read in oracle.given(self.rig.ledger).values()
            if read.given_ns <= cuts_ns[-1] and not kept.issuperset(read.values.items())
        ]

    def _boot(self) -> None:
        """Begin another boot, with nothing in memory."""
        shutil.rmtree(self.rig.device.runtime)
        self.rig.device.runtime.mkdir()
        self.boot_id.write_text(f"{uuid.uuid4()}\n")


def cut_many(tmp_path: Path, cuts: int) -> None:
    """Cut so many times, in rounds."""
    results = Results("power_cut_spool")
    with power_cut(tmp_path / "power") as power:
        for first in range(0, cuts, CUTS_A_SPOOL):
            if results.has(first):
                continue
            folder = tmp_path / str(first)
            folder.mkdir()
            channels = CHANNELS[first // CUTS_A_SPOOL % len(CHANNELS)]
            with rigs.rig(
                folder, channels=channels, more=f"spool: {{at_risk: {AT_RISK_S:g}s}}\n", tls=True
            ) as rig:
                a_round = Round(rig, power, folder)
                for seed in range(first, first + CUTS_A_SPOOL):
                    a_round.cut(seed)
                results.add(first, cuts=CUTS_A_SPOOL, channels=channels, **a_round.finish())


def test_power_cuts(tmp_path: Path) -> None:
    """20 cuts: what was read earlier than `at_risk` before one is stored once; the rest is in its gap."""
    cut_many(tmp_path, 20)


@pytest.mark.full
def test_500_power_cuts(tmp_path: Path) -> None:
    """The same, 500 times."""
    cut_many(tmp_path, 500)


@pytest.mark.parametrize("after", range(4))
def test_card_that_fails_is_not_damaged(tmp_path: Path, after: int) -> None:
    """What fails is called input and output: a sound file must not be set aside for that."""
    facts = [EpochFacts(number, bytes(16), 0, MOMENT) for number in range(1, 100)]
    with (
        power_cut(tmp_path) as power,
        closing(Tier(power.folder / "spool.db", True, 2**20)) as tier,
    ):
        power.cut_after(after, "drop")
        with pytest.raises(sqlite3.OperationalError) as raised:
            tier.put_epochs(facts)
    assert raised.value.sqlite_errorname.startswith("SQLITE_IOERR")

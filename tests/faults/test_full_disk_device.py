"""The agent's card or memory is full, or fails, in an outage: nothing is lost that is not told.

Real agents with a folder on a small file system, or with system calls that return an error at a chosen
moment. In the end the collector comes back, and everything that a sensor gave is accounted for.
"""

import itertools
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from device.spool.start import FILE_NAME
from kit import oracle, rigs
from kit.disks import fill, sized_tmpfs, strace_inject
from kit.programs import boottime_ns
from kit.results import Results
from kit.rigs import Rig
from kit.waiting import wait_until

CHANNELS = 20
MIB = 1024 * 1024
FRUGAL = "spool: {at_risk: 1s}\n"
SMALL = "spool: {at_risk: 1s, max_size: 1MiB}\n"
STRICT = "spool: {policy: strict}\n"


class Agent:
    """An agent, the collector that it waits for, and what each of its sensors gave."""

    def __init__(self, rig: Rig, ledgers: dict[str, Path], ballast: str) -> None:
        self.rig = rig
        self.program = rig.device
        self.ledgers = ledgers
        self._ballast = ballast

    @property
    def spool(self) -> dict[str, Any]:
        """What its status says of its spool."""
        return dict(self.program.ask("status")["spool"])

    def said(self) -> str:
        """What its status says to people."""
        return self.program.command("status").stdout

    def dropped(self) -> list[int]:
        """How many readings were dropped by each line of its log that says so, from the first on."""
        lines = re.findall("event=spool_full dropped_readings=(\\d+)", self.program.said())
        return list(itertools.accumulate(map(int, lines), initial=0))

    def lose_ballast(self) -> None:
        """Stop it; from its next start on it has the other sensors only, and drops no more."""
        assert self.program.stop() == 0
        config = self.program.config.read_text()
        self.program.config.write_text(config.replace(self._ballast, ""))

    def account(self) -> dict[str, object]:
        """Let the collector come and all be sent, stop; check that what is not stored is told.

        What was dropped lies in gaps, of which the log counts the readings. What was refused was never
        accepted: of that the status says how much, as long as it is of one run. Return what was seen.
        """
        rig, state = self.rig, self.rig.collector.state
        rig.collector.start()
        if self.program.is_dead():
            self.program.start()
        rig.wait_until_sent()
        wait_until(lambda: not self.spool["card_error"])
        counted = self.spool["refused_readings"] if not self.program.ends_ns else None
        rig.stop()
        told = oracle.gaps(state)
        assert {gap.reason for gap in told} <= {"spool_full"}
        in_gaps = refused = given = 0
        for sensor, ledger in self.ledgers.items():
            verdict = oracle.judge(ledger, state, sensor, self.program.ends_ns)
            assert verdict._replace(missing=[]).clean, verdict
            reads = oracle.given(ledger)
            refused += sum(len(reads[number].values) for number in verdict.missing)
            in_gaps, given = in_gaps + verdict.in_gap, given + verdict.given
        told_readings = sum(gap.readings or 0 for gap in told)
        assert told_readings == self.dropped()[-1]
        assert rigs.is_own(told_readings - in_gaps)
        assert refused == (counted or 0)
        return {
            "given": given, "in_gaps": told_readings, "refused": refused, "lost": 0, "twice": 0, "altered": 0
        }  # fmt: skip


@contextmanager
def agent(
    folder: Path, more: str = FRUGAL, ballast: int = 0, card: int = 0, memory: int = 0
) -> Iterator[Agent]:
    """An agent that is not started yet.

    Args:
        more: its YAML.
        ballast: how many sensors fill its spool.
        card, memory: how large the file system is that the card, or the memory, has for itself.
    """
    with ExitStack() as stack:
        for name, size_bytes in (("state", card), ("run", memory)):
            if size_bytes:
                stack.enter_context(sized_tmpfs(folder / "device" / name, size_bytes))
        folder.mkdir(exist_ok=True)
        ledgers = {f"ballast_{n}": folder / f"ballast_{n}" for n in range(ballast)}
        others = "".join(rigs.ballast(name, 1000, ledger) for name, ledger in ledgers.items())
        rig = stack.enter_context(
            rigs.rig(folder, channels=CHANNELS, more=more, others=others, tls=True)
        )
        yield Agent(rig, {rigs.SENSOR: rig.ledger, **ledgers}, others)


def on_card(state: Path, scratch: Path) -> int:
    """Return how many readings lie on the card, by a copy of it."""
    copy = shutil.copytree(state, scratch, ignore=shutil.ignore_patterns("ballast"))
    with closing(sqlite3.connect(copy / FILE_NAME)) as database:
        (readings,) = database.execute("SELECT ifnull(sum(readings), 0) FROM batch").fetchone()
    return int(readings)


def test_a_card_that_others_fill(tmp_path: Path) -> None:
    """Sampling goes on in memory, the status says what is at risk; with room all goes to the card."""
    with agent(tmp_path, card=8 * MIB) as made:
        rig, program = made.rig, made.program
        program.start()
        wait_until(lambda: made.spool["held_readings"] > made.spool["at_risk_readings"])
        ballast = fill(program.state)
        wait_until(lambda: made.spool["card_error"])
        rig.wait_for_reads(15)
        safe, spool = on_card(program.state, tmp_path / "copy"), made.spool
        assert spool["at_risk_readings"] == spool["held_readings"] - safe
        first = oracle.given(rig.ledger)[safe // CHANNELS + 1].given_ns
        assert spool["at_risk_s"] == pytest.approx((boottime_ns() - first) / 1e9, abs=1.0)
        assert "the card does not work (database or disk is full)" in made.said()
        ballast.unlink()
        wait_until(lambda: not made.spool["card_error"])
        assert made.spool["at_risk_s"] < 1.0
        assert made.account()["in_gaps"] == 0


def test_memory_that_others_fill(tmp_path: Path) -> None:
    """Nothing is taken that cannot be kept, and what was refused is counted; with room it goes on."""
    with agent(tmp_path, memory=8 * MIB) as made:
        made.program.start()
        made.rig.wait_for_reads(3)
        ballast = fill(made.program.runtime)
        wait_until(lambda: made.spool["full"])
        assert "nothing can be kept now" in made.said()
        wait_until(lambda: made.spool["refused_readings"] > CHANNELS)
        ballast.unlink()
        wait_until(lambda: not made.spool["full"])
        made.rig.wait_for_reads(3)
        made.account()


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"more": SMALL}, id="the card's share"),
        pytest.param({"card": 3 * MIB + MIB // 4, "memory": 4 * MIB + MIB // 4}, id="both disks"),
        pytest.param(
            {"card": 4 * MIB, "more": STRICT}, id="the disk, strict", marks=pytest.mark.full
        ),
    ],
)
def test_a_spool_that_is_full(tmp_path: Path, how: dict[str, Any]) -> None:
    """The oldest go, counted to the reading, and it lets go of all the rest once that is sent."""
    with agent(tmp_path, ballast=3, **how) as made:
        made.program.start()
        wait_until(lambda: made.spool["dropped_readings"] > 5_000, 120)
        said, dropped = made.said(), made.spool["dropped_readings"]
        assert "of the oldest readings were dropped" in said
        assert dropped in made.dropped()
        made.lose_ballast()  # what is dropped on its way may be stored, and counted here even so
        assert made.account()["in_gaps"] >= dropped


class Case(NamedTuple):
    """Where which call fails with what, at which time.

    `place`: the card, or memory, or the card under the policy strict.
    """

    place: str
    call: str
    error: str
    nth: int


KINDS = [
    ("card", "pwrite64", "ENOSPC"),
    ("card", "pwrite64", "EIO"),
    ("card", "fdatasync", "EIO"),
    ("memory", "pwrite64", "ENOSPC"),
    ("memory", "pwrite64", "EIO"),
    ("strict", "pwrite64", "ENOSPC"),
    ("strict", "pwrite64", "EIO"),
    ("strict", "fdatasync", "EIO"),
]
QUICK = [
    Case("card", "fdatasync", "EIO", 4),
    Case("memory", "pwrite64", "EIO", 40),
]


def fail(folder: Path, case: Case) -> dict[str, object]:
    """Let one call fail in an outage; account for everything; return what was seen."""
    log = folder / "strace"
    more = STRICT if case.place == "strict" else FRUGAL
    with agent(folder, more, ballast=1 if case.place == "card" else 0) as made:
        program, rig = made.program, made.rig
        place = program.runtime if case.place == "memory" else program.state
        files = [place / name for name in (FILE_NAME, FILE_NAME + "-wal")]
        program.prefix = list(strace_inject(case.call, case.error, str(case.nth), log, files))
        if program.try_start():
            wait_until(lambda: failed(log) or program.is_dead(), 120)
            try_to_go_on(rig)
        died = program.is_dead()
        if died:
            rig.wait_dead()
            assert program.exit_code == 1
            assert case.place != "card"
            program.prefix = []
        seen = made.account()
    assert failed(log), "the call never came"
    return {"died": died, **seen}


def failed(log: Path) -> int:
    """Return how many calls have failed as asked."""
    return log.read_text().count("(INJECTED)")


def try_to_go_on(rig: Rig) -> None:
    """Wait for some more reads, or until the agent has ended because it cannot keep them."""
    wanted = oracle.reads(rig.ledger) + 10
    wait_until(lambda: oracle.reads(rig.ledger) >= wanted or rig.device.is_dead(), 60)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: "-".join(map(str, case)))
def test_a_call_fails(tmp_path: Path, case: Case) -> None:
    """The card may fail and sampling goes on; where memory fails the agent ends, and the next goes on."""
    seen = fail(tmp_path, case)
    assert seen["died"] == (case.place != "card")
    assert seen["in_gaps"] == 0


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_each_call_fails(tmp_path: Path, kind: tuple[str, str, str]) -> None:
    """The same for the first 50 of each."""
    results = Results("full disk of a device")
    for nth in range(1, 51):
        case = Case(*kind, nth)
        if not results.has(case):
            results.add(case, **fail(tmp_path / str(nth), case))

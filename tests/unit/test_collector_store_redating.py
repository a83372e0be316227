"""collector.store.redating: a pair that comes later dates what is stored, in small steps, and no more."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from collector import query
from collector.clock import SECOND_NS, Pair, Source
from collector.measuring import Measured
from collector.store import redating
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.transaction import Transaction
from collector.times import END_OF_TIME_NS
from kit.programs import ROOT
from kit.stores import (
    BOOTED_NS,
    OTHER_EPOCH,
    at_ns,
    batch,
    held,
    holding,
    open_reader,
    read,
    rows,
    transaction,
    writer_rig,
)
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire.batches import ClockPair
from wire.bodies import End, Moment

UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
NOW_NS = at_ns(50)
NEXT_BOOT = bytes(range(32, 48))
DATED = "SELECT dated, from_ns, to_ns FROM batch ORDER BY id"
STALE = "SELECT count(*) FROM boot WHERE stale_from IS NOT NULL"


CRASH = """
import sys
from pathlib import Path
from collector.store.database import open_for_writing
from collector.store.transaction import Transaction

group = Transaction(open_for_writing(Path(sys.argv[1])))
group.begin(0)
group.date_anew()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def measured(at_s: float, error_ns: int = 1000, boot: bytes = BOOT) -> Measured:
    """What the collector measures of a device without the time, so long after boot."""
    at = round(at_s * SECOND_NS)
    return Measured(Moment(boot, at, 7), Pair(at, at_ns(at_s), Source.MEASURED, error_ns))


@contextmanager
def opened(file: Path) -> Iterator[Transaction]:
    """A store, without a group begun."""
    with closing(open_for_writing(file)) as database:
        yield Transaction(database)


def date_all(file: Path, at_most: int = 1000) -> int:
    """Do step after step, each a transaction and a start of its own; return how many."""
    for steps in range(at_most):
        with opened(file) as group:
            group.begin(NOW_NS)
            is_more = group.date_anew()
            group.commit()
        if not is_more:
            return steps
    return at_most


def undated(file: Path, count: int) -> None:
    """Readings of a boot of which nothing is known, a row each."""
    for seq in range(1, count + 1):
        with transaction(file, NOW_NS) as group:
            group.store("greenhouse", [batch(seq, clock=UNSET)])


def times(file: Path) -> list[int | None]:
    """The times of all readings, in order; the values are as they were."""
    with open_reader(file) as reader:
        answer = reader.range("*", -END_OF_TIME_NS, END_OF_TIME_NS)
    assert answer.undecodable == 0
    return [each.time_ns for part in answer.parts for each in query.as_readings(part)]


def test_pair_dates_what_came_before_it(file: Path) -> None:
    """Unknown until then, and bounded by their receipt."""
    undated(file, 3)
    assert rows(file, DATED) == [(3, -END_OF_TIME_NS, NOW_NS)] * 3
    assert times(file) == [None] * 3
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(50))
    date_all(file)
    assert rows(file, DATED) == [(2, at_ns(seq), at_ns(seq)) for seq in (1, 2, 3)]
    assert times(file) == [at_ns(seq) for seq in (1, 2, 3)]
    assert rows(file, STALE) == [(0,)]


def test_clock_that_is_right_dates_over_what_was_measured(file: Path) -> None:
    """And where it moves nothing that matters, only how it is known is written."""
    undated(file, 2)
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(50))
        group.store("greenhouse", [batch(3)])
    date_all(file)
    assert [row[0] for row in rows(file, DATED)] == [1, 1, 0]


def test_rows_with_pairs_of_their_own_are_left_alone(file: Path) -> None:
    """Each is its own nearest: nothing is even looked for."""
    with transaction(file, NOW_NS) as group:
        group.store("greenhouse", [batch(1), batch(2)])
        group.measured("greenhouse", measured(50 + 3601))
        assert not group.has_stale


def test_steps_are_small_and_survive_a_kill(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is committed with how far it came; whoever comes next goes on there."""
    monkeypatch.setattr(redating, "WRITTEN", 4)
    undated(file, 21)
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(50))
    for step in range(1, 6):
        assert date_all(file, 1) == 1
        assert rows(file, "SELECT count(*) FROM batch WHERE dated = 2") == [(4 * step,)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    died = subprocess.run(
        [sys.executable, "-c", CRASH, str(file)],
        env={"PYTHONPATH": path, "TELEGAUGE_CRASH_AT": "store_redating"},
        check=False, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    assert rows(file, "SELECT count(*) FROM batch WHERE dated = 2") == [(20,)]
    date_all(file)
    assert times(file) == [at_ns(seq) for seq in range(1, 22)]


def test_rows_that_end_at_one_moment_are_all_dated(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the steps are."""
    monkeypatch.setattr(redating, "LOOKED_AT", 2)
    for seq in range(1, 8):
        with transaction(file, NOW_NS) as group:
            group.store("greenhouse", [batch(seq, read(9, float(seq)), clock=UNSET)])
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(50))
    date_all(file)
    assert rows(file, DATED) == [(2, at_ns(9), at_ns(9))] * 7


def test_what_is_dated_well_enough_is_not_written_again(file: Path) -> None:
    """Nothing moves by 2 ms, and no bound shrinks to its half: the row stays as it is."""
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(50, 1_000_000))
        group.store("greenhouse", [batch(1, clock=UNSET)])
    before = rows(file, "SELECT error_ns FROM batch")
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(51, 900_000))
    date_all(file)
    assert rows(file, "SELECT error_ns FROM batch") == before
    with transaction(file, NOW_NS) as group:
        group.store("greenhouse", [batch(2)])
    date_all(file)
    assert rows(file, "SELECT dated, error_ns FROM batch WHERE id = 1") == [(1, 0)]


def test_gaps_of_a_boot_are_dated_with_it(file: Path) -> None:
    """Those that begin or end in it, on the safe side of what is known."""
    with transaction(file, NOW_NS) as group:
        unset = Moment(BOOT, *UNSET)
        group.hold("greenhouse", holding(held(began_s=1, clock=unset)))
        group.store("greenhouse", [batch(1, clock=UNSET)])
        until = Moment(BOOT, 9 * SECOND_NS, 7)
        group.end("greenhouse", End(EPOCH, "power_cut", until=until))
    spans = "SELECT from_ns, to_ns FROM gap"
    assert rows(file, spans) == [(None, None)]
    with transaction(file, NOW_NS) as group:
        group.measured("greenhouse", measured(50, 0))
    date_all(file)
    first_ns, last_ns = (away_s * SECOND_NS // 10_000 for away_s in (49, 41))
    assert rows(file, spans) == [(at_ns(1) - first_ns, at_ns(9) + last_ns)]


def test_boot_between_others_is_bounded_better_once_they_are_dated(file: Path) -> None:
    """The next boot's start is known when its first pair is measured."""
    with transaction(file, NOW_NS) as group:
        unset, later = Moment(BOOT, *UNSET), Moment(NEXT_BOOT, *UNSET)
        group.hold("greenhouse", holding(held(OTHER_EPOCH, 1, clock=later), held(clock=unset)))
        group.store("greenhouse", [batch(1, clock=UNSET)])
    assert rows(file, DATED) == [(3, -END_OF_TIME_NS, NOW_NS)]
    with transaction(file, NOW_NS) as group:
        pair = Pair(10 * SECOND_NS, NOW_NS, Source.MEASURED, 5)
        group.measured("greenhouse", Measured(Moment(NEXT_BOOT, pair.boot_ns, 7), pair))
    date_all(file)
    started_ns = at_ns(40) + 5 + pair.boot_ns // 10_000
    assert rows(file, DATED) == [(3, -END_OF_TIME_NS, started_ns)]


def test_writer_dates_between_its_commits(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, until nothing is left, while others are answered; also what a former run has left."""
    monkeypatch.setattr(redating, "WRITTEN", 4)
    undated(file, 41)
    with writer_rig(file) as rig:
        answers = rig.store_all("cellar", [batch(seq) for seq in range(1, 4)])
        now_s = (time.time_ns() - BOOTED_NS) / SECOND_NS
        rig.ask(rig.writer.measured, "greenhouse", measured(now_s))
        rig.run_until(lambda: rows(file, STALE) == [(0,)])
        assert len(answers) == 3
        assert rig.writer.pending_bytes < 1024
    assert rows(file, "SELECT DISTINCT dated FROM batch WHERE device = 1") == [(2,)]
    with transaction(file, NOW_NS) as group:
        group.store("greenhouse", [batch(42)])
    assert rows(file, STALE) == [(1,)]
    with writer_rig(file) as rig:
        rig.run_until(lambda: rows(file, STALE) == [(0,)])
    assert rows(file, "SELECT DISTINCT dated FROM batch WHERE device = 1 ORDER BY 1") == [
        (0,),
        (1,),
    ]

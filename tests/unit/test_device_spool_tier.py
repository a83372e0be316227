"""device.spool.tier: rows are kept, replaced and let go of as a plain dictionary would, or damage is said."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from device.spool.records import EpochFacts, Span, Stored, gap_over, pack_gap, pack_read, row_of
from device.spool.tier import ALL, Tier
from kit.spools import MIB, points_of
from kit.stores import change, rows
from kit.tiers import (
    all_of,
    close_batch,
    epoch_of,
    opened,
    raises_damage,
    raises_full,
    sealed_next,
    seqs,
    with_epoch,
)
from wire.bodies import Gap

# Epochs 1 and 2 come from another tier, with so many batches each; 3 is the present one.
OTHERS, PRESENT = (1, 2), 3
BATCHES = 8


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "spool.db"


@pytest.fixture
def tier(file: Path) -> Iterator[Tier]:
    """A new tier, in memory as it were."""
    with opened(file, durable=False) as tier:
        yield tier


# Against a model --------------------------------------------------------------------------------


class Kept(NamedTuple):
    """What the model knows of a row."""

    last_seq: int
    readings: int
    body: bytes


class TierMachine(RuleBasedStateMachine):
    """A tier, and beside it a dictionary of what it must hold, by epoch and seq."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "spool.db"
        self.tier = Tier(self.path, False, MIB)
        self.model: dict[tuple[int, int], Kept] = {}
        self.epochs: dict[int, EpochFacts] = {}

    def teardown(self) -> None:
        """Close the file and forget it."""
        self.tier.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        """All epochs are known."""
        self.epochs = {number: epoch_of(number) for number in (*OTHERS, PRESENT)}
        self.tier.put_epochs(self.epochs.values())

    @rule(readings=st.integers(1, 3))
    def close_batch(self, readings: int) -> None:
        """The next batch of the present epoch."""
        facts = self.epochs[PRESENT]
        sealed = close_batch(self.tier, facts, *map(float, range(readings)))
        self.model[PRESENT, facts.last_seq] = Kept(facts.last_seq, readings, sealed)

    @precondition(lambda self: any(kept.readings for kept in self.model.values()))
    @rule(data=st.data(), more=st.integers(0, 4))
    def replace(self, data: st.DataObject, more: int) -> None:
        """A gap in the place of a batch, and of rows behind it."""
        batches = sorted(key for key, kept in self.model.items() if kept.readings)
        number, first_seq = data.draw(st.sampled_from(batches))
        place = [first_seq + each for each in range(more + 1)]
        covered = [key for key in self.model if key[0] == number and key[1] in place]
        last_seq = max(self.model[key].last_seq for key in covered)
        gap = Gap(epoch_of(number).epoch, first_seq, last_seq, "spool_full")
        lost = sum(self.model.pop(key).readings for key in covered)
        assert self.tier.replace(number, gap) == lost
        self.model[number, first_seq] = Kept(last_seq, 0, pack_gap(gap))

    @rule(marks=st.dictionaries(st.integers(1, 4), st.integers(0, 12) | st.just(ALL)))
    def remove(self, marks: Mapping[int, int]) -> None:
        """What is acknowledged; a gap stays until that is true of all of it."""
        assert self.tier.remove(marks) == self._forget(marks)

    @rule(
        marks=st.dictionaries(st.sampled_from(OTHERS), st.integers(0, 6)),
        first_seq=st.integers(1, BATCHES),
        gap_until=st.integers(0, BATCHES),
    )
    def take_in(self, marks: Mapping[int, int], first_seq: int, gap_until: int) -> None:
        """Rows of another tier, of which some are here, with a gap before them or not."""
        taken = list(rows_of_others(first_seq, gap_until))
        # No gap is made of what another tier has kept.
        taken = [row for row in taken if row.readings or not self._has_any_behind(row)]
        removed = self._forget(marks)
        for row in taken:
            if not self._is_covered(row):
                self.model[row.number, row.seq] = Kept(row.last_seq, row.readings, row.body)
        assert self.tier.take_in(taken, marks, self.epochs.values()) == removed

    @rule(number=st.sampled_from(OTHERS))
    def is_over(self, number: int) -> None:
        """All of an epoch goes, and itself."""
        facts = self.epochs.pop(number, None)
        if facts is None:
            return
        self._forget({number: ALL})
        self.tier.put_epochs((), [facts])

    @rule()
    def open_again(self) -> None:
        """What is in the file is all there is."""
        self.tier.close()
        self.tier = Tier(self.path, False, MIB)

    @invariant()
    def is_what_the_model_says(self) -> None:
        """Every row, every count, and what is known of epochs."""
        stored = [Stored(*key, *kept) for key, kept in sorted(self.model.items())]
        assert self.tier.all_rows() == stored
        assert self.tier.readings == sum(row.readings for row in stored)
        assert self.tier.size_bytes == sum(len(row.body) for row in stored if row.readings)
        assert self.tier.spans() == {
            number: Span(
                min(row.seq for row in stored if row.number == number),
                max(row.last_seq for row in stored if row.number == number),
            )
            for number in {row.number for row in stored}
        }
        assert self.tier.oldest() == min((row[:2] for row in stored if row.readings), default=None)
        assert self.tier.epochs() == [self.epochs[number] for number in sorted(self.epochs)]

    @rule(number=st.sampled_from([*OTHERS, PRESENT]), seq=st.integers(1, BATCHES + 2))
    def ask_for_rows(self, number: int, seq: int) -> None:
        """From the row that holds the seq on, or else from the next one."""
        facts = epoch_of(number, is_end_known=False)
        assert all_of(self.tier, facts, seq) == [
            row_of(facts, key[1], kept.last_seq, kept.body)
            for key, kept in sorted(self.model.items())
            if key[0] == number and kept.last_seq >= seq
        ]

    def _forget(self, marks: Mapping[int, int]) -> int:
        done = [key for key, kept in self.model.items() if kept.last_seq <= marks.get(key[0], 0)]
        return sum(self.model.pop(key).readings for key in done)

    def _has_any_behind(self, row: Stored) -> bool:
        return any(
            number == row.number and row.seq < seq <= row.last_seq for number, seq in self.model
        )

    def _is_covered(self, row: Stored) -> bool:
        return any(
            number == row.number and seq <= row.seq <= kept.last_seq
            for (number, seq), kept in self.model.items()
        )


def rows_of_others(first_seq: int, gap_until: int) -> Iterator[Stored]:
    """The rows of both epochs as another tier has them, from a seq on; before them a gap or not."""
    for number in OTHERS:
        facts = epoch_of(number)
        for seq in range(1, BATCHES + 1):
            after, sealed = sealed_next(facts, [float(seq)])
            facts.take_over(after)
            if seq > gap_until and seq >= first_seq:
                yield Stored(number, seq, seq, 1, sealed)
            elif seq == first_seq:
                gap = Gap(facts.epoch, seq, gap_until, "spool_full")
                yield Stored(number, seq, gap_until, 0, pack_gap(gap))


TierMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


class TestTier(TierMachine.TestCase):
    """It does what a dictionary would."""


# The open batch ---------------------------------------------------------------------------------


def read(number: int) -> bytes:
    """One read, as it is kept."""
    return pack_read("air", number, points_of([float(number)]))


def test_reads_come_back_in_their_order(tier: Tier) -> None:
    """Of each epoch."""
    tier.accept(2, [read(4), read(2)])
    tier.accept(1, [read(9)])
    tier.accept(2, [read(3)])
    found, damaged = tier.reads()
    assert {number: [each.time_ns for each in reads] for number, reads in found.items()} == {
        1: [9],
        2: [4, 2, 3],
    }
    assert damaged == 0


def test_closed_batch_replaces_its_reads(tier: Tier) -> None:
    """And no others; what is known of the epoch changes with it."""
    facts = with_epoch(tier)
    tier.accept(1, [read(1), read(2)])
    tier.accept(2, [read(3)])
    close_batch(tier, facts, 1.0, 2.0)
    found, _ = tier.reads()
    assert list(found) == [2]
    assert tier.facts(1) == facts
    assert (facts.last_seq, facts.readings) == (1, 2)
    tier.drop_reads()
    assert tier.reads() == ({}, 0)
    assert tier.readings == 2


def test_damaged_reads_are_counted(file: Path, tier: Tier) -> None:
    """The sound ones come back."""
    tier.accept(1, [read(1), read(2), read(3)])
    tier.close()
    change(file, "UPDATE tick SET body = x'00' WHERE id = 1")
    change(file, "UPDATE tick SET body = 'text' WHERE id = 3")
    with opened(file, durable=False) as again:
        found, damaged = again.reads()
    assert ([each.time_ns for each in found[1]], damaged) == ([2], 2)


# Epochs, notices, what was rejected ---------------------------------------------------------------


def test_epochs_oldest_first(tier: Tier) -> None:
    """What is put again replaces what was known."""
    tier.put_epochs([epoch_of(3), epoch_of(1)])
    tier.put_epochs([epoch_of(3, owner="greenhouse"), epoch_of(2)], [epoch_of(1)])
    assert tier.epochs() == [epoch_of(2), epoch_of(3, owner="greenhouse")]
    assert tier.facts(2) == epoch_of(2)
    assert tier.facts(1) is None


@pytest.mark.parametrize("reason", ["'nonsense'", "x'00'", "CAST(x'ff' AS TEXT)", "7"])
def test_damaged_notice_says_the_least(file: Path, tier: Tier, reason: str) -> None:
    """That something could not be read is true, whatever it was."""
    tier.close()
    change(file, f"INSERT INTO notice VALUES ({reason})")
    with opened(file, durable=False) as again:
        assert again.notice() == "spool_unreadable"


def test_notice_stays_until_it_is_told(file: Path, tier: Tier) -> None:
    """One at a time; the collector is told of the last one."""
    assert tier.notice() is None
    tier.set_notice("power_cut")
    tier.set_notice("spool_unreadable")
    tier.close()
    with opened(file, durable=False) as again:
        assert again.notice() == "spool_unreadable"
        again.set_notice(None)
        assert again.notice() is None
    assert rows(file, "SELECT * FROM notice") == []


def test_last_sixteen_rejected_batches_stay(file: Path, tier: Tier) -> None:
    """For looking at; they are no rows of an epoch."""
    for number in range(20):
        tier.keep_rejected(f"reason {number}", bytes([number]))
    assert (tier.readings, tier.all_rows()) == (0, [])
    tier.close()
    kept = rows(file, "SELECT detail, sealed FROM rejected ORDER BY id")
    assert kept == [(f"reason {number}", bytes([number])) for number in range(4, 20)]


# Rows ---------------------------------------------------------------------------------------------


def test_rows_are_bounded_and_one_at_least(tier: Tier) -> None:
    """What is asked for is what the window has room for."""
    facts = with_epoch(tier, batches=9)
    size_bytes = tier.size_bytes // 9
    assert seqs(tier.rows(facts, 4, 1)) == [(4, 4, None)]
    assert seqs(tier.rows(facts, 4, 2 * size_bytes)) == [(4, 4, None), (5, 5, None)]
    assert seqs(tier.rows(facts, 9, 10 * size_bytes)) == [(9, 9, None)]
    assert tier.rows(facts, 10, 10 * size_bytes) == []


def test_rows_that_are_asked_for_leave_no_lock(tier: Tier) -> None:
    """Reading that stops half-way must not keep the next from changing anything."""
    facts = with_epoch(tier, batches=9)
    tier.rows(facts, 1, 1)
    tier.put_epochs((), [facts])
    assert tier.all_rows() == []


def test_gap_is_found_by_any_seq_in_it(tier: Tier) -> None:
    """It comes whole."""
    facts = with_epoch(tier, batches=6)
    tier.replace(1, gap_over(facts.epoch, all_of(tier, facts, 2)[:3], "spool_full"))
    for seq in (2, 3, 4):
        assert seqs(all_of(tier, facts, seq)) == [(2, 4, "spool_full"), (5, 5, None), (6, 6, None)]


def test_gap_stays_until_all_of_it_is_acknowledged(tier: Tier) -> None:
    """What of it lies above the mark has to be told."""
    facts = with_epoch(tier, batches=6)
    tier.replace(1, gap_over(facts.epoch, all_of(tier, facts, 2)[:3], "spool_full"))
    assert tier.remove({1: 3}) == 1
    assert seqs(all_of(tier, facts)) == [(2, 4, "spool_full"), (5, 5, None), (6, 6, None)]
    assert tier.remove({1: 5}) == 1
    assert seqs(all_of(tier, facts)) == [(6, 6, None)]


def test_change_that_has_no_room_changes_nothing(file: Path) -> None:
    """Not even what it would have let go of."""
    with opened(file, durable=False, max_bytes=MIB // 4) as tier:
        facts = with_epoch(tier, batches=3)
        before = (tier.all_rows(), tier.epochs(), tier.readings, tier.size_bytes)
        large = [Stored(2, seq, seq, 1, bytes(60_000)) for seq in range(1, 5)]
        with raises_full():
            tier.take_in(large, {1: 2}, [epoch_of(2)], [facts])
        assert (tier.all_rows(), tier.epochs(), tier.readings, tier.size_bytes) == before
        tier.take_in(large[:2], {1: 2}, [epoch_of(2)])
        assert [row[:2] for row in tier.all_rows()] == [(1, 3), (2, 1), (2, 2)]


# Damage -------------------------------------------------------------------------------------------


BEFORE = [(1, 1, None), (2, 3, "spool_full"), (4, 4, None), (5, 5, None), (6, 6, None)]


@pytest.fixture
def damaged(file: Path, tier: Tier) -> Path:
    """A tier's file to be damaged: batches 1 and 4 to 6, a gap between."""
    facts = with_epoch(tier, batches=6)
    tier.replace(1, gap_over(facts.epoch, all_of(tier, facts, 2)[:2], "spool_full"))
    assert seqs(all_of(tier, facts)) == BEFORE
    tier.close()
    return file


@pytest.mark.parametrize("value", ["'x'", "1.5", "-1", "1001", str(2**62), str(2**63 - 1)])
@pytest.mark.parametrize("seq", [2, 5], ids=["gap", "batch"])
def test_number_of_readings_that_cannot_be(damaged: Path, value: str, seq: int) -> None:
    """It is damage as soon as the file is opened, and ends no sum."""
    change(damaged, f"UPDATE batch SET readings = {value} WHERE seq = ?", seq)
    with raises_damage():
        Tier(damaged, False, MIB)
    change(damaged, "UPDATE batch SET readings = 1000 WHERE seq = ?", seq)
    with opened(damaged, durable=False) as tier:
        assert tier.readings > 1000


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE epoch SET facts = x'00'",
        "UPDATE epoch SET facts = 'text'",
        "UPDATE epoch SET facts = 7",
        "UPDATE epoch SET number = 2",
    ],
)
def test_damaged_epoch(damaged: Path, statement: str) -> None:
    """Nothing that is held could be told to be whose it is."""
    change(damaged, statement)
    with opened(damaged, durable=False) as tier, raises_damage():
        tier.epochs()


@pytest.mark.parametrize("column", ["epoch", "seq"])
@pytest.mark.parametrize("value", ["'x'", "x'00'", "5.5"])
def test_key_that_is_no_whole_number(damaged: Path, column: str, value: str) -> None:
    """Whoever meets it says that the file is damaged, and nothing else."""
    change(damaged, f"UPDATE batch SET {column} = {value} WHERE seq = 5")
    with opened(damaged, durable=False) as tier:
        with raises_damage():
            tier.all_rows()
        with raises_damage():
            tier.spans(), all_of(tier, epoch_of(1, is_end_known=False))


@pytest.mark.parametrize("value", ["x'00'", "'text'", "7", "1.5", "x''"])
@pytest.mark.parametrize("seq", [2, 5], ids=["gap", "batch"])
def test_damaged_body_is_a_gap(damaged: Path, value: str, seq: int) -> None:
    """The rows around it are as they were."""
    change(damaged, f"UPDATE batch SET body = {value} WHERE seq = ?", seq)
    with opened(damaged, durable=False) as tier:
        expected = [
            (first, last, "spool_unreadable" if first == seq else reason)
            for first, last, reason in BEFORE
        ]
        assert seqs(all_of(tier, epoch_of(1, last_seq=6))) == expected


@pytest.mark.parametrize("value", ["'x'", "1.5", "0", "-1", str(2**62)])
def test_last_seq_of_a_batch_is_its_seq(damaged: Path, value: str) -> None:
    """Whatever its cell says: it covers nothing else, and goes with its own acknowledgement."""
    change(damaged, f"UPDATE batch SET last_seq = {value} WHERE seq = 5")
    change(damaged, "DELETE FROM batch WHERE seq = 6")
    with opened(damaged, durable=False) as tier:
        facts = epoch_of(1, last_seq=7)
        assert [row.last_seq for row in tier.all_rows()] == [1, 3, 4, 5]
        tier.take_in([Stored(1, seq, seq, 1, b"") for seq in (6, 7)], {}, [])
        assert [row[:2] for row in seqs(all_of(tier, facts, 5))] == [(5, 5), (6, 6), (7, 7)]
        assert tier.remove({1: 5}) == 3
        assert [row.seq for row in tier.all_rows()] == [6, 7]


@pytest.mark.parametrize("place", [0, -1, 40, 2**62])
def test_key_that_never_was(damaged: Path, place: int) -> None:
    """It is passed by: what HOLD says begins with 1, and no batch is sent under another's number."""
    change(damaged, "UPDATE batch SET seq = ? WHERE seq = 6", place)
    with opened(damaged, durable=False) as tier:
        assert seqs(all_of(tier, epoch_of(1, last_seq=6))) == BEFORE[:-1]
        assert tier.spans()[1].lowest == 1


def test_batch_takes_the_place_of_a_key_that_never_was(damaged: Path) -> None:
    """Else none could be closed any more, nor any start close what was left open."""
    change(damaged, "UPDATE batch SET seq = 7 WHERE seq = 6")
    change(damaged, "UPDATE batch SET seq = 50 WHERE seq = 5")
    with opened(damaged, durable=False) as tier:
        facts = epoch_of(1, last_seq=6, readings=6)
        sealed = close_batch(tier, facts, 1.0, 2.0)
        assert tier.all_rows()[-1] == Stored(1, 7, 7, 2, sealed)
        assert [row.seq for row in tier.all_rows()] == [1, 2, 4, 7]
        assert tier.readings == 4


def test_rows_of_an_end_that_nobody_knows(tier: Tier) -> None:
    """Whatever is there comes: more may have been closed than the tier was told."""
    with_epoch(tier, batches=6)
    known = epoch_of(1, last_seq=4)
    assert seqs(all_of(tier, known)) == [(seq, seq, None) for seq in range(1, 5)]
    known.is_end_known = False
    assert seqs(all_of(tier, known)) == [(seq, seq, None) for seq in range(1, 7)]

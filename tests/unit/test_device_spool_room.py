"""device.spool.room: what was accepted is held or dropped, to the reading, and a gap stands for the latter."""

import random
import sqlite3
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from device.spool.database import no_room
from device.spool.open_batch import body_of, closed
from device.spool.records import EpochFacts, Read, Row, Stored, gap_over, pack_read
from device.spool.room import make_room, with_room
from device.spool.tier import Tier
from kit.disks import resize, sized_tmpfs
from kit.spools import MIB, gaps, points_of
from kit.stores import change
from kit.tiers import (
    all_of,
    close_batch,
    epoch_of,
    opened,
    raises_damage,
    raises_full,
    seqs,
    with_epoch,
)
from service.damage import damage

SMALL_BYTES = MIB // 4
BATCHES = 30


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "spool.db"


@pytest.fixture
def tier(file: Path) -> Iterator[Tier]:
    """A new tier with a small share."""
    with opened(file, durable=False, max_bytes=SMALL_BYTES) as tier:
        yield tier


def accept(tier: Tier, facts: EpochFacts, *sizes: int) -> None:
    """Accept reads of so many channels, and close the batch, as the intake does it."""
    noise = random.Random(facts.readings)
    values = [[noise.random() for _ in range(size)] for size in sizes]
    reads = [Read("air", facts.readings, points_of(each)) for each in values]
    with_room(tier, lambda: tier.accept(facts.number, [pack_read(*read) for read in reads]))
    after, sealed = closed(body_of(reads), facts, facts.clock)
    with_room(tier, lambda: tier.close_batch(after, sum(sizes), sealed))
    facts.take_over(after)


def let_all_go(tier: Tier) -> int:
    """Make room until nothing is left to let go; return how many readings went."""
    return sum(iter(lambda: make_room(tier), 0))


def gone(rows: list[Row]) -> int:
    """How many readings the gaps among rows stand for."""
    return sum(readings or 0 for _, _, _, readings in gaps(rows))


# Without a model ---------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    epochs=st.integers(1, 3),
    sizes=st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=3), min_size=1, max_size=9),
    reject=st.integers(0, BATCHES),
)
def test_accepted_is_held_or_dropped(epochs: int, sizes: list[list[int]], reject: int) -> None:
    """To the reading: the gaps say how many, one gap for neighbours; nothing is in both."""
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder) / "spool.db", durable=False, max_bytes=SMALL_BYTES // 2) as tier,
    ):
        facts = [with_epoch(tier, number + 1) for number in range(epochs)]
        for number in range(BATCHES):
            accept(tier, facts[number * epochs // BATCHES], *sizes[number % len(sizes)])
            last = all_of(tier, facts[0])[-1:]
            if number == reject and not gaps(last):
                tier.replace(1, gap_over(facts[0].epoch, last, "rejected"))
        held = [all_of(tier, each) for each in facts]
        assert sum(each.readings for each in facts) == tier.readings + sum(map(gone, held))
        assert sum(map(gone, held)) == tier.dropped_readings + sum(map(rejected, held))
        for each, rows in zip(facts, held, strict=True):
            assert whole(rows) == each.last_seq
            reasons = [reason for _, _, reason in seqs(rows)]
            assert all(a != b or a is None for a, b in pairwise(reasons))


def rejected(rows: list[Row]) -> int:
    """How many readings among rows are gone because they were rejected."""
    return gone([row for row in rows if row.gap and row.gap.reason == "rejected"])


def whole(rows: list[Row]) -> int:
    """The last seq of rows that follow each other from 1 on."""
    seq = 0
    for row in rows:
        assert row.first_seq == seq + 1
        seq = row.last_seq
    return seq


def test_full_tier_drops_its_oldest(tier: Tier) -> None:
    """A part of it at once, and says so; the gap knows what and when."""
    facts = with_epoch(tier)
    with capture_logs() as logs:
        while not logs:
            held_bytes = tier.size_bytes
            accept(tier, facts, 10)
    (gap, *batches) = all_of(tier, facts)
    ((first_seq, last_seq, reason, readings),) = gaps([gap])
    assert (first_seq, reason, readings) == (1, "spool_full", 10 * last_seq)
    assert gap.gap is not None
    assert (gap.gap.first_ns, gap.gap.last_ns) == (0, 10 * (last_seq - 1))
    assert tier.dropped_readings == readings
    freed_bytes = last_seq * len(batches[0].sealed) // len(logs)
    assert held_bytes // 50 <= freed_bytes < held_bytes // 20
    assert {event["event"] for event in logs} == {"spool_full"}
    assert sum(event["dropped_readings"] for event in logs) == readings


def test_nothing_is_dropped_while_there_is_room(tier: Tier) -> None:
    """With what is to be done done once."""
    facts = with_epoch(tier)
    assert with_room(tier, lambda: close_batch(tier, facts)) == all_of(tier, facts)[0].sealed
    assert (tier.readings, tier.dropped_readings) == (1, 0)


def test_tries_go_on_until_there_is_room(tier: Tier) -> None:
    """Small batches make place for a large one."""
    facts = with_epoch(tier)
    while not tier.dropped_readings:
        accept(tier, facts, 1)
    rows = [Stored(2, seq, seq, 1, bytes(30_000)) for seq in (1, 2)]
    with_room(tier, lambda: tier.take_in(rows, {}, [epoch_of(2)]))
    assert [row[:2] for row in tier.all_rows()][-2:] == [(2, 1), (2, 2)]
    assert facts.readings == tier.dropped_readings + tier.readings - 2


def test_as_much_goes_as_is_needed(tier: Tier) -> None:
    """In one go, where that is known."""
    with_epoch(tier, batches=400)
    size_bytes = tier.size_bytes // 400
    assert 50 <= make_room(tier, 50 * size_bytes) <= 51


def test_next_epoch_is_begun_when_the_first_is_gone(tier: Tier) -> None:
    """Each has one gap; in the end nothing is left to let go."""
    with_epoch(tier, 1, batches=100)
    with_epoch(tier, 2, batches=100)
    let_all_go(tier)
    expected = [(1, 100, "spool_full", 100)]
    assert [gaps(all_of(tier, epoch_of(number, last_seq=100))) for number in (1, 2)] == [
        expected
    ] * 2
    assert (tier.readings, tier.size_bytes, tier.dropped_readings) == (0, 0, 200)


# Where it cannot help ----------------------------------------------------------------------------


def test_nothing_left_to_let_go(tier: Tier) -> None:
    """What is full of the open batch alone says so, and goes on with what it has."""
    with_epoch(tier)
    read = pack_read("air", 1, points_of(range(400)))
    with raises_full():
        while True:
            with_room(tier, lambda: tier.accept(1, [read]))
    reads, _ = tier.reads()
    assert len(reads[1]) > 10
    tier.put_epochs([epoch_of(1, last_seq=1)])
    tier.drop_reads()
    tier.accept(1, [read])


def test_what_never_has_room(tier: Tier) -> None:
    """It is given up, and not before everything is let go."""
    with_epoch(tier, batches=50)
    with raises_full():
        with_room(tier, lambda: tier.take_in([Stored(2, 1, 1, 1, bytes(SMALL_BYTES))], {}, []))
    assert tier.dropped_readings == 50


@pytest.mark.parametrize("error", [damage("malformed"), sqlite3.OperationalError("locked")])
def test_other_errors_are_not_about_room(tier: Tier, error: sqlite3.Error) -> None:
    """Dropping would not help."""
    with_epoch(tier, batches=5)

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        with_room(tier, fail)
    assert raised.value is error
    assert tier.readings == 5


def test_disk_that_others_fill(tier: Tier) -> None:
    """Where our share has room nothing is dropped, if it is known what is needed."""
    with_epoch(tier, batches=50)

    def fail() -> None:
        raise no_room("database or disk is full")

    with raises_full():
        with_room(tier, fail, needed_bytes=1000)
    assert tier.readings == 50
    with raises_full():
        with_room(tier, fail, needed_bytes=tier.room_bytes())
    assert tier.readings == 0


def test_full_disk_and_then_not(tmp_path: Path) -> None:
    """Where not even a gap can be written it is an error, and nothing is lost or counted twice."""
    with (
        sized_tmpfs(tmp_path / "disk", SMALL_BYTES) as folder,
        opened(folder / "spool.db", durable=False, max_bytes=4 * MIB) as tier,
    ):
        facts = with_epoch(tier)
        with raises_full():
            while True:
                accept(tier, facts, 200)
        resize(folder, 8 * MIB)
        accept(tier, facts, 200)
        assert facts.readings == tier.readings + tier.dropped_readings
        assert facts.readings == tier.readings + gone(all_of(tier, facts))


# Gaps --------------------------------------------------------------------------------------------


def test_no_gap_goes_across_what_is_moving(tier: Tier) -> None:
    """What is being copied is let go of up to there; a gap across it would stand for what is kept."""
    facts = with_epoch(tier, batches=10)
    tier.moving = {1: 6}
    make_room(tier, MIB)
    assert seqs(all_of(tier, facts))[:2] == [(1, 6, "spool_full"), (7, 7, None)]
    make_room(tier, MIB)
    assert seqs(all_of(tier, facts)) == [(1, 6, "spool_full"), (7, 10, "spool_full")]
    tier.remove({1: 6})
    assert gaps(all_of(tier, facts)) == [(7, 10, "spool_full", 4)]


def test_gap_of_another_kind_is_no_neighbour(tier: Tier) -> None:
    """Each reason stands for its own readings."""
    facts = with_epoch(tier, batches=9)
    for seq in (1, 5):
        tier.replace(1, gap_over(facts.epoch, all_of(tier, facts, seq)[:1], "rejected"))
    let_all_go(tier)
    assert gaps(all_of(tier, facts)) == [
        (1, 1, "rejected", 1),
        (2, 4, "spool_full", 3),
        (5, 5, "rejected", 1),
        (6, 9, "spool_full", 4),
    ]


def test_gap_that_is_not_a_neighbour_stays(tier: Tier) -> None:
    """Between them is what another tier holds."""
    facts = with_epoch(tier, batches=9)
    rows = tier.all_rows()
    tier.remove({1: 9})
    tier.take_in([*rows[:4], *rows[6:]], {}, [])
    assert [make_room(tier, MIB) for _ in range(3)] == [4, 3, 0]
    assert seqs(all_of(tier, facts)) == [(1, 4, "spool_full"), (7, 9, "spool_full")]


def test_damaged_batch_does_not_spoil_the_count(file: Path, tier: Tier) -> None:
    """Nobody knows how many readings it had; of the others that is known."""
    facts = with_epoch(tier, batches=9)
    tier.close()
    change(file, "UPDATE batch SET body = x'00' WHERE seq = 4")
    with opened(file, durable=False, max_bytes=SMALL_BYTES) as again:
        let_all_go(again)
        assert gaps(all_of(again, facts)) == [
            (1, 3, "spool_full", 3),
            (4, 4, "spool_unreadable", None),
            (5, 9, "spool_full", 5),
        ]
        assert again.readings == 0


def test_key_that_never_was_is_let_go(file: Path, tier: Tier) -> None:
    """What stands at it is room like any other."""
    facts = with_epoch(tier, batches=5)
    tier.close()
    change(file, "UPDATE batch SET seq = seq - 3 WHERE seq < 3")
    with opened(file, durable=False, max_bytes=SMALL_BYTES) as again:
        let_all_go(again)
        assert again.readings == 0
        assert gaps(all_of(again, facts)) == [(3, 5, "spool_full", 3)]


def test_rows_of_nobody_are_let_go(file: Path, tier: Tier) -> None:
    """Of an epoch of which nothing is known; no gap could say whose they are."""
    with_epoch(tier, 1, batches=5)
    facts = with_epoch(tier, 2, batches=5)
    tier.close()
    change(file, "DELETE FROM epoch WHERE number = 1")
    with opened(file, durable=False, max_bytes=SMALL_BYTES) as again:
        assert make_room(again) == 5
        assert [row.number for row in again.all_rows()] == [2] * 5
        assert let_all_go(again) == 5
        assert gaps(all_of(again, facts)) == [(1, 5, "spool_full", 5)]


def test_damaged_epoch_ends_it(file: Path, tier: Tier) -> None:
    """As damage, for whoever set out to make room."""
    with_epoch(tier, batches=5)
    tier.close()
    change(file, "UPDATE epoch SET facts = x'00'")
    with opened(file, durable=False, max_bytes=SMALL_BYTES) as again, raises_damage():
        make_room(again)


def test_more_than_the_tier_was_told(tier: Tier) -> None:
    """The row of an epoch on the card may be older than the batches there."""
    facts = with_epoch(tier, batches=5)
    tier.put_epochs([epoch_of(1, last_seq=2)])
    assert let_all_go(tier) == 5
    assert gaps(all_of(tier, facts)) == [(1, 5, "spool_full", 5)]

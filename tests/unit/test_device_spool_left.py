"""device.spool.left: what earlier runs have left is made whole, and taken over by another policy."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from device.errors import SpoolError
from device.spool import left
from device.spool.card import Card
from device.spool.epochs import Epochs
from device.spool.intake import Age
from device.spool.left import Left, absorb, ages, look, look_at_card, open_memory
from device.spool.records import EpochFacts, gap_over, pack_read
from device.spool.tier import Tier
from kit.links import NEXT_BOOT, play
from kit.spoolfaults import aside, failing_at, spoil, stalled
from kit.spools import MIB, points_of, values_of
from kit.tiers import all_of, close_batch, epoch_of, opened, seqs, with_epoch
from kit.waiting import WITHIN_S
from kit.wireworks import BOOT, MOMENT
from wire.batches import open_header

KIB = 1024
# This moment, a while after the epochs here began.
NOW = replace(MOMENT, boot_ns=MOMENT.boot_ns + 10**9, wall_ns=MOMENT.wall_ns + 10**9)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a tier in memory may be."""
    return tmp_path / "run.db"


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[Tier]:
    """A tier of its own."""
    with opened(tmp_path / "spool.db") as tier:
        yield tier


def take(tier: Tier, facts: EpochFacts, *values: float) -> None:
    """Accept a read a value into the open batch of an epoch."""
    for number, value in enumerate(values):
        tier.accept(facts.number, [pack_read("air", number, points_of([value]))])


def leave(file: Path, number: int = 1, batches: int = 3, **known: object) -> EpochFacts:
    """Leave a tier in memory behind, with an open epoch of so many batches and one read."""
    with opened(file, durable=False) as tier:
        facts = with_epoch(tier, number, batches, **known)
        take(tier, facts, 99.0)
    return facts


def held_in(tier: Tier) -> list[float]:
    """The values in all batches of a tier, epoch by epoch."""
    rows = [row for facts in tier.epochs() for row in all_of(tier, facts)]
    return [value for row in rows for value in values_of(row)]


# --- what was left open


def test_reads_left_open_become_the_last_batch(tier: Tier) -> None:
    """Of their epoch, under its clock pair; the reads themselves are gone then."""
    facts = with_epoch(tier, batches=2)
    take(tier, facts, 7.0, 8.0)
    found = look(tier, NOW)
    assert [(each.last_seq, each.readings, each.end) for each in found.facts] == [(3, 4, None)]
    assert found.facts == tier.epochs()
    last = all_of(tier, found.facts[0])[-1]
    assert values_of(last) == [7.0, 8.0]
    assert open_header(last.sealed).clock.boot_ns == facts.clock.boot_ns
    assert tier.reads() == ({}, 0)
    assert (found.spans, found.notice) == (tier.spans(), None)
    assert look(tier, NOW) == found, "to look again changes nothing"


def test_reads_of_an_earlier_boot(tier: Tier) -> None:
    """What was on the card before it counted is closed, with the boot it is of; nothing else is."""
    kept, lost = (with_epoch(tier, number, is_durable=number == 1) for number in (1, 2))
    take(tier, kept, 1.0)
    take(tier, lost, 2.0)
    found = look(tier, NEXT_BOOT)
    assert [each.last_seq for each in found.facts] == [1, 0]
    (row,) = all_of(tier, found.facts[0])
    assert (values_of(row), open_header(row.sealed).boot_id) == ([1.0], BOOT)
    assert tier.reads() == ({}, 0)


def test_damaged_read(tier: Tier) -> None:
    """The others are kept; that the epoch is not whole is said in its end."""
    facts = with_epoch(tier, batches=1)
    take(tier, facts, 1.0, 2.0, 3.0)
    tier._database.execute("UPDATE tick SET body = x'00' || body WHERE id = 2")
    (facts,) = look(tier, NOW).facts
    assert (facts.end, facts.is_end_known, facts.until) == ("spool_unreadable", False, NOW)
    assert [values_of(row) for row in all_of(tier, facts)] == [[1.0], [1.0, 3.0]]
    assert tier.epochs() == [facts]


def test_read_of_nobody(tier: Tier) -> None:
    """Its epoch is not there: it was of one that is, as likely as not."""
    facts = with_epoch(tier)
    tier.accept(99, [pack_read("air", 0, points_of([1.0]))])
    (facts,) = look(tier, NOW).facts
    assert facts.end == "spool_unreadable"
    assert tier.reads() == ({}, 0)


def test_epoch_that_has_ended_stays_as_it_is(tier: Tier) -> None:
    """Also where a read of another is damaged."""
    ended = with_epoch(tier, 1, 2, end="rolled")
    facts = with_epoch(tier, 2)
    take(tier, facts, 1.0)
    tier._database.execute("UPDATE tick SET body = x'00'")
    assert look(tier, NOW).facts[0] == ended


# --- in memory


def test_tier_in_memory_of_this_boot_is_kept(file: Path) -> None:
    """kill -9 takes nothing of it; what is new to a newcomer is not told of it."""
    facts = leave(file)
    tier, was_damaged = open_memory(file, MIB, NOW, if_new="power_cut")
    assert (tier.epochs(), tier.notice(), was_damaged) == ([facts], None, False)
    tier.close()


def test_tier_in_memory_of_another_boot_is_removed(file: Path) -> None:
    """It was not synced, so it may tell an older story than the one that was sent."""
    leave(file)
    tier, was_damaged = open_memory(file, MIB, NEXT_BOOT, if_new="power_cut")
    assert (tier.epochs(), tier.all_rows(), tier.notice()) == ([], [], "power_cut")
    assert not was_damaged
    tier.close()


def test_tier_in_memory_that_was_stopped_outlasts_a_boot(file: Path) -> None:
    """Where the folder is on a disk: all its epochs have ended, so its story is whole."""
    with opened(file, durable=False) as tier:
        facts = with_epoch(tier, 1, 2, end="stopped")
        with_epoch(tier, 2, datagrams=True)
    tier, _ = open_memory(file, MIB, NEXT_BOOT)
    assert tier.epochs()[0] == facts
    tier.close()


# --- absorbed by a tier on the card


def test_absorbed_tier_is_on_the_card_and_gone(file: Path, tier: Tier) -> None:
    """Its rows, its epochs, its open batch, its notice; what they had in common counts once."""
    facts = leave(file, owner="greenhouse")
    with opened(file, durable=False) as other:
        other.set_notice("power_cut")
        tier.put_epochs([epoch_of(1)])
        tier.take_in(other.all_rows()[:2], {}, [])
    assert not absorb(file, tier, NOW)
    assert not file.exists()
    (found,) = tier.epochs()
    assert (found.epoch, found.last_seq, found.end) == (facts.epoch, 4, "restarted")
    assert found.owner == "greenhouse"
    assert held_in(tier) == [1.0, 2.0, 3.0, 99.0]
    assert (tier.readings, tier.notice()) == (4, "power_cut")


def test_nothing_to_absorb(file: Path, tier: Tier) -> None:
    """No file, nothing done."""
    assert not absorb(file, tier, NOW)
    assert not file.exists()


def test_absorbing_twice_is_once(file: Path, tier: Tier) -> None:
    """A crash after the copy and before the removal: the next start does it again, harmlessly."""
    leave(file)
    with (
        patch.object(left, "remove", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        absorb(file, tier, NOW)
    assert file.exists()
    assert not absorb(file, tier, NOW)
    assert held_in(tier) == [1.0, 2.0, 3.0, 99.0]
    assert not file.exists()


def test_absorbed_marks_remove_what_was_acknowledged(file: Path, tier: Tier) -> None:
    """The removal from the card was put off when that run died: it is not held any more."""
    facts = leave(file, batches=5)
    with opened(file, durable=False) as other:
        tier.take_in(other.all_rows()[:4], {}, [facts])
        facts.mark = 3
        other.remove({facts.number: 3}, [facts])
    absorb(file, tier, NOW)
    assert held_in(tier) == [4.0, 5.0, 99.0]
    assert tier.readings == 3


def test_absorbed_epochs_that_are_over_are_gone(file: Path, tier: Tier) -> None:
    """With whatever the card has of them."""
    with opened(file, durable=False) as other:
        facts = with_epoch(other, batches=2, end="stopped")
        tier.take_in(other.all_rows(), {}, [facts])
        facts.mark, facts.is_over = 2, True
        other.remove({facts.number: 2}, [facts])
    absorb(file, tier, NOW)
    assert (tier.epochs(), tier.readings) == ([], 0)


def test_absorbed_tier_of_another_boot_says_nothing(file: Path, tier: Tier) -> None:
    """Like every tier that was not synced."""
    leave(file)
    assert not absorb(file, tier, NEXT_BOOT)
    assert (tier.epochs(), file.exists()) == ([], False)


def test_damaged_tier_is_absorbed_as_a_notice(file: Path, tier: Tier) -> None:
    """It is set aside, and the card says so until the collector knows."""
    leave(file)
    spoil(file)
    assert absorb(file, tier, NOW)
    assert (tier.epochs(), tier.notice()) == ([], "spool_unreadable")
    assert len(aside(file)) == 1
    assert not file.exists()


def test_absorbed_tier_that_is_too_large(file: Path, tmp_path: Path) -> None:
    """The oldest go until the rest has room, and every reading is there or counted."""
    with opened(file, durable=False) as other:
        facts = with_epoch(other)
        for _ in range(300):
            close_batch(other, facts, *(float(number) for number in range(50)))
    with opened(tmp_path / "small.db", max_bytes=64 * KIB) as tier:
        absorb(file, tier, NOW)
        assert 0 < tier.dropped_readings < 15_000
        assert tier.readings == 15_000 - tier.dropped_readings
        rows = all_of(tier, tier.epochs()[0])
        assert rows[0].gap is not None
        assert (rows[0].gap.reason, rows[0].gap.readings) == ("spool_full", tier.dropped_readings)


def test_failing_card_absorbs_nothing(file: Path, tier: Tier) -> None:
    """The file in memory stays for the next start."""
    leave(file)
    tier.close()
    with pytest.raises(sqlite3.Error):
        absorb(file, tier, NOW)
    assert file.exists()


# --- on the card, by its thread


def look_at(file: Path, known: Sequence[EpochFacts] = (), in_between: str = "") -> Left | None:
    """Look at a card, whatever is in between, for a short while only."""
    found: list[Left | None] = []

    async def scenario() -> None:
        card = Card(file, MIB)
        async with AsyncExitStack() as ways:
            if in_between == "stall":
                ways.enter_context(patch.object(left, "_CARD_WITHIN_S", 0.05))
                await ways.enter_async_context(stalled(card))
            elif in_between:
                ways.enter_context(failing_at("open", in_between))
            found.append(await look_at_card(card, NOW, known))
        await card.close(WITHIN_S)

    play(scenario())
    return found[0]


def test_card_is_looked_at(file: Path) -> None:
    """As any other tier is."""
    with opened(file) as tier:
        with_epoch(tier, batches=2)
        expected = look(tier, NOW)
    assert look_at(file) == expected._replace(more=[])


@pytest.mark.parametrize("in_between", ["io", "os", "readonly", "stall"])
def test_card_that_cannot_be_looked_at(file: Path, in_between: str) -> None:
    """Nothing is said of it: neither that it holds something, nor that it does not."""
    with opened(file) as tier:
        with_epoch(tier, batches=2)
    assert look_at(file, in_between=in_between) is None


def test_card_that_has_more_than_memory_knows(file: Path) -> None:
    """Memory has gone back to an earlier commit: of these epochs it does not know the last batch."""
    with opened(file) as tier:
        facts = [with_epoch(tier, number, 3) for number in (1, 2)]
    facts[1].last_seq = 2
    found = look_at(file, facts)
    assert found is not None
    assert found.more == [2]


def test_card_of_a_newer_program_ends_the_start(file: Path) -> None:
    """What it holds would be lost otherwise."""
    database = sqlite3.connect(file)
    database.executescript("CREATE TABLE another (x); PRAGMA user_version = 9;")
    database.close()

    with pytest.raises(SpoolError):
        look_at(file)


# --- since when it is at risk


def test_ages(tier: Tier) -> None:
    """An epoch, its highest seq, and when its first reading was taken; the oldest first."""
    late, early = (with_epoch(tier, number, 3) for number in (1, 2))
    tier.remove({late.number: 1})
    assert ages(tier, Epochs([late, early]), NOW) == [
        Age(early.number, 3, 0),
        Age(late.number, 3, 10**9),
    ]


def test_age_that_nobody_knows(tier: Tier) -> None:
    """Of an earlier boot, or without a time: as old as can be, so that it moves at once."""
    of_before = replace(epoch_of(1), clock=NEXT_BOOT)
    close_batch(tier, of_before)
    timeless = with_epoch(tier, 2, 3)
    (row, *_) = all_of(tier, timeless)
    gap = gap_over(timeless.epoch, [row], "spool_full")
    tier.replace(2, replace(gap, first_ns=None, last_ns=None))
    assert seqs(all_of(tier, timeless))[0] == (1, 1, "spool_full")
    assert ages(tier, Epochs([of_before, timeless]), NOW) == [Age(1, 1, 0), Age(2, 3, 0)]


def test_rows_of_nobody_have_no_age(tier: Tier) -> None:
    """Nobody could send them."""
    with_epoch(tier, 1, 2)
    assert ages(tier, Epochs(), NOW) == []

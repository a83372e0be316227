"""device.spool.outlet: what is offered to whom, rows from either tier without holes, and rejections."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from device.errors import SpoolError
from device.spool import CardError, EpochFacts, Spool
from device.spool.tier import Tier
from kit.links import play
from kit.spoolfaults import aside, card_of, failing_at, raising, stalled
from kit.spools import (
    OWNER,
    Home,
    accept,
    fill,
    gaps,
    held_values,
    left_open,
    removing_at_once,
    row_by_row,
    values_of,
)
from kit.waiting import until

KIB = 1024


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


def present_of(spool: Spool) -> EpochFacts:
    """The present epoch."""
    assert spool.epochs.present is not None
    return spool.epochs.present


async def offered(spool: Spool, owner: str = OWNER) -> list[tuple[bytes, int]]:
    """Every epoch that HOLD would name, and its lowest seq."""
    return [(held.epoch, held.lowest_seq) for held in await spool.held(owner)]


# --- HOLD


def test_hold_names_the_present_epoch_and_then_the_oldest(home: Home) -> None:
    """Each with the lowest seq that is held in either tier; where none is, with the next one."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 4)
            first = present_of(spool)
            assert await spool.move()
            await spool.begin()
            fill(spool, 3)
            second = present_of(spool)
            spool.acknowledge(first, 1)
            spool.acknowledge(second, 2)
            await spool.begin()
            third = present_of(spool)
            assert await offered(spool) == [
                (third.epoch, 1),
                (first.epoch, 2),
                (second.epoch, 3),
            ]
            spool.acknowledge(second, 3)
            assert (await offered(spool))[-1] == (second.epoch, 4)

    play(scenario())


def test_lowest_seq_spans_both_tiers(home: Home) -> None:
    """What the card holds of an epoch comes before what is in memory."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 2)
            assert await spool.move()
            fill(spool, 2, first=2)
            assert await offered(spool) == [(present_of(spool).epoch, 1)]
            with removing_at_once():
                spool.acknowledge(present_of(spool), 2)
                assert await offered(spool) == [(present_of(spool).epoch, 3)]
                await until(lambda: spool.held_readings == 2)
            assert await offered(spool) == [(present_of(spool).epoch, 3)]

    play(scenario())


def test_hold_says_what_the_collector_needs_for_the_time(home: Home) -> None:
    """Clock and beginning of each epoch, and whether its batches are datagrams."""

    async def scenario() -> None:
        async with home.opened() as spool:
            facts = spool.datagrams.begin()
            home.clock.go_on(5)
            (present, datagrams) = await spool.held(OWNER)
            assert (present.datagrams, datagrams.datagrams) == (False, True)
            assert datagrams.epoch == facts.epoch
            assert (present.clock, present.began_ns) == (
                present_of(spool).clock,
                present.clock.boot_ns,
            )

    play(scenario())


# --- whose they are


@pytest.mark.parametrize("policy", ["frugal", "strict", "memory"])
def test_epoch_belongs_to_whom_it_was_offered(home: Home, policy: str) -> None:
    """Under another name it is kept, and not offered; one that nobody has seen goes to whoever comes."""

    async def scenario() -> None:
        spool = await home.open(policy)
        fill(spool, 2)
        bound = present_of(spool).epoch
        await spool.held(OWNER)
        await home.kill(spool)
        spool = await home.open(policy)
        fill(spool, 3, first=2)
        unseen = present_of(spool).epoch
        await home.kill(spool)
        async with home.opened(policy) as spool:
            assert await held_values(spool, "cellar") == [2.0, 3.0, 4.0]
            assert [each.epoch for each in spool.epochs.of_others("cellar")] == [bound]
            assert spool.held_readings == 5
            assert await held_values(spool, OWNER) == [0.0, 1.0]
            assert unseen not in [epoch for epoch, _ in await offered(spool)]

    play(scenario())


def test_owner_outlasts_a_power_cut_where_rows_do(home: Home) -> None:
    """Before HOLD is said the card knows whose the rows are that lie there."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        assert await spool.move()
        await spool.held(OWNER)
        await home.cut_power(spool)
        async with home.opened() as spool:
            assert [each.owner for each in left_open(spool)] == [OWNER]
            assert await held_values(spool, "cellar") == []

    play(scenario())


def test_owner_that_the_card_could_not_be_told(home: Home) -> None:
    """HOLD is said all the same, and the card is told when it works again."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            assert await spool.move()
            with failing_at("spool_before_commit", "io"):
                assert await offered(spool) == [(present_of(spool).epoch, 1)]
            assert await spool.move()
            assert [each.owner for each in await card_of(spool).do(Tier.epochs)] == [OWNER]

    play(scenario())


def test_name_alone_goes_to_whom_it_meets(home: Home) -> None:
    """What was offered to who knows which collector is the next one's, and then nobody else's."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        await spool.held(OWNER)
        await home.kill(spool)
        async with home.opened() as spool:
            assert await held_values(spool, f"{OWNER}@one") == [0.0, 1.0]
            assert {each.owner for each in spool.epochs} == {f"{OWNER}@one"}
            assert await held_values(spool, f"{OWNER}@two") == []
            assert await held_values(spool, OWNER) == [0.0, 1.0]
            assert {each.owner for each in spool.epochs} == {f"{OWNER}@one"}, "no less is known"
            assert spool.near.epochs() == list(spool.epochs)

    play(scenario())


# --- while the card is waited for


def test_who_asks_no_more_is_given_nothing(home: Home) -> None:
    """A session that ended while the card was waited for: the epochs are still anybody's."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            is_asked = True
            async with stalled(card_of(spool)):
                asked = asyncio.create_task(spool.held(OWNER, lambda: is_asked))
                await asyncio.sleep(0)
                is_asked = False
            assert await asked == []
            assert [each.owner for each in spool.epochs] == [None]

    play(scenario())


def test_end_while_hold_is_made(home: Home) -> None:
    """An epoch that is named has an end to say; one that leaves no trace is not named."""

    async def scenario() -> None:
        async with home.opened() as spool:
            async with stalled(card_of(spool)):
                asked = asyncio.create_task(spool.held(OWNER))
                await asyncio.sleep(0)
                spool.end()
            assert await asked == spool.epochs.waiting(OWNER) == []

    play(scenario())


def test_batches_that_close_while_hold_is_made(home: Home) -> None:
    """The lowest seq is that of what is held, not of what comes next by then."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            assert await spool.move()
            await spool.begin()

            async def write() -> None:
                fill(spool, 2, first=1)

            with patch.object(spool.mover, "write_epochs", write):
                assert [held.lowest_seq for held in await spool.held(OWNER)] == [1, 1]

    play(scenario())


# --- rows


def test_rows_come_from_both_tiers(home: Home) -> None:
    """In order and without a seam, from wherever one begins; memory gives them at once."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 5)
            assert await spool.move()
            fill(spool, 5, first=5)
            facts = present_of(spool)
            for seq in range(1, 11):
                rows = await row_by_row(spool, facts, seq)
                assert [values_of(row) for row in rows] == [[float(n)] for n in range(seq - 1, 10)]
            assert spool.near_rows(facts, 5, KIB) is None
            near = spool.near_rows(facts, 6, 10 * KIB)
            assert near is not None
            assert [row.first_seq for row in near] == [6, 7, 8, 9, 10]
            assert spool.near_rows(facts, 11, KIB) == []

    play(scenario())


def test_rows_of_a_card_that_fails(home: Home) -> None:
    """An error, not a gap: they may be there still."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 2)
            assert await spool.move()
            with patch.object(Tier, "rows", raising("io")), pytest.raises(CardError):
                await spool.rows(present_of(spool), 1, KIB)
            assert await held_values(spool) == [0.0, 1.0]

    play(scenario())


def test_rows_that_are_gone(home: Home) -> None:
    """What was acknowledged once is gone because the collector lost it; the rest, this device did."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 6)
            facts = present_of(spool)
            spool.acknowledge(facts, 2)
            spool.near._database.execute("DELETE FROM batch WHERE seq IN (3, 5)")
            rows = await row_by_row(spool, facts)
            assert gaps(rows) == [
                (1, 2, "collector_rollback", None),
                (3, 3, "spool_lost", None),
                (5, 5, "spool_lost", None),
            ]
            assert [values_of(row) for row in rows if not row.gap] == [[3.0], [5.0]]

    play(scenario())


@pytest.mark.parametrize("on_card", [False, True])
def test_row_that_is_damaged(home: Home, on_card: bool) -> None:
    """A flipped bit is a gap of one batch, never a wrong value."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            if on_card:
                assert await spool.move()
            flip = "UPDATE batch SET body = substr(body, 1, 90) || x'ff' || substr(body, 92) WHERE seq = 2"
            if on_card:
                await card_of(spool).do(lambda tier: tier._database.execute(flip))
            else:
                spool.near._database.execute(flip)
            rows = await row_by_row(spool, present_of(spool))
            assert gaps(rows) == [(2, 2, "spool_unreadable", None)]
            assert await held_values(spool) == [0.0, 2.0]

    play(scenario())


# --- REJECT


@pytest.mark.parametrize("on_card", [False, True])
def test_rejected_batch_is_kept_for_looking_at(home: Home, on_card: bool) -> None:
    """In its place a gap that counts it, in either tier; in memory its bytes, and why."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3, readings=2)
            facts = present_of(spool)
            (row,) = await spool.rows(facts, 2, 1)
            if on_card:
                assert await spool.move()
            await spool.reject(facts, 2, "no such unit")
            await spool.reject(facts, 2, "twice")
            rows = await row_by_row(spool, facts)
            assert gaps(rows) == [(2, 2, "rejected", 2)]
            began_ns = home.clock.boot_ns
            assert rows[1].gap is not None
            assert (rows[1].gap.first_ns, rows[1].gap.last_ns) == (began_ns + 2, began_ns + 3)
            kept = "SELECT detail, sealed FROM rejected"
            assert list(spool.near._database.execute(kept)) == [("no such unit", row.sealed)]
            assert spool.held_readings == 4
            assert await held_values(spool) == [0.0, 1.0, 4.0, 5.0]

    play(scenario())


def test_reject_of_what_is_not_there(home: Home) -> None:
    """Beyond the last batch, of a gap, or inside of one: nothing changes."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 4)
            facts = present_of(spool)
            spool.near._database.execute("DELETE FROM batch WHERE seq IN (2, 3)")
            before = spool.near.all_rows()
            for seq in (2, 3, 5, 99):
                await spool.reject(facts, seq, "nothing there")
            assert spool.near.all_rows() == before
            assert list(spool.near._database.execute("SELECT 1 FROM rejected")) == []

    play(scenario())


def test_reject_on_a_card_that_fails(home: Home) -> None:
    """An error, and the batch as it was; once the card works the gap can take its place."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 2)
            assert await spool.move()
            facts = present_of(spool)
            with failing_at("spool_mid_gap", "io"), pytest.raises(CardError):
                await spool.reject(facts, 1, "refused")
            assert gaps(await row_by_row(spool, facts)) == []
            await spool.reject(facts, 1, "refused")
            assert gaps(await row_by_row(spool, facts)) == [(1, 1, "rejected", 1)]

    play(scenario())


def test_reject_of_what_lies_elsewhere_than_it_should(home: Home) -> None:
    """A damaged key says that the card has it: the gap stands where the batch is, in memory."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 1)
        assert await spool.move()
        damage = "UPDATE batch SET seq = 999, last_seq = 999"
        await card_of(spool).do(lambda tier: tier._database.execute(damage))
        fill(spool, 3, first=1)
        await home.kill(spool)
        async with home.opened() as spool:
            (facts,) = left_open(spool)
            assert spool.near_rows(facts, 3, KIB) is None, "it looks as if the card had it"
            await spool.reject(facts, 3, "refused")
            assert gaps(await row_by_row(spool, facts)) == [
                (1, 1, "spool_lost", None),
                (3, 3, "rejected", 1),
            ]
            assert await held_values(spool) == [1.0, 3.0]

    play(scenario())


def test_rejected_gap_moves_to_the_card(home: Home) -> None:
    """And is acknowledged there like a batch."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 2)
            facts = present_of(spool)
            await spool.reject(facts, 1, "refused")
            accept(spool, 2.0)
            assert await spool.move()
            assert gaps(await row_by_row(spool, facts)) == [(1, 1, "rejected", 1)]
            with removing_at_once():
                spool.acknowledge(facts, 1)
                await until(lambda: not spool.mover or not spool.mover._marks)
            assert [row.seq for row in await card_of(spool).do(Tier.all_rows)] == [2, 3]

    play(scenario())


# --- a tier that fails


@pytest.mark.parametrize(
    ("what", "ask"),
    [
        ("spans", lambda spool: spool.held(OWNER)),
        ("put_epochs", lambda spool: spool.held(OWNER)),
        ("rows", lambda spool: spool.rows(present_of(spool), 1, 1)),
        ("replace", lambda spool: spool.reject(present_of(spool), 1, "refused")),
    ],
)
@pytest.mark.parametrize("kind", ["io", "damage"])
def test_tier_that_fails_ends_the_run(
    home: Home, what: str, ask: Callable[[Spool], Awaitable[object]], kind: str
) -> None:
    """It is told in a sentence, and a damaged file is set aside: no start after it meets it again."""

    async def scenario() -> None:
        async with home.opened("strict") as spool:
            fill(spool, 1)
            with (
                patch.object(spool.near, what, raising(kind)),
                pytest.raises(SpoolError, match=re.escape(str(home.card_file))),
            ):
                await ask(spool)
            assert spool.intake.failed.is_set()
            assert len(aside(home.card_file)) == (kind == "damage")
            with pytest.raises(SpoolError):
                await asyncio.wait_for(spool.run(), 5)

    play(scenario())


def test_rows_at_once_of_a_tier_that_fails(home: Home) -> None:
    """The same where the card need not be asked."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            with patch.object(spool.near, "rows", raising("io")), pytest.raises(SpoolError):
                spool.near_rows(present_of(spool), 1, 1)
            assert spool.intake.failed.is_set()

    play(scenario())

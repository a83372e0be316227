"""device.spool.spool: what moves when, what rolls and ends, and figures that are right throughout."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from device.errors import SpoolError
from device.spool import EpochFacts, Spool
from device.spool.tier import Tier
from kit.links import play
from kit.spoolfaults import ERRORS, card_of, contents, error_of, failing_at, raising, stalled
from kit.spools import (
    OWNER,
    Home,
    accept,
    at_rest,
    fill,
    gaps,
    held_values,
    left_open,
    removing_at_once,
    row_by_row,
)
from kit.waiting import WITHIN_S, until

KIB = 1024
POLICIES = ["frugal", "strict", "memory"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


@asynccontextmanager
async def running(spool: Spool) -> AsyncIterator["asyncio.Task[None]"]:
    """The spool looks after what waits too long, and is then cancelled."""
    task = asyncio.create_task(spool.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, SpoolError):
            await task


def present_of(spool: Spool) -> EpochFacts:
    """The present epoch."""
    assert spool.epochs.present is not None
    return spool.epochs.present


def long_batches(spool: Spool, size_bytes: int) -> None:
    """Accept and close batches until so many bytes wait in them."""
    dice = random.Random(0)
    until_bytes = spool.held_bytes + size_bytes
    while spool.held_bytes < until_bytes:
        assert accept(spool, *(dice.random() for _ in range(500)))
        spool.close_batch()


# --- to the card in time


def test_everything_moves_in_time(home: Home) -> None:
    """At 0.8 of at_risk since the oldest reading, the open batch too; not before."""

    async def scenario() -> None:
        async with home.opened(at_risk_s=0.05) as spool, running(spool):
            fill(spool, 2)
            home.clock.go_on(0.03)
            accept(spool, 2.0)
            with patch.object(spool, "at_risk_now_s", wraps=spool.at_risk_now_s) as look:
                await until(lambda: look.call_count >= 5)
            assert (spool.at_risk_readings, card_of(spool).readings) == (3, 0)
            home.clock.go_on(0.011)
            await until(lambda: card_of(spool).readings == 3)
            assert (spool.at_risk_readings, spool.at_risk_now_s()) == (0, 0.0)
            assert present_of(spool).last_seq == 3
            accept(spool, 3.0)
            home.clock.go_on(0.041)
            await until(lambda: card_of(spool).readings == 4)

    play(scenario())


def test_what_an_earlier_run_left_moves_in_time_too(home: Home) -> None:
    """The time that it has waited before the kill counts."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        await home.kill(spool)
        home.clock.go_on(8.1)
        async with home.opened() as spool:
            assert (spool.at_risk_readings, spool.at_risk_now_s()) == (2, 8.1)
            async with running(spool):
                await until(lambda: card_of(spool).readings == 2)

    play(scenario())


def test_acknowledged_in_time_nothing_moves(home: Home) -> None:
    """The card's file is written at an epoch's start and end, and at no other time."""

    async def scenario() -> None:
        async with home.opened(at_risk_s=0.05) as spool, running(spool):
            await at_rest(spool)
            before = contents(home.state)
            for number in range(20):
                accept(spool, float(number))
                home.clock.go_on(0.03)
                spool.close_batch()
                await spool.held(OWNER)
                await spool.roll_if_due(OWNER)
                spool.acknowledge(present_of(spool), number + 1)
                await at_rest(spool)
            assert contents(home.state) == before
            await spool.begin()
            assert contents(home.state) != before

    play(scenario())


@pytest.mark.parametrize("policy", ["strict", "memory"])
def test_other_policies_never_move(home: Home, policy: str) -> None:
    """However long it waits; `memory` says since when it is at risk, `strict` has nothing at risk."""

    async def scenario() -> None:
        async with home.opened(policy, at_risk_s=0.01) as spool, running(spool) as task:
            fill(spool, 2)
            accept(spool, 2.0)
            home.clock.go_on(60)
            await until(lambda: not spool.intake.taken.is_set())
            assert not await spool.move()
            assert not task.done()
            assert (spool.at_risk_readings, spool.at_risk_now_s()) == (
                (0, 0.0) if policy == "strict" else (3, 60.0)
            )
            assert (home.card_file.exists(), home.near_file.exists()) == (
                policy == "strict",
                policy == "memory",
            )

    play(scenario())


@pytest.mark.parametrize("kind", ERRORS)
def test_card_is_tried_again(home: Home, kind: str) -> None:
    """Sampling goes on meanwhile, and what is really at risk is said."""

    async def scenario() -> None:
        async with home.opened(at_risk_s=0.05) as spool, running(spool):
            with failing_at("spool_mid_move", kind):
                fill(spool, 1)
                home.clock.go_on(3)
                await until(lambda: card_of(spool).error)
                fill(spool, 1, first=1)
                assert (spool.at_risk_readings, spool.at_risk_now_s()) == (2, 3.0)
            await until(lambda: card_of(spool).readings == 2)
            assert spool.at_risk_now_s() == 0.0

    play(scenario())


def test_loop_is_not_held_up_where_nothing_can_be_closed(home: Home) -> None:
    """No room for the open batch: it is tried now and then, not in circles."""

    async def scenario() -> None:
        async with home.opened(at_risk_s=0.05) as spool:
            accept(spool, 1.0)
            home.clock.go_on(1)
            tried = 0

            def fail(*_: object) -> None:
                nonlocal tried
                tried += 1
                assert tried < 1000, "in circles"
                raise error_of("full")

            with patch.object(spool.near, "close_batch", fail):
                async with running(spool) as task:
                    await until(lambda: tried >= 3)
                    assert not task.done()
            assert await spool.move()

    play(scenario())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("by", ["accept", "acknowledge", "told_loss"])
def test_near_that_fails_ends_the_run(home: Home, policy: str, by: str) -> None:
    """At once, whoever met it and whatever is waited for; the stop that follows goes through."""

    async def scenario() -> None:
        spool = await home.open(policy, at_risk_s=3600.0)
        fill(spool, 1)
        spool.lost = "power_cut"
        async with running(spool) as task:
            await asyncio.sleep(0)
            spool.near.close()
            if by == "accept":
                accept(spool, 2.0)
            elif by == "acknowledge":
                spool.acknowledge(present_of(spool), 1)
            else:
                await spool.told_loss()
            with pytest.raises(SpoolError, match=str(spool.near.path)):
                await asyncio.wait_for(asyncio.shield(task), WITHIN_S)
        spool.end()
        assert spool.epochs.present is None
        # Refused reads are not held; those that share a commit have waited for it in vain.
        kept = {"frugal": False, "strict": by != "accept", "memory": True}
        assert await spool.close(WITHIN_S) == kept[policy]

    play(scenario())


# --- rolls


@pytest.mark.parametrize("policy", POLICIES)
def test_roll_where_much_waits(home: Home, policy: str) -> None:
    """More than 64 KiB: what is read from then on stands in another epoch, and need not wait."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            former = present_of(spool)
            long_batches(spool, 50 * KIB)
            await spool.roll_if_due(OWNER)
            assert present_of(spool) is former
            accept(spool, 1.0)
            long_batches(spool, 20 * KIB)
            accept(spool, 2.0)
            await spool.roll_if_due(OWNER)
            assert (former.end, former.last_seq) == ("rolled", len(await row_by_row(spool, former)))
            assert spool.intake.open_readings == 0, "what was accepted in an epoch stays in it"
            assert present_of(spool).last_seq == 0
            accept(spool, 3.0)
            spool.close_batch()
            assert (await held_values(spool))[-3:] == [1.0, 2.0, 3.0]
            await spool.roll_if_due(OWNER)
            assert len(spool.epochs) == 2

    play(scenario())


def test_roll_counts_what_waits_only(home: Home) -> None:
    """Much was sent, and is acknowledged: there is nothing to wait behind."""

    async def scenario() -> None:
        async with home.opened() as spool:
            long_batches(spool, 200 * KIB)
            spool.acknowledge(present_of(spool), present_of(spool).last_seq - 1)
            await spool.roll_if_due(OWNER)
            assert len(spool.epochs) == 1

    play(scenario())


def test_roll_away_from_a_card_that_fails(home: Home) -> None:
    """However little of the present epoch lies there, live readings do not wait for it."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            assert await spool.move()
            with failing_at("spool_before_commit", "io"):
                fill(spool, 1, first=1)
                assert not await spool.move()
                await spool.roll_if_due(OWNER)
                assert present_of(spool).last_seq == 0
                await spool.roll_if_due(OWNER)
                assert len(spool.epochs) == 2
            assert await held_values(spool) == [0.0, 1.0]

    play(scenario())


def test_roll_away_from_another_owner(home: Home) -> None:
    """What was offered to one collector is not another's: there the next epoch is the first."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            await spool.roll_if_due(OWNER)
            assert len(spool.epochs) == 1, "nobody has been offered it"
            former = present_of(spool)
            assert [each.epoch for each in await spool.held("greenhouse@one")] == [former.epoch]
            await spool.roll_if_due(OWNER)
            assert len(spool.epochs) == 1, "nobody knows yet that it is another"
            await spool.roll_if_due("greenhouse@another")
            assert former.end == "rolled"
            fill(spool, 1, first=1)
            await spool.roll_if_due("greenhouse@another")
            offered = await spool.held("greenhouse@another")
            assert [each.epoch for each in offered] == [present_of(spool).epoch]
            assert spool.epochs.of_others("greenhouse@another") == [former]
            await spool.roll_if_due("greenhouse@one")
            offered = await spool.held("greenhouse@one")
            assert [each.epoch for each in offered] == [present_of(spool).epoch, former.epoch]

    play(scenario())


@pytest.mark.parametrize("what", ["close_batch", "put_epochs"])
def test_roll_without_room_is_put_off(home: Home, what: str) -> None:
    """The epoch goes on with all that was accepted in it."""

    async def scenario() -> None:
        async with home.opened() as spool:
            long_batches(spool, 100 * KIB)
            former = present_of(spool)
            accept(spool, 1.0)
            with patch.object(spool.near, what, raising("full")):
                await spool.roll_if_due(OWNER)
            assert (present_of(spool), former.end) == (former, None)
            accept(spool, 2.0)
            await spool.roll_if_due(OWNER)
            assert former.end == "rolled"
            assert (await held_values(spool))[-2:] == [1.0, 2.0]

    play(scenario())


# --- acknowledgements


@pytest.mark.parametrize("policy", POLICIES)
def test_figures_are_exact(home: Home, policy: str) -> None:
    """Accepted, held, at risk, acknowledged: at every step they add up, in bytes too."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            facts, sizes = present_of(spool), [0]

            def figures() -> tuple[int, int, int]:
                assert spool.intake.accepted == spool.held_readings + spool.acknowledged
                return spool.held_readings, spool.acknowledged, spool.held_bytes

            accept(spool, 1.0, 2.0)
            assert figures() == (2, 0, 0)
            spool.close_batch()
            fill(spool, 3, readings=2)
            sizes += [len(row.sealed) for row in await row_by_row(spool, facts)]
            assert figures() == (8, 0, sum(sizes))
            assert spool.at_risk_readings == (0 if policy == "strict" else 8)
            assert spool.acknowledge(facts, 2)
            assert figures() == (4, 4, sum(sizes[3:]))
            assert not spool.acknowledge(facts, 2)
            assert not spool.acknowledge(facts, 1)
            assert figures() == (4, 4, sum(sizes[3:]))
            if policy == "frugal":
                assert await spool.move()
                assert figures() == (4, 4, sum(sizes[3:]))
                assert spool.at_risk_readings == 0
            with removing_at_once():
                assert spool.acknowledge(facts, 4)
                await until(lambda: figures() == (0, 8, 0))
            assert spool.is_drained(OWNER)

    play(scenario())


def test_figures_of_a_full_spool(home: Home) -> None:
    """What was dropped is not held and not acknowledged; the gap says the same number."""

    async def scenario() -> None:
        async with home.opened("memory", max_bytes=128 * KIB) as spool:
            while not spool.dropped_readings:
                fill(spool, 10, readings=3)
            accept(spool, 1.0)
            spool.close_batch()
            accepted, dropped = spool.intake.accepted, spool.dropped_readings
            ((*_, gap),) = gaps(await row_by_row(spool, present_of(spool)))
            assert dropped == gap
            assert spool.held_readings == accepted - dropped
            spool.acknowledge(present_of(spool), present_of(spool).last_seq)
            assert (spool.acknowledged, spool.held_readings) == (accepted - dropped, 0)

    play(scenario())


def test_drained_is_without_readings_and_ends(home: Home) -> None:
    """Open, closed, an end that is due: each is something to wait for; what is another's is not."""

    async def scenario() -> None:
        async with home.opened() as spool:
            former = present_of(spool)
            found = [spool.is_drained(OWNER)]
            accept(spool, 1.0)
            found.append(spool.is_drained(OWNER))
            spool.close_batch()
            found.append(spool.is_drained(OWNER))
            spool.acknowledge(former, 1)
            found.append(spool.is_drained(OWNER))
            await spool.begin()
            found.append(spool.is_drained(OWNER))
            await spool.held(OWNER)
            found += [spool.is_drained(OWNER), spool.is_drained("cellar")]
            spool.acknowledge(former, 1, ended=True)
            found.append(spool.is_drained(OWNER))
            spool.end()
            found.append(spool.is_drained(OWNER))
            assert found == [True, False, False, True, False, False, True, True, False]

    play(scenario())


def test_late_acknowledgement_of_what_is_over(home: Home) -> None:
    """It brings nothing back."""

    async def scenario() -> None:
        async with home.opened("memory") as spool:
            former = present_of(spool)
            fill(spool, 2)
            await spool.begin()
            for _ in range(2):
                spool.acknowledge(former, 2, ended=True)
                assert list(spool.epochs) == spool.near.epochs() == [present_of(spool)]
            assert spool.acknowledged == 2

    play(scenario())


# --- the end


def test_stop_moves_memory_to_the_card(home: Home) -> None:
    """All of it, the open batch too: a power cut behind a clean stop takes nothing."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 3)
        accept(spool, 3.0)
        assert await home.stop(spool)
        home.near_file.unlink()
        home.clock.reboot()
        async with home.opened() as spool:
            (facts,) = left_open(spool)
            assert (facts.end, facts.is_end_known, facts.last_seq) == ("stopped", True, 4)
            assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0]

    play(scenario())


@pytest.mark.parametrize("how", ["stall", *ERRORS])
def test_stop_with_a_card_that_fails(home: Home, how: str) -> None:
    """It ends in time, and says that it kept nothing; memory has it for the next start of this boot."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        accept(spool, 2.0)
        spool.end()
        if how == "stall":
            async with stalled(card_of(spool)):
                assert not await spool.close(0.05)
        else:
            with failing_at("spool_before_commit", how):
                assert not await spool.close(WITHIN_S)
        async with home.opened() as spool:
            assert [each.end for each in left_open(spool)] == ["stopped"]
            assert await held_values(spool) == [0.0, 1.0, 2.0]

    play(scenario())


def test_stop_without_room_for_the_open_batch(home: Home) -> None:
    """It is tried once more when the files are closed; else the next start does it."""

    async def scenario() -> None:
        for has_room_later in (True, False):
            spool = await home.open()
            accept(spool, float(has_room_later))
            with patch.object(spool.near, "close_batch", raising("full")):
                spool.end()
                if not has_room_later:
                    assert not await spool.close(WITHIN_S)
            if has_room_later:
                assert await spool.close(WITHIN_S)
        async with home.opened() as spool:
            assert [each.end for each in left_open(spool)] == ["restarted", "restarted"]
            assert await held_values(spool) == [0.0, 1.0]

    play(scenario())


def test_end_leaves_nothing_of_nothing(home: Home) -> None:
    """Nothing accepted and nobody told: no END, no row, in either tier."""

    async def scenario() -> None:
        spool = await home.open()
        spool.end()
        assert spool.is_drained(OWNER)
        assert await spool.close(WITHIN_S)
        for file in (home.near_file, home.card_file):
            tier = Tier(file, durable=True, max_bytes=10**6)
            assert tier.epochs() == []
            tier.close()

    play(scenario())


@pytest.mark.parametrize("policy", POLICIES)
def test_stop_that_is_killed(home: Home, policy: str) -> None:
    """Between the end and the move: the end that was said is the one that counts."""

    async def scenario() -> None:
        spool = await home.open(policy)
        fill(spool, 2)
        spool.end()
        await home.kill(spool)
        async with home.opened(policy) as spool:
            assert [(each.end, each.last_seq) for each in left_open(spool)] == [("stopped", 2)]
            assert await held_values(spool) == [0.0, 1.0]

    play(scenario())


# --- an earlier spool that is gone


def test_notice_that_the_card_could_not_forget(home: Home) -> None:
    """It is told again by the next run, not forgotten by this one."""

    async def scenario() -> None:
        spool = await home.open()
        await card_of(spool).do(lambda tier: tier.set_notice("spool_unreadable"))
        await home.kill(spool)
        for fails in (True, False):
            spool = await home.open()
            assert spool.lost == "spool_unreadable"
            with failing_at("spool_before_commit" if fails else "nowhere", "io"):
                await spool.told_loss()
            assert spool.lost is None
            await home.kill(spool)
        async with home.opened() as spool:
            assert spool.lost is None

    play(scenario())


# --- datagrams


@pytest.mark.parametrize("policy", POLICIES)
def test_datagram_epoch_outlasts_kill(home: Home, policy: str) -> None:
    """Its end says exactly what was sent; under `strict` after a power cut too."""

    async def scenario() -> None:
        spool = await home.open(policy)
        facts = spool.datagrams.begin()
        spool.datagrams.record(facts, 7, 70)
        await (home.cut_power(spool) if policy == "strict" else home.kill(spool))
        async with home.opened(policy) as spool:
            found = spool.epochs.find(facts.epoch)
            assert found is not None
            assert (found.end, found.is_end_known) == ("restarted", True)
            assert (found.last_seq, found.readings) == (7, 70)

    play(scenario())

"""device.spool.mover: to the card in one transaction and off again, whatever happens in between."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from device.spool import CardError, Spool, mover
from device.spool.mover import Mover
from device.spool.tier import Tier
from kit.links import play
from kit.spoolfaults import ERRORS, card_of, contents, failing_at, raising, stalled
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
    values_of,
)
from kit.waiting import until

KIB = 1024
STEPS = ["open", "spool_mid_move", "spool_before_commit"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


@pytest.fixture
def hasty() -> Iterator[None]:
    """What is acknowledged is removed from the card at once."""
    with removing_at_once():
        yield


def mover_of(spool: Spool) -> Mover:
    """The way to the card."""
    assert spool.mover is not None
    return spool.mover


async def gone(spool: Spool) -> None:
    """Wait until nothing is held, in either tier."""
    await until(lambda: not spool.held_readings)
    await at_rest(spool)


async def acknowledge_all(spool: Spool) -> None:
    """Acknowledge what is held of every epoch, and the ends of those that have one."""
    await spool.held(OWNER)
    for facts in spool.epochs.waiting(OWNER):
        rows = await row_by_row(spool, facts, facts.mark + 1)
        mark = rows[-1].last_seq if rows else facts.last_seq
        spool.acknowledge(facts, mark, ended=facts.end is not None)


# --- there


def test_rows_move_as_they_are(home: Home) -> None:
    """Byte by byte, gaps too, under the same seqs; memory is empty behind them."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 5, readings=3)
            present = spool.epochs.present
            assert present is not None
            await spool.reject(present, 2, "refused")
            before = spool.near.all_rows()
            accept(spool, 99.0)
            assert await mover_of(spool).move(), "without the open batch"
            assert await card_of(spool).do(Tier.all_rows) == before
            assert spool.near.all_rows() == []
            assert (spool.held_readings, spool.at_risk_readings) == (13, 1)

    play(scenario())


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("step", STEPS)
def test_card_that_fails(home: Home, step: str, kind: str) -> None:
    """At whatever step: the card has all of it or nothing, sampling goes on, the next try works."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            if step == "open":
                await card_of(spool).do(Tier.close)  # so that it has to be opened
                assert not await spool.move()
            with failing_at(step, kind):
                assert not await spool.move()
                fill(spool, 2, first=3)
                assert not await spool.move()
                assert card_of(spool).error
                assert (spool.held_readings, spool.at_risk_readings) == (5, 5)
            assert await card_of(spool).do(Tier.all_rows) == []
            assert await spool.move()
            assert (spool.held_readings, spool.at_risk_readings) == (5, 0)
            assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0]
            assert card_of(spool).error == ""

    play(scenario())


@pytest.mark.parametrize("waits", [True, False])
def test_card_that_is_lost(home: Home, waits: bool) -> None:
    """What lay there is a gap; what moves later is found by the next boot, epochs and all.

    Also where whoever met the damage was gone when it was told.
    """

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        assert await spool.move()
        async with stalled(card_of(spool)):
            asked = asyncio.create_task(card_of(spool).do(raising("damage")))
            await asyncio.sleep(0)
            waits or asked.cancel()
        await asyncio.wait([asked])
        assert not waits or isinstance(asked.exception(), CardError)
        fill(spool, 2, first=2)
        assert await spool.move()
        epoch = spool.epochs.present
        assert epoch is not None
        await home.cut_power(spool)
        async with home.opened() as spool:
            assert spool.lost == "spool_unreadable"
            (facts,) = left_open(spool)
            assert facts.epoch == epoch.epoch
            rows = await row_by_row(spool, facts)
            assert gaps(rows) == [(1, 2, "spool_lost", None)]
            assert await held_values(spool) == [2.0, 3.0]

    play(scenario())


def test_one_move_at_a_time(home: Home) -> None:
    """A second one leaves it to the first."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            async with stalled(card_of(spool)):
                first = asyncio.create_task(spool.move())
                await asyncio.sleep(0)
                assert not await spool.move()
            assert await first
            assert await held_values(spool) == [0.0, 1.0, 2.0]

    play(scenario())


def test_crash_between_copy_and_removal(home: Home) -> None:
    """Rows lie twice, harmlessly: the next start finishes the move, and every figure is right."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 3)
        dies = patch.object(mover, "crash_point", side_effect=ZeroDivisionError)
        with dies, suppress(ZeroDivisionError):
            await spool.move()
        fill(spool, 2, first=3)
        await home.kill(spool)
        async with home.opened() as spool:
            assert (spool.held_readings, spool.at_risk_readings) == (5, 0)
            assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0]
            with removing_at_once():
                await acknowledge_all(spool)
                await gone(spool)
            assert spool.acknowledged == 5

    play(scenario())


def test_cancelled_move_is_made_again(home: Home) -> None:
    """Whatever the card has done by then, every row lies somewhere, and counts once."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            async with stalled(card_of(spool)):
                moving = asyncio.create_task(spool.move())
                await asyncio.sleep(0)
                moving.cancel()
                await asyncio.wait([moving])
            await at_rest(spool)
            assert await held_values(spool) == [0.0, 1.0, 2.0]
            assert await spool.move()
            assert spool.held_readings == 3
            assert await held_values(spool) == [0.0, 1.0, 2.0]

    play(scenario())


# --- while it moves


@pytest.mark.usefixtures("hasty")
def test_acknowledgement_during_a_move(home: Home) -> None:
    """It deletes from both tiers in the end, and is counted once."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 4)
            present = spool.epochs.present
            assert present is not None
            async with stalled(card_of(spool)):
                moving = asyncio.create_task(spool.move())
                await asyncio.sleep(0)
                spool.acknowledge(present, 3)
                assert (spool.acknowledged, spool.held_readings) == (3, 1)
            assert await moving
            await until(lambda: spool.held_readings == 1)
            assert spool.acknowledged == 3
            assert [row.seq for row in await card_of(spool).do(Tier.all_rows)] == [4]
            assert await held_values(spool) == [3.0]

    play(scenario())


@pytest.mark.usefixtures("hasty")
def test_epoch_that_is_over_before_its_move(home: Home) -> None:
    """Everything of it is acknowledged while it is copied: nothing of it stays on the card."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            former = spool.epochs.present
            assert former is not None
            await spool.begin()
            async with stalled(card_of(spool)):
                moving = asyncio.create_task(spool.move())
                await asyncio.sleep(0)
                spool.acknowledge(former, 3, ended=True)
            assert await moving
            await gone(spool)
            assert spool.acknowledged == 3
            await mover_of(spool).write_epochs()
            epochs = await card_of(spool).do(Tier.epochs)
            assert [each.number for each in epochs] == [each.number for each in spool.epochs]
            assert list(spool.epochs) == [spool.epochs.present]

    play(scenario())


def test_rejection_during_a_move(home: Home) -> None:
    """The batch may lie on the card again; it is refused once more, and then a gap stands there."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            present = spool.epochs.present
            assert present is not None
            async with stalled(card_of(spool)):
                moving = asyncio.create_task(spool.move())
                await asyncio.sleep(0)
                await spool.reject(present, 2, "refused")
                assert gaps(await row_by_row(spool, present)) == [(2, 2, "rejected", 1)]
            assert await moving
            await spool.reject(present, 2, "refused again")
            assert gaps(await row_by_row(spool, present)) == [(2, 2, "rejected", 1)]
            assert await held_values(spool) == [0.0, 2.0]

    play(scenario())


def test_what_was_dropped_during_a_move_is_there_after_all(home: Home) -> None:
    """Memory had to make room while the card stalled; the card has those batches, so none is missing."""

    async def scenario() -> None:
        dice = random.Random(0)
        async with home.opened(near_bytes=128 * KIB) as spool:
            values = []

            def read() -> None:
                values.extend(dice.random() for _ in range(100))
                assert accept(spool, *values[-100:])
                spool.close_batch()

            for _ in range(10):
                read()
            assert spool.dropped_readings == 0
            async with stalled(card_of(spool)):
                moving = asyncio.create_task(spool.move())
                await asyncio.sleep(0)
                while not spool.dropped_readings:
                    read()
            assert await moving
            assert spool.dropped_readings == 0
            assert spool.held_readings == len(values)
            assert await held_values(spool) == sorted(values)

    play(scenario())


# --- a card without room


@pytest.mark.parametrize("card_bytes", [64 * KIB, 256 * KIB])
def test_full_card_lets_the_oldest_go(home: Home, card_bytes: int) -> None:
    """Also where all of it is smaller than what moves at once: every reading is held, or counted."""

    async def scenario() -> None:
        dice = random.Random(0)
        async with home.opened(max_bytes=card_bytes) as spool:
            for _ in range(4):
                for _ in range(50):
                    assert accept(spool, *(dice.random() for _ in range(100)))
                    spool.close_batch()
                assert await spool.move()
            present = spool.epochs.present
            assert present is not None
            rows = await row_by_row(spool, present)
            dropped = spool.dropped_readings
            assert spool.held_readings == 20_000 - dropped == sum(row.readings for row in rows) > 0
            assert [reason for *_, reason, _ in gaps(rows)] == ["spool_full"] * len(gaps(rows))
            assert sum(readings or 0 for *_, readings in gaps(rows)) == dropped > 0
            assert spool.at_risk_readings == 0

    play(scenario())


# --- and off again


@pytest.mark.usefixtures("hasty")
def test_acknowledgement_removes_from_the_card(home: Home) -> None:
    """Before long, and no more than what was acknowledged."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 5)
            assert await spool.move()
            fill(spool, 2, first=5)
            present = spool.epochs.present
            assert present is not None
            for mark, held in ((3, 4), (6, 1), (7, 0)):
                spool.acknowledge(present, mark)
                await until(lambda held=held: spool.held_readings == held)  # type: ignore[misc]
                assert spool.acknowledged == 7 - held
            assert await card_of(spool).do(Tier.all_rows) == []
            assert not mover_of(spool).has(present, 1)

    play(scenario())


def test_many_acknowledgements_cost_one_write(home: Home) -> None:
    """The card is not written for each of them."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 50)
            assert await spool.move()
            present = spool.epochs.present
            assert present is not None
            before = contents(home.state)
            with patch.object(mover, "_REMOVE_AFTER_S", 0.1):
                for mark in range(1, 51):
                    spool.acknowledge(present, mark)
                    await at_rest(spool)
                assert contents(home.state) == before
                with patch.object(Tier, "remove", autospec=True, side_effect=Tier.remove) as write:
                    await gone(spool)
                    assert write.call_count == 1

    play(scenario())


def test_stop_counts_a_removal_that_is_under_way(home: Home) -> None:
    """What the card does while nobody waits for it any more is in the figures all the same."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            assert await spool.move()
            present = spool.epochs.present
            assert present is not None
            async with stalled(card_of(spool)):
                with removing_at_once():
                    spool.acknowledge(present, 2)
                    await until(card_of(spool)._work.qsize)
                await mover_of(spool).stop()
            await at_rest(spool)
            assert (spool.acknowledged, spool.held_readings) == (2, 1)

    play(scenario())


@pytest.mark.usefixtures("hasty")
def test_epoch_that_is_over_leaves_the_card(home: Home) -> None:
    """With its row, as soon as something is written there; until then nothing offers it."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 3)
        assert await home.stop(spool)
        async with home.opened() as spool:
            assert [each.end for each in left_open(spool)] == ["stopped"]
            await acknowledge_all(spool)
            await gone(spool)
            for epochs in (await card_of(spool).do(Tier.epochs), spool.near.epochs()):
                assert [each.number for each in epochs] == [each.number for each in spool.epochs]
            assert list(spool.epochs) == [spool.epochs.present]

    play(scenario())


@pytest.mark.usefixtures("hasty")
def test_removal_that_fails_is_made_up_for(home: Home) -> None:
    """The card failed just then: what the next acknowledgement removes includes it."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 4)
            assert await spool.move()
            present = spool.epochs.present
            assert present is not None
            with failing_at("spool_before_commit", "io"):
                spool.acknowledge(present, 2)
                await until(lambda: card_of(spool).error)
                await until(lambda: mover_of(spool)._removing is None)
            assert spool.held_readings == 4
            spool.acknowledge(present, 3)
            await until(lambda: spool.held_readings == 1)
            assert spool.acknowledged == 3

    play(scenario())


# --- what lies where


@pytest.mark.parametrize("kind", ["io", "os"])
def test_card_that_cannot_be_read_at_the_start(home: Home, kind: str) -> None:
    """What it holds is not called lost: it is sent once the card works, and then is gone from it."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 3)
        assert await spool.move()
        fill(spool, 2, first=3)
        await home.kill(spool)
        with failing_at("open", kind):
            spool = await home.open()
        (facts,) = left_open(spool)
        (present, former) = await spool.held(OWNER)
        assert (former.epoch, former.lowest_seq, present.lowest_seq) == (facts.epoch, 1, 1)
        assert [values_of(row) for row in await spool.rows(facts, 4, KIB)] == [[3.0], [4.0]]
        assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0]
        await acknowledge_all(spool)
        assert await home.stop(spool)
        async with home.opened() as spool:
            assert spool.held_readings == 0
            assert facts.epoch not in {each.epoch for each in spool.epochs}

    play(scenario())


def test_lowest_seq_without_an_answer(home: Home) -> None:
    """Of a card that fails or hangs it is said what should be there."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 3)
            assert await spool.move()
            present = spool.epochs.present
            assert present is not None
            expected = {present.number: 1}
            assert await mover_of(spool).lowest() == expected
            with patch.object(Tier, "spans", raising("io")):
                assert await mover_of(spool).lowest() == expected
            async with stalled(card_of(spool)):
                with patch.object(mover, "_ANSWER_WITHIN_S", 0.02):
                    assert await mover_of(spool).lowest() == expected
                    assert not await mover_of(spool).write_epochs()

    play(scenario())


def test_memory_writes_only_what_others_left(home: Home) -> None:
    """Under `memory` nothing goes to the card; what lies there is sent, and removed."""

    async def scenario() -> None:
        spool = await home.open("frugal")
        fill(spool, 3)
        assert await home.stop(spool)
        with removing_at_once():
            async with home.opened("memory") as spool:
                fill(spool, 2, first=3)
                assert not await spool.move()
                assert await mover_of(spool).move()
                on_card = await card_of(spool).do(Tier.epochs)
                assert [each.number for each in on_card] == [left_open(spool)[0].number]
                assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0]
                await acknowledge_all(spool)
                await gone(spool)
                assert spool.acknowledged == 5
                assert await card_of(spool).do(lambda tier: (tier.epochs(), tier.all_rows())) == (
                    [],
                    [],
                )

    play(scenario())

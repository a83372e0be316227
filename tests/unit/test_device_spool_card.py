"""device.spool.card: work in a thread of its own, a new file handle after every error, nobody held up."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device.errors import SpoolError
from device.spool import CardError
from device.spool.card import Card
from device.spool.tier import Tier
from kit.links import play
from kit.spoolfaults import ERRORS, aside, failing_at, raising, spoil, stalled
from kit.spools import MIB
from kit.tiers import close_batch, with_epoch
from kit.waiting import WITHIN_S, until


@asynccontextmanager
async def carded(file: Path, max_bytes: int = MIB) -> AsyncIterator[Card]:
    """A card on a file, whose thread has ended when the block has."""
    card = Card(file, max_bytes)
    try:
        yield card
    finally:
        await card.close(WITHIN_S)
        assert not card._thread.is_alive()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the card may have its file."""
    return tmp_path / "spool.db"


def handle(tier: Tier) -> Tier:
    """The tier itself, to see whether it is still the same."""
    return tier


def test_work_is_done_in_order_in_another_thread(file: Path) -> None:
    """And is answered in the order of the asking, on the event loop."""

    async def scenario() -> None:
        done: list[tuple[int, int]] = []

        def work(number: int) -> Any:
            return lambda _: done.append((number, threading.get_ident())) or number

        async with carded(file) as card:
            assert await asyncio.gather(*(card.do(work(n)) for n in range(20))) == list(range(20))
        assert [number for number, _ in done] == list(range(20))
        (thread,) = {thread for _, thread in done}
        assert thread != threading.get_ident()

    play(scenario())


@pytest.mark.parametrize("kind", ERRORS)
def test_file_is_opened_anew_after_an_error(file: Path, kind: str) -> None:
    """A write that failed is never tried again on the same handle; what was committed is there."""

    async def scenario() -> None:
        async with carded(file) as card:
            facts = await card.do(lambda tier: with_epoch(tier, batches=2))
            former = await card.do(handle)
            with pytest.raises(CardError) as failed:
                await card.do(raising(kind))
            assert not failed.value.is_lost
            assert card.error == str(failed.value) != ""
            assert card.readings == 2, "as of its last answer"
            assert await card.do(handle) is not former
            with pytest.raises(sqlite3.ProgrammingError):
                former.epochs()
            assert await card.do(lambda tier: tier.epochs()) == [facts]
            assert (card.error, card.readings) == ("", 2)
            assert aside(file) == []

    play(scenario())


def test_damaged_file_is_set_aside(file: Path) -> None:
    """The next work finds a new one that has something to tell, and the figures know of the loss."""

    async def scenario() -> None:
        async with carded(file) as card:
            await card.do(lambda tier: with_epoch(tier, batches=2))
            with pytest.raises(CardError) as failed:
                await card.do(raising("damage"))
            assert failed.value.is_lost
            assert (card.readings, card.size_bytes) == (0, 0)
            assert await card.do(lambda tier: (tier.epochs(), tier.notice())) == (
                [],
                "spool_unreadable",
            )
            assert card.error == ""
            assert len(aside(file)) == 1

    play(scenario())


def test_file_that_is_found_damaged_is_set_aside(file: Path) -> None:
    """Real damage, met when the file is opened: the work goes on with a new one."""

    async def scenario() -> None:
        async with carded(file) as card:
            await card.do(lambda tier: with_epoch(tier, batches=2))
        spoil(file)
        async with carded(file) as card:
            assert await card.do(lambda tier: tier.notice()) == "spool_unreadable"
            assert (card.error, card.readings) == ("", 0)
        assert len(aside(file)) == 1

    play(scenario())


def test_card_that_is_not_there_yet(tmp_path: Path) -> None:
    """No folder yet: an error, and no thread that ends; once it is there the card works."""

    async def scenario() -> None:
        async with carded(tmp_path / "later" / "spool.db") as card:
            for _ in range(3):
                with pytest.raises(CardError):
                    await card.do(handle)
            (tmp_path / "later").mkdir()
            assert await card.do(lambda tier: tier.epochs()) == []

    play(scenario())


def test_failure_and_recovery_are_logged_once(file: Path) -> None:
    """However long the card fails, the journal has a line for its end and one for its return."""

    async def scenario() -> None:
        async with carded(file) as card:
            await card.do(handle)
            for _ in range(3):
                with pytest.raises(CardError):
                    await card.do(raising("io"))
            await card.do(handle)
            await card.do(handle)

    events = [entry["event"] for entry in play(scenario())]
    assert events == ["spool_card_failed", "spool_card_works_again"]


def test_failure_is_told_though_nobody_waits(file: Path) -> None:
    """Who asked is gone: whoever keeps account of the card has to know all the same."""

    async def scenario() -> None:
        failures: list[CardError] = []
        async with carded(file) as card:
            card.on_failure = failures.append
            async with stalled(card):
                asked = asyncio.create_task(card.do(raising("damage")))
                await asyncio.sleep(0)
                asked.cancel()
            await until(lambda: failures)
            assert [each.is_lost for each in failures] == [True]
            assert asked.cancelled()

    play(scenario())


def test_work_of_whoever_left_is_done_and_counted(file: Path) -> None:
    """A cancelled wait takes back nothing: what lies on the card is counted."""

    async def scenario() -> None:
        async with carded(file) as card:
            async with stalled(card):
                asked = asyncio.create_task(card.do(lambda tier: with_epoch(tier, batches=3)))
                await asyncio.sleep(0)
                asked.cancel()
            await until(lambda: card.readings == 3)
            assert card.size_bytes > 0

    play(scenario())


def test_card_that_is_far_behind_takes_no_more(file: Path) -> None:
    """What waits for a stalled card is bounded; it is refused at once, and is no error of the card."""

    async def scenario() -> None:
        async with carded(file) as card:
            async with stalled(card):
                asked = [asyncio.create_task(card.do(handle)) for _ in range(100)]
                await until(lambda: any(each.done() for each in asked))
                refused = [each for each in asked if each.done()]
                assert 0 < len(refused) < 100
                assert {type(each.exception()) for each in refused} == {CardError}
                assert card.error == ""
            answers = await asyncio.gather(*(set(asked) - set(refused)))
            assert len(set(map(id, answers))) == 1
            assert await card.do(handle) is answers[0]

    play(scenario())


def test_fault_of_ours_is_for_whoever_asked(file: Path) -> None:
    """It ends neither thread nor file."""

    async def scenario() -> None:
        async with carded(file) as card:
            former = await card.do(handle)
            with pytest.raises(ZeroDivisionError):
                await card.do(lambda _: 1 // 0)
            assert await card.do(handle) is former

    play(scenario())


def test_file_of_a_newer_program_is_left_alone(file: Path) -> None:
    """It is an error that ends the start, and nothing that another try could mend."""

    async def scenario() -> None:
        async with carded(file) as card:
            await card.do(handle)
        database = sqlite3.connect(file)
        database.executescript("CREATE TABLE another (x); PRAGMA user_version = 9;")
        database.close()
        async with carded(file) as card:
            for _ in range(2):
                with pytest.raises(SpoolError, match="newer telegauge-device"):
                    await card.do(handle)
        assert aside(file) == []

    play(scenario())


def test_close_waits_for_what_was_handed_over(file: Path) -> None:
    """And closes the file: the next to open it finds everything."""

    async def scenario() -> None:
        card = Card(file, MIB)
        async with stalled(card):
            asked = asyncio.create_task(card.do(lambda tier: with_epoch(tier, batches=2)))
            await asyncio.sleep(0)
            closing = asyncio.create_task(card.close(WITHIN_S))
            await asyncio.sleep(0)
        facts = await asked
        await closing
        assert not card._thread.is_alive()
        async with carded(file) as again:
            assert await again.do(lambda tier: tier.epochs()) == [facts]

    play(scenario())


def test_card_that_hangs_is_left_behind(file: Path) -> None:
    """A stop ends in time, whatever the card does."""

    async def scenario() -> None:
        card = Card(file, MIB)
        async with stalled(card):
            began_s = time.monotonic()
            await card.close(0.05)
            assert time.monotonic() - began_s < WITHIN_S / 2
            assert card._thread.is_alive()

    play(scenario())


def test_card_is_stuck_while_its_work_hangs(file: Path) -> None:
    """Neither one that has nothing to do nor one that fails is; nor one that has begun just now."""
    begun, may_end = threading.Event(), threading.Event()

    def hang(_: Tier) -> None:
        begun.set()
        assert may_end.wait(WITHIN_S)

    async def scenario() -> None:
        async with carded(file) as card:
            assert not card.is_stuck(time.monotonic() + 3600, 60)
            work = asyncio.create_task(card.do(hang))
            await until(begun.is_set)
            assert not card.is_stuck(time.monotonic(), 60)
            assert card.is_stuck(time.monotonic() + 61, 60)
            may_end.set()
            await work
            assert not card.is_stuck(time.monotonic() + 3600, 60)
            with pytest.raises(CardError):
                await card.do(raising("os"))
            assert not card.is_stuck(time.monotonic() + 3600, 60)

    play(scenario())


def test_answer_that_comes_after_the_loop_has_ended(file: Path) -> None:
    """The thread of a card that was left behind ends in silence."""
    go_on = threading.Event()

    async def scenario() -> Card:
        card = Card(file, MIB)
        asked = asyncio.create_task(card.do(lambda _: go_on.wait(WITHIN_S)))
        await asyncio.sleep(0)
        asked.cancel()
        await card.close(0.0)
        return card

    card = asyncio.run(scenario())
    go_on.set()
    card._thread.join(WITHIN_S)
    assert not card._thread.is_alive()


def test_figures_are_those_of_the_last_answer(file: Path) -> None:
    """Readings and bytes of what lies there, and how many had to go for want of room."""

    async def scenario() -> None:
        async with carded(file, max_bytes=128 * 1024) as card:
            facts = await card.do(with_epoch)
            sealed = await card.do(lambda tier: close_batch(tier, facts, 1.0, 2.0))
            assert (card.readings, card.size_bytes) == (2, len(sealed))
            await card.do(lambda tier: tier.remove({facts.number: 1}))
            assert (card.readings, card.size_bytes) == (0, 0)

            def lose(tier: Tier) -> None:
                tier.dropped_readings += 3

            await card.do(lose)
            await card.do(lose)
            assert card.dropped_readings == 6
            with pytest.raises(CardError):
                await card.do(lambda tier: (lose(tier), raising("io")()))
            assert card.dropped_readings == 9

    play(scenario())


def test_opening_that_fails_is_tried_again(file: Path) -> None:
    """Every piece of work opens the file anew until that works."""

    async def scenario() -> None:
        async with carded(file) as card:
            with failing_at("open", "io"):
                for _ in range(2):
                    with pytest.raises(CardError):
                        await card.do(handle)
            assert await card.do(lambda tier: tier.epochs()) == []
            assert card.error == ""

    play(scenario())

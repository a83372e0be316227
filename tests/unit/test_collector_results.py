"""collector.results: the answer to a command reaches who waits for it, once."""

import asyncio

import pytest

from collector.results import MAX_WAITING, CommandError, Results
from wire.bodies import Result


def test_results_find_who_waits_whatever_their_order() -> None:
    """Ids count from 1 in each session; the second answer may come first."""

    async def scenario() -> None:
        results = Results()
        with results.expected() as (first, one), results.expected() as (second, two):
            assert (first, second) == (1, 2)
            assert results.take(Result(2, True, "two"))
            assert results.take(Result(1, True, "one"))
            assert ((await one), (await two)) == (Result(1, True, "one"), Result(2, True, "two"))

    asyncio.run(scenario())


def test_result_that_nobody_waits_for_is_left() -> None:
    """One never asked for, one that is too late, and one that was answered already."""

    async def scenario() -> None:
        results = Results()
        assert not results.take(Result(1, True))
        with results.expected() as (number, answer):
            assert results.take(Result(number, True, "first"))
            assert not results.take(Result(number, False, "again"))
            assert await answer == Result(number, True, "first")
        assert not results.take(Result(number, True))

    asyncio.run(scenario())


def test_end_of_the_session_leaves_nobody_waiting() -> None:
    """Nobody knows what came of the command, which is None; what has come already stays."""

    async def scenario() -> None:
        results = Results()
        with results.expected() as (_, lost), results.expected() as (number, known):
            results.take(Result(number, True))
            results.end()
            assert await lost is None
            assert await known == Result(number, True)

    asyncio.run(scenario())


def test_only_so_many_may_wait() -> None:
    """The next one hears it at once; where one has its answer, there is room again."""

    async def scenario() -> None:
        results = Results()
        waiting = [results.expected() for _ in range(MAX_WAITING)]
        for each in waiting:
            each.__enter__()
        with pytest.raises(CommandError, match="16 commands wait"), results.expected():
            pass
        waiting[0].__exit__(None, None, None)
        with results.expected() as (number, _):
            assert number == MAX_WAITING + 1
        for each in waiting[1:]:
            each.__exit__(None, None, None)

    asyncio.run(scenario())

"""collector.web.reading: threads that read, few at a time, and no more waiting than accepted."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from collector.store import Reader, open_for_writing
from collector.web import reading
from collector.web.problems import Refused
from collector.web.reading import Reading
from kit.waiting import until


def play(folder: Path, scenario: Callable[[Reading], Awaitable[None]]) -> None:
    """Run a scenario with threads that read a store."""
    file = folder / "telegauge.db"
    open_for_writing(file).close()

    async def main() -> None:
        threads = Reading(file)
        threads.start()
        try:
            await scenario(threads)
        finally:
            await asyncio.to_thread(threads.close)

    asyncio.run(main())


def test_few_read_at_a_time(tmp_path: Path) -> None:
    """The others wait their turn, each for its own answer."""

    async def scenario(threads: Reading) -> None:
        go_on, inside = threading.Event(), []

        def work(_reader: Reader, number: int) -> int:
            inside.append(number)
            go_on.wait(20)
            return number

        asked = [asyncio.create_task(threads.ask(lambda r, n=n: work(r, n))) for n in range(5)]  # type: ignore[misc]
        await until(lambda: len(inside) == reading.THREADS)
        assert threads.questions == 5
        go_on.set()
        assert await asyncio.gather(*asked) == [0, 1, 2, 3, 4]
        assert threads.questions == 0

    play(tmp_path, scenario)


def test_beyond_the_queue_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With when to ask again."""
    monkeypatch.setattr(reading, "MAX_QUESTIONS", 1)

    async def scenario(threads: Reading) -> None:
        with threads.question(), pytest.raises(Refused) as caught:
            await threads.ask(Reader.names)
        assert caught.value.status == 503
        assert caught.value.headers["Retry-After"] == "2"
        assert threads.refused == 1
        assert await threads.ask(Reader.names) == []

    play(tmp_path, scenario)


def test_store_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """And the next question has another reader."""

    async def scenario(threads: Reading) -> None:
        def fail(_reader: Reader) -> None:
            raise sqlite3.DatabaseError("malformed")

        with pytest.raises(Refused, match="cannot be read: malformed"):
            await threads.ask(fail)
        assert await threads.ask(Reader.names) == []

    play(tmp_path, scenario)


def test_question_that_nobody_waits_for_is_not_begun(tmp_path: Path) -> None:
    """Whoever has gone away costs nothing more."""

    async def scenario(threads: Reading) -> None:
        go_on, begun = threading.Event(), []
        block = [asyncio.create_task(threads.do(lambda _: go_on.wait(20))) for _ in range(2)]
        late = asyncio.create_task(threads.do(begun.append))
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        go_on.set()
        await asyncio.gather(*block)
        await threads.do(Reader.names)
        assert begun == []

    play(tmp_path, scenario)

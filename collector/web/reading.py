"""Threads that read the store for HTTP: each has a Reader of its own, few work at a time.

What is asked beyond waits in a queue that is bounded, and beyond that is refused.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from collector.store import Reader, StoreError
from collector.web.problems import Refused

_T = TypeVar("_T")

THREADS = 2
# Questions that are answered now or wait for that, each with one window of readings at most.
MAX_QUESTIONS = 16
_AGAIN_S = 2


class _Job(NamedTuple):
    work: Callable[[Reader], Any]
    done: "asyncio.Future[Any]"


class Reading:
    """The threads of one store; `refused` counts the questions that found no place."""

    def __init__(self, store_file: Path) -> None:
        self.refused = 0
        self.questions = 0
        self._store_file = store_file
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"web-reader-{number}", daemon=True)
            for number in range(THREADS)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads. Blocks for the question that each has."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    @contextmanager
    def question(self) -> Iterator[None]:
        """Take a place for one question.

        Raises:
            Refused: there is none.
        """
        if self.questions >= MAX_QUESTIONS:
            self.refused += 1
            raise Refused(
                503,
                f"{MAX_QUESTIONS} questions are being answered or wait; ask again in {_AGAIN_S} s",
                {"Retry-After": str(_AGAIN_S)},
            )
        self.questions += 1
        try:
            yield
        finally:
            self.questions -= 1

    async def do(self, work: Callable[[Reader], _T]) -> _T:
        """Let a thread read something.

        Raises:
            Refused: the store cannot be read.
        """
        done: asyncio.Future[_T] = self._loop.create_future()
        self._jobs.put(_Job(work, done))
        try:
            return await done
        except (StoreError, sqlite3.Error, UnicodeDecodeError) as error:
            raise Refused(503, f"the store cannot be read: {error}") from None

    async def ask(self, work: Callable[[Reader], _T]) -> _T:
        """Let a thread answer one whole question.

        Raises:
            Refused: there is no place, or the store cannot be read.
        """
        with self.question():
            return await self.do(work)

    def _run(self) -> None:
        reader: Reader | None = None
        try:
            while job := self._jobs.get():
                if job.done.done():
                    continue  # nobody waits for it any more
                try:
                    reader = reader or Reader(self._store_file)
                    answer = job.work(reader)
                except Exception as error:  # noqa: BLE001 - whoever asked is told
                    _close(reader)
                    reader = None
                    self._tell(job.done, None, error)
                else:
                    self._tell(job.done, answer, None)
        finally:
            _close(reader)

    def _tell(self, done: "asyncio.Future[Any]", answer: object, error: Exception | None) -> None:
        def tell() -> None:
            if done.done():
                return
            if error is None:
                done.set_result(answer)
            else:
                done.set_exception(error)

        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(tell)


def _close(reader: Reader | None) -> None:
    """Close what was opened: after an error the next question gets another one."""
    if reader is not None:
        reader.close()

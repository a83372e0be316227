"""Results: what a session's device answers to its commands, handed to whoever waits for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from wire.bodies import Result

# Commands are given by people; more at once than this is a program that went mad.
MAX_WAITING = 16


class CommandError(Exception):
    """A command was not sent; the message says why, and what to do."""


class Results:
    """The results that are waited for in one session; to be used inside a running event loop."""

    def __init__(self) -> None:
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[Result | None]] = {}

    @contextmanager
    def expected(self) -> Iterator[tuple[int, "asyncio.Future[Result | None]"]]:
        """Give the id for one more command, and what will come of it: None if the session ends.

        Raises:
            CommandError: too many wait already.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise CommandError(
                f"{MAX_WAITING} commands wait for this device already, and no more may; "
                "try again when they are answered"
            )
        self._last_id += 1
        number = self._last_id
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            yield number, answer
        finally:
            del self._waiting[number]
            answer.cancel()

    def take(self, result: Result) -> bool:
        """Hand a result over; say whether somebody waits for it."""
        answer = self._waiting.get(result.id)
        if answer is None or answer.done():
            return False
        answer.set_result(result)
        return True

    def end(self) -> None:
        """Let nobody wait any longer."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(None)

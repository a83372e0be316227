"""The tier on the card, in a thread of its own: a card that stalls must not stop sampling.

Work is handed over as functions and answered on the event loop. After any error of the file it is
closed and opened anew for the next piece of work: a write that failed is never tried again on the
same file (PostgreSQL's lesson of 2018: a second fsync may lie).
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import structlog

from device.errors import SpoolError
from device.spool.database import set_aside
from device.spool.opening import open_tier
from device.spool.tier import Tier
from service.damage import is_damage

_log = structlog.get_logger()
_T = TypeVar("_T")

# More work than this never waits: moves, reads and removals each wait for their answer.
_MAX_WAITING = 64


class CardError(Exception):
    """The card could not do it now; a later try may work. `is_lost`: what it held is set aside."""

    is_lost = False


class _Held(NamedTuple):
    readings: int = 0
    size_bytes: int = 0


class Card:
    """The card's tier.

    `error` is what it failed with last, "" while it works. `readings` and `size_bytes` count the
    batches on it, as of its last answer; `dropped_readings` were let go for want of room. `on_failure`
    is called after each failure, also where whoever asked for the work no longer waits.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.error = ""
        self.readings = 0
        self.size_bytes = 0
        self.dropped_readings = 0
        self._busy_since_s: float | None = None
        self.on_failure: Callable[[CardError], None] = lambda _error: None
        self._max_bytes = max_bytes
        self._tier: Tier | None = None  # the thread's own
        self._work: queue.Queue[tuple[Callable[[Tier], Any], asyncio.Future[Any]] | None] = (
            queue.Queue(_MAX_WAITING)
        )
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="spool-card", daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[Tier], _T]) -> _T:
        """Let the thread do one piece of work, after what was handed over before.

        Raises:
            CardError: the card cannot be used now, or is far behind.
            SpoolError: a newer program made the file.
        """
        answer: asyncio.Future[_T] = self._loop.create_future()
        try:
            self._work.put_nowait((work, answer))
        except queue.Full:
            raise CardError("the card is far behind") from None
        return await answer

    def is_stuck(self, now_s: float, after_s: float) -> bool:
        """Say whether one piece of work has lasted longer than `after_s` (time.monotonic).

        A card that is full or fails is not stuck: it answers.
        """
        since_s = self._busy_since_s
        return since_s is not None and now_s - since_s > after_s

    async def close(self, timeout_s: float) -> None:
        """End the thread once what was handed over is done; one that hangs is left behind."""
        try:
            self._work.put_nowait(None)
        except queue.Full:
            return
        await asyncio.to_thread(self._thread.join, timeout_s)

    def _run(self) -> None:
        while (task := self._work.get()) is not None:
            work, answer = task
            result: Any = None
            failure: Exception | None = None
            self._busy_since_s = time.monotonic()
            try:
                result = work(self._opened())
            except (sqlite3.Error, OSError, SpoolError) as error:
                failure = self._failed(error)
            except Exception as error:  # noqa: BLE001 - ours: let whoever asked for it fail
                failure = error
            self._busy_since_s = None
            self._answer(answer, result, failure)
        self._close_tier()

    def _opened(self) -> Tier:
        if self._tier is None:
            self._tier, _ = open_tier(self.path, durable=True, max_bytes=self._max_bytes)
        return self._tier

    def _failed(self, error: Exception) -> Exception:
        self._close_tier()
        if isinstance(error, SpoolError):
            return error
        failure = CardError(str(error))
        if is_damage(error):
            failure.is_lost = True
            with suppress(OSError):  # else it is done when the file is opened again
                set_aside(self.path)
        return failure

    def _close_tier(self) -> None:
        if self._tier is None:
            return
        tier, self._tier = self._tier, None
        self.dropped_readings += tier.dropped_readings
        with suppress(sqlite3.Error):
            tier.close()

    def _answer(
        self, answer: "asyncio.Future[Any]", result: Any, failure: Exception | None
    ) -> None:
        held = _Held()
        if self._tier is not None:
            held = _Held(self._tier.readings, self._tier.size_bytes)
            self.dropped_readings += self._tier.dropped_readings
            self._tier.dropped_readings = 0
        try:
            self._loop.call_soon_threadsafe(self._deliver, answer, result, failure, held)
        except RuntimeError:
            return  # the loop has ended: nobody waits any more

    def _deliver(
        self,
        answer: "asyncio.Future[Any]",
        result: Any,
        failure: Exception | None,
        held: _Held,
    ) -> None:
        self._note(failure)
        if failure is None:
            self.readings, self.size_bytes = held
        elif isinstance(failure, CardError):
            if failure.is_lost:
                self.readings, self.size_bytes = _Held()
            self.on_failure(failure)
        if answer.cancelled():
            return
        if failure is None:
            answer.set_result(result)
        else:
            answer.set_exception(failure)

    def _note(self, failure: Exception | None) -> None:
        error = str(failure) if failure else ""
        if error and not self.error:
            _log.error(
                "spool_card_failed",
                spool=str(self.path),
                detail=error,
                consequence="readings are kept in memory only, until the card works again",
            )
        elif self.error and not error:
            _log.warning("spool_card_works_again", spool=str(self.path))
        self.error = error

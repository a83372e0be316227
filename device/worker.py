"""A worker: one thread for calls that block, one call at a time, in the order they were asked for.

The main loop never waits on it. A call that hangs keeps the thread; those behind it are given up
by whoever asked, and then never begun. The thread is a daemon, so a hung call cannot keep the
agent from stopping.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from device.sensors import told

_T = TypeVar("_T")
_Job = tuple["Future[Any]", Callable[[], Any]]

_MAX_WAITING = 16


class CallError(Exception):
    """A call failed, or was not taken; the message says why."""


class Worker:
    """Runs calls on a thread of its own, which begins with the first of them."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MAX_WAITING)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def run(self, call: Callable[[], _T]) -> _T:
        """Return what the call returns. Who is cancelled before it began takes it back.

        Raises:
            CallError: whatever the call raised; or too many wait behind one that hangs.
        """
        if self._thread.ident is None:
            self._thread.start()
        future: Future[_T] = Future()
        try:
            self._jobs.put_nowait((future, call))
        except queue.Full:
            raise CallError("a call hangs, and too many wait behind it") from None
        try:
            return await asyncio.wrap_future(future)
        finally:
            future.cancel()  # now: asyncio itself would do so in its next turn

    def stop(self) -> None:
        """Let the thread end once it has done what was asked for."""
        if self._thread.ident is not None:
            with contextlib.suppress(queue.Full):  # it hangs, and is left behind
                self._jobs.put_nowait(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; say whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _do(*job)


def _do(future: "Future[Any]", call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - a driver may raise anything, SystemExit too
        failure = CallError(told(error))
        failure.__cause__ = error
        future.set_exception(failure)
    else:
        future.set_result(result)

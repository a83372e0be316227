"""Reload: SIGHUP lets the running program take up its changed configuration.

One at a time, and a wish that comes meanwhile is one more behind it. A file that is wrong changes
nothing and says so. It knows no setting: what loads them and what takes them up are arguments.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from config.changes import compare
from config.problems import ConfigError, KeyPath

_log = structlog.get_logger()
T = TypeVar("T", bound=msgspec.Struct)


class Configuration(msgspec.Struct, frozen=True):
    """How the file stands to what is in force.

    `refused`: why it is not, the first problem of it; "" where it is. `waiting`: the dotted keys of
    it that only a restart takes up.
    """

    refused: str = ""
    waiting: list[str] = []

    def troubles(self) -> list[str]:
        """Say what somebody should do about it; nothing where all of the file is in force."""
        found = []
        if self.waiting:
            found.append(f"a restart is needed for {', '.join(self.waiting)}")
        if self.refused:
            found.append(f"the file is not in force: {self.refused}")
        return found


class Manager(Protocol):
    """The service manager, as far as a reload is its business."""

    def reloading(self) -> None:
        """Say that a reload has begun."""

    def ready(self, status: str) -> None:
        """Say that it is over, and how the program stands."""


def hold_hangups() -> None:
    """Let SIGHUP end nothing, and wait: for the start, which may have read the file before the change.

    To be called before there are other threads: where there are, it ends nothing, but may be lost.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


class Reloader(Generic[T]):
    """Keeps what is in force: `settings`, and how the file stands to them, `configuration`.

    Args:
        load: reads the file; called on a thread.
        refusals: what it raises, beside ConfigError, where the file cannot be used.
        take_up: gets the former settings and those that are in force from now on.
        at_start: the keys that a running program cannot take up.

    `turn` is held while it reloads; who changes what settings are checked against takes it too.
    """

    def __init__(
        self,
        settings: T,
        load: Callable[[], T],
        take_up: Callable[[T, T], Awaitable[None]],
        at_start: Collection[KeyPath],
        refusals: tuple[type[Exception], ...] = (),
    ) -> None:
        self.settings = settings
        self.configuration = Configuration()
        self.turn = asyncio.Lock()
        self._load = load
        self._take_up = take_up
        self._at_start = at_start
        self._refusals = refusals

    async def run(self, manager: Manager, status: Callable[[], str]) -> None:
        """Reload at each SIGHUP, until cancelled; `status` says how the program stands then.

        Where it is a terminal's last word to who was started there by hand, it is a wish to stop.
        """
        wish = asyncio.Event()
        with _hangups(wish):
            while True:
                await wish.wait()
                wish.clear()
                manager.reloading()
                await self.reload()
                manager.ready(status())

    async def reload(self) -> None:
        """Take up what the file says now, or say why not."""
        async with self.turn:
            try:
                file = await asyncio.to_thread(self._load)
            except ConfigError as error:
                self._refuse(error.in_short, error.lines)
            except self._refusals as error:
                self._refuse(str(error), [str(error)])
            else:
                await self._use(file)

    def _refuse(self, in_short: str, problems: list[str]) -> None:
        for problem in problems:
            _log.error("reload_refused", problem=problem)
        self.configuration = Configuration(in_short, self.configuration.waiting)

    async def _use(self, file: T) -> None:
        former = self.settings
        changes = compare(former, file, self._at_start)
        self.settings = changes.settings
        await self._take_up(former, changes.settings)
        self.configuration = Configuration(waiting=changes.waiting)
        _log.info("reloaded", changed=changes.taken or "nothing")
        if changes.waiting:
            _log.warning("restart_needed", keys=changes.waiting, detail="a restart takes them up")


@contextlib.contextmanager
def _hangups(wish: asyncio.Event) -> Iterator[None]:
    """Let SIGHUP set an event.

    Not by the loop's own handlers: between their removal and what comes then it would end the program.
    """
    loop, had_terminal = asyncio.get_running_loop(), _has_terminal()

    def heed(*_: object) -> None:
        if had_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            loop.call_soon_threadsafe(wish.set)

    former = signal.signal(signal.SIGHUP, heed)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, former)


def _has_terminal() -> bool:
    """Say whether the log goes to a terminal; one that was closed is none any more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.isatty(sys.stderr.fileno())
    return False

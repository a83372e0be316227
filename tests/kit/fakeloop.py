"""An event loop on a fake clock: hours pass in no time, and every run is like the one before.

Time goes on only where nothing is left to do now, and then as far as the next timer. Connections are
those of a `kit.fakenet.Network`; what is meant for a thread of a pool runs in its place.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from service import crashpoints

if TYPE_CHECKING:
    from kit.fakenet import End, Listener, Network

_T = TypeVar("_T")
_program: "ContextVar[Program | None]" = ContextVar("program", default=None)
# So long is nothing for people, and enough for whatever follows from what was just done.
MOMENT_S = 0.05


class FakeLoop(asyncio.BaseEventLoop):
    """The loop; `faults` is what reached its exception handler."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.faults: list[dict[str, Any]] = []
        self._network = network
        self._now_s = 1000.0
        self._selector = self  # what the base class waits with
        self.set_exception_handler(lambda _, fault: self.faults.append(fault))
        self.set_task_factory(_make_task)

    def time(self) -> float:
        """This moment, in seconds."""
        return self._now_s

    def pass_time(self, seconds: float = MOMENT_S) -> None:
        """Let time pass, and all be done that is due meanwhile."""
        self.run_until_complete(asyncio.sleep(seconds))

    def handles(self) -> list[Any]:
        """All that is to be called, now or at its time."""
        return [*self._ready, *self._scheduled]  # type: ignore[attr-defined]

    def select(self, timeout: float | None) -> list[Any]:
        """Wait for what the base class waits for: here, only for time."""
        assert timeout is not None, "all wait, and nothing will ever come"
        self._now_s += timeout
        return []

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], asyncio.BaseProtocol], *_: object, **__: object
    ) -> "tuple[End, asyncio.BaseProtocol]":
        """Connect to whoever listens."""
        return self._network.connect(self, factory)

    async def create_server(  # type: ignore[override]
        self, factory: Callable[[], asyncio.BaseProtocol], *_: object, **__: object
    ) -> "Listener":
        """Listen."""
        return self._network.listen(factory)

    def run_in_executor(  # type: ignore[override]
        self, _: object, work: Callable[..., Any], *arguments: object
    ) -> "asyncio.Future[Any]":
        """Do it here and now."""
        done = self.create_future()
        done.set_result(work(*arguments))
        return done

    def remove_reader(self, _: object) -> bool:  # type: ignore[override]
        """There was none."""
        return False

    def _process_events(self, _: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits in another thread."""


class Program:
    """All that runs in a loop as one program, to be ended in one blow; `die` is how it then dies.

    `is_online`: whether it can connect to anybody.
    """

    def __init__(self, loop: FakeLoop, die: Callable[[], None]) -> None:
        self.die = die
        self.is_online = True
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._loop = loop
        self._context = copy_context()
        self._context.run(_program.set, self)

    def context(self) -> Context:
        """What a call of the loop needs to count as this program's."""
        return self._context.copy()

    def play(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something as this program, to its end."""
        return self._loop.run_until_complete(self._context.run(self._loop.create_task, work))

    def end(self) -> None:
        """End all its tasks, and then its timers."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:  # whatever they have to say comes too late
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for handle in self._loop.handles():
            if handle._context.get(_program) is self:
                handle.cancel()


def this_program() -> Program:
    """The program that runs now."""
    program = _program.get()
    assert program is not None, "no program runs now"
    return program


def dying_at(point: str, passes: int) -> Any:
    """Let a program die where it passes a crash point for the nth time (a patcher)."""

    def kill(*_: object) -> None:
        if (program := _program.get()) is not None:
            program.die()

    return patch.multiple(
        crashpoints,
        _name=point,
        _fatal_pass=passes,
        _passes=itertools.count(1),
        os=SimpleNamespace(kill=kill, getpid=int),
    )


def _make_task(loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> "asyncio.Task[Any]":
    task = asyncio.Task(work, loop=loop, **how)
    program = _program.get()
    if program is not None:
        program.tasks[task] = None
        task.add_done_callback(lambda done: _forget(program, done))
    return task


def _forget(program: Program, task: "asyncio.Task[Any]") -> None:
    program.tasks.pop(task, None)

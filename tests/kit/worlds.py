"""A small world on a fake clock: its time, its disk, its network, and what gives out random ids.

Devices (`kit.devices`) and a collector (`kit.collectors`) live in it. Nothing in it depends on
anything outside, so that what happened once happens again.
"""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from structlog.testing import capture_logs

from kit.fakeloop import MOMENT_S, FakeLoop, Program
from kit.fakenet import Network

_MEMORY = Path("/dev/shm")
_BEGAN_NS = 1_790_000_000 * 10**9


class World:
    """Where devices and collectors are; to be closed. `logged` is what they have said."""

    def __init__(self, *patchers: Any) -> None:
        memory = _MEMORY if _MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="world-", dir=memory))
        self.network = Network()
        self.loop = FakeLoop(self.network)
        self._ids = 0
        self._closing = ExitStack()
        self.logged = self._closing.enter_context(capture_logs())
        for each in (patch("time.time_ns", self.now_ns), self.network.air.patcher(), *patchers):
            self._closing.enter_context(each)

    def close(self) -> None:
        """Leave nothing behind."""
        self._closing.close()
        self.loop.close()
        shutil.rmtree(self.folder)

    def at_end(self, close: Callable[[], object]) -> None:
        """Let something be closed with this world."""
        self._closing.callback(close)

    def now_ns(self) -> int:
        """This moment, UTC."""
        return _BEGAN_NS + round(self.loop.time() * 10**9)

    def new_id(self) -> bytes:
        """Sixteen bytes that nobody had before."""
        self._ids += 1
        return self._ids.to_bytes(16, "little")

    def pass_time(self, seconds: float = MOMENT_S) -> None:
        """Let time pass, and all be done that is due meanwhile."""
        self.loop.pass_time(seconds)


class Mortal:
    """A program with a folder, that may die at any instant; then `bury` it, and it may live again.

    What the folder is at that instant is what is found afterwards. A program that died goes on for
    as long as the present moment lasts: nothing that it does then reaches anybody.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program: Program | None = None
        self.died_s, self.died_ns = 0.0, 0
        self._left = folder.with_name(folder.name + ".left")

    @property
    def is_dead(self) -> bool:
        """Whether it has died, and is not buried."""
        return self._left.exists()

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.program is not None and not self.is_dead

    def begin(self, die: Callable[[], None]) -> Program:
        """Begin a program."""
        self.program = Program(self.world.loop, die)
        return self.program

    def keep_files(self) -> None:
        """Take the files as they are now: what comes after this instant never happened."""
        shutil.copytree(self.folder, self._left)
        self.died_s, self.died_ns = self.world.loop.time(), self.world.now_ns()

    def put_files_back(self) -> None:
        """Let the files be as they were."""
        shutil.rmtree(self.folder)
        self._left.rename(self.folder)
        self.program = None

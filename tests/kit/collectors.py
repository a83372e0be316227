"""A collector in a `kit.worlds.World`: real sessions, the real store, and a server without sockets.

The writer's thread is played by the loop, so that a store can be slow, or stop between any two commits.
"""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from collector.admission import Admission
from collector.datagrams import Datagrams
from collector.entrance import Caller
from collector.services import Services
from collector.session import Session
from collector.sessions import Sessions
from collector.space import FreeSpace
from collector.store import Writer, back_up
from collector.store.database import FILE_NAME, open_for_writing
from collector.trust import Trust
from config.addresses import Address
from kit.fakenet import Rest
from kit.worlds import Mortal, World

# How long a commit takes.
_COMMIT_S = 0.001
_A_WAKE_UP = 256


class PlayedWriter(Writer):
    """A writer whose thread is played by the loop. `is_stalled`: what is asked for waits."""

    is_stalled = False
    is_closed = False

    def start(self) -> None:
        """There is no thread."""

    def close(self, timeout_s: float = 0.0) -> bool:
        """Commit what waits, and close the file."""
        self.commit(self.waiting)
        self.leave()
        return True

    def leave(self) -> None:
        """Close the file, and nothing else."""
        if not self.is_closed:
            self.is_closed = True
            self._database.close()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._requests.qsize()

    def commit(self, count: int) -> None:
        """Commit so many of the requests that wait."""
        asked = [self._requests.get() for _ in range(min(count, self.waiting))]
        if asked and not self.is_closed:
            answers = self._group.commit([each.request for each in asked])  # type: ignore[union-attr]
            self._call_soon(self._deliver, asked, answers)

    def go_on(self) -> None:
        """Commit all that waits, unless it is stalled."""
        if not self.is_stalled:
            self.commit(self.waiting)

    def _ask(self, *what: Any) -> None:
        super()._ask(*what)
        self._call_soon(self._soon)

    def _soon(self) -> None:
        asyncio.get_running_loop().call_later(_COMMIT_S, self.go_on)


class Collector(Mortal):
    """One collector, that may stop, be killed, or be set back to a backup.

    `refused`: places (epoch, seq) of batches that its file refuses.
    """

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self.refused: set[tuple[bytes, int]] = set()
        self.trust = Trust(world.folder / "trust.db")  # nobody is ever invited here
        world.at_end(self.trust.close)
        self.rest = Rest()
        self.writer: PlayedWriter

    @property
    def file(self) -> Path:
        """The store."""
        return self.folder / FILE_NAME

    def start(self) -> None:
        """Start it."""
        self.begin(self.die).play(self._start())

    async def _start(self) -> None:
        loop = self.world.loop
        sessions = Sessions(loop.time)
        database = open_for_writing(self.file)
        self._refuse_in(database)
        self.writer = PlayedWriter(database, loop.call_soon, sessions.catch_up, self._failed)
        space = FreeSpace(self.folder, 0, loop.time)
        datagrams = Datagrams(self.writer.store_datagrams, space.is_low)
        self._sessions = sessions
        admission = Admission(trusts_loopback=True)
        services = Services(
            self.writer, sessions, "test", space, datagrams, self.trust, admission, True, bytes(32)
        )

        def session() -> Session:
            place = admission.arrive("127.0.0.1", loop.time())
            assert place is not None, "nobody knocks that often here"
            return Session(services, Caller(Address("127.0.0.1", 1), True, None, place))

        self._listener = await loop.create_server(session)
        self._hear(datagrams)

    def _hear(self, datagrams: Datagrams) -> None:
        air, loop = self.world.network.air, self.world.loop
        assert self.program is not None
        wake = partial(loop.call_soon, datagrams._read, air, _A_WAKE_UP)
        air.wake = partial(wake, context=self.program.context())
        datagrams._ports.append(air)  # type: ignore[arg-type]
        self._datagrams = datagrams

    def stop(self) -> None:
        """Stop it as systemd would."""
        assert self.program is not None
        self.program.play(self._stop())
        if not self.is_dead:
            self.world.network.air.bereave()
            self.program.end()
            self.program = None

    async def _stop(self) -> None:
        self._listener.close()
        for session in self._sessions:
            session.stop()
        self._datagrams.stop()
        self.writer.close()

    def die(self) -> None:
        """Die now, by kill -9 or because the power is gone."""
        if self.is_up:
            assert self.program is not None
            self.keep_files()
            self._lost_ends = self.world.network.bereave(self.program, self.rest)

    def bury(self) -> None:
        """Clear away what died."""
        assert self.program is not None
        for end in self._lost_ends:
            end.lose()
        self.program.end()
        self.writer.leave()
        self.put_files_back()

    def stall(self, is_stalled: bool) -> None:
        """Let its disk hang, or go on."""
        self.writer.is_stalled = is_stalled
        self.commit(0 if is_stalled else self.writer.waiting)

    def commit(self, count: int) -> None:
        """Let it commit so many of the requests that wait."""

        async def work() -> None:
            self.writer.commit(count)

        assert self.program is not None
        self.program.play(work())

    def back_up(self, target: Path) -> int:
        """Make a copy; return the instant that it shows (UTC, ns)."""
        target.unlink(missing_ok=True)
        return back_up(self.file, target, 0).taken_ns

    def restore(self, copy: Path) -> None:
        """Go back to a copy; it must not run."""
        for each in self.folder.iterdir():
            each.unlink()
        self.file.write_bytes(copy.read_bytes())

    def _failed(self, error: Exception) -> None:
        raise error

    def _refuse_in(self, database: sqlite3.Connection) -> None:
        def is_refused(epoch: bytes, first_seq: int, last_seq: int) -> bool:
            return any((epoch, seq) in self.refused for seq in range(first_seq, last_seq + 1))

        database.create_function("is_refused", 3, is_refused)
        database.execute(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.batch WHEN is_refused("
            "(SELECT epoch FROM epoch WHERE id = NEW.epoch), NEW.first_seq, NEW.last_seq)"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )

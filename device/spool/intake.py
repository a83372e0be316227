"""What is read comes in here: into the open batch, which is closed to batches of the present epoch.

A read counts as accepted once its row is committed. Where there is no room the oldest batches go;
where even that makes none, the read is refused and counted, and sampling stands still for a moment.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from device.errors import SpoolError
from device.spool.database import is_full, set_aside, unless_full
from device.spool.epochs import Epochs
from device.spool.open_batch import closed, fits, parts
from device.spool.records import EpochFacts, pack_read
from device.spool.room import with_room
from device.spool.tier import Tier
from service.damage import is_damage
from wire.blocks import OpenBody, Point
from wire.bodies import Moment

# Where every read goes to the card, those of one tick share a commit: half a tick.
_GROUP_S = 0.05
# So long nothing is read where nothing can be kept, and nothing let go of.
_FULL_S = 1.0


class Age(NamedTuple):
    """A closed batch, and when its first reading was taken (CLOCK_BOOTTIME)."""

    number: int
    seq: int
    first_ns: int


class Intake:
    """The open batch of the present epoch, in the tier `near`.

    `ages` are the closed batches that a power cut would take, the oldest first; `taken` is set
    whenever something was accepted; `closed_bytes` is what all batches of this run took. `is_full`:
    nothing can be kept now. `failure`: nor ever again, the file has failed; `failed` is set then.
    """

    def __init__(
        self, near: Tier, epochs: Epochs, now: Callable[[], Moment], is_durable: bool
    ) -> None:
        self.accepted = 0
        self.refused = 0
        self.is_full = False
        self.failure: sqlite3.Error | None = None
        self.failed = asyncio.Event()
        self.is_durable = is_durable
        self.ages: deque[Age] = deque()
        self.taken = asyncio.Event()
        self._near = near
        self._epochs = epochs
        self._now = now
        self._facts: EpochFacts | None = None
        self._open = OpenBody()
        self._group: list[bytes] = []
        self._committing: asyncio.TimerHandle | None = None
        self.closed_bytes = 0
        self._closed_batches = 0

    @property
    def dropped(self) -> int:
        """How many readings were let go because there was no room; a gap stands for them."""
        return self._near.dropped_readings

    @property
    def mean_bytes(self) -> float:
        """How long the batches of this run are on the average."""
        return self.closed_bytes / max(1, self._closed_batches)

    @property
    def open_readings(self) -> int:
        """How many readings are in the open batch."""
        return self._open.readings

    def oldest_ns(self) -> int | None:
        """Return when the oldest reading was taken that a power cut now would take, if any."""
        if self.is_durable:
            return None
        times = [self.ages[0].first_ns] if self.ages else []
        return min([*times, self._open.first_ns] if self._open.readings else times, default=None)

    def resume(self, ages: Sequence[Age]) -> None:
        """Note what an earlier run has left in the tier, the oldest first."""
        self.ages.extend(ages)
        self.taken.set()

    def accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        """Take what one read of one sensor gave; False where not even dropping makes room for it."""
        assert self._epochs.present is not None, "nothing is accepted outside of a run"
        self._facts = self._epochs.present
        refused = self.refused
        for part in parts(points):
            try:
                if not fits(self._open, part):
                    self._close()
                self._keep(pack_read(sensor, time_ns, part))
            except sqlite3.Error as error:
                self.refused += len(part)
                self._failed(error)
                continue
            self._open.add(sensor, time_ns, part)
            self.accepted += len(part)
        self.taken.set()
        return self.refused == refused

    def _failed(self, error: sqlite3.Error) -> None:
        if is_full(error):
            self._stand_still()
            return
        if self.failure is None and is_damage(error):
            with suppress(OSError):  # else it is done at the next start
                set_aside(self._near.path)
        self.failure, self.is_full = self.failure or error, True
        self.failed.set()
        self.taken.set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Do to the tier what may wait where there is no room; note it where the file fails."""
        try:
            with unless_full():
                yield
        except sqlite3.Error as error:
            self._failed(error)

    @contextmanager
    def read(self) -> Iterator[None]:
        """Read the tier; note it where the file fails.

        Raises:
            SpoolError: it has.
        """
        try:
            yield
        except sqlite3.Error as error:
            self._failed(error)
            raise SpoolError(f"{self._near.path}: {error}") from error

    def _stand_still(self) -> None:
        """Let nothing be read for a moment; whatever fills the disk may be gone by then."""
        self.is_full = True
        asyncio.get_running_loop().call_later(_FULL_S, self._go_on)

    def _check(self) -> None:
        """Try nothing again on a file that has failed: what seems to work then may be lost."""
        if self.failure is not None:
            raise self.failure

    def _go_on(self) -> None:
        self.is_full = self.failure is not None

    def _keep(self, read: bytes) -> None:
        if not self.is_durable:
            number = self._of_open.number
            self._with_room(lambda: self._near.accept(number, [read]))
            return
        self._check()
        self._group.append(read)
        self._commit_soon(_GROUP_S)

    def _commit_soon(self, after_s: float) -> None:
        if self._committing is None:
            loop = asyncio.get_running_loop()
            self._committing = loop.call_later(after_s, self._commit_group)

    def _commit_group(self) -> None:
        self._committing = None
        if not self._group:
            return
        try:
            self._with_room(lambda: self._near.accept(self._of_open.number, self._group))
            self._group = []
        except sqlite3.Error as error:
            self._failed(error)
            if self.failure is None:
                self._commit_soon(_FULL_S)  # they wait on in memory

    def close_batch(self) -> bool:
        """Close the open batch, if it holds anything: from now on it has a seq and its bytes.

        False where there is no room for that now: it stays open.
        """
        try:
            self._close()
        except sqlite3.Error as error:
            self._failed(error)
            return False
        return True

    def _close(self) -> None:
        body = self._open
        if not body.readings:
            return
        present = self._of_open
        facts, sealed = closed(body, present, self._now())
        self._with_room(lambda: self._near.close_batch(facts, body.readings, sealed))
        self._group = []
        self._open = OpenBody()
        self.closed_bytes += len(sealed)
        self._closed_batches += 1
        present.take_over(facts)
        if not self.is_durable:
            self.ages.append(Age(facts.number, facts.last_seq, body.first_ns))

    def stop(self) -> None:
        """Commit nothing more: the tier is about to be closed."""
        if self._committing is not None:
            self._committing.cancel()
            self._committing = None

    def _with_room(self, work: Callable[[], None]) -> None:
        self._check()
        before = self.dropped
        with_room(self._near, work)
        if self.dropped == before:
            return
        oldest = self._near.oldest()
        while self.ages and (oldest is None or self.ages[0][:2] < oldest):
            self.ages.popleft()

    @property
    def _of_open(self) -> EpochFacts:
        """The epoch of the open batch, which stays in it where it could not be closed in time."""
        assert self._facts is not None, "nothing was accepted yet"
        return self._facts

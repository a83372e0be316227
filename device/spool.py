"""The spool: what was accepted and is not yet acknowledged, in memory and bounded.

Readings collect in an open batch. When it is closed it gets its seq and its bytes, and is kept
until the collector acknowledges it. What does not fit is refused, never half taken: the caller
stops sampling and says so. Knows nothing of sockets and schedules.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from wire import blocks
from wire.batches import (
    CHECKSUM_BYTES,
    HEADER_BYTES,
    MAX_BODY_BYTES,
    MAX_READINGS,
    ClockPair,
    Place,
    seal,
)
from wire.blocks import OpenBody, Point

_ENVELOPE_BYTES = HEADER_BYTES + CHECKSUM_BYTES


class Batch(NamedTuple):
    """One closed batch: its place in the epoch, its bytes, and how many readings they hold."""

    place: Place
    sealed: bytes
    readings: int


class Spool:
    """The batches of one epoch. `is_full` from a refusal until something is acknowledged.

    Args:
        epoch: 16 random bytes, new at each start.
        boot_id: the boot that the times belong to.
        clock: gives the clock pair for a batch that is closed now.
        max_bytes: what all batches together may hold.
    """

    def __init__(
        self, epoch: bytes, boot_id: bytes, clock: Callable[[], ClockPair], max_bytes: int
    ) -> None:
        self.epoch = epoch
        self.boot_id = boot_id
        self.max_bytes = max_bytes
        self.accepted = 0
        self.acknowledged = 0
        self.is_full = False
        self._clock = clock
        self._open = OpenBody()
        self._closed: dict[int, Batch] = {}
        self._closed_bytes = 0
        self._lowest_seq = 1
        self._next_seq = 1
        self._numbered = 0

    @property
    def held_readings(self) -> int:
        """How many readings wait for their acknowledgement."""
        return self.accepted - self.acknowledged

    @property
    def held_bytes(self) -> int:
        """What the waiting batches hold, the open one as much as it may have when it is closed."""
        open_bytes = self._open.size_bytes + _ENVELOPE_BYTES if self.has_open else 0
        return self._closed_bytes + open_bytes

    @property
    def has_open(self) -> bool:
        """Whether readings wait in the open batch."""
        return self._open.readings > 0

    @property
    def lowest_seq(self) -> int:
        """The seq of the oldest batch held, or of the next one where none is."""
        return self._lowest_seq

    @property
    def last_seq(self) -> int:
        """The highest seq ever given; 0 before the first."""
        return self._next_seq - 1

    def accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        """Take what one read of one sensor gave, all of it or, where there is no room, nothing."""
        parts = list(_parts(points))
        needed = sum(map(blocks.cost_bytes, parts)) + len(parts) * _ENVELOPE_BYTES
        if self.held_bytes + needed > self.max_bytes:
            self.is_full = True
            return False
        for part in parts:
            if not _fits(self._open, part):
                self.close_batch()
            self._open.add(sensor, time_ns, part)
        self.accepted += len(points)
        if self._open.readings >= MAX_READINGS:
            self.close_batch()
        return True

    def close_batch(self) -> None:
        """Close the open batch, if it holds anything: from now on it has a seq and its bytes."""
        if not self.has_open:
            return
        place = Place(self.epoch, self._next_seq, self._numbered)
        sealed = seal(self._open, place, self.boot_id, self._clock())
        self._closed[place.seq] = Batch(place, sealed, self._open.readings)
        self._closed_bytes += len(sealed)
        self._numbered += self._open.readings
        self._next_seq += 1
        self._open = OpenBody()

    def batch(self, seq: int) -> Batch | None:
        """Return a closed batch that is still held."""
        return self._closed.get(seq)

    def acknowledge(self, mark: int) -> int:
        """Forget every batch up to `mark`; return how many readings those held."""
        forgotten = 0
        while self._lowest_seq <= min(mark, self.last_seq):
            batch = self._closed.pop(self._lowest_seq)
            self._lowest_seq += 1
            self._closed_bytes -= len(batch.sealed)
            forgotten += batch.readings
        self.acknowledged += forgotten
        self.is_full = self.is_full and not forgotten
        return forgotten


def _fits(body: OpenBody, points: Sequence[Point]) -> bool:
    return not body.readings or (
        body.readings + len(points) <= MAX_READINGS
        and body.size_bytes + blocks.cost_bytes(points) <= MAX_BODY_BYTES
    )


def _parts(points: Sequence[Point]) -> list[Sequence[Point]]:
    """Split a read that no batch could hold whole; all other reads stay in one piece."""
    if len(points) <= MAX_READINGS and blocks.cost_bytes(points) <= MAX_BODY_BYTES:
        return [points]
    half = len(points) // 2
    return _parts(points[:half]) + _parts(points[half:])

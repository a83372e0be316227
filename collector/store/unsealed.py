"""How much waits to be sealed, device by device; and which device is ripe.

The writer's thread counts, others ask.
"""

import sqlite3
import threading
from dataclasses import dataclass

from collector.store.numbers import LARGEST

# A series fills a chunk with so many readings; and so many a device are sealed at once at most.
CHUNK_READINGS = 3600
MAX_READINGS = 262_144
# So many rows are read anew by every question about the device, so it does not become more.
MAX_ROWS = 512
DAY_NS = 86_400 * 10**9
# Those who follow what is committed see it before it is sealed, while no more than this is ripe.
YOUNG_NS = 2 * 10**9
_HURRY_BYTES = 2**20
# With more than this ready to be sealed, devices have to wait: sealing would never catch up.
MAX_RIPE_BYTES = 16 * 2**20


@dataclass(slots=True)
class Waiting:
    """What waits of one device, and when the oldest of it came (UTC, ns).

    With `full_at` readings a series of it is likely to fill a chunk.
    """

    full_at: int
    rows: int = 0
    readings: int = 0
    size_bytes: int = 0
    oldest_ns: int = 0

    @property
    def is_ripe(self) -> bool:
        """Whether it is enough for chunks."""
        return self.rows >= MAX_ROWS or self.readings >= self.full_at


class Unsealed:
    """Counts of the rows that can be sealed: those whose time is known."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._of: dict[int, Waiting] = {}
        self._given_up: set[int] = set()
        self._ripe_bytes = 0
        self._has_ripe = threading.Event()
        self._added: list[tuple[int, int, int, int]] = []
        rows = database.execute(
            "SELECT device, count(*), sum(readings), sum(length(sealed)), min(received_ns) FROM batch"
            " WHERE dated <> 3 GROUP BY device"
        ).fetchall()
        for device_id, *facts in rows:
            self._of[device_id] = its = Waiting(self._full_at(device_id), *facts)
            self._ripe_bytes += self._ripe_of(device_id, its)

    def add(self, device_id: int, readings: int, size_bytes: int, received_ns: int) -> None:
        """Count a row, once it is committed."""
        self._added.append((device_id, readings, size_bytes, received_ns))

    def committed(self) -> None:
        """Count what was added since."""
        with self._lock:
            for device_id, *facts in self._added:
                self._count(device_id, *facts)
        self._added.clear()

    def rolled_back(self) -> None:
        """Count nothing of what was added since."""
        self._added.clear()

    def described(self, device_id: int) -> None:
        """Take note that a device may have other series now."""
        with self._lock:
            its = self._of.get(device_id)
            if its is not None:
                self._ripe_bytes -= self._ripe_of(device_id, its)
                its.full_at = self._full_at(device_id)
                self._ripe_bytes += self._ripe_of(device_id, its)

    def taken(self, device_id: int, rows: int, readings: int, size_bytes: int, now_ns: int) -> None:
        """Count what was sealed no more; what is left came not long ago."""
        with self._lock:
            its = self._of[device_id]
            self._ripe_bytes -= self._ripe_of(device_id, its)
            its.rows -= rows
            its.readings -= readings
            its.size_bytes -= size_bytes
            its.oldest_ns = now_ns
            self._ripe_bytes += self._ripe_of(device_id, its)

    def look_again(self, device_id: int) -> None:
        """Count one device anew: of its rows some are gone."""
        row = self._database.execute(
            "SELECT count(*), ifnull(sum(readings), 0), ifnull(sum(length(sealed)), 0),"
            " ifnull(min(received_ns), 0) FROM batch WHERE device = ? AND dated <> 3",
            (device_id,),
        ).fetchone()
        with self._lock:
            self._ripe_bytes -= self._ripe_of(device_id, self._of.get(device_id))
            self._of[device_id] = its = Waiting(self._full_at(device_id), *row)
            self._ripe_bytes += self._ripe_of(device_id, its)

    def give_up(self, device_id: int) -> None:
        """Call a device ripe no more, whatever waits: it cannot be sealed."""
        with self._lock:
            self._ripe_bytes -= self._ripe_of(device_id, self._of.get(device_id))
            self._given_up.add(device_id)

    def given_up(self) -> frozenset[int]:
        """Return the devices that cannot be sealed."""
        with self._lock:
            return frozenset(self._given_up)

    def wait(self, timeout_s: float) -> None:
        """Wait until a device has become ripe since the last look, but no longer than so."""
        self._has_ripe.wait(timeout_s)

    def wake(self) -> None:
        """Let whoever waits look at once."""
        self._has_ripe.set()

    def ripest(self, now_ns: int, but: int | None = None) -> int | None:
        """Return the device that is to be sealed next, if any is; `but` is not meant."""
        self._has_ripe.clear()
        before_ns = self.old_enough_ns(now_ns)
        with self._lock:
            ripe = [
                (its.size_bytes, device_id)
                for device_id, its in self._of.items()
                if device_id not in self._given_up
                and device_id != but
                and its.oldest_ns <= before_ns
                and (its.is_ripe or (its.rows and its.oldest_ns < now_ns - DAY_NS))
            ]
        return max(ripe)[1] if ripe else None

    def old_enough_ns(self, now_ns: int) -> int:
        """Return when a row must have come that may be sealed (UTC)."""
        # Not the clock but what is ripe decides then: it may have been ahead, and been set back.
        return LARGEST if self._ripe_bytes > _HURRY_BYTES else now_ns - YOUNG_NS

    def devices(self) -> list[int]:
        """Return the devices of which anything waits."""
        with self._lock:
            return [device_id for device_id, its in self._of.items() if its.rows]

    def readings(self) -> int:
        """Return how many readings wait in all."""
        with self._lock:
            return sum(its.readings for its in self._of.values())

    def ripe_bytes(self) -> int:
        """Return how much of what waits could be sealed at once."""
        return self._ripe_bytes

    def _count(self, device_id: int, readings: int, size_bytes: int, received_ns: int) -> None:
        its = self._of.get(device_id)
        if its is None:
            its = self._of[device_id] = Waiting(self._full_at(device_id))
        self._ripe_bytes -= self._ripe_of(device_id, its)
        if not its.rows:
            its.oldest_ns = received_ns
        its.rows += 1
        its.readings += readings
        its.size_bytes += size_bytes
        self._ripe_bytes += self._ripe_of(device_id, its)
        if its.is_ripe:
            self._has_ripe.set()

    def _ripe_of(self, device_id: int, its: Waiting | None) -> int:
        is_ripe = its is not None and its.is_ripe and device_id not in self._given_up
        return its.size_bytes if its is not None and is_ripe else 0

    def _full_at(self, device_id: int) -> int:
        row = self._database.execute("SELECT count(*) FROM series WHERE device = ?", (device_id,))
        series = int(row.fetchone()[0])
        return min(MAX_READINGS, CHUNK_READINGS * max(1, series))

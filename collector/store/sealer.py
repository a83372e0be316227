"""The sealer: what is to be sealed, merged and given back to the disk next, one step at a time.

It reads on a connection of its own, computes, and hands the writer transactions so short that nobody
notices: how much it puts into one follows from how long the last ones took.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog

from collector.errors import RefusedError
from collector.store import merging
from collector.store.chunk_rows import ChunkRows, Merged, Taken
from collector.store.database import open_for_reading
from collector.store.dating import dating_of, is_sound
from collector.store.group import is_of_file
from collector.store.numbers import LARGEST
from collector.store.rows import BatchRow
from collector.store.sealing import seal
from collector.store.transaction import Transaction
from collector.store.unsealed import MAX_READINGS, MAX_ROWS, Unsealed

_log = structlog.get_logger()
_T = TypeVar("_T")

# A step aims at this, so that hardly one takes twice as long.
_AIM_S = 0.008
_FEWEST_ROWS = 16
_MOST_ROWS = 2048
_MAX_BYTES = 4 * 2**20
_VACUUM_PAGES = 16
# Free pages are used again: giving back what the next hour needs anew would only move things.
_FREE_SHARE = 4

_ROWS = (
    "SELECT batch.id, device.name, readings, CAST(sealed AS BLOB), boot, first_ns, last_ns, dated, offset_ns,"
    " error_ns, from_ns, to_ns FROM batch JOIN device ON device.id = device"
    " WHERE device = ? AND dated <> 3 AND received_ns <= ? ORDER BY to_ns, batch.id LIMIT ?"
)


Commit = Callable[[Callable[[Transaction], Any]], tuple[Any, float]]


class Submitter(Protocol):
    """Has something done in a transaction of its own."""

    def __call__(self, work: Callable[[Transaction], _T]) -> "Future[tuple[_T, float]]":
        """Begin it; the answer comes with how long it held the writer, in seconds."""


class _Underway(NamedTuple):
    """What the writer does now, and of which device that seals or merges; of a seal: how many rows."""

    future: "Future[tuple[Any, float]]"
    device_id: int | None = None
    rows: int = 0

    @property
    def seals(self) -> int | None:
        """Which device is sealed."""
        return self.device_id if self.rows else None


class Sealer:
    """Seals one store. While the writer does one thing, the next is computed.

    Raises:
        StoreError: it cannot be read.
    """

    def __init__(self, path: Path, unsealed: Unsealed, submit: Submitter) -> None:
        self._database = open_for_reading(path)
        self._unsealed = unsealed
        self._submit = submit
        self._underway: _Underway | None = None
        self._rows = MAX_ROWS
        self._merges: Iterator[Merged] = iter(())
        self._merging = 0
        self._to_merge: dict[int, None] = {}
        self._given_up: set[int] = set()
        self._left_unmerged: set[int] = set()

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def step(self, now_ns: int) -> bool:
        """Do the next thing; say whether there was any. Devices that are ripe go first."""
        busy = None if self._underway is None else self._underway.seals
        device_id = self._unsealed.ripest(now_ns, busy)
        if device_id is not None:
            self._seal(device_id, self._unsealed.old_enough_ns(now_ns))
            return True
        return self._settle() or self._merge(merging.ENOUGH) or self._vacuum(_FREE_SHARE)

    def finish(self) -> Iterator[None]:
        """Seal all that can be sealed now, merge all that is short, and give all free pages back."""
        devices = self._unsealed.devices()
        self._to_merge.update(dict.fromkeys(devices))
        while devices:
            left = devices
            devices = []
            for device_id in left:
                if self._seal(device_id):
                    devices.append(device_id)
                yield
        while self._merge(enough=2):
            yield
        self._settle()
        while self._vacuum(None):
            yield

    def drain(self, device_id: int) -> bool:
        """Seal some of a device, ripe or not; say whether there may be more."""
        is_more = self._seal(device_id)
        self._settle()
        return is_more

    def _seal(self, device_id: int, until_ns: int = LARGEST) -> bool:
        """Seal some rows of a device that came by then; say whether there may be more."""
        if device_id in self._given_up:
            return False
        if self._underway is not None and self._underway.seals == device_id:
            self._settle()
        rows, taken, is_more = self._take(device_id, until_ns)
        if not rows:
            self._do(lambda group: group.unsealed.look_again(device_id))
            return False
        try:
            sealed = seal(rows)
        except Exception as error:  # noqa: BLE001 - what cannot be sealed stays as it came
            self._give_up(device_id, error)
            return False
        self._settle()
        work = partial(ChunkRows.seal, device_id=device_id, taken=taken, sealed=sealed)
        future = self._submit(lambda group: work(group.chunk_rows, now_ns=group.now_ns))
        self._underway = _Underway(future, device_id, len(rows))
        return is_more

    def _take(self, device_id: int, until_ns: int) -> tuple[list[BatchRow], list[Taken], bool]:
        """Return as many rows of a device as are sealed at once, and whether there may be more."""
        rows: list[BatchRow] = []
        taken: list[Taken] = []
        readings = size_bytes = 0
        with closing(self._database.execute(_ROWS, (device_id, until_ns, self._rows))) as found:
            for row_id, device, held, sealed, boot, first_ns, last_ns, *columns in found:
                readings, size_bytes = readings + held, size_bytes + len(sealed)
                if rows and (readings > MAX_READINGS or size_bytes > _MAX_BYTES):
                    return rows, taken, True
                dating = dating_of(*columns)
                sound = is_sound(columns, first_ns, last_ns)
                rows.append(BatchRow(row_id, device, columns[-1], sealed, dating, boot, sound))
                dated, offset_ns, error_ns, *_ = columns
                taken.append(Taken(row_id, dated, offset_ns, error_ns, held, len(sealed)))
        return rows, taken, len(rows) == self._rows

    def _give_up(self, device_id: int, error: Exception) -> None:
        """Leave what waits of a device as it came."""
        self._given_up.add(device_id)
        # In a transaction: whoever waits for less to be ripe is told behind one.
        self._submit(lambda group: group.unsealed.give_up(device_id)).result()
        self._tell("sealing_failed", device_id, error)

    def _leave_unmerged(self, device_id: int, error: Exception) -> None:
        """Leave what is short of a device as it is; it is sealed all the same."""
        self._merges = iter(())
        if device_id not in self._left_unmerged:
            self._left_unmerged.add(device_id)
            self._tell("merging_failed", device_id, error)

    def _tell(self, event: str, device_id: int, error: Exception) -> None:
        which = "SELECT name FROM device WHERE id = ?"
        (device,) = self._database.execute(which, (device_id,)).fetchone()
        _log.error(event, device=device, detail=str(error), exc_info=error)

    def _do(self, work: Callable[[Transaction], object], merges: int | None = None) -> None:
        """Have something done behind what is under way; `merges`: of which device."""
        self._settle()
        self._underway = _Underway(self._submit(work), merges)

    def _settle(self) -> bool:
        """Wait for what is under way, and learn from how long it took; say whether there was anything."""
        if self._underway is None:
            return False
        (future, device_id, rows), self._underway = self._underway, None
        try:
            is_done, held_s = future.result()
        except RefusedError as error:
            if device_id is None:
                raise
            (self._give_up if rows else self._leave_unmerged)(device_id, error)
            return True
        if device_id is not None and rows:
            if held_s > _AIM_S:
                self._rows = max(_FEWEST_ROWS, rows // 2)
            elif held_s < _AIM_S / 2 and rows == self._rows:
                self._rows = min(_MOST_ROWS, 2 * rows)
            if is_done:
                self._to_merge[device_id] = None
        return True

    def _merge(self, enough: int) -> bool:
        """Merge some series of a device that was sealed; say whether there were any."""
        while (merged := self._next_merged()) is None:
            if not self._to_merge:
                return False
            self._merging = next(iter(self._to_merge))
            del self._to_merge[self._merging]
            if self._merging not in self._left_unmerged:
                self._merges = merging.merges(self._database, self._merging, enough)
        work = partial(ChunkRows.merge, device_id=self._merging, merged=merged)
        self._do(lambda group: work(group.chunk_rows), self._merging)
        return True

    def _next_merged(self) -> Merged | None:
        try:
            return next(self._merges, None)
        except Exception as error:
            if is_of_file(error):
                raise
            self._leave_unmerged(self._merging, error)
            return None

    def _vacuum(self, share: int | None) -> bool:
        """Give some free pages back; with `share`, only if more than one in so many is free."""
        self._settle()
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        if free == 0 or (share is not None and free * share < pages):
            return False
        (kind,) = self._database.execute("PRAGMA auto_vacuum").fetchone()
        if not kind:
            return False  # an old store: only a VACUUM could
        self._do(lambda group: group.vacuum(_VACUUM_PAGES))
        self._settle()
        (left,) = self._database.execute("PRAGMA freelist_count").fetchone()
        return bool(left < free)

"""What one group commit does to the tables: marks, batches, ends, gaps, descriptions.

The rule that keeps a reading from being stored twice stands here: the mark of (device, epoch) moves
in the transaction that stores the batch. What is missing, and since when, is for `missing` to say.
Lives in the writer's thread. What is remembered between groups is always what is committed: a group
that fails is rolled back, and all is forgotten.
"""

import sqlite3
from collections.abc import Sequence

import structlog

from collector.clock import OwnClock, Pair, Source
from collector.measuring import Measured
from collector.store.batch_rows import BatchRows
from collector.store.chunk_rows import ChunkRows
from collector.store.clocks import Boot, Clocks
from collector.store.dating import EACH_BY_ITS_OWN, Columns, columns_of
from collector.store.devices import Devices
from collector.store.epochs import Epoch, Epochs
from collector.store.gaps import Gaps
from collector.store.missing import MissingRules
from collector.store.numbers import bounded
from collector.store.redating import Redating
from collector.store.removal import Removal
from collector.store.requests import Holding, Stored
from collector.store.unsealed import Unsealed
from service.crashpoints import crash_point
from wire.bodies import Describe, End, Gap, OpenDatagrams
from wire.receiver import Arrived

_log = structlog.get_logger()

_CLOCK_WRONG = (
    "this machine's clock shows less than the newest receipt in the store: devices are not dated by it "
    "until it is right. Look at timedatectl"
)
# Batches of one epoch stand end to end in a row, up to this: small batches would otherwise cost
# more in rows and index than in readings, and a long row would be slow to search.
_ROW_BYTES = 64 * 1024


class Transaction:
    """The tables, as one writer sees them."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._devices = Devices(database)
        self._clocks = Clocks(database)
        self._gaps = Gaps(database, self._clocks)
        self._epochs = Epochs(database, self._gaps, self._clocks)
        self._missing = MissingRules(self._epochs, self._gaps, self._clocks)
        self.unsealed = Unsealed(database)
        self._batch_rows = BatchRows(database, self.unsealed)
        self.chunk_rows = ChunkRows(database, self._gaps, self._clocks, self.unsealed)
        self.removal = Removal(database, self.chunk_rows)
        self._redating = Redating(database, self._clocks, self._gaps, self.unsealed)
        self._own_clock = OwnClock(self._epochs.newest_receipt_ns())
        self._is_clock_wrong = False
        self._changed: list[Epoch] = []
        self.now_ns = 0

    def begin(self, now_ns: int) -> None:
        """Begin a group; `now_ns` is its time of receipt, UTC."""
        self.now_ns = now_ns
        self._epochs.trim()
        if self._clocks.is_large:
            self._forget_clocks()
        self._database.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write what has gathered, and make the group durable."""
        for epoch in self._changed:
            self._write(epoch)
        self._changed.clear()
        if self._own_clock.is_possible(self.now_ns):
            self._own_clock.heard(self.now_ns)
        crash_point("store_before_commit")
        self._database.execute("COMMIT")
        self.unsealed.committed()
        crash_point("store_after_commit")

    def rollback(self) -> None:
        """Make the group undone, if it is not already."""
        self._changed.clear()
        self._forget_clocks()
        self._devices.forget()
        self.chunk_rows.forget()
        self._batch_rows.forget()
        self.unsealed.rolled_back()
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def describe(self, device: str, description: Describe) -> None:
        """Keep what a device says of its series; what it no longer has stays as it was."""
        device_id = self._devices.id_of(device, self.now_ns)
        self._devices.describe(device_id, description)
        self.unsealed.described(device_id)

    def hold(self, device: str, holding: Holding) -> dict[bytes, int]:
        """Take note of all that a device holds, and of what it no longer does; return the marks."""
        device_id = self._written(device)
        named = []
        in_order = (*holding.epochs[1:], *holding.epochs[:1])
        self._clocks.hold(device_id, [held.clock.boot_id for held in in_order])
        for held in holding.epochs:
            epoch = self._epochs.take(device_id, held.epoch, self.now_ns, datagrams=held.datagrams)
            self._epochs.set_clock(epoch, held.clock, held.began_ns)
            named.append(epoch)
        self._missing.hold(device_id, named, holding.lost, self.now_ns)
        return {epoch.name: epoch.mark for epoch in named}

    def store(self, device: str, batches: Sequence[Arrived]) -> Stored:
        """Take the batches of each epoch in order.

        At or below the mark: already stored, nothing to do. Beyond the next: a hole, and nothing
        more of that epoch is stored.
        """
        device_id = self._devices.id_of(device, self.now_ns)
        touched: dict[bytes, Epoch] = {}
        torn: dict[bytes, None] = {}
        for arrived in batches:
            name, seq, _ = arrived.header.place
            epoch = touched.get(name) or self._epochs.take(device_id, name, self.now_ns)
            if seq > epoch.mark + 1 or name in torn:
                torn[name] = None
                continue
            touched[name] = epoch
            if seq > epoch.mark:
                self._append(epoch, arrived)
                epoch.mark = seq
        return Stored({name: epoch.mark for name, epoch in touched.items()}, next(iter(torn), None))

    def record_gap(self, device: str, gap: Gap) -> int | None:
        """Record what will not come, above the mark only; return the mark, None for a hole."""
        epoch = self._epochs.take(self._written(device), gap.epoch, self.now_ns)
        if epoch.datagrams:
            return epoch.mark  # its END counts all that is missing
        if gap.first_seq > epoch.mark + 1:
            return None
        if gap.last_seq > epoch.mark:
            self._missing.gap(epoch, gap, self.now_ns)
            self._change(epoch)
        return epoch.mark

    def end(self, device: str, end: End) -> int:
        """End an epoch, once; return its mark."""
        epoch = self._epochs.take(self._written(device), end.epoch, self.now_ns)
        if epoch.ended is None:
            self._missing.end(epoch, end, self.now_ns)
            self._change(epoch)
        return epoch.mark

    def open_datagrams(self, device: str, wish: OpenDatagrams) -> bool:
        """Make an epoch one whose batches come as datagrams; say whether a key may be given for it.

        It may not for one that has batches or has ended: with a new key its seqs would come again.
        """
        device_id = self._written(device)
        epoch = self._epochs.take(device_id, wish.epoch, self.now_ns, datagrams=True)
        self._epochs.set_clock(epoch, wish.clock, wish.began_ns)
        if not epoch.datagrams and epoch.mark == 0:
            epoch.datagrams = True
            self._change(epoch)
        return epoch.datagrams and epoch.mark == 0 and epoch.ended is None

    def store_datagrams(self, device: str, name: bytes, batches: Sequence[Arrived]) -> Stored:
        """Store batches of a datagram epoch, of which none has come before; the order is free."""
        device_id = self._devices.id_of(device, self.now_ns)
        epoch = self._epochs.take(device_id, name, self.now_ns, datagrams=True)
        if not epoch.datagrams:
            return Stored({})  # whose mark allows no holes: for such a one no key is given
        for arrived in batches:
            self._append(epoch, arrived)
            epoch.mark = max(epoch.mark, arrived.header.place.seq)
        return Stored({name: epoch.mark})

    def measured(self, device: str, measured: Measured) -> None:
        """Take what was measured of a device's clock, unless the collector's own cannot be right."""
        clock, pair = measured
        boot = self._clocks.boot(self._written(device), clock.boot_id)
        if clock.synchronised:
            self._clocks.note(boot, clock)
        if self._may_measure(pair):
            self._clocks.measure(boot, pair)

    @property
    def has_stale(self) -> bool:
        """Whether something may be to be dated anew."""
        return self._clocks.has_stale

    def date_anew(self) -> bool:
        """Do a step of that; say whether there may be more."""
        return self._redating.step()

    def vacuum(self, pages: int) -> None:
        """Give so many free pages back to the disk."""
        # One by one: sqlite3 steps through a statement without rows but once.
        for _ in range(pages):
            self._database.execute("PRAGMA incremental_vacuum(1)")

    def _may_measure(self, pair: Pair) -> bool:
        is_possible = self._own_clock.is_possible(pair.wall_ns, pair.source is Source.VOUCHED)
        if is_possible is self._is_clock_wrong:
            self._is_clock_wrong = not is_possible
            if is_possible:
                _log.info("own_clock_right_again")
            else:
                _log.error("own_clock_wrong", detail=_CLOCK_WRONG)
        return is_possible

    def _forget_clocks(self) -> None:
        self._epochs.forget()
        self._clocks.forget()

    def _append(self, epoch: Epoch, arrived: Arrived) -> None:
        header, boot = arrived.header, epoch.boot
        if boot is None or boot.boot_id != header.boot_id:
            self._write_run(epoch)
            boot = self._clocks.boot(epoch.device_id, header.boot_id)
            self._epochs.set_boot(epoch, boot)
        clock = header.clock
        offset_ns = clock.wall_ns - clock.boot_ns if clock.synchronised else None
        if offset_ns != epoch.run_offset_ns or epoch.run_bytes + len(arrived.sealed) > _ROW_BYTES:
            self._write_run(epoch)
            epoch.run_offset_ns = offset_ns
        # Where a clock is right its pair says what the last one said: there is nothing to do.
        if offset_ns is not None and (
            offset_ns != boot.settled_offset_ns
            or not boot.settled_from_ns <= clock.boot_ns < boot.settled_until_ns
        ):
            self._clocks.note(boot, clock)
        epoch.run.append(arrived)
        epoch.run_bytes += len(arrived.sealed)
        if not epoch.changed:
            self._change(epoch)

    def _change(self, epoch: Epoch) -> None:
        if not epoch.changed:
            epoch.changed = True
            self._changed.append(epoch)

    def _written(self, device: str) -> int:
        """Write what has gathered of a device, so that its rows say all; return its id."""
        device_id = self._devices.id_of(device, self.now_ns)
        if any(epoch.device_id == device_id for epoch in self._changed):
            waiting, self._changed = self._changed, []
            for epoch in waiting:
                if epoch.device_id == device_id:
                    self._write(epoch)
                else:
                    self._changed.append(epoch)
        return device_id

    def _write(self, epoch: Epoch) -> None:
        self._write_run(epoch)
        if epoch.datagrams and epoch.ended is not None:
            self._missing.count_datagrams(epoch, epoch.last, self.now_ns)
        self._epochs.write(epoch, self.now_ns)
        epoch.changed = False

    def _write_run(self, epoch: Epoch) -> None:
        if not epoch.run:
            return
        if epoch.datagrams:
            epoch.run.sort(key=lambda arrived: arrived.header.place.seq)
        headers = [arrived.header for arrived in epoch.run]
        first, last = headers[0].place, headers[-1].place
        first_ns = min(header.first_ns for header in headers)
        last_ns = max(header.last_ns for header in headers)
        assert epoch.boot is not None, "a batch says of which it is"
        dated = self._dated(epoch, epoch.boot, first_ns, last_ns)
        readings = self._batch_rows.add(epoch, epoch.run, (first_ns, last_ns), dated, self.now_ns)
        crash_point("store_after_insert")
        if epoch.counted is None:
            self._gaps.count(epoch.row_id, first.seq - 1, first.before)
        if last.seq == epoch.mark:
            epoch.counted = bounded(last.before + headers[-1].readings)
        epoch.batches += len(headers)
        epoch.readings += readings
        epoch.last_ns = last_ns if epoch.last_ns is None else max(epoch.last_ns, last_ns)
        epoch.run, epoch.run_bytes = [], 0

    def _dated(self, epoch: Epoch, boot: Boot, first_ns: int, last_ns: int) -> Columns:
        """Return how the batches of a row are dated: each by its own pair, or all by another."""
        if epoch.run_offset_ns is not None:
            from_ns, to_ns = first_ns + epoch.run_offset_ns, last_ns + epoch.run_offset_ns
            return EACH_BY_ITS_OWN, None, None, from_ns, to_ns
        received_ns = self.now_ns if self._own_clock.is_possible(self.now_ns) else None
        dating = self._clocks.date(boot, first_ns, last_ns, received_ns)
        return columns_of(dating, first_ns, last_ns)

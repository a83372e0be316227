"""What one group commit does to the tables: marks, batches, ends, gaps, descriptions.

The rule that keeps a reading from being stored twice stands here: the mark of (device, epoch) moves
in the transaction that stores the batch. What is missing, and since when, is for `missing` to say.
Lives in the writer's thread. What is remembered between groups is always what is committed: a group
that fails is rolled back, and all is forgotten.
"""

import sqlite3
from collections.abc import Sequence

from collector.store.devices import Devices
from collector.store.epochs import Epoch, Epochs
from collector.store.gaps import Gaps
from collector.store.missing import MissingRules
from collector.store.numbers import bounded
from collector.store.requests import Holding, Stored
from service.crashpoints import crash_point
from wire.bodies import Describe, End, Gap, OpenDatagrams
from wire.receiver import Arrived

# Batches of one epoch stand end to end in a row, up to this: small batches would otherwise cost
# more in rows and index than in readings, and a long row would be slow to search.
_ROW_BYTES = 64 * 1024


class Transaction:
    """The tables, as one writer sees them."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._devices = Devices(database)
        self._gaps = Gaps(database)
        self._epochs = Epochs(database, self._gaps)
        self._missing = MissingRules(self._epochs, self._gaps)
        self._changed: list[Epoch] = []
        self._now_ns = 0

    def begin(self, now_ns: int) -> None:
        """Begin a group; `now_ns` is its time of receipt, UTC."""
        self._now_ns = now_ns
        self._epochs.trim()
        self._database.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write what has gathered, and make the group durable."""
        for epoch in self._changed:
            self._write(epoch)
        self._changed.clear()
        crash_point("store_before_commit")
        self._database.execute("COMMIT")
        crash_point("store_after_commit")

    def rollback(self) -> None:
        """Make the group undone, if it is not already."""
        self._changed.clear()
        self._epochs.forget()
        self._devices.forget()
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def describe(self, device: str, description: Describe) -> None:
        """Keep what a device says of its series; what it no longer has stays as it was."""
        self._devices.describe(self._devices.id_of(device, self._now_ns), description)

    def hold(self, device: str, holding: Holding) -> dict[bytes, int]:
        """Take note of all that a device holds, and of what it no longer does; return the marks."""
        device_id = self._written(device)
        named = []
        for held in holding.epochs:
            epoch = self._epochs.take(device_id, held.epoch, self._now_ns, datagrams=held.datagrams)
            self._epochs.set_clock(epoch, held.clock, held.began_ns)
            named.append(epoch)
        self._missing.hold(device_id, named, holding.lost, self._now_ns)
        return {epoch.name: epoch.mark for epoch in named}

    def store(self, device: str, batches: Sequence[Arrived]) -> Stored:
        """Take the batches of each epoch in order.

        At or below the mark: already stored, nothing to do. Beyond the next: a hole, and nothing
        more of that epoch is stored.
        """
        device_id = self._devices.id_of(device, self._now_ns)
        touched: dict[bytes, Epoch] = {}
        torn: dict[bytes, None] = {}
        for arrived in batches:
            name, seq, _ = arrived.header.place
            epoch = touched.get(name) or self._epochs.take(device_id, name, self._now_ns)
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
        epoch = self._epochs.take(self._written(device), gap.epoch, self._now_ns)
        if epoch.datagrams:
            return epoch.mark  # its END counts all that is missing
        if gap.first_seq > epoch.mark + 1:
            return None
        if gap.last_seq > epoch.mark:
            self._missing.gap(epoch, gap, self._now_ns)
            self._change(epoch)
        return epoch.mark

    def end(self, device: str, end: End) -> int:
        """End an epoch, once; return its mark."""
        epoch = self._epochs.take(self._written(device), end.epoch, self._now_ns)
        if epoch.ended is None:
            self._missing.end(epoch, end, self._now_ns)
            self._change(epoch)
        return epoch.mark

    def open_datagrams(self, device: str, wish: OpenDatagrams) -> bool:
        """Make an epoch one whose batches come as datagrams; say whether a key may be given for it.

        It may not for one that has batches or has ended: with a new key its seqs would come again.
        """
        device_id = self._written(device)
        epoch = self._epochs.take(device_id, wish.epoch, self._now_ns, datagrams=True)
        self._epochs.set_clock(epoch, wish.clock, wish.began_ns)
        if not epoch.datagrams and epoch.mark == 0:
            epoch.datagrams = True
            self._change(epoch)
        return epoch.datagrams and epoch.mark == 0 and epoch.ended is None

    def store_datagrams(self, device: str, name: bytes, batches: Sequence[Arrived]) -> Stored:
        """Store batches of a datagram epoch, of which none has come before; the order is free."""
        device_id = self._devices.id_of(device, self._now_ns)
        epoch = self._epochs.take(device_id, name, self._now_ns, datagrams=True)
        if not epoch.datagrams:
            return Stored({})  # whose mark allows no holes: for such a one no key is given
        for arrived in batches:
            self._append(epoch, arrived)
            epoch.mark = max(epoch.mark, arrived.header.place.seq)
        return Stored({name: epoch.mark})

    def _append(self, epoch: Epoch, arrived: Arrived) -> None:
        if epoch.run_bytes + len(arrived.sealed) > _ROW_BYTES:
            self._write_run(epoch)
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
        device_id = self._devices.id_of(device, self._now_ns)
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
            self._missing.count_datagrams(epoch, epoch.last_ns, self._now_ns)
        self._epochs.write(epoch, self._now_ns)
        epoch.changed = False

    def _write_run(self, epoch: Epoch) -> None:
        if not epoch.run:
            return
        if epoch.datagrams:
            epoch.run.sort(key=lambda arrived: arrived.header.place.seq)
        headers = [arrived.header for arrived in epoch.run]
        first, last = headers[0].place, headers[-1].place
        readings = sum(header.readings for header in headers)
        to_ns = max(header.last_ns + header.clock.offset_ns for header in headers)
        self._database.execute(
            "INSERT INTO batch (device, epoch, first_seq, last_seq, readings, from_ns, to_ns,"
            " received_ns, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                epoch.device_id,
                epoch.row_id,
                first.seq,
                last.seq,
                readings,
                min(header.first_ns + header.clock.offset_ns for header in headers),
                to_ns,
                self._now_ns,
                b"".join([arrived.sealed for arrived in epoch.run]),
            ),
        )
        crash_point("store_after_insert")
        if epoch.counted is None:
            self._gaps.count(epoch.row_id, first.seq - 1, first.before)
        if last.seq == epoch.mark:
            epoch.counted = bounded(last.before + headers[-1].readings)
        epoch.batches += len(headers)
        epoch.readings += readings
        epoch.last_ns = to_ns if epoch.last_ns is None else max(epoch.last_ns, to_ns)
        epoch.run, epoch.run_bytes = [], 0

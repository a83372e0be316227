"""What one group commit does to the tables: marks, batches, gaps, descriptions.

The rule that keeps a reading from being stored twice stands here: the mark of (device, epoch) moves
in the transaction that stores the batch. Lives in the writer's thread; whatever fails here ends the
writer, so what is remembered between groups is always what is committed.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from wire.frames import Describe, Gap
from wire.receiver import Arrived

# Batches of one epoch stand end to end in a row, up to this: small batches would otherwise cost
# more in rows and index than in readings, and a long row would be slow to search.
_ROW_BYTES = 64 * 1024
_REMEMBERED_EPOCHS = 10_000


class _Epoch:
    """One epoch's row, and the run of batches that its next batch row will hold."""

    def __init__(self, device_id: int, row_id: int, mark: int, readings: int) -> None:
        self.device_id = device_id
        self.row_id = row_id
        self.mark = mark
        self.readings = readings
        self.run: list[Arrived] = []
        self.run_bytes = 0
        self.changed = False


class Transaction:
    """The tables, as one writer sees them."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._devices: dict[str, int] = {}
        self._epochs: dict[tuple[int, bytes], _Epoch] = {}
        self._changed: list[_Epoch] = []
        self._now_ns = 0

    def begin(self, now_ns: int) -> None:
        """Begin a group; `now_ns` is its time of receipt, UTC."""
        self._now_ns = now_ns
        if len(self._epochs) > _REMEMBERED_EPOCHS:
            self._epochs.clear()
        self._database.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write what has gathered, and make the group durable."""
        for epoch in self._changed:
            self._write_run(epoch)
            self._database.execute(
                "UPDATE epoch SET mark = ?, readings = ?, heard_ns = ? WHERE id = ?",
                (epoch.mark, epoch.readings, self._now_ns, epoch.row_id),
            )
            epoch.changed = False
        self._changed.clear()
        self._database.execute("COMMIT")

    def describe(self, device: str, description: Describe) -> None:
        """Keep what a device says of its series; what it no longer has stays as it was."""
        device_id = self._device_id(device)
        self._database.execute(
            "UPDATE device SET label = ? WHERE id = ?", (description.label, device_id)
        )
        self._database.executemany(
            "INSERT INTO series (device, sensor, channel, unit, quantity, decimals, label, driver,"
            " interval_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " unit = excluded.unit, quantity = excluded.quantity, decimals = excluded.decimals,"
            " label = excluded.label, driver = excluded.driver, interval_s = excluded.interval_s",
            _series_rows(device_id, description),
        )

    def marks(self, device: str, epochs: Iterable[bytes]) -> dict[bytes, int]:
        """Return the mark of each epoch; one never heard of has 0, and leaves no row."""
        device_id = self._device_id(device)
        found = {epoch: self._known_epoch(device_id, epoch) for epoch in epochs}
        return {name: epoch.mark if epoch else 0 for name, epoch in found.items()}

    def store(self, device: str, batches: Sequence[Arrived]) -> tuple[Mapping[bytes, int], bool]:
        """Take batches in order; return the marks of their epochs, and whether one left a hole.

        At or below the mark: already stored, nothing to do. Beyond the next: a hole, not stored.
        """
        device_id = self._device_id(device)
        marks: dict[bytes, int] = {}
        for arrived in batches:
            place = arrived.header.place
            epoch = self._epoch(device_id, place.epoch)
            if place.seq > epoch.mark + 1:
                return marks, True
            if place.seq == epoch.mark + 1:
                self._append(epoch, arrived)
            marks[place.epoch] = epoch.mark
        return marks, False

    def record_gap(self, device: str, gap: Gap) -> int | None:
        """Record what will not come, above the mark only; return the mark, None for a hole."""
        device_id = self._device_id(device)
        epoch = self._epoch(device_id, gap.epoch)
        if gap.first_seq > epoch.mark + 1:
            return None
        if gap.last_seq > epoch.mark:
            self._write_run(epoch)
            self._database.execute(
                "INSERT INTO gap (device, epoch, first_seq, last_seq, readings, reason, recorded_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (device_id, epoch.row_id, epoch.mark + 1, gap.last_seq, gap.readings, gap.reason,
                 self._now_ns),
            )  # fmt: skip
            self._change(epoch)
            epoch.mark = gap.last_seq
        return epoch.mark

    def _append(self, epoch: _Epoch, arrived: Arrived) -> None:
        if epoch.run_bytes + len(arrived.sealed) > _ROW_BYTES:
            self._write_run(epoch)
        epoch.run.append(arrived)
        epoch.run_bytes += len(arrived.sealed)
        epoch.mark += 1
        epoch.readings += arrived.header.readings
        self._change(epoch)

    def _change(self, epoch: _Epoch) -> None:
        if not epoch.changed:
            epoch.changed = True
            self._changed.append(epoch)

    def _write_run(self, epoch: _Epoch) -> None:
        if not epoch.run:
            return
        headers = [arrived.header for arrived in epoch.run]
        self._database.execute(
            "INSERT INTO batch (device, epoch, first_seq, last_seq, readings, from_ns, to_ns,"
            " received_ns, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                epoch.device_id,
                epoch.row_id,
                headers[0].place.seq,
                headers[-1].place.seq,
                sum(header.readings for header in headers),
                min(header.first_ns + header.clock.offset_ns for header in headers),
                max(header.last_ns + header.clock.offset_ns for header in headers),
                self._now_ns,
                b"".join([arrived.sealed for arrived in epoch.run]),
            ),
        )
        epoch.run, epoch.run_bytes = [], 0

    def _device_id(self, name: str) -> int:
        if name not in self._devices:
            self._database.execute(
                "INSERT INTO device (name, first_heard_ns) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, self._now_ns),
            )
            row = self._database.execute("SELECT id FROM device WHERE name = ?", (name,))
            self._devices[name] = row.fetchone()[0]
        return self._devices[name]

    def _epoch(self, device_id: int, name: bytes) -> _Epoch:
        known = self._known_epoch(device_id, name)
        if known is not None:
            return known
        row = self._database.execute(
            "INSERT INTO epoch (device, epoch, mark, readings, heard_ns) VALUES (?, ?, 0, 0, ?)",
            (device_id, name, self._now_ns),
        )
        assert row.lastrowid is not None
        self._epochs[device_id, name] = _Epoch(device_id, row.lastrowid, 0, 0)
        return self._epochs[device_id, name]

    def _known_epoch(self, device_id: int, name: bytes) -> _Epoch | None:
        key = (device_id, name)
        if key not in self._epochs:
            row = self._database.execute(
                "SELECT id, mark, readings FROM epoch WHERE device = ? AND epoch = ?", key
            ).fetchone()
            if row is None:
                return None
            self._epochs[key] = _Epoch(device_id, *row)
        return self._epochs[key]


def _series_rows(device_id: int, description: Describe) -> list[tuple[object, ...]]:
    return [
        (
            device_id, sensor.name, channel.name, channel.unit, channel.quantity,
            channel.decimals, channel.label or sensor.label, sensor.driver, sensor.interval_s,
        )
        for sensor in description.sensors
        for channel in sensor.channels
    ]  # fmt: skip

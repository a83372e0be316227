"""Stores in which something is missing, written row by row: any gap there can be."""

import time
from pathlib import Path

from collector.store.soundness import checksum
from kit.stores import BOOTED_NS, change, rows, transaction


def _device_id(file: Path, device: str) -> int:
    with transaction(file):  # makes the store
        pass
    change(
        file,
        "INSERT INTO device (name, first_heard_ns) VALUES (?, 0) ON CONFLICT DO NOTHING",
        device,
    )
    return int(rows(file, "SELECT id FROM device WHERE name = ?", device)[0][0])


def add_gap(
    file: Path,
    device: str,
    reason: str = "spool_full",
    *,
    readings: int | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
    recorded_ns: int = BOOTED_NS,
    seqs: tuple[int | None, int | None] = (None, 9),
) -> None:
    """Record a gap; what is left out nobody knows."""
    change(
        file,
        "INSERT INTO gap (device, first_seq, last_seq, readings, from_ns, to_ns, reason,"
        " recorded_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        _device_id(file, device), *seqs, readings, from_ns, to_ns, reason, recorded_ns,
    )  # fmt: skip


def add_datagrams(file: Path, device: str, epoch: bytes, *, highest_seq: int, came: int) -> None:
    """Record a datagram epoch; each datagram that came held one reading."""
    device_id = _device_id(file, device)
    change(
        file,
        "INSERT INTO epoch (device, epoch, datagrams, mark, batches, readings, heard_ns, checksum)"
        " VALUES (?, ?, 1, ?, ?, ?, ?, ?)",
        device_id, epoch, highest_seq, came, came, time.time_ns(),
        checksum(device_id, epoch, highest_seq, None, 1),
    )  # fmt: skip

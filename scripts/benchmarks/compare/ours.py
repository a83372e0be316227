"""Ours: `telegauge-collector serve` as it is, with a folder of its own."""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.compare import formats
from benchmarks.compare.signals import Device
from benchmarks.compare.trees import Tree
from benchmarks.load import Sealed, send_all, send_paced
from benchmarks.processes import BIN, free_port, program
from service import control

_ANSWERS_WITHIN_S = 60.0
Load = list[Sealed]
# What a table of the store, or an index, counts as; everything else is the rest.
_TABLES = {
    "raw": {"chunk", "chunk_times", "chunk_time", "chunk_short", "chunk_shared"},
    "rollup": {"rollup", "rollup_time", "rollup_short"},
    "unsealed": {"batch", "batch_time", "batch_by_pair"},
}


class Telegauge:
    """A running collector. Its ACK comes after the fsync; what it has sealed, it has compressed."""

    name = "telegauge"

    @classmethod
    def is_there(cls) -> bool:
        """Whether it can run: always."""
        return True

    @classmethod
    def encoded(cls, devices: Iterator[Device], per_batch: int) -> Load:
        """Return the sealed batches of every device, each in an epoch of its own."""
        dice = random.Random(1)
        return [formats.sealed(device, dice.randbytes(16), per_batch) for device in devices]

    def __init__(self, folder: Path, port: int, web_port: int, pid: int) -> None:
        self.folder = folder
        self.port = web_port
        self.tree = Tree(pid)
        self._devices_port = port

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> "Iterator[Telegauge]":
        """Run it in a folder until the block ends."""
        port, web_port = free_port(), free_port()
        config = (
            f"devices:\n  listen: 127.0.0.1:{port}\nweb:\n  listen: 127.0.0.1:{web_port}\n"
            "logs:\n  level: warning\n"
        )
        with program(BIN / "telegauge-collector", "serve", config, folder) as collector:
            yield cls(folder, port, web_port, collector.pid)

    def send(self, load: Load, connections: int) -> float:
        """Send everything; return the seconds until the last ACK."""
        return asyncio.run(send_all(self._devices_port, load, connections))

    def send_paced(self, load: Load, every_s: float) -> list[float]:
        """Send at a pace, a session a device; return how long each batch took."""
        return asyncio.run(send_paced(self._devices_port, load, every_s))

    def make_visible(self, readings: int) -> None:  # noqa: ARG002 - an ACK says that it is
        """Seal, merge and vacuum all that waits. Queries see it from the ACK on."""
        while not self._ask("seal"):
            pass

    def facts(self) -> dict[str, Any]:
        """Return how long sealing held the writer, a transaction."""
        return {f"hold_{key}": each for key, each in self._ask("status")["holds"].items()}

    def count(self, start_ns: int, end_ns: int) -> int:  # noqa: ARG002 - it counts all
        """Return how many readings the store holds, sealed or not."""
        with closing(_reading(self.folder)) as store:
            return sum(_readings(store, table) for table in ("batch", "chunk"))

    @classmethod
    def merged_bytes(cls, folder: Path) -> dict[str, int]:
        """Return what its file takes after a clean stop, and how much of it is what."""
        file = folder / "state" / "telegauge.db"
        found = {
            "bytes": sum(each.stat().st_blocks * 512 for each in file.parent.glob("telegauge.db*"))
        }
        with closing(_reading(folder)) as store, contextlib.suppress(sqlite3.OperationalError):
            rows = store.execute(
                "SELECT name, sum(pgsize), sum(payload) FROM dbstat GROUP BY name"
            ).fetchall()
            for key, names in _TABLES.items():
                found[f"{key}_bytes"] = sum(size for name, size, _ in rows if name in names)
                found[f"{key}_payload_bytes"] = sum(each for name, _, each in rows if name in names)
            (free,) = store.execute("PRAGMA freelist_count").fetchone()
            (page,) = store.execute("PRAGMA page_size").fetchone()
            found["free_bytes"] = free * page
        return found

    def _ask(self, what: str) -> Any:
        return control.ask(self.folder / "run" / "control", what, _ANSWERS_WITHIN_S)


def _reading(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / 'state' / 'telegauge.db'}?mode=ro", uri=True)


def _readings(store: sqlite3.Connection, table: str) -> int:
    found: Sequence[int | None] = store.execute(f"SELECT sum(readings) FROM {table}").fetchone()
    return found[0] or 0

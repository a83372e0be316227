"""A sealer in the test's own hand: a step is done when the test says so, in its own thread."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from collector.store.database import open_for_writing
from collector.store.group import GroupCommit
from collector.store.sealer import Sealer
from collector.store.transaction import Transaction
from kit.stores import rows
from wire.receiver import Arrived

_T = TypeVar("_T")
# Nothing is so young that it would have to wait, or so old that it may not.
_LATER_S = 3600
_TABLES = (
    "batch",
    "chunk",
    "chunk_times",
    "rollup",
    "removal",
    "undecodable",
    "gap",
    "progress",
)


class SealingRig:
    """A store that the test writes to and seals; each job is a transaction of its own.

    `between` is done right before the next transaction of the sealer: by then it has read what it
    is about to replace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.between: list[Callable[[], object]] = []
        self._database = open_for_writing(path)
        self.group = GroupCommit(self._database)
        self.sealer = Sealer(path, self.group.unsealed, self._submit)

    def do(self, job: Callable[[Transaction], _T]) -> _T:
        """Do something in a transaction."""
        return self.group.work(job)

    def step(self, later_s: int = _LATER_S) -> bool:
        """Do the next thing that is to be done so much later; say whether there was any."""
        return self.sealer.step(time.time_ns() + later_s * 10**9)

    def close(self) -> None:
        """Close the store."""
        self.sealer.close()
        self._database.close()

    def _submit(self, work: Callable[[Transaction], _T]) -> "Future[tuple[_T, float]]":
        while self.between:
            self.between.pop()()
        return self.group.submit(work)


@contextmanager
def sealing_rig(path: Path) -> Iterator[SealingRig]:
    """A rig that is closed."""
    with closing(SealingRig(path)) as rig:
        yield rig


def sealed_apart(path: Path, device: str, *batches: Arrived) -> None:
    """Store batches of a device, each of which becomes chunks and rollups of its own."""
    with sealing_rig(path) as rig:
        for each in batches:
            rig.do(lambda group, each=each: group.store(device, [each]))  # type: ignore[misc]
            ((device_id,),) = rows(path, "SELECT id FROM device WHERE name = ?", device)
            while rig.sealer.drain(device_id):
                pass


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that sealing, merging and removing may change."""
    return {table: rows(path, f"SELECT * FROM {table} ORDER BY 1") for table in _TABLES}

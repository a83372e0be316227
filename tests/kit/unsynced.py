"""What a power cut leaves of a file: the model, without any file system.

Everything written since the last sync is unsynced. A cut forgets it ("drop"), or keeps sectors of it
as chance will have it ("torn"): a disk writes in its own order, and a sector whole or not at all. Of
a sector written twice since the last sync the newest content may be kept, none in between. The size
behaves likewise: the synced one, the newest, or one in between where the file grew.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

SECTOR_BYTES = 512


class Change(NamedTuple):
    """What to do to the durable copy: shorten it to `cut_to`, write, then make it `size` long."""

    cut_to: int | None
    writes: list[tuple[int, bytes]]
    size: int


class Unsynced:
    """One file as programs see it, and which of its sectors the disk does not have yet."""

    def __init__(self, durable: bytes) -> None:
        self.content = bytearray(durable)
        self._synced_size = len(durable)
        self._least_size = len(durable)
        self._touched: set[int] = set()

    @property
    def unsynced_bytes(self) -> int:
        """How much a cut could forget, in whole sectors."""
        return len(self._touched) * SECTOR_BYTES

    def write(self, data: bytes, offset: int) -> None:
        """Write, beyond the end too."""
        end = offset + len(data)
        if len(self.content) < offset:
            self.content.extend(bytes(offset - len(self.content)))
        self.content[offset:end] = data
        self._touched.update(range(offset // SECTOR_BYTES, -(-end // SECTOR_BYTES)))

    def truncate(self, size: int) -> None:
        """Shorten or lengthen, with zeros."""
        if size < len(self.content):
            del self.content[size:]
            self._least_size = min(self._least_size, size)
        else:
            self.content.extend(bytes(size - len(self.content)))

    def sync(self) -> Change:
        """Make everything durable."""
        change = Change(self._least_size, list(self._runs(self._touched)), len(self.content))
        self._synced_size = self._least_size = len(self.content)
        self._touched.clear()
        return change

    def torn(self, dice: random.Random) -> Change:
        """What of it chance keeps. The file is to be made anew from the durable copy afterwards."""
        share = dice.random()
        kept = {sector for sector in sorted(self._touched) if dice.random() < share}
        size = self._size_kept(dice)
        cut_to = self._least_size if dice.random() < 0.5 else None
        writes = [(at, data[: size - at]) for at, data in self._runs(kept) if at < size]
        return Change(cut_to, writes, size)

    def _size_kept(self, dice: random.Random) -> int:
        ends = sorted((self._synced_size, len(self.content)))
        between = dice.randint(*ends) // SECTOR_BYTES * SECTOR_BYTES
        return dice.choice([*ends, max(between, ends[0])])

    def _runs(self, sectors: set[int]) -> Iterator[tuple[int, bytes]]:
        """The content of sectors, neighbours together."""
        first = last = None
        for sector in sorted(sectors):
            if last is None or sector != last + 1:
                if first is not None and last is not None:
                    yield self._run(first, last)
                first = sector
            last = sector
        if first is not None and last is not None:
            yield self._run(first, last)

    def _run(self, first: int, last: int) -> tuple[int, bytes]:
        at = first * SECTOR_BYTES
        return at, bytes(self.content[at : (last + 1) * SECTOR_BYTES])

"""What a store holds in the end, as its file says: where each value stands, gaps, and marks."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from device.spool import Row
from kit.spools import values_of
from kit.stores import rows
from wire import batches

# An epoch and a seq; and an epoch of a device.
Place: TypeAlias = tuple[bytes, int]
Line: TypeAlias = tuple[str, bytes]


class Gap(NamedTuple):
    """A gap; see schema.sql for the kinds. `epoch` is None for a span of time."""

    device: str
    epoch: bytes | None
    first_seq: int | None
    last_seq: int | None
    readings: int | None
    from_ns: int | None
    to_ns: int | None
    reason: str

    @property
    def line(self) -> Line:
        """Whose batches are missing."""
        assert self.epoch is not None
        return self.device, self.epoch

    @property
    def seqs(self) -> range:
        """Which batches will not come; none where that is not known."""
        if not self.first_seq or not self.last_seq:
            return range(0)
        return range(self.first_seq, self.last_seq + 1)

    @property
    def is_tail(self) -> bool:
        """Whether it goes from a batch to nobody knows where."""
        return self.epoch is not None and self.last_seq is None

    def has_place(self, place: Place) -> bool:
        """Whether a batch lies in it by its number."""
        epoch, seq = place
        if epoch != self.epoch:
            return False
        return seq in self.seqs or (
            self.is_tail and self.first_seq is not None and self.first_seq <= seq
        )

    def has_time(self, time_ns: int) -> bool:
        """Whether nobody knows how many batches it is, and a moment lies in it."""
        if self.epoch is None or self.last_seq:
            return False
        is_behind = self.from_ns is None or self.from_ns <= time_ns
        return is_behind and (self.to_ns is None or time_ns <= self.to_ns)


class Mark(NamedTuple):
    """What the row of an epoch says."""

    mark: int
    is_ended: bool
    is_of_datagrams: bool


class Found:
    """What a store holds. `values`: of which line and place each is."""

    def __init__(self, file: Path) -> None:
        self.gaps = [
            Gap(*row)
            for row in rows(
                file,
                "SELECT name, epoch.epoch, first_seq, last_seq, gap.readings, from_ns, to_ns, reason"
                " FROM gap JOIN device ON device.id = gap.device"
                " LEFT JOIN epoch ON epoch.id = gap.epoch ORDER BY gap.id",
            )
        ]
        self.marks: dict[Line, Mark] = {
            (name, epoch): Mark(*facts)
            for name, epoch, *facts in rows(
                file,
                "SELECT name, epoch, mark, ended IS NOT NULL, datagrams FROM epoch"
                " JOIN device ON device.id = epoch.device",
            )
        }
        self.values: defaultdict[float, list[tuple[Line, int]]] = defaultdict(list)
        self.seqs: Counter[tuple[Line, int]] = Counter()
        for device, sealed in _batches(file):
            epoch, seq, _ = batches.open_header(sealed).place
            self.seqs[(device, epoch), seq] += 1
            for value in values_of(Row(seq, seq, 1, sealed)):
                self.values[value].append(((device, epoch), seq))

    def gaps_at(self, place: Place) -> list[Gap]:
        """The gaps that a batch lies in, by its number."""
        return [gap for gap in self.gaps if gap.has_place(place)]

    def gaps_around(self, time_ns: int) -> list[Gap]:
        """The gaps of unknown size that a moment lies in."""
        return [gap for gap in self.gaps if gap.has_time(time_ns)]


def _batches(file: Path) -> Iterator[tuple[str, bytes]]:
    for device, run in rows(
        file, "SELECT name, sealed FROM batch JOIN device ON device.id = batch.device"
    ):
        for sealed in batches.split(run):
            yield device, sealed

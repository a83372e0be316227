"""The rows of epochs: read, remembered, checked against their checksums, and written.

What moves a mark, and what a tail means, is for `transaction` and `missing` to say.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field

from collector.store.clocks import At, Boot, Clocks
from collector.store.gaps import Gaps, Tail
from collector.store.numbers import LARGEST
from collector.store.soundness import check_epoch, checksum
from wire.bodies import Moment
from wire.receiver import Arrived

_REMEMBERED = 10_000
_COLUMNS = (
    "id, datagrams, boot, began_ns, mark, batches, readings, counted, last_ns,"
    " CAST(ended AS BLOB), checksum"  # a damaged text may be none in UTF-8
)


@dataclass(slots=True, eq=False)
class Epoch:
    """One epoch's row, its tail, and the run of batches that its next batch row will hold.

    `batches`, `readings`, `counted` and `last_ns` lack the run, which only the mark is ahead of.
    `began_ns` and `last_ns` are CLOCK_BOOTTIME of `boot`. All pairs of a run are synchronised and say
    `run_offset_ns` (UTC - CLOCK_BOOTTIME), or none is.
    """

    device_id: int
    name: bytes
    row_id: int
    datagrams: bool
    boot: Boot | None = None
    began_ns: int | None = None
    mark: int = 0
    batches: int = 0
    readings: int = 0
    counted: int | None = 0
    last_ns: int | None = None
    ended: str | None = None
    tail: Tail | None = None
    run: list[Arrived] = field(default_factory=list)
    run_bytes: int = 0
    run_offset_ns: int | None = None
    changed: bool = False

    @property
    def began(self) -> At | None:
        """When it began; None: not told."""
        return None if self.began_ns is None else At(self.began_ns, self.boot)

    @property
    def last(self) -> At | None:
        """When the latest reading was read that is stored; None: none is."""
        return None if self.last_ns is None else At(self.last_ns, self.boot)

    @property
    def reached(self) -> At | None:
        """No later than whatever comes next of this epoch was read; None: not known."""
        return self.last or self.began


class Epochs:
    """The epochs of all devices; those in use are remembered until `forget`.

    Raises:
        sqlite3.DatabaseError: a row is damaged (see `soundness`), and the file with it.
    """

    def __init__(self, database: sqlite3.Connection, gaps: Gaps, clocks: Clocks) -> None:
        self._database = database
        self._gaps = gaps
        self._clocks = clocks
        self._known: dict[tuple[int, bytes], Epoch] = {}

    def forget(self) -> None:
        """Forget what was read, because it was rolled back."""
        self._known.clear()

    def trim(self) -> None:
        """Forget what was read where that is much; only between groups."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()

    def take(self, device_id: int, name: bytes, now_ns: int, *, datagrams: bool = False) -> Epoch:
        """Return an epoch, as a new one if it was never heard of."""
        epoch = self._known.get((device_id, name)) or self._read(device_id, name)
        if epoch is None:
            epoch = self._insert(device_id, name, now_ns, datagrams)
        return epoch

    def write(self, epoch: Epoch, now_ns: int) -> None:
        """Bring the row, and the tail where the mark has moved into it, up to date."""
        ended = None if epoch.ended is None else epoch.ended.encode()
        proof = checksum(epoch.device_id, epoch.name, epoch.mark, ended, epoch.datagrams)
        self._database.execute(
            "UPDATE epoch SET heard_ns = iif(mark = ?, heard_ns, ?), mark = ?, batches = ?,"
            " readings = ?, counted = ?, last_ns = ?, ended = ?, datagrams = ?, checksum = ?,"
            " boot = ?, began_ns = ? WHERE id = ?",
            (
                epoch.mark, now_ns, epoch.mark, epoch.batches, epoch.readings, epoch.counted,
                epoch.last_ns, epoch.ended, epoch.datagrams, proof,
                epoch.boot and epoch.boot.row_id, epoch.began_ns, epoch.row_id,
            ),
        )  # fmt: skip
        if epoch.tail is not None and epoch.tail.first_seq <= epoch.mark:
            self._take_back(epoch, epoch.tail)

    def set_clock(self, epoch: Epoch, clock: Moment, began_ns: int) -> None:
        """Keep of which boot an epoch is, which began at `began_ns` (CLOCK_BOOTTIME); and its pair."""
        boot = self._clocks.boot(epoch.device_id, clock.boot_id)
        if clock.synchronised:
            self._clocks.note(boot, clock)
        if self.set_boot(epoch, boot) or epoch.began_ns is None:
            epoch.began_ns = began_ns
            self._database.execute(
                "UPDATE epoch SET boot = ?, began_ns = ?, last_ns = ? WHERE id = ?",
                (boot.row_id, began_ns, epoch.last_ns, epoch.row_id),
            )

    def set_boot(self, epoch: Epoch, boot: Boot) -> bool:
        """Note of which boot an epoch is; say whether it was said to be of none, or another."""
        if epoch.boot is boot:
            return False
        epoch.boot, epoch.began_ns, epoch.last_ns = boot, None, None
        return True

    def newest_receipt_ns(self) -> int:
        """Return when something was last received, by the collector's clock."""
        (newest_ns,) = self._database.execute("SELECT max(heard_ns) FROM epoch").fetchone()
        return newest_ns or 0

    def vanished(self, device_id: int, named: Collection[bytes], now_ns: int) -> list[Epoch]:
        """Return the epochs of a device, as written, that may go on, have no tail and no name."""
        rows = self._database.execute(
            "SELECT epoch FROM epoch WHERE device = ? AND ended IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM gap WHERE gap.epoch = epoch.id AND gap.last_seq IS NULL) ORDER BY id",
            (device_id,),
        ).fetchall()
        return [self.take(device_id, name, now_ns) for (name,) in rows if name not in named]

    def before(self, epoch: Epoch) -> tuple[bool, At | None]:
        """Say whether the device was heard of before this epoch, and the latest reading of then."""
        rows = self._database.execute(
            "SELECT boot, max(last_ns) FROM epoch WHERE device = ? AND id < ? GROUP BY boot"
            " ORDER BY boot",
            (epoch.device_id, epoch.row_id),
        ).fetchall()
        latest = [
            At(last_ns, self._clocks.by_row(boot))
            for boot, last_ns in rows
            if boot is not None and last_ns is not None
        ]
        return bool(rows), max(latest, key=self._placed, default=None)

    def _placed(self, at: At) -> tuple[int, int]:
        """Return what moments of a device are in order by: UTC where it is known, else the boot."""
        earliest_ns, _ = self._clocks.span(at)
        assert at.boot is not None, "it is of one"
        return (-LARGEST if earliest_ns is None else earliest_ns), at.boot.row_id

    def _read(self, device_id: int, name: bytes) -> Epoch | None:
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM epoch WHERE device = ? AND epoch = ?",  # noqa: S608 - ours
            (device_id, name),
        ).fetchone()
        if row is None:
            return None
        row_id, datagrams, boot, *facts, ended, found = row
        check_epoch(found, device_id, name, facts[1], ended, datagrams)
        its_boot = None if boot is None else self._clocks.by_row(boot)
        epoch = Epoch(device_id, name, row_id, bool(datagrams), its_boot, *facts)
        epoch.ended = None if ended is None else ended.decode()
        epoch.tail = self._gaps.tail(row_id)
        self._known[device_id, name] = epoch
        return epoch

    def _insert(self, device_id: int, name: bytes, now_ns: int, datagrams: bool) -> Epoch:
        row = self._database.execute(
            "INSERT INTO epoch (device, epoch, datagrams, mark, batches, readings, counted,"
            " heard_ns, checksum) VALUES (?, ?, ?, 0, 0, 0, 0, ?, ?)",
            (device_id, name, datagrams, now_ns, checksum(device_id, name, 0, None, datagrams)),
        )
        assert row.lastrowid is not None
        epoch = self._known[device_id, name] = Epoch(device_id, name, row.lastrowid, datagrams)
        return epoch

    def _take_back(self, epoch: Epoch, tail: Tail) -> None:
        """Take back of a tail what the mark has moved over.

        That an epoch goes on disproves that it was lost; but where it has ended, its END still says
        that something behind the mark is missing.
        """
        if epoch.ended is not None and epoch.mark < LARGEST:
            epoch.tail = self._gaps.shorten_tail(tail, epoch.mark + 1, epoch.last)
        else:
            self._gaps.drop_tail(tail)
            epoch.tail = None

"""The clocks of devices: the rows of boots and of clock pairs, and what they make of a moment.

Which pair dates what is for collector.clock to say. A pair is kept only where it says something new:
a device whose clock is right leaves one an hour of uptime, half a megabyte a year, and of each hour
one measured pair is kept, where no synchronised one stands near. A pair that may date readings
anew marks its boot as *stale*, from when to when; `redating` does the rest.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collector.clock import (
    HOUR_NS,
    LARGEST_NS,
    SAME_NS,
    Dating,
    Known,
    Pair,
    Pairs,
    Source,
    dating_by,
)
from collector.measuring import is_better
from collector.store.numbers import bounded
from wire.batches import ClockPair
from wire.bodies import Moment

# Two a uptime hour for more than a year; a device that claims more has its own batches dated, no others.
MAX_PAIRS = 20_000
_REMEMBERED = 100_000
_PLACED = "AND placed = 1"


@dataclass(slots=True, eq=False)
class Boot:
    """One boot of a device: its row, and its pairs.

    A synchronised pair of `settled_offset_ns`, from `settled_from_ns` to before `settled_until_ns`, says
    nothing new: who has many need not ask.
    """

    row_id: int
    device_id: int
    boot_id: bytes
    pairs: Pairs
    settled_offset_ns: int = 0
    settled_from_ns: int = 0
    settled_until_ns: int = 0


class At(NamedTuple):
    """A moment: CLOCK_BOOTTIME of a boot, or UTC where there is none."""

    ns: int
    boot: Boot | None = None


class Clocks:
    """Boots and pairs, as one writer sees them; those in use are remembered until `forget`.

    `has_stale`: there may be boots of which something is to be dated anew.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._boots: dict[tuple[int, bytes], Boot] = {}
        self._bounds: dict[int, tuple[int | None, int | None]] = {}
        self._pairs = 0
        row = database.execute("SELECT EXISTS (SELECT 1 FROM boot WHERE stale_from IS NOT NULL)")
        self.has_stale = bool(row.fetchone()[0])

    @property
    def is_large(self) -> bool:
        """Whether it is time to `forget`."""
        return len(self._boots) + self._pairs > _REMEMBERED

    def forget(self) -> None:
        """Forget what was read: it was rolled back, or is much."""
        self._boots.clear()
        self._bounds.clear()
        self._pairs = 0

    def boot(self, device_id: int, boot_id: bytes) -> Boot:
        """Return a boot, as a new one of unknown place if it was never heard of."""
        return self._known(device_id, boot_id) or self._insert(device_id, boot_id, False)

    def by_row(self, row_id: int) -> Boot:
        """Return the boot of a row."""
        row = self._database.execute("SELECT device, boot_id FROM boot WHERE id = ?", (row_id,))
        return self.boot(*row.fetchone())

    def hold(self, device_id: int, boot_ids: Sequence[bytes]) -> None:
        """Take note of the boots that a device still holds something of, in the order they were.

        The last is the present one. Those never heard of before it come right before it, behind all
        that were known; where it was known itself, their place among the others is not.
        """
        is_new = bool(boot_ids) and self._known(device_id, boot_ids[-1]) is None
        for boot_id in boot_ids:
            if self._known(device_id, boot_id) is None:
                self._insert(device_id, boot_id, is_new)

    def note(self, boot: Boot, clock: ClockPair | Moment) -> None:
        """Take a synchronised pair, if it says anything new."""
        pair = Pair(clock.boot_ns, clock.wall_ns, Source.SYNCHRONISED)
        if not pair.is_possible:
            return
        nearest = boot.pairs.best_of(Source.SYNCHRONISED, pair.boot_ns)
        if nearest is None or not _says_the_same(pair, nearest):
            self._add(boot, pair)
            nearest = pair
        boot.settled_offset_ns = pair.offset_ns
        boot.settled_from_ns = nearest.boot_ns - HOUR_NS + 1
        boot.settled_until_ns = nearest.boot_ns + HOUR_NS

    def measure(self, boot: Boot, pair: Pair) -> None:
        """Take a measured pair, if it is the best of its hour and no synchronised one is near."""
        if not pair.is_possible:
            return
        own = boot.pairs.best_of(Source.SYNCHRONISED, pair.boot_ns)
        if own is not None and abs(own.boot_ns - pair.boot_ns) < HOUR_NS:
            return
        former = boot.pairs.of_hour(pair.boot_ns)
        if former is not None:
            if not is_better(pair, former):
                return
            self._remove(boot, former)
        self._add(boot, pair)

    def date(self, boot: Boot, first_ns: int, last_ns: int, received_ns: int | None) -> Dating:
        """Return how readings from `first_ns` to `last_ns` (CLOCK_BOOTTIME) are dated by pairs.

        Where none is known, they were read before they were received.
        """
        pair = boot.pairs.date(last_ns)
        if pair is not None:
            utc_ns = (first_ns + pair.offset_ns, last_ns + pair.offset_ns)
            if all(abs(each) <= LARGEST_NS for each in utc_ns):
                return dating_by(pair, first_ns, last_ns)
        after_ns, before_ns = self._neighbours(boot)
        known = [each for each in (before_ns, received_ns) if each is not None]
        latest_ns = min(
            (each for each in known if after_ns is None or each >= after_ns), default=None
        )
        return Dating(Known.UNKNOWN, None, None, after_ns, latest_ns)

    def span(self, at: At | None) -> tuple[int | None, int | None]:
        """Return the UTC of a moment: the earliest and the latest it can be; None: nobody knows."""
        if at is None:
            return None, None
        if at.boot is None:
            return at.ns, at.ns
        dating = self.date(at.boot, at.ns, at.ns, None)
        if dating.offset_ns is None:
            return dating.earliest_ns, dating.latest_ns
        margin_ns = 0 if dating.known is Known.SYNCED else dating.error_ns or 0
        utc_ns = at.ns + dating.offset_ns
        return bounded(utc_ns - margin_ns), bounded(utc_ns + margin_ns)

    def _neighbours(self, boot: Boot) -> tuple[int | None, int | None]:
        """Return after and before when a boot of unknown time was, by those before and behind it."""
        if boot.row_id not in self._bounds:
            self._bounds[boot.row_id] = self._looked_up(boot)
        return self._bounds[boot.row_id]

    def _looked_up(self, boot: Boot) -> tuple[int | None, int | None]:
        placed = self._database.execute("SELECT placed FROM boot WHERE id = ?", (boot.row_id,))
        if not placed.fetchone()[0]:
            return None, None
        # All that was known when it was told of came before it, in its place or not.
        former = [
            self._nearest(boot, f"id < ? {which} ORDER BY id DESC") for which in ("", _PLACED)
        ]
        ends_ns = [self._end_ns(each) for each in former if each is not None]
        later = self._nearest(boot, f"id > ? {_PLACED} ORDER BY id")
        return (
            max((each for each in ends_ns if each is not None), default=None),
            None if later is None else self.span(At(0, later))[1],
        )

    def _end_ns(self, boot: Boot) -> int | None:
        """Return a moment (UTC) that a boot has lasted to: the last that is known of it."""
        last_ns = max(pair.boot_ns for pair in boot.pairs)
        (read_ns,) = self._database.execute(
            "SELECT max(last_ns) FROM epoch WHERE device = ? AND boot = ?",
            (boot.device_id, boot.row_id),
        ).fetchone()
        return self.span(At(max(last_ns, read_ns or last_ns), boot))[0]

    def _nearest(self, boot: Boot, where: str) -> Boot | None:
        row = self._database.execute(
            "SELECT boot_id FROM boot WHERE device = ?"  # noqa: S608 - ours
            " AND EXISTS (SELECT 1 FROM clock_pair WHERE clock_pair.boot = boot.id)"
            f" AND {where} LIMIT 1",
            (boot.device_id, boot.row_id),
        ).fetchone()
        return None if row is None else self.boot(boot.device_id, row[0])

    def _known(self, device_id: int, boot_id: bytes) -> Boot | None:
        boot = self._boots.get((device_id, boot_id))
        if boot is not None:
            return boot
        row = self._database.execute(
            "SELECT id FROM boot WHERE device = ? AND boot_id = ?", (device_id, boot_id)
        ).fetchone()
        return None if row is None else self._remember(row[0], device_id, boot_id)

    def _insert(self, device_id: int, boot_id: bytes, is_placed: bool) -> Boot:
        row = self._database.execute(
            "INSERT INTO boot (device, boot_id, placed) VALUES (?, ?, ?)",
            (device_id, boot_id, is_placed),
        )
        assert row.lastrowid is not None
        return self._remember(row.lastrowid, device_id, boot_id)

    def _remember(self, row_id: int, device_id: int, boot_id: bytes) -> Boot:
        pairs = Pairs(self._stored(row_id))
        self._pairs += len(pairs)
        boot = self._boots[device_id, boot_id] = Boot(row_id, device_id, boot_id, pairs)
        return boot

    def _stored(self, row_id: int) -> Iterator[Pair]:
        rows = self._database.execute(
            "SELECT boot_ns, wall_ns, source, error_ns FROM clock_pair WHERE boot = ?", (row_id,)
        )
        return (
            Pair(boot_ns, wall_ns, Source(source), error)
            for boot_ns, wall_ns, source, error in rows
        )

    def _add(self, boot: Boot, pair: Pair) -> None:
        if len(boot.pairs) >= MAX_PAIRS:
            return
        is_better_known = all(each.source < pair.source for each in boot.pairs)
        boot.pairs.add(pair)
        self._pairs += 1
        self._database.execute(
            "INSERT OR REPLACE INTO clock_pair (boot, source, boot_ns, wall_ns, error_ns)"
            " VALUES (?, ?, ?, ?, ?)",
            (boot.row_id, pair.source, pair.boot_ns, pair.wall_ns, pair.error_ns),
        )
        self._bounds.clear()
        self._mark(boot.row_id, *boot.pairs.reach(pair))
        if is_better_known:
            self._mark_unknown(boot)

    def _remove(self, boot: Boot, pair: Pair) -> None:
        self._mark(boot.row_id, *boot.pairs.reach(pair))
        boot.pairs.remove(pair)
        self._pairs -= 1
        self._database.execute(
            "DELETE FROM clock_pair WHERE boot = ? AND source = ? AND boot_ns = ?",
            (boot.row_id, pair.source, pair.boot_ns),
        )

    def _mark_unknown(self, boot: Boot) -> None:
        """Mark the boots of unknown time of the same device: their bounds may be nearer now."""
        rows = self._database.execute(
            "SELECT id FROM boot WHERE device = ? AND placed = 1"
            " AND NOT EXISTS (SELECT 1 FROM clock_pair WHERE clock_pair.boot = boot.id)",
            (boot.device_id,),
        ).fetchall()
        for (row_id,) in rows:
            self._mark(row_id, -LARGEST_NS, LARGEST_NS)

    def _mark(self, row_id: int, from_ns: int, to_ns: int) -> None:
        changed = self._database.execute(
            "UPDATE boot SET stale_from = min(ifnull(stale_from, :from), :from),"
            " stale_to = max(ifnull(stale_to, :to), :to), stale_row = 0 WHERE id = :id"
            " AND (EXISTS (SELECT 1 FROM batch WHERE boot = :id AND dated <> 0"
            "              AND last_ns BETWEEN :from AND :to)"
            " OR EXISTS (SELECT 1 FROM gap WHERE from_boot = :id OR to_boot = :id))",
            {"from": from_ns, "to": to_ns, "id": row_id},
        )
        self.has_stale |= changed.rowcount > 0


def _says_the_same(pair: Pair, kept: Pair) -> bool:
    """Say whether a pair says nothing that one which is kept does not."""
    is_near = abs(pair.boot_ns - kept.boot_ns) < HOUR_NS
    return is_near and abs(pair.offset_ns - kept.offset_ns) <= SAME_NS

"""The batches of a store of version 2, as version 3 keeps them: in runs that are dated in one way.

Version 2 dated each batch by its own pair, synchronised or not, and knew no measured ones. Of the
others such a pair is taken for measured where it is borne out: when the batch was received, the clocks of
device and collector showed less than a minute's difference. Two clocks do not agree so by chance; the
difference, of which the way of the readings is a part, is what the pair may be off. Of each hour the best
is kept. What no pair dates is bounded, and all of it waits to be dated anew, in the collector's steps.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from wire import batches
from wire.batches import ClockPair, Header
from wire.errors import BatchError

_BORNE_OUT_NS = 60 * 10**9
_HOUR_NS = 3600 * 10**9
_SAME_NS = 2_000_000
_LARGEST = 2**63 - 1
_MEASURED, _SYNCHRONISED = 0, 2
_OWN, _NOT_AT_ALL = 0, 3


class _Run(NamedTuple):
    """Batches of one boot that stand end to end, all synchronised or none of them."""

    headers: list[Header]
    sealed: list[bytes]


class _Pairs:
    """The pairs that go on: of each boot (its row) and hour the best measured, and what is synchronised."""

    def __init__(self) -> None:
        self.measured: dict[tuple[int, int], tuple[int, ClockPair]] = {}
        self.synchronised: list[tuple[int, ClockPair]] = []
        self._kept: dict[int, ClockPair] = {}

    def note(self, boot: int, header: Header, received_ns: int) -> None:
        """Look at the pair of a batch."""
        clock = header.clock
        if clock.synchronised:
            self._note_synchronised(boot, clock)
            return
        apart_ns = abs(received_ns - header.last_ns - clock.offset_ns)
        hour = clock.boot_ns // _HOUR_NS
        best_ns, _ = self.measured.get((boot, hour), (_BORNE_OUT_NS, None))
        if apart_ns < best_ns:
            self.measured[boot, hour] = apart_ns, clock

    def _note_synchronised(self, boot: int, clock: ClockPair) -> None:
        kept = self._kept.get(boot)
        if (
            kept is None
            or abs(clock.boot_ns - kept.boot_ns) >= _HOUR_NS
            or abs(clock.offset_ns - kept.offset_ns) > _SAME_NS
        ):
            self._kept[boot] = clock
            self.synchronised.append((boot, clock))


def take_over(database: sqlite3.Connection) -> None:
    """Fill `new_batch` and `clock_pair` from `batch`, with the boots that it tells of."""
    pairs = _Pairs()
    with closing(database.cursor()) as rows:
        found = rows.execute(
            "SELECT device, epoch, first_seq, last_seq, readings, received_ns, from_ns, to_ns,"
            " CAST(sealed AS BLOB) FROM batch ORDER BY id"
        )
        for *row, from_ns, to_ns, sealed in found:
            runs = list(_runs(sealed))
            if not runs:
                _insert_unreadable(database, row, from_ns, to_ns, sealed)
            for run in runs:
                boot = _boot(database, row[0], run.headers[0].boot_id)
                _insert(database, row, boot, run)
                for header in run.headers:
                    pairs.note(boot, header, row[5])
    kept = [(boot, _SYNCHRONISED, clock, 0) for boot, clock in pairs.synchronised]
    kept += [(boot, _MEASURED, clock, off) for (boot, _), (off, clock) in pairs.measured.items()]
    database.executemany(
        "INSERT OR IGNORE INTO clock_pair (boot, source, boot_ns, wall_ns, error_ns)"
        " VALUES (?, ?, ?, ?, ?)",
        [(boot, source, *clock[:2], off) for boot, source, clock, off in kept if _may_be(clock)],
    )
    database.execute(
        "UPDATE boot SET stale_from = ?, stale_to = ?, stale_row = 0"
        " WHERE id IN (SELECT boot FROM new_batch WHERE dated <> 0)",
        (-_LARGEST, _LARGEST),
    )


def _may_be(clock: ClockPair) -> bool:
    return abs(clock.boot_ns) < 2**61 and abs(clock.wall_ns) <= 2**62


def _runs(sealed: bytes) -> Iterator[_Run]:
    """Cut what stands in a row into runs; none where it cannot be read."""
    try:
        found = [(batches.open_header(each), each) for each in batches.split(sealed)]
    except BatchError:
        return
    run: _Run | None = None
    for header, each in found:
        kind = (header.boot_id, header.clock.synchronised)
        if run is None or kind != (run.headers[0].boot_id, run.headers[0].clock.synchronised):
            if run is not None:
                yield run
            run = _Run([], [])
        run.headers.append(header)
        run.sealed.append(each)
    if run is not None:
        yield run


def _boot(database: sqlite3.Connection, device: int, boot_id: bytes) -> int:
    database.execute(
        "INSERT INTO boot (device, boot_id, placed) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        (device, boot_id),
    )
    row = database.execute(
        "SELECT id FROM boot WHERE device = ? AND boot_id = ?", (device, boot_id)
    ).fetchone()
    return int(row[0])


def _insert(database: sqlite3.Connection, row: list[int], boot: int, run: _Run) -> None:
    device, epoch, _, _, _, received_ns = row
    headers, is_own = run.headers, run.headers[0].clock.synchronised
    _write(
        database,
        (
            device, epoch, headers[0].place.seq, headers[-1].place.seq,
            sum(header.readings for header in headers), boot,
            min(header.first_ns for header in headers), max(header.last_ns for header in headers),
            received_ns, _OWN if is_own else _NOT_AT_ALL,
            min(header.first_ns + header.clock.offset_ns for header in headers)
            if is_own else -_LARGEST,
            max(header.last_ns + header.clock.offset_ns for header in headers)
            if is_own else received_ns,
            b"".join(run.sealed),
        ),
    )  # fmt: skip


def _insert_unreadable(
    database: sqlite3.Connection, row: list[int], from_ns: int, to_ns: int, sealed: bytes
) -> None:
    """Keep what cannot be read where it was: who asks for it is told."""
    device, epoch, first_seq, last_seq, readings, received_ns = row
    boot = _boot(database, device, bytes(16))
    facts = (first_seq, last_seq, readings, boot, from_ns, to_ns, received_ns, _OWN)
    _write(database, (device, epoch, *facts, from_ns, to_ns, sealed))


def _write(database: sqlite3.Connection, values: tuple[object, ...]) -> None:
    database.execute(
        "INSERT INTO new_batch (device, epoch, first_seq, last_seq, readings, boot, first_ns,"
        " last_ns, received_ns, dated, from_ns, to_ns, sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )

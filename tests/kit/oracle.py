"""The oracle: knows from a ledger of its own what a sensor gave, and judges what the store holds.

The ledger is written by the sensor itself (`options: {ledger: FILE}` of the synthetic driver),
before anyone else sees the value: whatever dies later, it knows. It judges by time: what was given
in the moments around a stop or a kill of the agent may not have been accepted any more. Everything
else must be stored exactly once, or lie in a gap that the store has recorded.

For sensors whose values are never the same twice, such as `synthetic:counter`, which counts on behind
its ledger. Ledger and store must be of one boot of this machine.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from collector.store import Reader
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS

# Around a stop or a kill: what was given so long before or after it may be lost. At 100 ms that is
# three reads.
UNSURE_NS = 300_000_000
# A reading's time is the moment it was due or begun; the ledger says when it was given. No test
# that the oracle judges has reads which take longer.
_READ_TAKES_NS = 200_000_000
_FIRST_BAD = 128
_TAIL_BYTES = 4096


class Given(NamedTuple):
    """One read: when it was given (CLOCK_BOOTTIME), and channel -> value."""

    given_ns: int
    values: dict[str, float]


class GapRow(NamedTuple):
    """A recorded gap; the bounds are UTC, None where nobody knows, and CLOCK_BOOTTIME of a boot."""

    device: str
    first_seq: int | None
    last_seq: int | None
    readings: int | None
    from_ns: int | None
    to_ns: int | None
    reason: str
    from_boot_ns: int | None = None
    to_boot_ns: int | None = None


class Verdict(NamedTuple):
    """What came of what was given.

    Attributes:
        missing: reads of which a value is neither stored nor in a gap, nor was given around an end.
        doubled: reads of which a value is stored more than once.
        invented: stored values that were never given under that channel: altered, or made up.
        in_gap: how many values are not stored and lie in a gap.
        unsure: how many values are not stored, nor in a gap, and were given around an end.
        given, stored: how many values there are.
    """

    missing: list[int]
    doubled: list[int]
    invented: list[float]
    in_gap: int
    unsure: int
    given: int
    stored: int

    @property
    def clean(self) -> bool:
        """Whether every accepted reading is stored exactly once, or in a gap."""
        return not (self.missing or self.doubled or self.invented)


def given(ledger: Path) -> dict[int, Given]:
    """What the sensor gave, by number of the read. A torn last line counts as not given."""
    reads: dict[int, Given] = {}
    for line in ledger.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            number, channel, value, given_ns = line.split()
            read = reads.setdefault(int(number), Given(int(given_ns), {}))
            read.values[channel] = float(value)
    return reads


def reads(ledger: Path) -> int:
    """The number of the last read that the sensor gave, at little cost; 0: none."""
    with ledger.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        whole, _, _ = file.read().rpartition(b"\n")
    return int(whole.rpartition(b"\n")[2].split()[0]) if whole else 0


def stored(store_folder: Path, sensor: str, device: str = "*") -> dict[str, list[float]]:
    """What the store holds of a sensor: channel -> values in order of time, without bad readings."""
    reader = Reader(store_folder / FILE_NAME)
    try:
        answer = reader.range(f"{device}/{sensor}.*", 0, END_OF_TIME_NS)
    finally:
        reader.close()
    assert answer.undecodable == 0
    kept: dict[str, list[float]] = {}
    for part in answer.parts:  # one channel may be of several devices, or have had several units
        channel = part.series.rpartition(".")[2]
        kept.setdefault(channel, []).extend(part.values[part.qualities < _FIRST_BAD].tolist())
    return kept


def gaps(store_folder: Path, device: str = "*") -> list[GapRow]:
    """The gaps that the store has recorded, in the order of their recording."""
    with closing(sqlite3.connect(store_folder / FILE_NAME)) as database:
        rows = database.execute(
            "SELECT device.name, first_seq, last_seq, readings, from_ns, to_ns, reason,"
            " iif(from_boot IS NULL, NULL, from_at), iif(to_boot IS NULL, NULL, to_at) FROM gap"
            " JOIN device ON device.id = gap.device ORDER BY gap.id"
        ).fetchall()
    return [gap for gap in map(GapRow._make, rows) if fnmatchcase(gap.device, device)]


def judge(
    ledger: Path,
    store_folder: Path,
    sensor: str,
    until: Iterable[int] | None = None,
    *,
    device: str = "*",
    unknown_covers: bool = False,
    unsure_ns: int = UNSURE_NS,
) -> Verdict:
    """Hold the store against the ledger.

    Args:
        until: when the agent was stopped or killed (CLOCK_BOOTTIME, as `Program.kill` returns it and
            `Program.ends_ns` gathers it), each time of all; left out: once, when the ledger ends.
        device: whose readings and gaps count, as a shell glob.
        unknown_covers: a gap with an unknown bound reaches as far as it can on that side; otherwise
            it covers nothing.
        unsure_ns: what was given so near to an end may be missing.
    """
    known = _known(given(ledger))
    kept = stored(store_folder, sensor, device)
    counts = Counter((channel, value) for channel, values in kept.items() for value in values)
    times_ns = [given_ns for _, given_ns in known.values()]
    ends_ns = times_ns[-1:] if until is None else list(until)
    spans = _spans(gaps(store_folder, device), unknown_covers)
    missing, in_gap, unsure = set(), 0, 0
    for key, (number, given_ns) in known.items():
        if counts[key]:
            continue
        if any(start <= given_ns and given_ns - _READ_TAKES_NS <= end for start, end in spans):
            in_gap += 1
        elif any(abs(given_ns - end_ns) < unsure_ns for end_ns in ends_ns):
            unsure += 1
        else:
            missing.add(number)
    return Verdict(
        missing=sorted(missing),
        doubled=sorted({known.get(key, (-1, 0))[0] for key, n in counts.items() if n > 1}),
        invented=[value for channel, value in counts if (channel, value) not in known],
        in_gap=in_gap,
        unsure=unsure,
        given=len(known),
        stored=sum(counts.values()),
    )


def _known(reads: dict[int, Given]) -> dict[tuple[str, float], tuple[int, int]]:
    """Every value given: its read and its time."""
    known = {
        (channel, value): (number, read.given_ns)
        for number, read in reads.items()
        for channel, value in read.values.items()
    }
    assert len(known) == sum(len(read.values) for read in reads.values()), "a value came twice"
    return known


def _spans(rows: list[GapRow], unknown_covers: bool) -> list[tuple[float, float]]:
    """The gaps in CLOCK_BOOTTIME of this boot, which all boots of a test go on in that know no UTC."""
    offset_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    spans: list[tuple[float, float]] = []
    for row in rows:
        start = None if row.from_ns is None else row.from_ns - offset_ns
        end = None if row.to_ns is None else row.to_ns - offset_ns
        if start is None and None not in (row.from_boot_ns, row.to_boot_ns):
            start, end = row.from_boot_ns, row.to_boot_ns
        if unknown_covers or None not in (start, end):
            spans.append(
                (float("-inf") if start is None else start, float("inf") if end is None else end)
            )
    return spans

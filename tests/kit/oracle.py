"""The oracle: knows from a ledger of its own what a sensor gave, and judges what the store holds.

The ledger is written by the sensor itself (`options: {ledger: FILE}` of the synthetic driver),
before anyone else sees the value: whatever dies later, it knows. What a sensor gave in the very
last moments before a stop may not have been accepted any more; everything else must be there.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from collector import query
from collector.store import Reader
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS

# Reads under way while a stop or a kill comes: at 100 ms that is 300 ms.
_LAST_READS = 3


class Verdict(NamedTuple):
    """What is wrong: reads of which a value is missing, stored more than once, or never given."""

    missing: list[int]
    doubled: list[int]
    invented: list[float]
    given: int
    stored: int

    @property
    def clean(self) -> bool:
        """Whether every accepted reading is stored exactly once."""
        return not (self.missing or self.doubled or self.invented)


def given(ledger: Path) -> dict[int, dict[str, float]]:
    """What the sensor gave: read number -> channel -> value. A torn last line counts as not given."""
    reads: dict[int, dict[str, float]] = {}
    for line in ledger.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            number, channel, value = line.split()
            reads.setdefault(int(number), {})[channel] = float(value)
    return reads


def stored(store_folder: Path, sensor: str) -> dict[str, list[float]]:
    """What the store holds of a sensor: channel -> values in order of time."""
    reader = Reader(store_folder / FILE_NAME)
    try:
        answer = query.readings(reader, f"*/{sensor}.*", 0, END_OF_TIME_NS)
    finally:
        reader.close()
    assert answer.undecodable_batches == 0
    return {part.series.rpartition(".")[2]: part.values.tolist() for part in answer.series}


def judge(ledger: Path, store_folder: Path, sensor: str) -> Verdict:
    """Hold the store against the ledger. For sensors whose values are never the same twice."""
    reads = given(ledger)
    kept = stored(store_folder, sensor)
    known = {(channel, value): n for n, read in reads.items() for channel, value in read.items()}
    counts = Counter((channel, value) for channel, values in kept.items() for value in values)
    accepted_up_to = max(reads, default=0) - _LAST_READS
    return Verdict(
        missing=sorted({n for key, n in known.items() if n <= accepted_up_to and not counts[key]}),
        doubled=sorted({known.get(key, -1) for key, count in counts.items() if count > 1}),
        invented=[value for channel, value in counts if (channel, value) not in known],
        given=len(known),
        stored=sum(counts.values()),
    )

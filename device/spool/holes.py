"""Holes: where rows that should be there are not, a gap says so. Nothing goes missing silently."""

from device.spool.records import EpochFacts, Row, hole
from wire.bodies import GapReason


def without_holes(facts: EpochFacts, seq: int, rows: list[Row]) -> list[Row]:
    """Return what follows in an epoch from `seq` on, a gap wherever rows are missing."""
    found: list[Row] = []
    for row in rows:
        found += _missing(facts, seq, row.first_seq - 1)
        found.append(row)
        seq = row.last_seq + 1
    if not rows and facts.is_end_known:
        found += _missing(facts, seq, facts.last_seq)
    return found


def _missing(facts: EpochFacts, first_seq: int, last_seq: int) -> list[Row]:
    """What was acknowledged once is gone because the collector lost it; the rest, we did."""
    rolled_back = min(last_seq, facts.mark)
    found = []
    if first_seq <= rolled_back:
        found.append(hole(facts.epoch, first_seq, rolled_back, GapReason.COLLECTOR_ROLLBACK))
        first_seq = rolled_back + 1
    if first_seq <= last_seq:
        found.append(hole(facts.epoch, first_seq, last_seq, GapReason.SPOOL_LOST))
    return found

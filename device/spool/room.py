"""Making room: where a tier is full the oldest batches go, and a gap stands in their place."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import structlog
from msgspec.structs import replace

from device.spool.database import is_full
from device.spool.records import EpochFacts, Row, gap_over
from device.spool.tier import ALL, Tier
from wire.bodies import Gap, GapReason

_log = structlog.get_logger()
_T = TypeVar("_T")

# Such a part of the file is freed at once, at least, so that it is not done for every batch.
_FREED_SHARE = 50
_MAX_TRIES = 2 * _FREED_SHARE


def with_room(tier: Tier, work: Callable[[], _T], needed_bytes: int = 0) -> _T:
    """Do `work`; while the tier is full for it, drop what is oldest and try again.

    Args:
        needed_bytes: what the work takes, roughly; where the tier's share has room for that it is the
            disk that is full, and nothing is dropped. 0: whatever is full, the oldest goes.

    Raises:
        sqlite3.OperationalError: there is no room, and nothing left to let go.
    """
    for _ in range(_MAX_TRIES):
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not is_full(error) or 0 < needed_bytes < tier.room_bytes():
                raise
            if not make_room(tier, needed_bytes):
                raise
    return work()


def make_room(tier: Tier, needed_bytes: int = 0) -> int:
    """Let the oldest batches go, a gap in their place, and return how many readings they held."""
    found = tier.oldest()
    if found is None:
        return 0
    number, seq = found
    facts = tier.facts(number)
    if facts is None:
        readings = tier.remove({number: ALL})  # nobody knows whose they are
    else:
        # The tier may hold more of an epoch than it was told when that began.
        facts = replace(facts, is_end_known=False)
        readings = tier.replace(number, _gap(tier, facts, seq, needed_bytes))
    tier.dropped_readings += readings
    _log.error("spool_full", dropped_readings=readings, spool=str(tier.path))
    return readings


def _gap(tier: Tier, facts: EpochFacts, seq: int, needed_bytes: int) -> Gap:
    rows = _adjoining(tier, facts, seq, max(needed_bytes, tier.file_bytes() // _FREED_SHARE))
    if not rows or rows[0].gap is not None:
        # Damaged: nobody knows how many readings that were, which must not spoil the count of others.
        return Gap(facts.epoch, seq, seq, GapReason.SPOOL_UNREADABLE)
    return gap_over(facts.epoch, _neighbour(tier, facts, seq) + rows, GapReason.SPOOL_FULL)


def _adjoining(tier: Tier, facts: EpochFacts, seq: int, needed_bytes: int) -> list[Row]:
    found: list[Row] = []
    for row in tier.rows(facts, seq, needed_bytes):
        if found and (row.gap is not None or row.first_seq != found[-1].last_seq + 1):
            break
        found.append(row)
        if row.last_seq == tier.moving.get(facts.number):
            break
    return found


def _neighbour(tier: Tier, facts: EpochFacts, seq: int) -> list[Row]:
    """The gap of the same kind that ends right before `seq`, if there is one."""
    if seq - 1 in (0, tier.moving.get(facts.number)):
        return []
    return [
        row
        for row in tier.rows(facts, seq - 1, 1)
        if row.gap and row.last_seq == seq - 1 and row.gap.reason == GapReason.SPOOL_FULL
    ]

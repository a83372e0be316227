"""What earlier runs have left in a tier: found, and made whole.

The open batch of an earlier run becomes the last of its epoch; what a policy has left that this run
does not follow is taken over.
"""

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from device.spool.card import Card, CardError
from device.spool.database import is_full, remove
from device.spool.epochs import Epochs
from device.spool.intake import Age
from device.spool.open_batch import body_of, closed
from device.spool.opening import open_tier
from device.spool.records import EpochFacts, Read, Row, Span
from device.spool.room import make_room, with_room
from device.spool.tier import Tier
from wire.batches import open_header
from wire.bodies import EndReason, GapReason, Moment

_log = structlog.get_logger()

_CARD_WITHIN_S = 20.0


class Left(NamedTuple):
    """What a tier holds of earlier runs; `more`: of which epochs (by number) more than is known."""

    facts: list[EpochFacts]
    spans: dict[int, Span]
    notice: str | None
    more: Collection[int] = ()


def open_memory(
    path: Path, max_bytes: int, now: Moment, if_new: str | None = None
) -> tuple[Tier, bool]:
    """Open a tier in memory like `open_tier`.

    It is not synced: after a power cut it has nothing to say, should its file outlast one.
    """
    tier, was_damaged = open_tier(path, False, max_bytes, if_new)
    left_open = [each for each in tier.epochs() if each.end is None and not each.datagrams]
    if all(each.clock.boot_id == now.boot_id for each in left_open):
        return tier, was_damaged
    tier.close()
    remove(path)
    return open_tier(path, False, max_bytes, if_new)


def look(tier: Tier, now: Moment) -> Left:
    """Find what a tier holds, after closing what was left open in it.

    Raises:
        sqlite3.Error: the file fails, or has no room for that.
    """
    facts = tier.epochs()
    reads, damaged = tier.reads()
    damaged += sum(len(reads[number]) for number in reads.keys() - {each.number for each in facts})
    if damaged:
        _log.error("spool_reads_damaged", reads=damaged, spool=str(tier.path))
    for each in facts:
        if each.end is None and (each.is_durable or each.clock.boot_id == now.boot_id):
            _close_left_open(tier, each, reads.get(each.number, []), now if damaged else None)
    if reads or damaged:
        tier.drop_reads()
    return Left(facts, tier.spans(), tier.notice())


def _close_left_open(
    tier: Tier, facts: EpochFacts, reads: Sequence[Read], damaged_until: Moment | None
) -> None:
    if damaged_until:
        facts.end, facts.is_end_known = GapReason.SPOOL_UNREADABLE, False
        facts.until = damaged_until
        tier.put_epochs([facts])
    body = body_of(reads)
    if body.readings:
        after, sealed = closed(body, facts, facts.clock)
        with_room(tier, lambda: tier.close_batch(after, body.readings, sealed))
        facts.take_over(after)


async def look_at_card(card: Card, now: Moment, known: Sequence[EpochFacts]) -> Left | None:
    """Find what the card holds; None where it cannot be read now, which the card says itself.

    Args:
        known: the epochs, as another tier knows them.

    Raises:
        SpoolError: a newer program made the file.
    """

    def work(tier: Tier) -> Left:
        more = [each.number for each in known if _has_more(tier, each)]
        return look(tier, now)._replace(more=more)

    try:
        async with asyncio.timeout(_CARD_WITHIN_S):
            return await card.do(work)
    except (CardError, TimeoutError):
        return None


def _has_more(tier: Tier, facts: EpochFacts) -> bool:
    """Say whether a tier has a sound row beyond the last one that is known."""
    rows = tier.rows(replace(facts, is_end_known=False), facts.last_seq + 1, 1)
    return any(not row.gap or row.gap.reason != GapReason.SPOOL_UNREADABLE for row in rows)


def absorb(path: Path, near: Tier, now: Moment) -> bool:
    """Take over what a policy that kept readings in memory has left, of this boot.

    Return whether that was damaged.
    """
    if not path.exists():
        return False
    other, was_damaged = open_memory(path, near.max_bytes, now)
    try:
        left = look(other, now)
        for each in left.facts:
            each.end = each.end or EndReason.RESTARTED
        _take_all(other, near, left.facts)
        if left.notice:
            near.set_notice(left.notice)
    finally:
        other.close()
    remove(path)
    return was_damaged


def _take_all(other: Tier, near: Tier, facts: Sequence[EpochFacts]) -> None:
    """Copy all rows in one transaction; where there is no room for that, the oldest go.

    What was acknowledged meanwhile may still lie where they go: that is removed.
    """
    marks = {each.number: each.mark for each in facts}
    over = [each for each in facts if each.is_over]
    kept = [each for each in facts if not each.is_over]
    while True:
        rows = other.all_rows()
        try:
            with_room(near, partial(near.take_in, rows, marks, kept, over))
        except sqlite3.OperationalError as error:
            if not is_full(error) or not make_room(other):
                raise
        else:
            break
    near.dropped_readings += other.dropped_readings


def ages(near: Tier, epochs: Epochs, now: Moment) -> list[Age]:
    """Say of what a tier in memory holds since when that is at risk, the oldest first."""
    found = []
    for number, span in near.spans().items():
        facts = epochs.by_number.get(number)
        if facts is not None:
            first_ns = [_first_ns(row, facts, now) for row in near.rows(facts, span.lowest, 1)]
            found += [Age(number, span.highest, time_ns) for time_ns in first_ns]
    return sorted(found, key=lambda age: age.first_ns)


def _first_ns(row: Row, facts: EpochFacts, now: Moment) -> int:
    """When the first reading of a row was taken by the clock of this boot; too early, if in doubt."""
    first_ns = row.gap.first_ns if row.gap else open_header(row.sealed).first_ns
    return first_ns if first_ns is not None and facts.clock.boot_id == now.boot_id else 0

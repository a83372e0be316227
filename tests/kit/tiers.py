"""Single tiers of a spool, and batches in them; the epochs here are of one boot."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device.spool.bounded import BoundedDatabase
from device.spool.database import is_full
from device.spool.open_batch import closed
from device.spool.records import EpochFacts, Row
from device.spool.tier import Tier
from kit.spools import MIB, points_of
from kit.wireworks import MOMENT
from service.damage import is_damage
from wire.blocks import OpenBody

# All rows of an epoch.
EVERYTHING = 2**40


def epoch_of(number: int, **known: Any) -> EpochFacts:
    """An epoch in which nothing has happened, if nothing else is known; its id is its number."""
    return EpochFacts(number, number.to_bytes(16, "big"), 0, MOMENT, **known)


def sealed_next(facts: EpochFacts, values: Sequence[float]) -> tuple[EpochFacts, bytes]:
    """The next batch of an epoch, a reading a second, and what is known of the epoch then."""
    body = OpenBody()
    for number, value in enumerate(values):
        body.add("air", (facts.readings + number) * 10**9, points_of([value]))
    return closed(body, facts, facts.clock)


def close_batch(tier: Tier, facts: EpochFacts, *values: float) -> bytes:
    """Close a batch of these values, one reading without any; return its bytes."""
    values = values or (float(facts.last_seq + 1),)
    after, sealed = sealed_next(facts, values)
    tier.close_batch(after, len(values), sealed)
    facts.take_over(after)
    return sealed


@contextmanager
def opened(path: Path, *, durable: bool = True, max_bytes: int = MIB) -> Iterator[Tier]:
    """A tier that is closed in the end."""
    tier = Tier(path, durable, max_bytes)
    try:
        yield tier
    finally:
        tier.close()


def with_epoch(tier: Tier, number: int = 1, batches: int = 0, **known: Any) -> EpochFacts:
    """Begin an epoch in a tier, with so many batches of one reading."""
    facts = epoch_of(number, **known)
    tier.put_epochs([facts])
    for _ in range(batches):
        close_batch(tier, facts)
    return facts


def all_of(tier: Tier, facts: EpochFacts, seq: int = 1) -> list[Row]:
    """Every row of an epoch that a tier holds, from a seq on."""
    return tier.rows(facts, seq, EVERYTHING)


def seqs(rows: Sequence[Row]) -> list[tuple[int, int, str | None]]:
    """Of each row: first and last seq, and its reason where it is a gap."""
    return [(row.first_seq, row.last_seq, row.gap and row.gap.reason) for row in rows]


@contextmanager
def damaged_at_most() -> Iterator[None]:
    """What is done here may find that the file is damaged, and nothing else may go wrong."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise


@contextmanager
def raises_damage() -> Iterator[None]:
    """What is done here finds that the file is damaged."""
    with pytest.raises(sqlite3.DatabaseError) as raised:
        yield
    assert is_damage(raised.value), raised.value


@contextmanager
def raises_full() -> Iterator[None]:
    """What is done here finds no room, sooner or later."""
    with pytest.raises(sqlite3.OperationalError) as raised:
        yield
    assert is_full(raised.value), raised.value


def free_pages(database: BoundedDatabase) -> int:
    """How many pages of its file hold nothing."""
    (free,) = database.execute("PRAGMA freelist_count").fetchone()
    return int(free)

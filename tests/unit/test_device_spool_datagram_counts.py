"""device.spool.datagram_counts: what END says of a datagram epoch outlasts the program."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from device.spool.datagram_counts import DatagramCounts
from device.spool.epochs import Epochs
from device.spool.tier import Tier
from kit.tiers import epoch_of, opened


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[Tier]:
    """The tier that keeps them."""
    with opened(tmp_path / "spool.db", durable=False) as tier:
        yield tier


@pytest.fixture
def epochs() -> Epochs:
    """The epochs of the device: none yet."""
    return Epochs()


@pytest.fixture
def counts(tier: Tier, epochs: Epochs) -> DatagramCounts:
    """The counts; epochs are numbered from 1."""
    numbers = count(1)
    return DatagramCounts(tier, epochs, lambda: epoch_of(next(numbers)))


def test_begun_epoch_is_held_and_kept(tier: Tier, epochs: Epochs, counts: DatagramCounts) -> None:
    """It is one of the device's epochs, and not the present one: that one is spooled."""
    facts = counts.begin()
    assert facts.datagrams
    assert list(epochs) == [facts] == tier.epochs()
    assert epochs.present is None


def test_kept_before_it_is_sent(tier: Tier, counts: DatagramCounts) -> None:
    """Each record is a commit: what was sent is never more than what is known."""
    first, second = counts.begin(), counts.begin()
    counts.record(first, 3, 12)
    counts.record(second, 1, 1)
    counts.record(first, 4, 16)
    known = [(each.number, each.last_seq, each.readings, each.end) for each in tier.epochs()]
    assert known == [(1, 4, 16, None), (2, 1, 1, None)]


def test_end_is_kept_with_what_was_counted(tier: Tier, counts: DatagramCounts) -> None:
    """END has to be said until it is acknowledged."""
    facts = counts.begin()
    counts.record(facts, 3, 12)
    counts.end(facts, "stopped")
    assert tier.epochs() == [facts]
    assert (facts.end, facts.last_seq, facts.readings) == ("stopped", 3, 12)
    assert not tier.all_rows(), "nothing of it is spooled"

"""device.spool.datagram_counts: what END says of a datagram epoch outlasts the program."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pytest

from device.spool.datagram_counts import DatagramCounts
from device.spool.epochs import Epochs
from device.spool.intake import Intake
from device.spool.tier import Tier
from kit.spoolfaults import raising
from kit.tiers import epoch_of, opened
from kit.wireworks import MOMENT


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
def intake(tier: Tier, epochs: Epochs) -> Intake:
    """What is told where the tier fails."""
    return Intake(tier, epochs, lambda: MOMENT, is_durable=False)


@pytest.fixture
def counts(intake: Intake, tier: Tier, epochs: Epochs) -> DatagramCounts:
    """The counts; epochs are numbered from 1."""
    numbers = count(1)
    return DatagramCounts(intake, tier, epochs, lambda: epoch_of(next(numbers)))


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


@pytest.mark.parametrize(("kind", "is_the_end"), [("io", True), ("damage", True), ("full", False)])
def test_tier_that_fails_ends_the_run(
    tier: Tier, intake: Intake, counts: DatagramCounts, kind: str, is_the_end: bool
) -> None:
    """Whoever reads a sensor must not meet it; where there is only no room the next count is kept."""
    facts = counts.begin()
    with patch.object(tier, "put_epochs", raising(kind)):
        counts.record(facts, 1, 1)
    assert (intake.failure is not None) == intake.failed.is_set() == is_the_end
    counts.record(facts, 2, 2)
    assert facts.last_seq == 2

"""device.spool.epochs: the order of epochs, whose they are, and how those left open end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device.spool.epochs import Epochs, end_left_open, held, may_be
from device.spool.records import EpochFacts
from kit.tiers import epoch_of
from kit.wireworks import MOMENT
from wire.bodies import Held, Moment

NEXT_BOOT = Moment(b"B" * 16, 5 * 10**9, MOMENT.wall_ns + 10**12)
ZEROS, ONES = bytes(16), b"\xff" * 16


@settings(deadline=None)
@given(st.permutations(range(1, 6)))
def test_oldest_first(numbers: list[int]) -> None:
    """Whatever order they are found in."""
    epochs = Epochs(map(epoch_of, numbers))
    assert [each.number for each in epochs] == [1, 2, 3, 4, 5]
    assert list(epochs.by_number) == [1, 2, 3, 4, 5]
    assert len(epochs) == 5


@settings(deadline=None)
@given(
    known=st.lists(st.integers(1, 2**60), unique=True),
    wall_ns=st.integers(-(2**62), 2**62),
    epoch=st.binary(min_size=16, max_size=16),
)
def test_next_number_is_above_all_known(known: list[int], wall_ns: int, epoch: bytes) -> None:
    """Whatever the wall clock says; and SQLite can keep it."""
    facts = Epochs(map(epoch_of, known)).begin(epoch, replace(MOMENT, wall_ns=wall_ns))
    assert all(facts.number > number for number in known)
    assert 0 < facts.number < 2**63


def test_numbers_rise_with_the_clock() -> None:
    """So that those of a card that could not be read at the start stay the older ones."""
    later = replace(MOMENT, wall_ns=MOMENT.wall_ns + 10**6)
    assert Epochs().begin(ONES, MOMENT).number < Epochs().begin(ZEROS, later).number


def test_two_starts_at_one_time_have_two_numbers() -> None:
    """As where the clock begins at the same wrong time in each boot."""
    assert Epochs().begin(ZEROS, MOMENT).number != Epochs().begin(ONES, MOMENT).number


def test_begun_epoch_is_not_held_yet() -> None:
    """It is added once it is in its file."""
    epochs = Epochs()
    facts = epochs.begin(ONES, MOMENT, is_durable=True)
    assert facts == EpochFacts(facts.number, ONES, MOMENT.boot_ns, MOMENT, is_durable=True)
    assert (len(epochs), epochs.present) == (0, None)


def test_found_by_its_id() -> None:
    """The collector knows no numbers; of two of an id, which a cloned card may give, the newer one."""
    epochs = Epochs([epoch_of(1), replace(epoch_of(2), epoch=ONES), epoch_of(3)])
    epochs.add(replace(epoch_of(4), epoch=ONES))
    found = epochs.find(ONES)
    assert found is not None
    assert found.number == 4
    assert epochs.find(ZEROS) is None


def test_forgotten_twice_is_forgotten_once() -> None:
    """An end may be acknowledged again."""
    facts = epoch_of(1)
    epochs = Epochs([facts, epoch_of(2)])
    for _ in range(2):
        epochs.forget(facts)
    assert list(epochs) == [epoch_of(2)]


def test_epochs_may_be_forgotten_while_they_are_gone_through() -> None:
    """As the mover does."""
    epochs = Epochs([epoch_of(1), epoch_of(2)])
    for each in epochs:
        epochs.forget(each)
    assert not epochs


def test_who_is_offered_what() -> None:
    """The present one first, then the oldest; nothing that is over or was offered to others."""
    mine, theirs, over, free, present = (
        epoch_of(1, owner="greenhouse"),
        epoch_of(2, owner="cellar"),
        epoch_of(3, is_over=True),
        epoch_of(4),
        epoch_of(5),
    )
    epochs = Epochs([mine, theirs, over, free, present])
    epochs.present = present
    assert epochs.waiting("greenhouse") == [present, mine, free]
    assert epochs.of_others("greenhouse") == [theirs]
    assert epochs.waiting("cellar") == [present, theirs, free]
    assert epochs.waiting("attic") == [present, free]
    assert epochs.of_others("attic") == [mine, theirs]


@pytest.mark.parametrize(
    ("owner", "other", "is_possible"),
    [
        (None, "pi@one", True),
        ("pi", "pi", True),
        ("pi", "pi@one", True),
        ("pi@one", "pi@one", True),
        ("pi@one", "pi@two", False),
        ("pi", "shed", False),
        ("pi", "pi-2", False),
        ("pi", "pi-2@one", False),
        ("pi@one", "shed@one", False),
    ],
)
def test_who_may_be_whom(owner: str | None, other: str, is_possible: bool) -> None:
    """A name alone is any collector's device of that name, seen from either side."""
    assert may_be(owner, other) is is_possible
    if owner is not None:
        assert may_be(other, owner) is is_possible


def test_what_a_name_alone_is_offered() -> None:
    """Everything of that name, before it is known which collector is met; nothing counts as others'."""
    one, two, unknown, shed = (
        epoch_of(1, owner="pi@one"),
        epoch_of(2, owner="pi@two"),
        epoch_of(3, owner="pi"),
        epoch_of(4, owner="shed@one"),
    )
    epochs = Epochs([one, two, unknown, shed, epoch_of(5)])
    assert epochs.offered_to("pi") == [one, two, unknown]
    assert epochs.of_others("pi") == [shed]
    assert epochs.offered_to("pi@one") == [one, unknown]
    assert epochs.of_others("pi@one") == [two, shed]


def test_what_hold_says() -> None:
    """The id, and not the number, which is the device's own."""
    facts = replace(epoch_of(7, datagrams=True), began_ns=3)
    assert held(facts, 12) == Held(facts.epoch, 12, MOMENT, 3, datagrams=True)


@pytest.mark.parametrize(
    ("now", "whole", "is_durable", "lost", "end", "is_end_known"),
    [
        (MOMENT, True, False, None, "restarted", True),
        (NEXT_BOOT, True, False, None, "restarted", True),
        (MOMENT, False, False, None, "spool_lost", False),
        (MOMENT, False, False, "spool_unreadable", "spool_unreadable", False),
        (NEXT_BOOT, False, False, None, "power_cut", False),
        (NEXT_BOOT, False, False, "spool_unreadable", "power_cut", False),
        (NEXT_BOOT, False, True, None, "restarted", True),
    ],
)
def test_how_what_was_left_open_ends(
    now: Moment, whole: bool, is_durable: bool, lost: str | None, end: str, is_end_known: bool
) -> None:
    """All that was closed is there, or it was lost in this boot, or with an earlier one."""
    facts = epoch_of(1, last_seq=3, is_durable=is_durable)
    end_left_open([facts], {1} if whole else (), now, lost)
    assert (facts.end, facts.is_end_known) == (end, is_end_known)
    assert facts.until == (None if is_end_known else now)
    assert not facts.is_over


def test_what_has_ended_is_left_as_it_is() -> None:
    """An end is said as it was kept, however often the program starts before it is heard."""
    facts = epoch_of(1, last_seq=3, end="power_cut", is_end_known=False, until=MOMENT)
    before = replace(facts)
    end_left_open([facts], (), NEXT_BOOT, "spool_lost")
    assert facts == before


@pytest.mark.parametrize(
    ("known", "is_over"),
    [
        ({}, True),
        ({"end": "stopped"}, True),
        ({"datagrams": True}, True),
        ({"last_seq": 1}, False),
        ({"owner": "greenhouse"}, False),
        ({"end": "power_cut", "is_end_known": False}, False),
    ],
)
def test_nobody_need_hear_of_an_epoch_without_anything(
    known: dict[str, object], is_over: bool
) -> None:
    """Unless it was offered, or may have held what is lost."""
    facts = epoch_of(1, **known)
    end_left_open([facts], {1}, MOMENT, None)
    assert facts.is_over == is_over

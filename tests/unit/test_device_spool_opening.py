"""device.spool.opening: damage costs no start, and never gives a wrong value."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from device.errors import SpoolError
from device.spool import database
from device.spool.opening import open_tier
from device.spool.records import EpochFacts, Read, gap_over, pack_read
from device.spool.room import make_room
from device.spool.tier import Tier
from kit.disks import resize, sized_tmpfs
from kit.spools import MIB, points_of
from kit.stores import change
from kit.tiers import (
    all_of,
    close_batch,
    damaged_at_most,
    epoch_of,
    opened,
    raises_full,
    with_epoch,
)

UNREADABLE = "spool_unreadable"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "spool.db"


@pytest.fixture
def filled(file: Path) -> Path:
    """A tier with an epoch, its batches, and an open one."""
    with opened(file, durable=False) as tier:
        with_epoch(tier, batches=30)
        tier.accept(1, [pack_read("air", 1, points_of([1.0]))])
    return file


def asides(file: Path) -> list[Path]:
    """What was set aside."""
    return list(file.parent.glob("*.damaged-*Z"))


def looked_at(file: Path, if_new: str | None = None) -> tuple[str | None, bool, int]:
    """Open a tier: its notice, whether it was damaged, and the readings in it."""
    tier, was_damaged = open_tier(file, False, MIB, if_new)
    with closing(tier):
        return tier.notice(), was_damaged, tier.readings


def test_new_tier(file: Path) -> None:
    """It says what was there before, if that is to be told, and once only."""
    assert looked_at(file) == (None, False, 0)
    assert looked_at(file, "power_cut") == (None, False, 0)
    other = file.with_name("other.db")
    assert looked_at(other, "power_cut") == ("power_cut", False, 0)
    assert looked_at(other) == ("power_cut", False, 0)


def test_sound_tier_is_what_it_was(filled: Path) -> None:
    """However often it is opened."""
    for _ in range(2):
        assert looked_at(filled) == (None, False, 30)
    assert not asides(filled)


def test_damaged_tier_is_set_aside(filled: Path) -> None:
    """A new one begins that says so, also to the start after the next one; the log is loud."""
    damaged = filled.read_bytes()[:20_000]
    filled.write_bytes(damaged)
    with capture_logs() as logs:
        assert looked_at(filled, "power_cut") == (UNREADABLE, True, 0)
        assert looked_at(filled) == (UNREADABLE, False, 0)
    (aside,) = asides(filled)
    assert aside.read_bytes() == damaged
    assert [(event["event"], event["moved_to"]) for event in logs] == [
        ("spool_set_aside", str(aside))
    ]


DAMAGES = {
    "facts of an epoch": "UPDATE epoch SET facts = x'00'",
    "number of an epoch": "UPDATE epoch SET number = 9",
    "key of a batch": "UPDATE batch SET seq = 'x' WHERE seq = 3",
    "epoch of a batch": "UPDATE batch SET epoch = 1.5 WHERE seq = 3",
    "readings of a batch": f"UPDATE batch SET readings = {2**62}",
    "tables": "DROP TABLE notice",
}


@pytest.mark.parametrize("statement", DAMAGES.values(), ids=DAMAGES.keys())
def test_what_a_start_reads_is_read_here(filled: Path, statement: str) -> None:
    """So that damage cannot end one start after another."""
    change(filled, statement)
    assert looked_at(filled) == (UNREADABLE, True, 0)
    assert looked_at(filled) == (UNREADABLE, False, 0)


@pytest.mark.parametrize("statement", ["UPDATE batch SET body = x'00'", "UPDATE tick SET body = 7"])
def test_damaged_body_costs_no_file(filled: Path, statement: str) -> None:
    """It is one row of many."""
    change(filled, statement)
    assert looked_at(filled) == (None, False, 30)


@pytest.mark.parametrize("is_broken_off", [False, True])
def test_file_that_was_set_aside_while_a_program_ran(filled: Path, is_broken_off: bool) -> None:
    """The next start knows that something was there, and nothing is moved twice."""
    database.set_aside(filled)
    if is_broken_off:
        filled.rename(filled.with_name("spool.db.empty"))
    assert looked_at(filled, "power_cut") == (UNREADABLE, True, 0)
    assert len(asides(filled)) == 1


def test_newer_program(filled: Path) -> None:
    """Its file is neither set aside nor begun anew."""
    change(filled, "CREATE TABLE more (id INTEGER)")
    change(filled, "PRAGMA user_version = 2")
    before = filled.read_bytes()
    with pytest.raises(SpoolError, match="Install that version again"):
        open_tier(filled, False, MIB)
    assert (filled.read_bytes(), asides(filled)) == (before, [])


def test_file_that_cannot_be_used(file: Path) -> None:
    """What is no damage is for who asked: nothing is moved."""
    file.mkdir()
    with pytest.raises((OSError, sqlite3.OperationalError)):
        open_tier(file, False, MIB)
    assert file.is_dir()


@pytest.mark.parametrize("error", [OSError("EIO"), sqlite3.OperationalError("EIO")])
def test_file_is_let_go_of_when_it_fails(filled: Path, error: Exception) -> None:
    """Whoever opens it next finds it as it was, and no lock."""
    failing = patch.object(Tier, "notice", side_effect=error)
    with failing, pytest.raises(type(error), match="EIO"):
        open_tier(filled, False, MIB)
    assert looked_at(filled) == (None, False, 30)


def test_start_on_a_full_disk(tmp_path: Path) -> None:
    """What it has begun is no tier yet; once there is room, it is."""
    with sized_tmpfs(tmp_path / "disk", 16 * 1024) as folder:
        with raises_full():
            open_tier(folder / "spool.db", False, MIB)
        resize(folder, 8 * MIB)
        tier, _ = open_tier(folder / "spool.db", False, MIB)
        with closing(tier):
            with_epoch(tier, batches=3)
            assert tier.readings == 3


# Any bit ----------------------------------------------------------------------------------------


READS = [Read("air", number, points_of([float(number)])) for number in range(3)]
HELD = {1: 8, 2: 3}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[tuple[int, int], bytes]]:
    """A tier's file with something of everything, and its batches by epoch and seq."""
    file = tmp_path_factory.mktemp("sound") / "spool.db"
    batches = {}
    with opened(file) as tier:
        for number, many in HELD.items():
            facts = with_epoch(tier, number)
            for seq in range(1, many + 1):
                batches[number, seq] = close_batch(tier, facts, *map(float, range(seq % 4 + 1)))
            tier.replace(number, gap_over(facts.epoch, all_of(tier, facts, 2)[:1], "spool_full"))
        tier.accept(2, [pack_read(*read) for read in READS])
        tier.keep_rejected("any", b"any")
        tier.set_notice("rejected")
    return file.read_bytes(), batches


def use(tier: Tier, batches: dict[tuple[int, int], bytes]) -> None:
    """Do with a tier whatever a run does; what comes out of it is right, or a gap."""
    for facts in tier.epochs():
        assert facts.epoch == epoch_of(facts.number).epoch
        assert facts.last_seq == HELD[facts.number]
        for row in all_of(tier, facts):
            assert row.gap or row.sealed == batches[facts.number, row.first_seq]
            assert row.gap is None or row.gap.epoch == facts.epoch
    reads, _ = tier.reads()
    assert all(read in READS for each in reads.values() for read in each)
    tier.spans(), tier.notice(), tier.all_rows()
    go_on(tier)


def go_on(tier: Tier) -> None:
    """Take what is read, let go of all that is held."""
    facts: EpochFacts = tier.epochs()[-1]
    tier.accept(facts.number, [pack_read(*read) for read in READS])
    close_batch(tier, facts)
    assert all_of(tier, facts, facts.last_seq)[-1].gap is None
    tier.keep_rejected("any", b"")
    tier.set_notice(None)
    while make_room(tier):
        pass
    tier.put_epochs([epoch_of(9)], [*tier.epochs()])
    tier.drop_reads()


@pytest.mark.parametrize("is_checked", [True, False], ids=["small file", "large file"])
def test_any_flipped_bit(
    file: Path, sound: tuple[bytes, dict[tuple[int, int], bytes]], is_checked: bool
) -> None:
    """No start fails; no wrong value comes, no wrong count; whoever meets damage says it is that."""
    data, batches = sound
    bits = random.Random(20).sample(range(8 * len(data)), 100)
    found = set()
    with patch.object(database, "_CHECK_UP_TO_BYTES", 2**20 if is_checked else -1):
        for bit in bits:
            for each in file.parent.glob("spool.db*"):
                each.unlink()
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            file.write_bytes(flipped)
            tier, was_damaged = open_tier(file, False, MIB)
            found.add(was_damaged)
            with closing(tier), damaged_at_most():
                if not was_damaged:
                    use(tier, batches)
    assert found == {True, False}

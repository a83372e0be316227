"""collector.store.soundness: a flipped bit in what decides whether a batch is new is found."""

import random
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store import soundness
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.soundness import check_epoch, checksum
from kit.stores import batch, change, commit, rows, transaction
from kit.wireworks import EPOCH
from service.damage import is_damage
from wire.bodies import End

FLIPS = 400
PAGE_BYTES = 16384
numbers = st.integers(-(2**63), 2**63 - 1)
endings = st.none() | st.binary(max_size=64)
facts = st.tuples(numbers, st.binary(min_size=16, max_size=16), numbers, endings, st.integers(0, 1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of forty epochs, some ended: a page for the table, and one for each of its indexes."""
    file = tmp_path / FILE_NAME
    with transaction(file) as group:
        for number in range(40):
            epoch = random.Random(number).randbytes(16)
            group.store("greenhouse", [batch(1, epoch=epoch), batch(2, epoch=epoch)])
            if number % 3 == 0:
                group.end("greenhouse", End(epoch, "restarted", 2, 2))
    return file


def test_checksum_is_as_documented() -> None:
    """Another program could check it."""
    data = struct.pack("<qqq", 3, 7, 2 + 1) + EPOCH + b"stopped"
    assert checksum(3, EPOCH, 7, b"stopped", 1) == zlib.crc32(data)
    assert checksum(3, EPOCH, 7, None, 0) == zlib.crc32(struct.pack("<qqq", 3, 7, 0) + EPOCH)


@given(facts, facts)
def test_rows_that_differ_have_other_checksums(
    one: tuple[int, bytes, int, bytes | None, int], other: tuple[int, bytes, int, bytes | None, int]
) -> None:
    """Each fact counts; what is as written passes."""
    check_epoch(checksum(*one), *one)
    if one != other:
        with pytest.raises(sqlite3.DatabaseError):
            check_epoch(checksum(*one), *other)


@pytest.mark.parametrize(
    "row",
    [
        ("1", EPOCH, 2, None, 0),
        (1, "text", 2, None, 0),
        (1, EPOCH, None, None, 0),
        (1, EPOCH, 2.0, None, 0),
        (1, EPOCH, 2, 5, 0),
        (1, EPOCH, 2, None, b""),
    ],
)
def test_values_of_another_type_are_damage(row: tuple[object, ...]) -> None:
    """A flipped bit can change a type too."""
    with pytest.raises(sqlite3.DatabaseError) as caught:
        check_epoch(checksum(1, EPOCH, 2, None, 0), *row)
    assert is_damage(caught.value)


def test_every_start_checks_the_epochs(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the file: a damaged row sets it aside before anything is stored by it."""
    monkeypatch.setattr(soundness, "_CHECK_UP_TO_BYTES", 0)
    open_for_writing(file).close()
    assert not list(file.parent.glob("*.damaged-*"))
    change(file, "UPDATE epoch SET mark = mark + 1 WHERE id = 7")
    open_for_writing(file).close()
    assert len(list(file.parent.glob("*.damaged-*Z"))) == 1
    assert rows(file, "SELECT * FROM epoch") == []


def pages_of(file: Path, of_table: Callable[[str], bool]) -> list[int]:
    """The first pages of tables and indexes."""
    found = rows(file, "SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0")
    return [page for name, page in found if of_table(name)]


def test_flipped_bits_in_epochs_and_their_index(file: Path) -> None:
    """No flip of a single bit lets a batch that is stored seem new, or a new one stored."""
    pages = pages_of(
        file, lambda name: "epoch" in name and "batch" not in name and "gap" not in name
    )
    expected = answers(file)
    data, dice = file.read_bytes(), random.Random(1)
    size = int.from_bytes(data[16:18], "big")
    unnoticed = 0
    for _ in range(FLIPS):
        page, at, bit = dice.choice(pages), dice.randrange(size), dice.randrange(8)
        where = (page - 1) * size + at
        file.write_bytes(data[:where] + bytes([data[where] ^ (1 << bit)]) + data[where + 1 :])
        try:
            with closing(sqlite3.connect(file)) as database:
                soundness.check_epochs(database)
        except sqlite3.DatabaseError:
            continue
        unnoticed += 1
        assert answers(file) == expected
    assert unnoticed < FLIPS


def answers(file: Path) -> list[tuple[object, ...]]:
    """What decides whether a batch is new, as the writer asks for it, epoch by epoch."""
    found = []
    with closing(sqlite3.connect(file)) as database:
        for number in range(40):
            key = (1, random.Random(number).randbytes(16))
            found += database.execute(
                "SELECT mark, ended, datagrams FROM epoch WHERE device = ? AND epoch = ?", key
            ).fetchall()
    return found


def test_small_store_is_checked_whole(file: Path) -> None:
    """Damage of other tables is found at the start too."""
    commit(file, "greenhouse", *[batch(seq) for seq in range(1, 2000)])
    (page,) = pages_of(file, lambda name: name == "batch")
    with file.open("r+b") as opened:
        opened.seek((page - 1) * PAGE_BYTES)
        opened.write(bytes(PAGE_BYTES))
    with (
        closing(sqlite3.connect(file)) as database,
        pytest.raises(sqlite3.DatabaseError) as caught,
    ):
        soundness.check_file(file, database)
    assert is_damage(caught.value)

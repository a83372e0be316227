"""collector.store.chunk_rows: what is sealed and merged takes the place of what it was made of, or nothing is done."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.store import merging, sealing
from collector.store.chunk_rows import Merged, Taken
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.transaction import Transaction
from kit.sealing import SealingRig, content, sealed_apart, sealing_rig
from kit.stores import at_ns, batch, change, open_reader, read, rows
from kit.wireworks import damaged, resealed
from wire.batches import HEADER_BYTES

ALL = (-(2**63), 2**63 - 1)
# Times of no grid cost something: channels share them.
UNEVEN_MS = sorted(random.Random(1).sample(range(90_000), 40))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SealingRig]:
    """A store with four rows of a device, a batch of a reading each."""
    with sealing_rig(tmp_path / FILE_NAME) as made:
        for seq in range(1, 5):
            made.do(lambda group, seq=seq: group.store("pi", [batch(seq)]))
        yield made


def waiting(path: Path) -> list[Taken]:
    """The rows that wait, as whoever seals them has read them."""
    columns = "id, dated, offset_ns, error_ns, readings, length(sealed)"
    return [Taken(*row) for row in rows(path, f"SELECT {columns} FROM batch ORDER BY id")]


def prepared(path: Path) -> sealing.Sealed:
    """What becomes of all rows that wait."""
    with open_reader(path) as reader:
        return sealing.seal(reader.after(0))


def values(path: Path) -> list[float]:
    """All readings, in order of time."""
    with open_reader(path) as reader:
        return [value for part in reader.range("*", *ALL).parts for value in part.values.tolist()]


def merged_of(path: Path) -> Merged:
    """What is to take the place of all that is short."""
    database = open_for_reading(path)
    try:
        (merged,) = merging.merges(database, 1, enough=2)
        return merged
    finally:
        database.close()


def test_chunks_take_the_place_of_rows(rig: SealingRig) -> None:
    """With what waits, and how far sealing has come; the answer is the same."""
    before, taken, sealed = values(rig.path), waiting(rig.path), prepared(rig.path)
    assert rig.do(lambda group: group.chunk_rows.seal(1, taken, sealed, 5))
    found = content(rig.path)
    assert (found["batch"], found["progress"]) == ([], [(4,)])
    assert (len(found["chunk"]), len(found["rollup"])) == (1, 1)
    assert values(rig.path) == before
    assert rig.group.unsealed.readings() == 0


@pytest.mark.parametrize(
    "change_meanwhile",
    [
        "DELETE FROM batch WHERE id = 3",
        "UPDATE batch SET dated = 1 WHERE id = 3",
        "UPDATE batch SET offset_ns = 7 WHERE id = 3",
        "UPDATE batch SET error_ns = 7 WHERE id = 3",
    ],
)
def test_rows_that_are_not_as_they_were_read(rig: SealingRig, change_meanwhile: str) -> None:
    """Deleted or dated anew: nothing is done, and what waits is counted anew."""
    taken, sealed = waiting(rig.path), prepared(rig.path)
    change(rig.path, change_meanwhile)
    before = content(rig.path)
    assert not rig.do(lambda group: group.chunk_rows.seal(1, taken, sealed, 5))
    assert content(rig.path) == before
    assert rig.group.unsealed.readings() == len(before["batch"])
    taken, sealed = waiting(rig.path), prepared(rig.path)
    assert rig.do(lambda group: group.chunk_rows.seal(1, taken, sealed, 5))


def test_seal_that_is_rolled_back_is_as_if_it_had_never_been(rig: SealingRig) -> None:
    """Also to what is remembered: the next one stores under names that are there."""
    before, taken, sealed = content(rig.path), waiting(rig.path), prepared(rig.path)

    def fail(group: Transaction) -> None:
        assert group.chunk_rows.seal(1, taken, sealed, 5)
        raise KeyError("spoilt")

    with pytest.raises(Exception, match="spoilt"):
        rig.do(fail)
    assert content(rig.path) == before
    assert rows(rig.path, "SELECT * FROM stored_series") == []
    assert rig.do(lambda group: group.chunk_rows.seal(1, taken, sealed, 5))
    assert values(rig.path) == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("spoilt", "gap", "kept"),
    [
        (lambda some: [some[0], damaged(some[1]), some[2]], (6, 6, None), 1),
        (lambda some: [some[0], resealed(some[1], HEADER_BYTES, b"?"), some[2]], (6, 6, 2), 1),
        (lambda some: [some[0], some[1][:40]], (5, 7, None), 1),
        (lambda some: [some[0], some[1][:90] + b"?" * 9], (6, 7, None), 1),
        (lambda some: [b"no batch at all"], (5, 7, None), 0),
    ],
    ids=["damaged", "lie", "rest-without-a-place", "rest-with-a-place", "row"],
)
def test_what_cannot_be_read_is_a_gap(
    rig: SealingRig, spoilt: Callable[[list[bytes]], list[bytes]], gap: object, kept: int
) -> None:
    """As narrow as anybody knows, with the readings where these are known; its bytes stay."""
    run = [batch(seq, read(seq), read(seq + 0.5), before=0) for seq in (5, 6, 7)]
    change(rig.path, "DELETE FROM batch")
    change(rig.path, "UPDATE epoch SET mark = 4")
    with sealing_rig(rig.path) as again:
        again.do(lambda group: group.store("pi", run))
    left = spoilt([each.sealed for each in run])
    change(rig.path, "UPDATE batch SET sealed = ?", b"".join(left))
    taken, sealed = waiting(rig.path), prepared(rig.path)
    assert rig.do(lambda group: group.chunk_rows.seal(1, taken, sealed, 5))
    assert rows(rig.path, "SELECT first_seq, last_seq, readings FROM gap") == [gap]
    assert rows(rig.path, "SELECT sealed FROM undecodable") == [(left[kept],)]
    assert len(values(rig.path)) == 2 * (len(left) - 1)


# Merging


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A store with three chunks of each of two channels, which share their times."""
    file = tmp_path / FILE_NAME
    sealed_apart(file, "pi", *[
        batch(seq, *(
            read(100 * seq + at_ms / 1000, float(seq), channel=channel)
            for at_ms in UNEVEN_MS for channel in ("a", "b")
        ), before=0)
        for seq in (1, 2, 3)
    ])  # fmt: skip
    return file


def test_times_in_common_go_with_their_last_chunk(short: Path) -> None:
    """Not before; whether all chunks were there is told."""
    assert rows(short, "SELECT count(*), count(DISTINCT times) FROM chunk") == [(6, 3)]
    of_first = [row_id for (row_id,) in rows(short, "SELECT id FROM chunk WHERE times = 1")]
    with sealing_rig(short) as rig:
        assert rig.do(lambda group: group.chunk_rows.delete_chunks(of_first[:1]))
        assert len(rows(short, "SELECT id FROM chunk_times")) == 3
        assert not rig.do(lambda group: group.chunk_rows.delete_chunks(of_first))
        assert rows(short, "SELECT id FROM chunk_times") == [(2,), (3,)]
        assert rig.do(lambda group: group.chunk_rows.delete_chunks([]))


def test_long_ones_take_the_place_of_short_ones(short: Path) -> None:
    """And no times are left that no chunk has."""
    before, merged = values(short), merged_of(short)
    with sealing_rig(short) as rig:
        assert rig.do(lambda group: group.chunk_rows.merge(1, merged))
    found = content(short)
    assert [len(found[table]) for table in ("chunk", "chunk_times", "rollup")] == [2, 1, 2]
    assert values(short) == before


@pytest.mark.parametrize(
    "change_meanwhile",
    [
        "DELETE FROM chunk WHERE id = 2",
        "DELETE FROM rollup WHERE id = 2",
        "UPDATE rollup SET minutes = NULL WHERE id = 2",
    ],
)
def test_merge_of_what_is_there_no_more(short: Path, change_meanwhile: str) -> None:
    """Deleted meanwhile, or kept no longer: nothing is done, so that nothing comes back."""
    merged = merged_of(short)
    change(short, change_meanwhile)
    before = content(short)
    with sealing_rig(short) as rig:
        assert not rig.do(lambda group: group.chunk_rows.merge(1, merged))
    assert content(short) == before


def test_row_names_the_times_and_readings_of_its_chunk(short: Path) -> None:
    """Questions choose chunks by these."""
    found = rows(short, "SELECT from_ns, to_ns, readings FROM chunk WHERE series = 1 ORDER BY id")
    assert found == [
        (
            at_ns(100 * seq + UNEVEN_MS[0] / 1000),
            at_ns(100 * seq + UNEVEN_MS[-1] / 1000),
            len(UNEVEN_MS),
        )
        for seq in (1, 2, 3)
    ]

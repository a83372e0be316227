"""collector.store.sealer: one step after the other, whatever else happens to the rows it is about."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import query
from collector.store import sealer as module
from collector.store import sealing
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS
from kit.sealing import SealingRig, sealing_rig
from kit.stores import batch, change, open_reader, read, rows

WAITING = "SELECT count(*) FROM batch"
CHUNKS = "SELECT count(*) FROM chunk"


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SealingRig]:
    """A store whose devices are ripe with four rows."""
    monkeypatch.setattr("collector.store.unsealed.MAX_ROWS", 4)
    with sealing_rig(tmp_path / FILE_NAME) as made:
        yield made


def store(rig: SealingRig, device: str, first_seq: int, last_seq: int) -> None:
    """Batches of one reading each, a row each."""
    for seq in range(first_seq, last_seq + 1):
        rig.do(lambda group, seq=seq: group.store(device, [batch(seq)]))


def values(rig: SealingRig, device: str = "*") -> list[float]:
    """All that is stored, in order of time."""
    with open_reader(rig.path) as reader:
        found = query.readings(reader, f"{device}/*", -END_OF_TIME_NS, END_OF_TIME_NS)
    return [value for part in found.series for value in part.values.tolist()]


def test_nothing_is_done_until_a_device_is_ripe(rig: SealingRig) -> None:
    """Then all it has becomes a chunk, and the rows go."""
    store(rig, "greenhouse", 1, 3)
    assert not rig.step()
    store(rig, "greenhouse", 4, 4)
    store(rig, "cellar", 1, 2)
    assert rig.step()
    assert rows(rig.path, WAITING + " WHERE device = 1") == [(0,)]
    assert rows(rig.path, WAITING + " WHERE device = 2") == [(2,)]
    assert rows(rig.path, CHUNKS) == [(1,)]
    assert values(rig, "greenhouse") == [1.0, 2.0, 3.0, 4.0]


def test_finish_seals_and_merges_all(rig: SealingRig) -> None:
    """Ripe or not: one chunk and one row of rollups a series is left, and no free page."""
    store(rig, "greenhouse", 1, 4)
    rig.step()
    store(rig, "greenhouse", 5, 6)
    store(rig, "cellar", 1, 1)
    for _ in rig.sealer.finish():
        pass
    assert rows(rig.path, WAITING) == [(0,)]
    assert rows(rig.path, CHUNKS) == [(2,)]
    assert rows(rig.path, "SELECT count(*) FROM rollup") == [(2,)]
    assert values(rig, "greenhouse") == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert rows(rig.path, "PRAGMA freelist_count") == [(0,)]


def test_rows_that_have_changed_meanwhile_are_looked_at_again(rig: SealingRig) -> None:
    """What was prepared of the former ones is not stored, and nothing is lost or twice."""
    store(rig, "greenhouse", 1, 4)
    rig.between.append(lambda: change(rig.path, "DELETE FROM batch WHERE id = 2"))
    rig.step()
    assert rows(rig.path, CHUNKS) == [(0,)]
    assert rows(rig.path, WAITING) == [(3,)]
    assert rig.group.unsealed.readings() == 3
    assert values(rig) == [1.0, 3.0, 4.0]


def test_device_that_cannot_be_sealed_stops_no_other(
    rig: SealingRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left as it came, is no longer ripe, and can still be asked; the next start tries again."""
    store(rig, "greenhouse", 1, 9)
    store(rig, "cellar", 1, 5)

    def broken(some: list[sealing.BatchRow], *more: object) -> object:
        if some[0].device == "greenhouse":
            raise ArithmeticError("cannot be")
        return sealing.seal(some, *more)

    with monkeypatch.context() as patch:
        patch.setattr(module, "seal", broken)
        while rig.step():
            pass
        for _ in rig.sealer.finish():
            pass
    assert rows(rig.path, WAITING + " WHERE device = 1") == [(9,)]
    assert rows(rig.path, WAITING + " WHERE device = 2") == [(0,)]
    assert rig.group.unsealed.ripe_bytes() == 0
    assert values(rig) == [1.0, 2.0, 3.0, 4.0, 5.0] + [float(seq) for seq in range(1, 10)]
    with sealing_rig(rig.path) as again:
        again.step()
    assert rows(rig.path, WAITING) == [(0,)]


def test_undecodable_batch_is_kept_and_told(rig: SealingRig) -> None:
    """The others are sealed; its bytes stay, and a gap says which it was."""
    store(rig, "greenhouse", 1, 4)
    change(rig.path, "UPDATE batch SET sealed = 'no batch' WHERE id = 2")
    rig.step()
    assert values(rig) == [1.0, 3.0, 4.0]
    assert rows(rig.path, "SELECT sealed FROM undecodable") == [(b"no batch",)]
    assert rows(rig.path, "SELECT first_seq, last_seq, reason FROM gap") == [(2, 2, "undecodable")]


def test_numbers_of_rows_are_never_used_again(rig: SealingRig) -> None:
    """Not when all rows are sealed, and not after a new start: who follows misses nothing."""
    store(rig, "greenhouse", 1, 4)
    rig.step()
    with sealing_rig(rig.path) as again:
        store(again, "greenhouse", 5, 5)
    assert rows(rig.path, "SELECT id FROM batch") == [(5,)]
    with open_reader(rig.path) as reader:
        assert [row.id for row in reader.after(4)] == [5]


def test_reader_in_the_middle_sees_one_instant(rig: SealingRig) -> None:
    """A question that has begun is not disturbed by what is sealed meanwhile."""
    store(rig, "greenhouse", 1, 5)
    with open_reader(rig.path) as reader:
        parts = reader._parts("*", -END_OF_TIME_NS, END_OF_TIME_NS)
        first = next(parts)
        rig.step()
        others = list(parts)
        assert [part.values.tolist() for part in (first, *others)] == [
            [1.0],
            [2.0],
            [3.0],
            [4.0],
            [5.0],
        ]
    assert values(rig) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_late_readings_go_where_they_belong(rig: SealingRig) -> None:
    """Also within one batch, sealed or not."""
    rig.do(lambda group: group.store("greenhouse", [batch(1, read(9, 9.0), read(2, 2.0))]))
    for _ in rig.sealer.finish():
        pass
    rig.do(lambda group: group.store("greenhouse", [batch(2, read(5, 5.0))]))
    assert values(rig) == [2.0, 5.0, 9.0]
    for _ in rig.sealer.finish():
        pass
    assert values(rig) == [2.0, 5.0, 9.0]

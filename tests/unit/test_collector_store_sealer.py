"""collector.store.sealer: one step after the other, whatever else happens to the rows it is about."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

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
        found = reader.range(f"{device}/*", -END_OF_TIME_NS, END_OF_TIME_NS)
    return [value for part in found.parts for value in part.values.tolist()]


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


def refuse(rig: SealingRig, table: str) -> None:
    """Let the file take no row of a table, as a fault of ours or damage of an index would."""
    rig.do(
        lambda group: group._database.execute(
            f"CREATE TRIGGER poison BEFORE INSERT ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
    )


def heal(rig: SealingRig) -> None:
    """Let it take them again."""
    rig.do(lambda group: group._database.execute("DROP TRIGGER poison"))


def test_device_whose_chunks_are_refused_is_given_up(rig: SealingRig) -> None:
    """By a constraint: as if they could not be computed. It is logged and told, and nobody else is stopped."""
    store(rig, "greenhouse", 1, 9)
    refuse(rig, "chunk")
    with capture_logs() as logs:
        while rig.step():
            pass
    heal(rig)
    assert [(log["event"], log["device"], log["detail"]) for log in logs] == [
        ("sealing_failed", "greenhouse", "the store cannot take it: poison")
    ]
    assert rig.group.unsealed.given_up() == {1}
    store(rig, "cellar", 1, 5)
    while rig.step():
        pass
    assert rows(rig.path, "SELECT device, count(*) FROM batch GROUP BY device") == [(1, 9)]
    assert values(rig) == [1.0, 2.0, 3.0, 4.0, 5.0] + [float(seq) for seq in range(1, 10)]
    assert rows(rig.path, "PRAGMA integrity_check") == [("ok",)]


def short_chunks(rig: SealingRig) -> None:
    """Make more than enough short chunks of a device, and more of it that can be sealed."""
    for seq in range(1, 11):
        store(rig, "greenhouse", seq, seq)
        rig.sealer.drain(1)
    store(rig, "greenhouse", 11, 15)


def assert_sealed_and_left_short(rig: SealingRig) -> None:
    """Nothing waits, nothing is merged, all is there, and it is told once."""
    with capture_logs() as logs:
        for _ in rig.sealer.finish():
            pass
        for _ in rig.sealer.finish():
            pass
    assert [(log["event"], log["device"]) for log in logs] == [("merging_failed", "greenhouse")]
    assert rig.group.unsealed.given_up() == frozenset()
    assert rows(rig.path, WAITING) == [(0,)]
    assert rows(rig.path, CHUNKS) == [(11,)]
    assert values(rig) == [float(seq) for seq in range(1, 16)]


def test_merge_that_is_refused_is_given_up(rig: SealingRig) -> None:
    """What is short stays so; the device is sealed all the same."""
    short_chunks(rig)
    rig.do(
        lambda group: group._database.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON chunk WHEN NEW.readings > 5"
            " BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
    )
    assert_sealed_and_left_short(rig)


def test_merge_that_cannot_be_computed_is_given_up(
    rig: SealingRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same way."""
    short_chunks(rig)

    def broken(*_: object) -> object:
        raise ArithmeticError("cannot be")

    monkeypatch.setattr("collector.store.merging._merged", broken)
    assert_sealed_and_left_short(rig)


def test_fault_of_the_file_ends_all(rig: SealingRig) -> None:
    """It is no fault of the device: nobody can store any more."""
    store(rig, "greenhouse", 1, 9)
    change(rig.path, "DROP TABLE chunk")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        list(rig.sealer.finish())
    assert rig.group.unsealed.given_up() == frozenset()
    assert rows(rig.path, WAITING) == [(9,)]


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
    rig.step()
    store(rig, "greenhouse", 6, 9)
    with open_reader(rig.path) as reader:
        parts = reader._parts("*", -END_OF_TIME_NS, END_OF_TIME_NS)
        first = next(parts)
        list(rig.sealer.finish())
        assert values(rig) == [float(seq) for seq in range(1, 10)]
        assert rows(rig.path, WAITING) == [(0,)]
        assert [part.values.tolist() for part in (first, *parts)] == [
            [1.0, 2.0, 3.0, 4.0, 5.0],
            [6.0, 7.0, 8.0, 9.0],
        ]


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

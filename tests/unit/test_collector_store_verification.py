"""collector.store.verification: a sound store is called sound, and each kind of damage is found."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from collector.errors import StoreError
from collector.store import Keep, Selection, delete_from, verify
from collector.store.database import FILE_NAME
from kit.histories import Step, histories, regular, retained, stored
from kit.stores import at_ns, change, rows

SOUND: list[object] = []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store in which some is sealed and some is not."""
    file = tmp_path / FILE_NAME
    ones = regular(1000)
    soil = [one._replace(sensor="soil") for one in ones]
    stored(file, [Step([*ones, *soil], True), Step(regular(100, first_s=2000.0), False)])
    return file


def kinds(file: Path) -> set[str]:
    """What is damaged."""
    return {damage.what for damage in verify(file).damages}


def test_everything_is_read(file: Path) -> None:
    """And how much that was is told, with how far it is."""
    told: list[tuple[int, int]] = []
    verified = verify(file, lambda done, of: told.append((done, of)))
    assert verified == (1, 2, 2, 2100, SOUND)
    assert told[-1] == (5, 5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@given(history=histories)
@settings(max_examples=25, deadline=None)
def test_sound_store_is_sound(
    tmp_path_factory: pytest.TempPathFactory, history: list[Step]
) -> None:
    """Whatever was sealed, late, bad, deleted and kept no longer."""
    file = tmp_path_factory.mktemp("verification") / FILE_NAME
    stored(file, history)
    assert verify(file).damages == SOUND
    delete_from(file, Selection("*/air.*", at_ns(100), at_ns(5000)))
    assert verify(file).damages == SOUND
    retained(file, Keep("*", 3600 * 10**9, 7200 * 10**9), now_ns=at_ns(10**6))
    assert verify(file).damages == SOUND


@pytest.mark.parametrize("table", ["batch.sealed", "chunk.data", "rollup.minutes"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_flipped_bit_is_found(file: Path, table: str, share: float) -> None:
    """Wherever in the bytes it is, and that of nothing else is told."""
    name, column = table.split(".")
    ((row_id, data),) = rows(file, f"SELECT id, {column} FROM {name} ORDER BY id LIMIT 1")
    changed = bytearray(data)
    changed[int(share * len(changed))] ^= 4
    change(file, f"UPDATE {name} SET {column} = ? WHERE id = ?", bytes(changed), row_id)
    assert kinds(file) == {name}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE epoch SET mark = mark + 1", {"epoch"}),
        ("DELETE FROM chunk WHERE id = 1", {"count"}),
        ("DELETE FROM batch", {"count"}),
        ("UPDATE batch SET readings = readings + 1", {"batch", "count"}),
        ("UPDATE batch SET last_seq = last_seq + 1", {"batch"}),
        ("UPDATE chunk SET from_ns = from_ns + 1 WHERE id = 1", {"chunk"}),
        ("UPDATE chunk SET readings = readings + 1 WHERE id = 1", {"chunk", "count"}),
        ("UPDATE chunk SET times = 77, data = zeroblob(9) WHERE id = 1", {"chunk", "orphan"}),
        ("UPDATE chunk SET series = 99 WHERE id = 1", {"orphan", "count"}),
        ("DELETE FROM rollup WHERE id = 1", {"rollup"}),
        ("UPDATE rollup SET buckets = buckets + 1 WHERE id = 1", {"rollup"}),
        ("UPDATE rollup SET minutes = NULL, hours = NULL WHERE id = 1", {"rollup"}),
        ("INSERT INTO chunk_times (data) VALUES (zeroblob(9))", {"orphan"}),
        ("INSERT INTO removal VALUES (1, 5, 0)", {"count"}),
    ],
)
def test_what_does_not_fit_is_found(file: Path, statement: str, found: set[str]) -> None:
    """Rows that are gone, hang loose, or say something else than what they hold."""
    change(file, statement)
    assert kinds(file) == found


def test_summary_of_other_readings_is_found(file: Path) -> None:
    """Its own checksum fits: only the readings show it."""
    ((other,),) = rows(file, "SELECT minutes FROM rollup WHERE id = 2")
    stored(
        file.with_name("other.db"), [Step([one._replace(value=7.0) for one in regular(1000)], True)]
    )
    ((other,),) = rows(file.with_name("other.db"), "SELECT minutes FROM rollup")
    change(file, "UPDATE rollup SET minutes = ? WHERE id = 1", other)
    (damage,) = verify(file).damages
    assert (damage.what, damage.whose) == ("rollup", "greenhouse/air.temperature")
    assert damage.from_ns is not None
    assert damage.from_ns <= at_ns(1)


def test_damaged_chunk_can_be_taken_away(file: Path) -> None:
    """With the range that is told."""
    change(file, "UPDATE chunk SET data = zeroblob(30) WHERE id = 1")
    (damage,) = verify(file).damages
    assert damage.to_ns is not None
    delete_from(file, Selection(damage.whose, damage.from_ns, damage.to_ns + 1))
    assert verify(file).damages == SOUND


def test_file_that_is_no_store(tmp_path: Path) -> None:
    """The message is that of every question."""
    with pytest.raises(StoreError, match="no store here"):
        verify(tmp_path / FILE_NAME)

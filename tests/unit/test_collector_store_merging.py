"""collector.store.merging: what is short becomes long, and says the same."""

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.store import merging
from collector.store.chunk_rows import Merged
from collector.store.database import FILE_NAME, open_for_reading
from kit.histories import DEVICES, One, assert_holds, moments_s
from kit.sealing import sealed_apart, sealing_rig
from kit.stores import batch, change, read, rows
from wire.receiver import Arrived

# So many readings make no chunk short.
LONG = 1800
_ones = st.lists(
    st.builds(One, st.just(DEVICES[0]), st.sampled_from(["air", "soil"]), moments_s,
              st.integers(-99, 99).map(lambda tenth: tenth / 10)),
    min_size=1, max_size=20, unique_by=lambda one: (one.sensor, one.at_s),
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def merges(path: Path, enough: int) -> list[Merged]:
    """What is to be merged of the first device."""
    with closing(open_for_reading(path)) as database:
        return list(merging.merges(database, 1, enough))


def merge(path: Path, enough: int = 2) -> None:
    """Merge it."""
    with sealing_rig(path) as rig:
        for merged in merges(path, enough):
            assert rig.do(lambda group, merged=merged: group.chunk_rows.merge(1, merged))


def counts(path: Path) -> list[int]:
    """How many readings the chunks have, longest first."""
    return [row[0] for row in rows(path, "SELECT readings FROM chunk ORDER BY readings DESC")]


def some(count: int, *channels: str) -> list[Arrived]:
    """So many batches, each of one read of some channels."""
    channels = channels or ("temperature",)
    return [
        batch(seq, *(read(seq, float(seq), channel=name) for name in channels), before=0)
        for seq in range(1, count + 1)
    ]


@given(parts=st.lists(_ones, min_size=1, max_size=5), enough=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_no_answer_is_another(
    tmp_path_factory: pytest.TempPathFactory, parts: Sequence[list[One]], enough: int
) -> None:
    """Readings, minutes and hours are as they were, late ones in their place; and nothing short is left."""
    file = tmp_path_factory.mktemp("merging") / FILE_NAME
    parts = [
        [one._replace(at_s=one.at_s + place / 64) for one in its] for place, its in enumerate(parts)
    ]
    sealed_apart(file, DEVICES[0], *[
        batch(seq, *(read(one.at_s, one.value, sensor=one.sensor) for one in its), before=0)
        for seq, its in enumerate(parts, 1)
    ])  # fmt: skip
    merge(file, enough)
    assert_holds(file, [one for its in parts for one in its])
    for table in ("chunk", "rollup"):
        found = rows(file, f"SELECT count(*) FROM {table} GROUP BY series")
        assert all(count < max(enough, 2) for (count,) in found)


def test_few_are_left_alone(file: Path) -> None:
    """So many make it worth while, of a series; those of other series do not count."""
    sealed_apart(file, "pi", *some(3, "a", "b"))
    assert merges(file, 4) == []
    (merged,) = merges(file, 3)
    assert (len(merged.chunk_ids), len(merged.rollup_ids)) == (6, 6)
    assert [chunk.readings for chunk in merged.chunks] == [3, 3]


def test_long_ones_stay(file: Path) -> None:
    """They cost little; what is short beside them is merged."""
    long = [
        batch(seq, *(read(900 * seq + at, at) for at in range(LONG // 2)), before=0)
        for seq in (1, 2)
    ]
    sealed_apart(file, "pi", *long)
    merge(file)
    assert counts(file) == [LONG]
    late = [batch(seq, read(at_s, 0.5), before=0) for seq, at_s in ((3, 950.5), (4, 5.5))]
    sealed_apart(file, "pi", *late)
    ((long_id,),) = rows(file, "SELECT id FROM chunk WHERE readings = ?", LONG)
    merge(file)
    assert counts(file) == [LONG, 2]
    assert rows(file, "SELECT id FROM chunk WHERE readings = ?", LONG) == [(long_id,)]


@pytest.mark.parametrize("table", ["chunk", "rollup"])
def test_damaged_one_is_left_where_it_is(file: Path, table: str) -> None:
    """Those around it are merged: a copy may have what is damaged."""
    sealed_apart(file, "pi", *some(4))
    data = "data" if table == "chunk" else "minutes"
    change(file, f"UPDATE {table} SET {data} = zeroblob(20) WHERE id = 2")
    merge(file)
    assert rows(file, f"SELECT {data} FROM {table} WHERE id = 2") == [(bytes(20),)]
    assert len(rows(file, f"SELECT id FROM {table}")) == 2
    assert merges(file, 2) == []


def test_channels_of_a_sensor_are_merged_together(file: Path) -> None:
    """As long as memory allows: they have times in common. Another sensor is another merge."""
    reads = [
        [read(at_ms / 1000, seq, sensor=sensor, channel=name)
         for at_ms in sorted(random.Random(seq).sample(range(90_000), 40))
         for sensor in ("x", "y") for name in ("a", "b")]
        for seq in (1, 2)
    ]  # fmt: skip
    sealed_apart(file, "pi", *[batch(seq, *its, before=0) for seq, its in enumerate(reads, 1)])
    found = merges(file, 2)
    assert [{chunk.series.sensor for chunk in each.chunks} for each in found] == [{"x"}, {"y"}]
    for each in found:
        assert [chunk.times for chunk in each.chunks] == [0, 0]
        assert len(each.shared_times) == 1


def test_memory_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor of many channels is merged in parts, each channel once."""
    sealed_apart(file, "pi", *some(3, "a", "b", "c", "d", "e"))
    monkeypatch.setattr(merging, "MAX_READINGS", 6)
    found = merges(file, 2)
    assert [sum(chunk.readings for chunk in each.chunks) for each in found] == [6, 6, 3]
    assert {chunk.series.channel for each in found for chunk in each.chunks} == set("abcde")

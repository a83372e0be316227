"""collector.store.history: what is sealed of series, as chunks and rollups tell it to a question."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock import OWN, Dating, Known
from collector.store import (
    HOUR_NS,
    MINUTE_NS,
    Buckets,
    Key,
    Part,
    chunks,
    history,
    rollups,
    seal_store,
)
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.history import Extent
from kit.columns import bits
from kit.sealing import sealed_apart
from kit.stores import at_ns, batch, change, commit, open_reader, read

ALL = (-(2**63), 2**63 - 1)
# Three chunks of one series: the second came late, and lies within the first.
CHUNKS_S = [(1.0, 60.0, 100.0), (50.0, 70.0), (200.0, 300.0)]
NAMES = ["pi/air.temperature", "pi/air.humidity", "pi-2/air.temperature", "p/i.t"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with these chunks, the values of which are their seconds."""
    file = tmp_path / FILE_NAME
    sealed_apart(file, "pi", *[
        batch(seq, *(read(at_s, at_s) for at_s in its)) for seq, its in enumerate(CHUNKS_S, 1)
    ])  # fmt: skip
    return file


@pytest.fixture
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection of one who asks."""
    with closing(open_for_reading(file)) as database:
        yield database


@pytest.mark.parametrize(
    "pattern",
    ["*", "pi/*", "pi*", "*.t*", "p?/*", "[pq]/*", "x/*", *NAMES, "pi/air", "PI/air.humidity"],
)
def test_series_are_found_by_their_whole_name(tmp_path: Path, pattern: str) -> None:
    """By a glob or exactly; one whose unit changed is two."""
    for name in NAMES:
        device, _, rest = name.partition("/")
        sensor, _, channel = rest.partition(".")
        commit(tmp_path / FILE_NAME, device, batch(
            1, *(read(1, sensor=sensor, channel=channel, unit=unit) for unit in ("V", "A")),
            epoch=name[:16].ljust(16).encode(),
        ))  # fmt: skip
    seal_store(tmp_path / FILE_NAME)
    with closing(open_for_reading(tmp_path / FILE_NAME)) as database:
        found = [series.key for series in history.stored_series(database, pattern)]
    assert sorted(found) == sorted(
        Key(name, unit) for name in NAMES for unit in ("V", "A") if fnmatchcase(name, pattern)
    )


@pytest.mark.parametrize(
    ("start_s", "end_s", "found"),
    [
        (0, 1, []), (0, 1.5, [1]), (100, 101, [100]), (100.5, 200, []), (55, 65, [60]),
        (50, 201, [50, 60, 70, 100, 200]), (0, 999, [1, 50, 60, 70, 100, 200, 300]),
    ],
)  # fmt: skip
def test_chunks_that_touch_a_range(
    file: Path, start_s: float, end_s: float, found: list[float]
) -> None:
    """What of them lies in it, late ones in their place; the range is half open."""
    with open_reader(file) as reader:
        parts = reader.range("*", at_ns(start_s), at_ns(end_s)).parts
    assert [value for part in parts for value in part.values.tolist()] == found


@pytest.mark.parametrize("damage", ["data = zeroblob(30)", "data = x''", "readings = 77"])
def test_damaged_chunk_is_counted(file: Path, damage: str) -> None:
    """The others are read."""
    change(file, f"UPDATE chunk SET {damage} WHERE id = 2")
    with open_reader(file) as reader:
        (part,), undecodable = reader.range("*", *ALL)
    assert (part.values.tolist(), undecodable) == ([1, 60, 100, 200, 300], 1)


@given(
    some=st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=9), min_size=1, max_size=6),
    most=st.integers(1, 12),
    step_s=st.sampled_from([1, 20_000]),
)
@settings(max_examples=20, deadline=None)
def test_windows_have_about_so_many_readings(
    tmp_path_factory: pytest.TempPathFactory, some: list[list[int]], most: int, step_s: int
) -> None:
    """End to end, each further than the one before; more only if its first chunks begin together.

    Also of chunks that span days. What lies in a window, and nothing else, is read there.
    """
    file = tmp_path_factory.mktemp("history") / FILE_NAME
    some = [[at * step_s for at in its] for its in some]
    sealed_apart(file, "pi", *[batch(seq, *map(read, its)) for seq, its in enumerate(some, 1)])
    begin_ns, end_ns = at_ns(0), at_ns(61 * step_s)
    with open_reader(file) as reader:
        edges = [begin_ns]
        while edges[-1] < end_ns:
            edges.append(reader.window_end("*", edges[-1], end_ns, most))
            assert edges[-2] < edges[-1] <= end_ns
        found = [reader.range("*", *window).parts for window in pairwise(edges)]
    read_ns = [at for parts in found for part in parts for at in part.times_ns.tolist()]
    assert read_ns == sorted(at_ns(each) for its in some for each in its)
    for start_ns, cut_ns in pairwise(edges):
        its = [each for each in some if at_ns(max(each)) >= start_ns and at_ns(min(each)) < cut_ns]
        froms = {max(start_ns, at_ns(min(each))) for each in its}
        assert sum(map(len, its)) <= most or len(froms) == 1


def test_cost_of_a_window_is_not_that_of_what_is_left(file: Path) -> None:
    """Of chunks that begin long behind it none is looked at."""

    def steps() -> int:
        """How many thousands of steps SQLite takes to find where a window ends, and what it holds."""
        told: list[None] = []
        with closing(open_for_reading(file)) as database:
            its = history.stored_series(database, "*")
            reader = history.ChunkReader(database)
            database.set_progress_handler(lambda: told.append(None), 1000)
            cut_ns = history.window_end(database, its, at_ns(0), ALL[1], 4)
            parts = list(history.sealed_parts(database, reader, its[0], at_ns(0), cut_ns))
        assert (cut_ns, len(parts)) == (at_ns(50), 1)
        return len(told)

    before = steps()
    change(
        file,
        "INSERT INTO chunk (series, from_ns, to_ns, readings, data)"
        " WITH RECURSIVE hour (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM hour LIMIT 5000)"
        " SELECT series, from_ns + number * ?1, to_ns + number * ?1, readings, data FROM hour, chunk",
        HOUR_NS,
    )
    assert steps() <= before + 1


def test_extent_is_that_of_readings_and_rollups(file: Path) -> None:
    """Of rollups whole minutes; nothing where nothing lies in the range."""

    def extent(*range_ns: int) -> Extent | None:
        """That of the only series there is; None: it has none."""
        with open_reader(file) as reader:
            return reader.extents("*", *range_ns).get(Key("pi/air.temperature", "degC"))

    assert extent(at_ns(400), at_ns(10**6)) is None
    whole = extent(at_ns(0), at_ns(10**6))
    assert whole is not None
    assert whole.first_ns <= at_ns(1)
    assert whole.last_ns >= at_ns(300)
    change(file, "DELETE FROM chunk")
    assert extent(at_ns(0), at_ns(10**6)) == whole
    change(file, "DELETE FROM rollup")
    assert extent(at_ns(0), at_ns(10**6)) is None
    assert extent(*ALL) is None


def test_extent_with_what_is_not_sealed() -> None:
    """It becomes wider; readings of unknown time have none."""
    part = Part(
        "pi/a.b", "V", np.array([9, 4]), np.zeros(2), np.zeros(2, np.uint8), np.array([OWN] * 2)
    )
    assert history.extended(None, part) == Extent(4, 9)
    assert history.extended(Extent(6, 20), part) == Extent(4, 20)
    assert history.extended(Extent(6, 7), part._replace(boot=1)) == Extent(6, 7)
    assert history.extended(None, part._replace(boot=1)) is None


_times = st.lists(st.integers(-3 * HOUR_NS, 3 * HOUR_NS), min_size=1, max_size=50).map(sorted)


@given(_times, st.data())
def test_hours_of_minutes_are_those_of_the_readings(
    times_ns: list[int], data: st.DataObject
) -> None:
    """To the bit: also before 1970, and where some readings are bad."""
    tenths = st.one_of(st.integers(-99, 99).map(lambda tenth: tenth / 10), st.just(float("nan")))
    values = np.array(data.draw(st.lists(tenths, min_size=len(times_ns), max_size=len(times_ns))))
    minutes, hours = (
        rollups.summarised(
            history.starts_of(np.array(times_ns), width_ns), np.array(times_ns), values
        )
        for width_ns in (MINUTE_NS, HOUR_NS)
    )
    assert bucket_bits(history.hours_of(minutes)) == bucket_bits(hours)
    wide_ns = history.starts_of(np.array(times_ns), HOUR_NS)
    assert all(
        0 <= at_ns - start_ns < HOUR_NS for at_ns, start_ns in zip(times_ns, wide_ns, strict=True)
    )


def bucket_bits(buckets: Buckets) -> list[list[int]]:
    """What buckets are to the bit."""
    return [bits(column) for column in buckets]


def test_readings_of_unknown_time_are_in_no_bucket() -> None:
    """What a row holds that is not sealed is summed up in order of time."""
    unknown = Dating(Known.UNKNOWN)
    datings = np.empty(3, np.object_)
    datings[:] = [OWN, unknown, OWN]
    part = Part(
        "pi/a.b",
        "V",
        np.array([9, 5, 1]),
        np.array([9.0, 5.0, 1.0]),
        np.zeros(3, np.uint8),
        datings,
    )
    found = history.summed_up(part, MINUTE_NS)
    assert (found.counts.tolist(), found.firsts.tolist(), found.lasts.tolist()) == (
        [2],
        [1.0],
        [9.0],
    )


@pytest.mark.parametrize(
    ("start", "end", "which"), [(0, 1, [0]), (9, 11, [0, 10]), (10, 20, [10]), (19, 21, [10, 20])]
)
def test_buckets_that_touch_a_range(start: int, end: int, which: list[int]) -> None:
    """The range is half open, and so is each bucket."""
    buckets = rollups.empty(np.array([-10, 0, 10, 20, 30]))
    assert history.touching(buckets, start, end, 10).starts_ns.tolist() == which


@pytest.mark.parametrize("width_ns", [MINUTE_NS, HOUR_NS])
def test_damaged_rollup_spoils_no_other(file: Path, width_ns: int) -> None:
    """By the minute and by the hour."""
    change(file, "UPDATE rollup SET minutes = zeroblob(9) WHERE id = 1")
    with open_reader(file) as reader:
        (found,) = reader.rollups("*", at_ns(0), at_ns(10**6), width_ns).values()
    assert int(found.counts.sum()) == 4


@pytest.mark.parametrize("fails", [False, True])
def test_snapshot_is_one_instant(file: Path, database: sqlite3.Connection, fails: bool) -> None:
    """What is stored meanwhile is seen behind it, also behind one that failed."""

    def count() -> int:
        """How many chunks are seen."""
        return int(database.execute("SELECT count(*) FROM chunk").fetchone()[0])

    with suppress(KeyError), history.snapshot(database):
        assert count() == 3
        sealed_apart(file, "pi", batch(4))
        assert count() == 3
        if fails:
            raise KeyError
    assert count() == 4


def test_times_in_common_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many channels share them; anew only where too many would have to be remembered."""
    uneven = [at_s + at_s * at_s * 7919 % 997 / 1000 for at_s in range(1, 101)]
    channels = ("temperature", "humidity", "pressure")
    sealed_apart(tmp_path / FILE_NAME, "pi", *[
        batch(seq, *(read(at_s, at_s, channel=name) for at_s in its for name in channels))
        for seq, its in enumerate((uneven, [at_s + 1000 for at_s in uneven]), 1)
    ])  # fmt: skip
    decoded = []
    decode = chunks.decode_times

    def counting(data: bytes, readings: int) -> object:
        """Decode times, and count that."""
        decoded.append(data)
        return decode(data, readings)

    monkeypatch.setattr(chunks, "decode_times", counting)
    with open_reader(tmp_path / FILE_NAME) as reader:
        parts = reader.range("*", *ALL).parts
        assert (len(parts), len(decoded)) == (3, 2)
        monkeypatch.setattr(history, "_MOST_TIMES", 0)
        again = reader.range("*", *ALL).parts
        assert len(decoded) == 8
    for part, other in zip(parts, again, strict=True):
        assert part.times_ns.tolist() == other.times_ns.tolist() == parts[0].times_ns.tolist()

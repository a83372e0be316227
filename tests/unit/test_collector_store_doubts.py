"""collector.store.doubts: what is doubtful of readings, found without looking at what is not."""

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import LARGEST_NS, Known
from collector.store import Key, Reader, chunks, codec, doubts, seal_store
from collector.store.chunks import Run
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.doubts import Stretches, doubts_of, join_stretches
from collector.store.parts import Times
from kit.doubtful import BAD, ERROR_NS, JUMPED, STUCK, measure, reads, set_batch, unset_batch
from kit.sealing import sealed_apart
from kit.stores import at_ns, batch, change, commit, open_reader, read

AIR = Key("pi/air.temperature", "degC")
ALL = (at_ns(0), at_ns(10_000))
GOOD = 0


def minutes(times_ns: Times) -> Times:
    """When the minute begins that each time lies in."""
    return times_ns - times_ns % (60 * 10**9)


def told(
    reader: Reader, start_ns: int = ALL[0], end_ns: int = ALL[1]
) -> dict[int, list[list[int]]]:
    """The doubts of the one series by quality: from and to in seconds since boot, readings and error."""
    found = reader.doubts("pi/air.temp*", start_ns, end_ns, minutes)
    assert set(found) <= {AIR}
    return {
        quality: [
            [*((ns - at_ns(0)) / 1e9 for ns in row[:2]), *row[2:]]
            for row in zip(*(column.tolist() for column in its), strict=True)
        ]
        for quality, its in found.get(AIR, {}).items()
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store in which the second and the third of ten minutes are derived, and some readings not good."""
    file = tmp_path / FILE_NAME
    measure(file, "pi", 150)
    whole = [
        set_batch(1, reads(0, 60, {})),
        unset_batch(1, reads(60, 120, {70: BAD})),
        unset_batch(2, reads(120, 180, {})),
        set_batch(
            2, reads(180, 600, {200: JUMPED, 203: STUCK, 230: JUMPED, 360: JUMPED, 361: BAD})
        ),
    ]
    sealed_apart(file, "pi", *whole[:3])
    commit(file, "pi", *whole[3:])
    return file


WHOLE = {
    GOOD: [[60, 179, 120, ERROR_NS + 9_000_000]],
    JUMPED: [[200, 230, 2, 0], [360, 360, 1, 0]],
    STUCK: [[203, 203, 1, 0]],
}


def test_doubts_are_the_same_sealed_or_not(file: Path) -> None:
    """Joined where they lie in one bucket or in neighbours; a bad reading has no value to doubt."""
    with open_reader(file) as reader:
        assert told(reader) == WHOLE
        seal_store(file)
        assert told(reader) == WHOLE


def test_doubts_of_a_range(file: Path) -> None:
    """Only what lies in it, to the reading, also of chunks that it cuts."""
    seal_store(file)
    with open_reader(file) as reader:
        error_ns = ERROR_NS + 9_000_000
        assert told(reader, at_ns(100), at_ns(201)) == {
            GOOD: [[100, 179, 80, error_ns]], JUMPED: [[200, 200, 1, 0]],
        }  # fmt: skip
        assert told(reader, at_ns(60), at_ns(60.5)) == {GOOD: [[60, 60, 1, error_ns]]}
        assert told(reader, at_ns(362), at_ns(600)) == {}


def test_readings_of_unknown_time_are_nowhere(tmp_path: Path) -> None:
    """However suspect they are."""
    file = tmp_path / FILE_NAME
    commit(file, "pi", unset_batch(1, reads(0, 9, {3: JUMPED})))
    with open_reader(file) as reader:
        assert reader.doubts("*", -(2**62), 2**62, minutes) == {}


def test_nothing_is_decoded_in_vain(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No value at all, and no time of a chunk that is derived as a whole, unless the range cuts it."""
    decoded = []
    decode = codec.decode_times

    def noted(data: bytes, count: int) -> Times:
        """Decode times, and note of how many readings."""
        decoded.append(count)
        return decode(data, count)

    monkeypatch.setattr(codec, "decode_times", noted)
    monkeypatch.setattr(codec, "decode_values", None)
    with open_reader(file) as reader:
        assert told(reader) == WHOLE
        assert decoded == []
        assert told(reader, at_ns(100), at_ns(180))[GOOD][0][:3] == [100, 179, 80]
        assert decoded == [60]


def test_an_index_leads_to_the_doubtful_chunks(file: Path) -> None:
    """Those that are good and synced are not looked at."""
    with closing(open_for_reading(file)) as database:
        for query, values in ((doubts._DOUBTFUL, 3), (doubts._END, 4)):
            ((*_, plan),) = database.execute(f"EXPLAIN QUERY PLAN {query}", [1] * values)
            assert plan == "SEARCH chunk USING INDEX chunk_doubtful (series=? AND to_ns>?)"


def test_damaged_chunk_spoils_no_other(file: Path) -> None:
    """Nothing is told of it."""
    change(
        file,
        "UPDATE chunk SET data = substr(data, 1, length(data) - 1) WHERE from_ns = ?",
        at_ns(60),
    )
    with open_reader(file) as reader:
        assert told(reader)[GOOD] == [[120, 179, 60, ERROR_NS + 3_000_000]]


def test_times_that_are_gone_spoil_no_other(tmp_path: Path) -> None:
    """Channels have them in common, elsewhere."""
    file = tmp_path / FILE_NAME
    uneven = [at_s + at_s * at_s * 7919 % 997 / 1000 for at_s in range(1, 101)]
    sealed_apart(file, "pi", *[
        batch(seq, *(
            read(first_s + at_s, quality=JUMPED, channel=name)
            for at_s in uneven for name in ("temperature", "humidity")
        ))
        for seq, first_s in enumerate((0, 1000), 1)
    ])  # fmt: skip
    with open_reader(file) as reader:
        assert sum(reading for _, _, reading, _ in told(reader)[JUMPED]) == 200
        change(file, "DELETE FROM chunk_times WHERE id = 1")
        assert sum(reading for _, _, reading, _ in told(reader)[JUMPED]) == 100


def test_cut_behind_so_many_doubtful_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those without a doubt do not count; a step goes on in any case."""
    file = tmp_path / FILE_NAME
    monkeypatch.setattr(doubts, "_LEAST_CHUNKS", 1)
    sealed_apart(file, "pi", *[
        batch(seq, read(seq * 10, quality=JUMPED if seq % 2 else GOOD), before=0) for seq in range(1, 10)
    ])  # fmt: skip
    with open_reader(file) as reader:
        assert reader.doubts_end("*", *ALL, 2) == at_ns(50)
        assert reader.doubts_end("*", at_ns(30), ALL[1], 2) == at_ns(70)
        assert reader.doubts_end("*", at_ns(50), ALL[1], 9) == ALL[1]
        assert reader.doubts_end("x*", *ALL, 1) == ALL[1]


_runs = st.lists(
    st.tuples(
        st.integers(1, 5), st.sampled_from([Known.SYNCED, Known.DERIVED]), st.sampled_from([0, 7, None])
    ).map(lambda each: Run(*each)),
    min_size=1,
    max_size=4,
)  # fmt: skip


@st.composite
def _readings(draw: st.DrawFn) -> tuple[Times, np.ndarray, list[Run]]:
    runs = draw(_runs)
    count = sum(run.readings for run in runs)
    times = sorted(draw(st.lists(st.integers(0, 30), min_size=count, max_size=count)))
    some = st.sampled_from([0, 0, 1, 2, 127, 128, 255])
    qualities = draw(st.lists(some, min_size=count, max_size=count))
    return np.array(times, np.int64), np.array(qualities, np.uint8), runs


@given(_readings(), st.integers(-1, 31), st.integers(0, 32), st.booleans())
def test_doubts_against_a_plain_list(
    readings: tuple[Times, np.ndarray, list[Run]], start: int, length: int, are_good: bool
) -> None:
    """Each suspect reading by itself, and of each derived run what lies in the range."""
    times_ns, qualities, runs = readings
    if are_good:
        qualities = np.zeros_like(qualities)
    within = [start <= at < start + length for at in times_ns.tolist()]
    wanted: dict[int, list[tuple[int, ...]]] = {}
    for at, quality, is_in in zip(times_ns.tolist(), qualities.tolist(), within, strict=True):
        if is_in and 0 < quality < BAD:
            wanted.setdefault(quality, []).append((at, at, 1, 0))
    begin = 0
    for run in runs:
        span = slice(begin, begin + run.readings)
        its = [at for at, is_in in zip(times_ns[span].tolist(), within[span], strict=True) if is_in]
        if its and run.known is Known.DERIVED:
            error_ns = LARGEST_NS if run.error_ns is None else run.error_ns
            wanted.setdefault(GOOD, []).append((its[0], its[-1], len(its), error_ns))
        begin += run.readings
    found = doubts_of(times_ns, None if are_good else qualities, runs, start, start + length)
    assert {quality: list(_rows(its)) for quality, its in found.items()} == wanted


_some_stretches = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 30), st.integers(1, 9), st.integers(0, 9)),
    min_size=1,
    max_size=20,
)


@given(st.lists(_some_stretches, min_size=1, max_size=3), st.sampled_from([1, 7, 10, 300]))
def test_stretches_that_touch_become_one(
    several: list[list[tuple[int, int, int, int]]], width: int
) -> None:
    """Nothing is lost, what is left lies apart by a bucket at least, and nothing else was joined."""
    made = [
        Stretches(*np.array([(at, at + long, *its) for at, long, *its in some], np.int64).T)
        for some in several
    ]
    found = list(_rows(join_stretches(made, lambda times: times - times % width)))
    pieces = [row for each in made for row in _rows(each)]
    for (_, before, *_), (after, *_) in pairwise(found):
        assert after // width - before // width > 1
    for first, last, count, error in found:
        inner = [row for row in pieces if first <= row[0] and row[1] <= last]
        assert (count, error) == (sum(row[2] for row in inner), max(row[3] for row in inner))
        covered = {
            bucket for row in inner for bucket in range(row[0] // width, row[1] // width + 1)
        }
        assert covered == set(range(first // width, last // width + 1))
    assert sum(row[2] for row in found) == sum(row[2] for row in pieces)


def _rows(stretches: Stretches) -> Iterator[tuple[int, ...]]:
    return zip(*(column.tolist() for column in stretches), strict=True)


def test_flags_are_where_the_index_looks() -> None:
    """A chunk that is good and synced says 0 or 1, any other more."""
    good = np.zeros(3, np.uint8)
    times = np.arange(3)
    blob = chunks.encode_times(times)
    plain = chunks.Columns(times, np.ones(3), good, (Run(3, Known.SYNCED, 0),))
    for columns, is_doubtful in (
        (plain, False),
        (plain._replace(qualities=good + np.uint8(JUMPED)), True),
        (plain._replace(runs=(Run(3, Known.DERIVED, 0),)), True),
    ):
        assert [chunks.encode(columns, its)[1] > 1 for its in (None, blob)] == [is_doubtful] * 2

"""collector.summaries: buckets are what the readings come to, however these are stored."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import query
from collector.store import Buckets, Key, seal_store
from collector.store.database import FILE_NAME, open_for_writing
from collector.summaries import AGGREGATES, bounded, cut, grid_for, grid_of, summaries
from collector.times import END_OF_TIME_NS
from kit.stores import (
    BOOTED_NS,
    SECOND_NS,
    Read,
    at_ns,
    batch,
    change,
    commit,
    open_reader,
    read,
)
from wire.readings import Quality

MINUTE_NS, HOUR_NS, DAY_NS = 60 * SECOND_NS, 3600 * SECOND_NS, 86_400 * SECOND_NS
SERIES = Key("greenhouse/air.temperature", "degC")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [UTC, BERLIN, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns")]
WIDTHS_NS = [
    SECOND_NS, 90 * SECOND_NS, MINUTE_NS, 5 * MINUTE_NS, 7 * MINUTE_NS, HOUR_NS, 90 * MINUTE_NS,
    6 * HOUR_NS, 7 * HOUR_NS, DAY_NS, 7 * DAY_NS,
]  # fmt: skip
# What is read 34 days after boot: about when clocks are put back in Berlin.
CHANGE_S = (
    datetime(2026, 10, 25, tzinfo=UTC) - datetime.fromtimestamp(BOOTED_NS // 10**9, UTC)
) // timedelta(seconds=1)


class Sum:
    """One bucket, summed up reading by reading."""

    def __init__(self) -> None:
        self.bads = 0
        self.readings: list[tuple[int, float]] = []


def on_the_wall(time_ns: int, width_ns: int, zone: tzinfo) -> int:
    """The begin of the bucket of a time, by the clock on the wall."""
    wall = datetime.fromtimestamp(time_ns // 10**9, zone).replace(tzinfo=None)
    width = timedelta(microseconds=width_ns // 1000)
    begin = wall - (wall - datetime(1, 1, 1)) % width  # noqa: DTZ001
    return int(begin.replace(tzinfo=zone).timestamp()) * 10**9


def naive(
    path: Path, start_ns: int, end_ns: int, width_ns: int, zone: tzinfo
) -> dict[Key, dict[int, Sum]]:
    """What the buckets of all series have to be, from the readings."""
    found: dict[Key, dict[int, Sum]] = defaultdict(lambda: defaultdict(Sum))
    goes_by_the_wall = width_ns % DAY_NS == 0 or (width_ns >= HOUR_NS and DAY_NS % width_ns == 0)
    with open_reader(path) as reader:
        parts = reader.range("*", start_ns, end_ns).parts
    for part in parts:
        for reading in query.as_readings(part):
            if reading.time_ns is None:
                continue
            time_ns = reading.time_ns
            start = (
                on_the_wall(time_ns, width_ns, zone)
                if goes_by_the_wall
                else time_ns - time_ns % width_ns
            )
            bucket = found[Key(part.series, part.unit)][start]
            if math.isnan(reading.value):
                bucket.bads += 1
            else:
                bucket.readings.append((time_ns, reading.value))
    return found


def assert_same(found: Buckets, wanted: dict[int, Sum]) -> None:
    """Compare buckets with what they have to be."""
    assert found.starts_ns.tolist() == sorted(wanted)
    for place, start_ns in enumerate(found.starts_ns.tolist()):
        one = wanted[start_ns]
        values = [value for _, value in one.readings]
        assert (found.counts[place], found.bads[place]) == (len(values), one.bads)
        assert found.totals[place] == pytest.approx(math.fsum(values), abs=1e-9)
        if values:
            assert (found.minima[place], found.maxima[place]) == (min(values), max(values))
            first_ns, last_ns = one.readings[0][0], one.readings[-1][0]
            assert (found.first_ns[place], found.last_ns[place]) == (first_ns, last_ns)
            assert found.firsts[place] in {value for at, value in one.readings if at == first_ns}
            assert found.lasts[place] in {value for at, value in one.readings if at == last_ns}
        else:
            assert math.isnan(found.maxima[place])


def asked(
    path: Path, start_ns: int, end_ns: int, width_ns: int, zone: tzinfo = UTC
) -> dict[Key, Buckets]:
    """Ask for buckets of one width, in as many pieces as they come in."""
    grid = grid_of(width_ns, start_ns, end_ns, zone)
    with open_reader(path) as reader:
        return summaries(reader, "*", start_ns, end_ns, grid)


VALUES = st.integers(-5000, 5000).map(lambda number: number / 100) | st.just(math.nan)
READS = st.lists(
    st.tuples(st.integers(0, 30 * 3600 * 10), VALUES, st.sampled_from(["temperature", "humidity"])),
    min_size=1,
    max_size=30,
)


@st.composite
def stores(draw: st.DrawFn) -> list[tuple[list[Read], bool]]:
    """Batches in the order in which they came, and whether all was sealed behind each."""
    batches = []
    for some, is_sealed in draw(st.lists(st.tuples(READS, st.booleans()), min_size=1, max_size=4)):
        reads = [
            read(
                CHANGE_S - 6 * 3600 + tenths / 10,
                value,
                channel=channel,
                unit="degC" if channel == "temperature" else "%",
                quality=Quality.READ_FAILED if math.isnan(value) else 0,
            )
            for tenths, value, channel in sorted(some, key=lambda each: each[0])
        ]
        batches.append((reads, is_sealed))
    return batches


@settings(max_examples=60, deadline=None)
@given(
    stores=stores(),
    width_ns=st.sampled_from(WIDTHS_NS),
    zone=st.sampled_from(ZONES),
    ends=st.tuples(st.integers(0, 31 * 3600), st.integers(0, 31 * 3600), st.integers(-1, 1)),
)
def test_buckets_are_what_the_readings_come_to(
    tmp_path_factory: pytest.TempPathFactory,
    stores: list[tuple[list[Read], bool]],
    width_ns: int,
    zone: tzinfo,
    ends: tuple[int, int, int],
) -> None:
    """Sealed, unsealed and mixed; late, bad and repeated; at any edge, on the day of 25 hours."""
    path = tmp_path_factory.mktemp("store") / FILE_NAME
    open_for_writing(path).close()
    before = 0
    for seq, (reads, is_sealed) in enumerate(stores, 1):
        commit(path, "greenhouse", batch(seq, *reads, before=before))
        before += len(reads)
        if is_sealed:
            seal_store(path)
    first_s, last_s, odd_ns = ends
    start_ns = at_ns(CHANGE_S - 6.5 * 3600 + min(first_s, last_s)) + odd_ns
    end_ns = at_ns(CHANGE_S - 6.5 * 3600 + max(first_s, last_s)) + 1
    found = asked(path, start_ns, end_ns, width_ns, zone)
    wanted = naive(path, start_ns, end_ns, width_ns, zone)
    assert found.keys() == wanted.keys()
    for key, buckets in found.items():
        assert_same(buckets, wanted[key])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of two hours at 0.1 Hz, one reading of which is suspect and one bad; sealed."""
    path = tmp_path / FILE_NAME
    open_for_writing(path).close()
    qualities = {300: Quality.JUMPED, 310: Quality.TIMED_OUT}
    reads = [
        read(
            second,
            math.nan if second == 310 else float(second),
            quality=qualities.get(second, Quality.GOOD),
        )
        for second in range(0, 7200, 10)
    ]
    commit(path, "greenhouse", batch(1, *reads, before=0))
    seal_store(path)
    return path


@pytest.mark.parametrize("width_ns", WIDTHS_NS)
def test_parts_of_an_answer_make_up_the_whole(path: Path, width_ns: int) -> None:
    """A range in two, parted anywhere, has every reading once; also where the readings are gone."""
    start_ns, middle_ns, end_ns = at_ns(61.5), at_ns(3333.3), at_ns(7000.25)
    for _ in range(2):
        whole = asked(path, start_ns, end_ns, width_ns)[SERIES]
        halves = [
            asked(path, start_ns, middle_ns, width_ns),
            asked(path, middle_ns, end_ns, width_ns),
        ]
        assert sum(int(each[SERIES].counts.sum()) for each in halves) == whole.counts.sum()
        assert sum(float(each[SERIES].totals.sum()) for each in halves) == whole.totals.sum()
        change(path, "DELETE FROM chunk")


def test_minutes_stand_in_for_readings_that_are_gone(path: Path) -> None:
    """Whole, where they begin in the range; so also for buckets that are narrower."""
    change(path, "DELETE FROM chunk")
    first_ns = at_ns(0) // MINUTE_NS * MINUTE_NS
    found = asked(path, first_ns + 1, first_ns + 3 * MINUTE_NS + 1, SECOND_NS)[SERIES]
    assert found.starts_ns.tolist() == [first_ns + n * MINUTE_NS for n in (1, 2, 3)]
    assert found.counts.tolist() == [6, 6, 6]


def test_qualities_are_chosen_from_the_readings(path: Path) -> None:
    """Without a choice good and suspect ones count; bad ones are counted whatever is chosen."""
    start_ns, end_ns = at_ns(0), at_ns(7200)
    grid = grid_for(1, start_ns, end_ns, UTC)
    counts = {}
    with open_reader(path) as reader:
        for grades in (None, frozenset({"good"}), frozenset({"suspect"}), frozenset({"bad"})):
            buckets = summaries(reader, "*", start_ns, end_ns, grid, grades)[SERIES]
            counts[grades] = (int(buckets.counts.sum()), int(buckets.bads.sum()))
    assert list(counts.values()) == [(719, 1), (718, 1), (1, 1), (0, 1)]


def test_range_without_an_end_is_that_of_the_readings(path: Path) -> None:
    """So that points are not spread over centuries; one with an end stays as it is."""
    with open_reader(path) as reader:
        start_ns, end_ns = bounded(reader, "*", -END_OF_TIME_NS, END_OF_TIME_NS)
        assert at_ns(-3600) <= start_ns <= at_ns(0)
        assert at_ns(7190) < end_ns <= at_ns(7260)
        assert bounded(reader, "*", 5, at_ns(0) % HOUR_NS + 6) == (5, at_ns(0) % HOUR_NS + 6)
        nothing = bounded(reader, "attic/*", -END_OF_TIME_NS, END_OF_TIME_NS)
        assert summaries(reader, "*", *nothing, grid_for(5, *nothing, UTC)) == {}


def test_long_answers_are_cut_between_buckets(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bucket comes twice, and all of them come."""
    monkeypatch.setattr("collector.summaries._MAX_BUCKETS", 7)
    start_ns, end_ns = at_ns(0.5), at_ns(7199)
    grid = grid_of(7 * MINUTE_NS, start_ns, end_ns, UTC)
    starts: list[int] = []
    with open_reader(path) as reader:
        at = start_ns
        while at < end_ns:
            to_ns = cut(reader, "*", at, end_ns, grid)
            starts += summaries(reader, "*", at, to_ns, grid)[SERIES].starts_ns.tolist()
            at = to_ns
    assert starts == asked(path, start_ns, end_ns, 7 * MINUTE_NS)[SERIES].starts_ns.tolist()


def test_aggregates_are_columns(path: Path) -> None:
    """One number a bucket, of each kind."""
    with open_reader(path) as reader:
        span = (at_ns(0), at_ns(30))
        buckets = summaries(reader, "*", *span, grid_for(1, *span, UTC))[SERIES]
    found = {name: column(buckets).tolist() for name, column in AGGREGATES.items()}
    assert found == {
        "mean": [10.0], "min": [0.0], "max": [20.0], "first": [0.0], "last": [20.0], "count": [3.0],
    }  # fmt: skip

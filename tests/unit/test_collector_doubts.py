"""collector.doubts: doubts of a range are the same however it is gone through."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector import doubts
from collector.doubts import Doubt, Doubting
from collector.grids import Grid, grid_for, grid_of
from collector.store import Key, seal_store
from collector.store.database import FILE_NAME
from kit.doubtful import BAD, ERROR_NS, JUMPED, STUCK, measure, reads, set_batch, unset_batch
from kit.sealing import sealed_apart
from kit.stores import at_ns, commit, described, open_reader, read, transaction

AIR = Key("pi/air.temperature", "degC")
START_NS, END_NS = at_ns(0), at_ns(3600)
ZONE = ZoneInfo("Asia/Kolkata")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An hour, sealed in part: suspect here and there, derived in its third quarter."""
    file = tmp_path / FILE_NAME
    with transaction(file) as group:
        group.describe("pi", described("air.temperature"))
    measure(file, "pi", 2000)
    some = dict.fromkeys(range(10, 300, 29), JUMPED)
    commit(file, "pi", set_batch(1, reads(0, 900, {**some, 20: STUCK})))
    commit(file, "pi", set_batch(2, reads(900, 1800, {900: STUCK, 901: BAD})))
    seal_store(file)
    commit(file, "pi", unset_batch(1, reads(1800, 2700, {})))
    commit(file, "pi", set_batch(3, reads(2700, 3600, {2700: STUCK})))
    return file


def gone_through(file: Path, grid: Grid) -> tuple[list[Doubt], int]:
    """All doubts in order of time, and how many steps they took."""
    doubting = Doubting("pi/*", END_NS, grid)
    found, at_ns_, steps = [], START_NS, 0
    with open_reader(file) as reader:
        while at_ns_ < END_NS:
            some, to_ns = doubting.step(reader, at_ns_)
            assert to_ns > at_ns_
            found += some
            at_ns_, steps = to_ns, steps + 1
    return sorted(found + doubting.rest()), steps


def test_doubts_are_no_finer_than_buckets(file: Path) -> None:
    """Neighbours are one, with every reason and how far off its times are at most."""
    found, _ = gone_through(file, grid_of(60 * 10**9, START_NS, END_NS, ZONE))
    assert found == [
        Doubt(AIR, "derived", (), at_ns(1800), at_ns(2699), 900, ERROR_NS + 69_900_000),
        Doubt(AIR, "suspect", (JUMPED, STUCK), at_ns(10), at_ns(271), 11, None),
        Doubt(AIR, "suspect", (STUCK,), at_ns(900), at_ns(900), 1, None),
        Doubt(AIR, "suspect", (STUCK,), at_ns(2700), at_ns(2700), 1, None),
    ]


@pytest.mark.parametrize("points", [1, 7, 60, 1000])
@pytest.mark.parametrize("buckets", [1, 3])
def test_steps_change_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch, points: int, buckets: int
) -> None:
    """What reaches from one into the next is one doubt; there are never more than buckets."""
    grid = grid_for(points, START_NS, END_NS, ZONE)
    whole, steps = gone_through(file, grid)
    assert (steps, max(1, len(whole) - 1) <= points) == (1, True)
    monkeypatch.setattr("collector.summaries._MAX_BUCKETS", buckets)
    again, steps = gone_through(file, grid)
    assert again == whole
    assert steps == -(-grid.buckets_in(START_NS, END_NS) // buckets)


def test_many_doubtful_chunks_are_read_in_steps(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few buckets there are; a step is a bucket at least."""
    some = range(4, 9)
    batches = [set_batch(seq, [read(seq * 400, quality=JUMPED)]) for seq in some]
    sealed_apart(file, "pi", *batches)
    grid = grid_of(60 * 10**9, START_NS, END_NS, ZONE)
    whole, steps = gone_through(file, grid)
    assert steps == 1
    monkeypatch.setattr(doubts, "_MAX_CHUNKS", 1)
    monkeypatch.setattr("collector.store.doubts._LEAST_CHUNKS", 1)
    again, steps = gone_through(file, grid)
    assert again == whole
    assert steps > 3

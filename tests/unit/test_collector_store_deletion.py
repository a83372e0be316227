"""collector.store.deletion: what was named is gone, everything else is as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.store.database import FILE_NAME
from collector.store.deletion import Deleted, Selection
from collector.store.housekeeper import _alone, delete_from, seal_store
from collector.store.retention import Keep
from kit.histories import (
    ALL,
    UNTIL_S,
    One,
    Step,
    assert_holds,
    histories,
    matching,
    moments_s,
    regular,
    retained,
    stored,
)
from kit.stores import at_ns, batch, change, commit, open_reader, read, rows
from wire.batches import ClockPair

ROOT = Path(__file__).parents[2]
NOBODY_KNOWS = ClockPair(10**9, 0, synchronised=False)

patterns = st.sampled_from(["*", "greenhouse/*", "*/air.*", "cellar/soil.temperature", "nobody/*"])
spans_s = st.tuples(moments_s, moments_s).filter(lambda span: span[0] != span[1]).map(sorted)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def removed(file: Path) -> int:
    """How many readings the store says were deleted."""
    return sum(count for (count,) in rows(file, "SELECT deleted FROM removal"))


@given(history=histories, deletions=st.lists(st.tuples(patterns, spans_s), max_size=3))
@settings(max_examples=60, deadline=None)
def test_what_is_left_is_what_was_outside(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[Step],
    deletions: list[tuple[str, tuple[float, float]]],
) -> None:
    """Readings and rollups, whatever was sealed, late, or deleted before."""
    file = tmp_path_factory.mktemp("deletion") / FILE_NAME
    left = stored(file, history)
    count = len(left)
    for pattern, (start_s, end_s) in deletions:
        start_ns, end_ns = at_ns(start_s), at_ns(end_s)
        gone = matching(left, pattern, start_ns, end_ns)
        left = [one for one in left if one not in gone]
        deleted = delete_from(file, Selection(pattern, start_ns, end_ns))
        assert deleted == Deleted(len({one.series for one in gone}), len(gone), 0, 0)
        assert_holds(file, left)
    assert removed(file) == count - len(left)


@given(history=histories, pattern=patterns)
@settings(max_examples=15, deadline=None)
def test_whole_series(
    tmp_path_factory: pytest.TempPathFactory, history: list[Step], pattern: str
) -> None:
    """Without a range nothing is left of them, and what was late before may come again."""
    file = tmp_path_factory.mktemp("deletion") / FILE_NAME
    ones = stored(file, history)
    gone = matching(ones, pattern, *ALL)
    assert delete_from(file, Selection(pattern)).readings == len(gone)
    assert_holds(file, [one for one in ones if one not in gone])


@pytest.mark.parametrize(("start_s", "end_s"), [(None, 500), (500, None)])
def test_range_that_is_open_at_one_end(file: Path, start_s: int | None, end_s: int | None) -> None:
    """Left out, it reaches as far as there is anything."""
    ones = stored(file, [Step(regular(1000), True)])
    start_ns, end_ns = (None if each is None else at_ns(each) for each in (start_s, end_s))
    gone = matching(ones, "*", ALL[0] if start_ns is None else start_ns, end_ns or ALL[1])
    assert delete_from(file, Selection("*", start_ns, end_ns)).readings == len(gone)
    assert_holds(file, [one for one in ones if one not in gone])


def test_many_windows(file: Path) -> None:
    """A long range goes in several transactions, and leaves what lies at both ends."""
    ones = regular(300, 130.0)
    stored(file, [Step([one], True) for one in ones[:5]])
    for number in range(5, 300):
        one = ones[number]
        commit(file, "cellar", batch(number - 4, read(one.at_s), before=0))
        seal_unmerged(file)
    assert len(rows(file, "SELECT id FROM chunk")) > 100
    gone_before, commits = removed(file), len(ones)
    deleted = delete_from(file, Selection("cellar/*", at_ns(2000), at_ns(30_000)))
    left = sum(not 2000 <= one.at_s < 30_000 for one in ones[5:])
    assert deleted.readings == commits - 5 - left
    assert removed(file) - gone_before == deleted.readings
    with open_reader(file) as reader:
        (part,) = reader.range("cellar/*", *ALL).parts
        assert len(part.times_ns) == left


def seal_unmerged(file: Path) -> None:
    """Seal without merging: every commit leaves a chunk of its own."""
    with _alone(file) as (sealer, _):
        sealer.drain(1)
        sealer.drain(2)


def test_marks_stay(file: Path) -> None:
    """A batch that is sent again does not come back; one that comes late is a reading like any other."""
    commit(file, "greenhouse", batch(1), batch(2))
    delete_from(file, Selection("*"))
    commit(file, "greenhouse", batch(1), batch(2))
    assert rows(file, "SELECT mark, readings FROM epoch") == [(2, 2)]
    with open_reader(file) as reader:
        assert reader.range("*", *ALL).parts == []
    commit(file, "greenhouse", batch(3, read(1.5)))
    with open_reader(file) as reader:
        assert [part.times_ns.tolist() for part in reader.range("*", *ALL).parts] == [[at_ns(1.5)]]


@pytest.mark.parametrize("span", [(None, None), (0, 2**62)])
def test_readings_of_unknown_time_stay(file: Path, span: tuple[int | None, int | None]) -> None:
    """They cannot be sealed, and share their bytes with other series: they are counted."""
    ones = [
        One("greenhouse", sensor, at_s, 1.0) for sensor in ("air", "soil") for at_s in (1, 2, 3)
    ]
    stored(file, [Step(ones, False)], clock=NOBODY_KNOWS)
    deleted = delete_from(file, Selection("*/air.*", *span))
    assert deleted == Deleted(0, 0, undated=3)
    with open_reader(file) as reader:
        assert sum(len(part.values) for part in reader.range("*", *ALL).parts) == 6


def test_damaged_chunk_is_not_cut(file: Path) -> None:
    """What cannot be read is not thrown away by halves; a range that covers it takes it away."""
    stored(file, [Step(regular(100), True)])
    change(file, "UPDATE chunk SET data = zeroblob(20)")
    deleted = delete_from(file, Selection("*", at_ns(50), None))
    assert (deleted.readings, deleted.damaged_chunks) == (0, 1)
    assert delete_from(file, Selection("*", at_ns(0), at_ns(200))).readings == 100
    assert rows(file, "SELECT * FROM chunk") == []


def test_minutes_that_are_kept_no_longer(file: Path) -> None:
    """Of hours alone the whole ones go, with those that the range touches."""
    ones = stored(file, [Step(regular(UNTIL_S), True)])
    hours = {one.time_ns // (3600 * 10**9) for one in ones}
    commit(file, "cellar", batch(1, read(10 * UNTIL_S), epoch=bytes([1] * 16)))
    seal_store(file)
    retained(file, Keep("*", 0, 0), now_ns=at_ns(9 * UNTIL_S))
    assert rows(file, "SELECT minutes FROM rollup WHERE series = 1") == [(None,)]
    start_ns = (min(hours) + 1) * 3600 * 10**9
    delete_from(file, Selection("*", start_ns + 1, start_ns + 2))
    with open_reader(file) as reader:
        (found,) = reader.rollups("greenhouse/*", -(2**62), 2**62, 3600 * 10**9).values()
    assert {start // (3600 * 10**9) for start in found.starts_ns.tolist()} == hours - {
        min(hours) + 1
    }


def test_description_goes_with_a_silent_series(file: Path) -> None:
    """Else `series` would show it for ever; one that was heard lately keeps it."""
    stored(file, [Step(regular(10), True)])
    change(file, "UPDATE chunk SET to_ns = 4000000000000000000 WHERE series = 0")
    delete_from(file, Selection("greenhouse/air.*", at_ns(0), at_ns(5)))
    with open_reader(file) as reader:
        assert "greenhouse/air.temperature" in [each.name for each in reader.series()]
    delete_from(file, Selection("greenhouse/air.*"))
    with open_reader(file) as reader:
        assert "greenhouse/air.temperature" not in [each.name for each in reader.series()]


@pytest.mark.parametrize("passes", [1, 2])
def test_killed_between_two_steps(file: Path, passes: int) -> None:
    """All of a window or nothing of it is gone; asked again, it goes to the end."""
    ones = [*regular(300), *(one._replace(sensor="soil") for one in regular(300))]
    stored(file, [Step(ones, True)])
    code = (
        "import sys; from pathlib import Path\n"
        "from collector.store.housekeeper import _alone, delete_from\n"
        "from collector.store.deletion import Selection\n"
        "delete_from(Path(sys.argv[1]), Selection('*', int(sys.argv[2]), None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(at_ns(100.5))],
        check=False, cwd=ROOT, env={**os.environ, "TELEGAUGE_CRASH_AT": f"store_cutting:{passes}"},
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    gone = [one for one in ones if one.at_s > 100]
    gone_yet = [one for one in gone if passes == 2 and one.sensor == "air"]
    assert_holds(file, [one for one in ones if one not in gone_yet])
    assert removed(file) == len(gone_yet)
    delete_from(file, Selection("*", at_ns(100.5), None))
    assert_holds(file, [one for one in ones if one not in gone])
    assert removed(file) == len(gone)

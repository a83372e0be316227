"""collector.store.retention: what is old enough goes, whole chunk by whole chunk; summaries outlive it."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collector.store import HOUR_NS, MINUTE_NS, seal_store
from collector.store.database import FILE_NAME
from collector.store.housekeeper import _alone
from collector.store.retention import Keep, Limits, Retention, limits_of
from kit.histories import ALL, One, Step, assert_holds, histories, regular, retained, stored
from kit.stores import at_ns, batch, change, commit, open_reader, read, rows

ROOT = Path(__file__).parents[2]
LATE_S = 10**6
kept_ns = st.one_of(st.none(), st.integers(0, 20_000).map(lambda kept_s: kept_s * 10**9))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with an hour of readings, and one much later, from which their age is counted."""
    file = tmp_path / FILE_NAME
    stored(file, [Step(regular(1800), True), Step(regular(1800, first_s=1801), True)])
    commit(file, "cellar", batch(1, read(LATE_S), epoch=bytes([1] * 16)))
    seal_store(file)
    return file


def raw(file: Path, pattern: str = "greenhouse/*") -> int:
    """How many readings are left."""
    with open_reader(file) as reader:
        return sum(len(part.times_ns) for part in reader.range(pattern, *ALL).parts)


def summed(file: Path, width_ns: int, pattern: str = "greenhouse/*") -> int:
    """How many readings the minutes or hours tell of."""
    with open_reader(file) as reader:
        found = reader.rollups(pattern, -(2**62), 2**62, width_ns)
    return sum(int((its.counts + its.bads).sum()) for its in found.values())


def test_first_pattern_that_fits_decides() -> None:
    """None fits: everything is kept."""
    rules = [Keep("*/host.*", 10, 20, None), Keep("*", None, None, 30)]
    assert limits_of("a/host.load", rules, 100) == Limits(90, 80, None)
    assert limits_of("a/air.x", rules, 100) == Limits(None, None, 70)
    assert limits_of("a/air.x", rules[:1], 100) == Limits()


def test_series_that_cannot_be_cut_down_stops_no_other(file: Path) -> None:
    """What the file refuses is told once; the others go as their rules say."""
    change(
        file,
        "CREATE TRIGGER poison BEFORE DELETE ON chunk WHEN OLD.series = 1"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )
    stored(file, [Step([One("attic", "air", 1.0, 1.0)], True)])
    with (
        _alone(file) as (_, commit),
        closing(Retention(file, commit)) as retention,
        capture_logs() as logs,
    ):
        retention.apply([Keep("*", 10 * 10**9)])
        for later_ns in (0, HOUR_NS):
            while retention.step(at_ns(LATE_S) + later_ns):
                pass
    assert (raw(file), raw(file, "attic/*")) == (3600, 0)
    failed = [log["series"] for log in logs if log["event"] == "retention_failed"]
    assert failed == ["greenhouse/air.temperature"]


def test_size_that_cannot_be_noted_stops_nothing(file: Path) -> None:
    """It is told once a day, when it is tried again; what is old enough goes all the same."""
    change(
        file,
        "CREATE TRIGGER poison BEFORE INSERT ON growth BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )
    now_ns, day_ns = at_ns(LATE_S), 24 * HOUR_NS
    with (
        _alone(file) as (_, commit),
        closing(Retention(file, commit)) as retention,
        capture_logs() as logs,
    ):
        retention.apply([Keep("*", 10 * 10**9)])
        begin_ns = now_ns - now_ns % day_ns
        for later_ns in (0, HOUR_NS, day_ns):
            while retention.step(begin_ns + day_ns + later_ns):
                pass
    assert raw(file) == 0
    assert [log["event"] for log in logs if "size" in log["event"]] == ["size_not_noted"] * 2
    assert rows(file, "SELECT * FROM growth") == []


def test_raw_readings_go_and_what_they_come_to_stays(file: Path) -> None:
    """With how many of them the store counts."""
    before = summed(file, MINUTE_NS)
    retained(file, Keep("greenhouse/*", 10 * 10**9), now_ns=at_ns(LATE_S))
    assert (raw(file), raw(file, "cellar/*")) == (0, 1)
    assert summed(file, MINUTE_NS) == summed(file, HOUR_NS) == before == 3600
    assert rows(file, "SELECT deleted, expired FROM removal") == [(0, 3600)]


def test_minutes_go_and_hours_stay_then_hours_go(file: Path) -> None:
    """Each at its time."""
    retained(file, Keep("greenhouse/*", 0, 0), now_ns=at_ns(LATE_S))
    assert (raw(file), summed(file, MINUTE_NS), summed(file, HOUR_NS)) == (0, 0, 3600)
    retained(file, Keep("greenhouse/*", 0, 0, 0), now_ns=at_ns(LATE_S))
    assert summed(file, HOUR_NS) == 0
    assert raw(file, "cellar/*") == summed(file, HOUR_NS, "cellar/*") == 1


def test_what_straddles_waits(file: Path) -> None:
    """Nothing is cut: a chunk goes when all of it is old enough."""
    retained(file, Keep("*", (LATE_S - 3000) * 10**9), now_ns=at_ns(LATE_S))
    assert raw(file) == 1800
    assert rows(file, "SELECT expired FROM removal") == [(1800,)]


def test_clock_that_runs_ahead_deletes_nothing(file: Path) -> None:
    """Age is counted from the newest reading: one from tomorrow has to be there first."""
    retained(file, Keep("*", (LATE_S + 10) * 10**9), now_ns=at_ns(10**9))
    assert raw(file) == 3600


def test_rules_are_looked_at_again(file: Path) -> None:
    """Every few minutes, and at once when they change."""
    with _alone(file) as (_, commit_), closing(Retention(file, commit_)) as retention:
        now_ns = at_ns(LATE_S)
        assert not retention.step(now_ns)
        retention.apply([Keep("*", (LATE_S + 10) * 10**9)])
        assert not retention.step(now_ns)
        retention.apply([Keep("*", 10 * 10**9)])
        assert retention.step(now_ns)
        while retention.step(now_ns):
            pass
        assert raw(file) == 0
        commit(file, "cellar", batch(1, read(5.0, sensor="soil"), epoch=bytes([2] * 16)))
        seal_store(file)
        assert not retention.step(now_ns + 1)
        assert retention.step(now_ns + 10 * MINUTE_NS)


@given(history=histories, kept=st.tuples(kept_ns, kept_ns, kept_ns))
@settings(max_examples=40, deadline=None)
def test_summary_outlives_its_readings(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[Step],
    kept: tuple[int | None, int | None, int | None],
) -> None:
    """Whatever the rule: no reading without its minute and hour, nothing young is touched."""
    file = tmp_path_factory.mktemp("retention") / FILE_NAME
    ones = stored(file, history)
    seal_store(file)
    newest_ns = max(one.time_ns for one in ones)
    retained(file, Keep("*", *kept), now_ns=newest_ns + 1)
    left, minutes, hours = raw(file, "*"), summed(file, MINUTE_NS, "*"), summed(file, HOUR_NS, "*")
    assert left <= minutes <= hours <= len(ones)
    for place, count in enumerate((left, minutes, hours)):
        # A row of minutes goes with its hours: collector.yaml may not say less for these.
        youngest = min((its for its in kept[place:] if its is not None), default=None)
        if youngest is None:
            assert count == len(ones)
        else:
            assert count >= sum(one.time_ns >= newest_ns - youngest for one in ones)
    if kept == (None, None, None):
        assert_holds(file, ones)


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_killed_between_two_steps(file: Path, passes: int) -> None:
    """The next look goes on; nothing is counted twice."""
    code = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "from kit.histories import Keep, retained\n"
        "retained(Path(sys.argv[1]), Keep('greenhouse/*', 0, 0, 0), now_ns=int(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(at_ns(LATE_S))],
        check=False, cwd=ROOT, env={**os.environ, "TELEGAUGE_CRASH_AT": f"store_expiring:{passes}"},
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    assert raw(file) <= summed(file, MINUTE_NS) <= summed(file, HOUR_NS)
    retained(file, Keep("greenhouse/*", 0, 0, 0), now_ns=at_ns(LATE_S))
    assert raw(file) == summed(file, HOUR_NS) == 0
    assert rows(file, "SELECT expired FROM removal") == [(3600,)]

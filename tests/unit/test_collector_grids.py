"""collector.grids: where buckets begin."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.grids import DAY_NS, MAX_WIDTH_NS, SECOND_NS, grid_for, grid_of
from collector.store import HOUR_NS, MINUTE_NS

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")


def ns(text: str) -> int:
    """An instant of Berlin, or with an offset."""
    instant = datetime.fromisoformat(text)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=BERLIN)).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)]
)
def test_days_are_those_of_the_zone(day: str, hours: int) -> None:
    """From midnight to midnight, by the clock on the wall."""
    start_ns = ns(day)
    grid = grid_of(DAY_NS, start_ns - DAY_NS, start_ns + 3 * DAY_NS, BERLIN)
    assert grid.edges_ns is not None
    edges = grid.edges_ns.tolist()
    place = edges.index(start_ns)
    assert edges[place + 1] - start_ns == hours * HOUR_NS
    assert grid.unit_ns == HOUR_NS


def test_parts_of_a_day_go_by_the_wall() -> None:
    """Six hours begin at 0, 6, 12 and 18 o'clock, also when clocks have changed at 2."""
    grid = grid_of(6 * HOUR_NS, ns("2026-10-25"), ns("2026-10-26"), BERLIN)
    assert grid.edges_ns is not None
    assert grid.edges_ns.tolist() == [ns(f"2026-10-25T{hour:02}:00") for hour in (0, 6, 12, 18)]


def test_hours_of_half_hour_zones() -> None:
    """They begin where the wall says so, and are then made of minutes."""
    start_ns = ns("2026-10-25T10:00+05:30")
    grid = grid_of(HOUR_NS, start_ns, start_ns + DAY_NS, KOLKATA)
    assert grid.edges_ns is not None
    assert grid.edges_ns[0] == start_ns
    assert grid.unit_ns == MINUTE_NS


def test_weeks_begin_on_mondays() -> None:
    """Whatever the range begins with."""
    grid = grid_of(7 * DAY_NS, ns("2026-11-26"), ns("2026-12-09"), BERLIN)
    assert grid.edges_ns is not None
    assert grid.edges_ns.tolist() == [ns(f"2026-{day}") for day in ("11-23", "11-30", "12-07")]


@pytest.mark.parametrize(
    ("width_ns", "unit_ns"),
    [(HOUR_NS, HOUR_NS), (7 * HOUR_NS, HOUR_NS), (90 * MINUTE_NS, MINUTE_NS), (90 * SECOND_NS, 0)],
)
def test_others_are_multiples_of_their_width(width_ns: int, unit_ns: int) -> None:
    """Since 1970, made of the widest rollups that fit."""
    grid = grid_of(width_ns, 5, ns("2026-11-23"), UTC)
    assert grid.unit_ns == unit_ns
    time_ns = ns("2026-11-23T12:34:56")
    assert grid.starts(np.array([time_ns])).tolist() in (
        [time_ns - time_ns % width_ns],
        [grid.cut(5, time_ns, 2**63 - 1)],
    )


@given(
    points=st.integers(1, 2000),
    start_ns=st.integers(0, 2 * 10**18),
    span_ns=st.integers(1, 3 * 10**17),
    zone=st.sampled_from([UTC, BERLIN, KOLKATA]),
)
def test_points_are_never_more_than_asked_for(
    points: int, start_ns: int, span_ns: int, zone: ZoneInfo
) -> None:
    """And each time of the range lies in one of them."""
    end_ns = start_ns + span_ns
    grid = grid_for(points, start_ns, end_ns, zone)
    assert grid.buckets_in(start_ns, end_ns) <= points
    times = np.linspace(start_ns, end_ns - 1, 50).astype(np.int64)
    times = np.clip(times, start_ns, end_ns - 1)
    starts = grid.starts(times)
    assert np.all(starts <= times)
    assert np.all(np.diff(starts) >= 0)
    cut_ns = grid.cut(start_ns, start_ns + span_ns // 2, end_ns)
    assert start_ns < cut_ns <= end_ns
    assert cut_ns == end_ns or grid.starts(np.array([cut_ns])).tolist() == [cut_ns]


@pytest.mark.parametrize("width_ns", [0, -1, MAX_WIDTH_NS + 1])
def test_widths_that_are_none(width_ns: int) -> None:
    """They are refused, with what is accepted."""
    with pytest.raises(ValueError, match="no wider than 100y"):
        grid_of(width_ns, 0, 1, UTC)
    with pytest.raises(ValueError, match="at least 1"):
        grid_for(0, 0, 1, UTC)

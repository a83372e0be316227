"""collector.printing: readings as lines for people, spreadsheets and programs."""

import csv
import json
import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Dating, Known
from collector.printing import (
    FORMATS,
    Style,
    csv_lines,
    json_lines,
    quality_told,
    shown,
    table_lines,
)
from collector.query import DatedReading
from wire.readings import Quality

SERIES = "greenhouse/air.temperature"
TIME_NS = 1_790_000_000_250_000_000
STYLE = Style(ZoneInfo("Asia/Seoul"), {SERIES: 1}, 30)
TIME = "2026-09-21T23:13:20.250+09:00"

EARLIEST_NS, LATEST_NS = TIME_NS - 10**9, TIME_NS + 10**9
EARLIEST, LATEST = "2026-09-21T23:13:19.250+09:00", "2026-09-21T23:13:21.250+09:00"

GOOD = DatedReading(SERIES, TIME_NS, 20.25, 0, "degC")
BAD = DatedReading(SERIES, TIME_NS, math.nan, Quality.READ_FAILED, "degC")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (20.25, 1, "20.2"),
        (20.25, None, "20.25"),
        (20.0, 0, "20"),
        (20.0, None, "20"),
        (0.1 + 0.2, None, "0.3"),
        (1e300, None, "1e+300"),
        (math.nan, 3, "-"),
        (math.inf, 2, "inf"),
        (1.0, None, "1"),
    ],
)
def test_value_in_a_table(value: float, decimals: int | None, text: str) -> None:
    """As many decimals as the series has; without any said, no noise of binary fractions."""
    assert shown(value, decimals) == text


@pytest.mark.parametrize(
    ("quality", "text"),
    [
        (0, "good"),
        (1, "suspect"),
        (7, "suspect (reason_7)"),
        (128, "bad"),
        (130, "bad (timed_out)"),
        (255, "bad (reason_255)"),
    ],
)
def test_quality_with_its_reason(quality: int, text: str) -> None:
    """Also one that this program does not know yet."""
    assert quality_told(quality) == text


def test_table_stands_in_columns() -> None:
    """A line a reading; the columns begin at the same places whatever the values."""
    other = DatedReading("a/b.c", TIME_NS, 5.0, 0, "%")
    lines = list(table_lines([GOOD, BAD, other], STYLE))
    assert lines[0] == f"{TIME}  {SERIES:30}          20.2 degC   good"
    assert lines[1].endswith("           - degC   bad (read_failed)")
    assert len({line.index("good") for line in (lines[0], lines[2])}) == 1


def test_csv_is_what_a_spreadsheet_reads() -> None:
    """A head, every digit of the value, and an empty cell where there is none."""
    rows = list(csv.DictReader(csv_lines([GOOD, BAD], STYLE)))
    assert rows == [
        {"time": TIME, "series": SERIES, "value": "20.25", "unit": "degC", "quality": "good"},
        {"time": TIME, "series": SERIES, "value": "", "unit": "degC",
         "quality": "bad (read_failed)"},
    ]  # fmt: skip
    assert list(csv_lines([], STYLE)) == ["time,series,value,unit,quality"]


@given(
    value=st.floats(allow_nan=False),
    unit=st.text(st.characters(exclude_categories=["C", "Z"]), max_size=16),
    quality=st.integers(0, 255),
)
def test_csv_and_json_give_back_what_went_in(value: float, unit: str, quality: int) -> None:
    """Any value to the last bit, any unit with commas and quotes."""
    reading = DatedReading(SERIES, TIME_NS, value, quality, unit)
    (row,) = csv.DictReader(csv_lines([reading], STYLE))
    assert (float(row["value"]), row["unit"]) == (value, unit)
    assert row["quality"] == quality_told(quality)
    (line,) = json_lines([reading], STYLE)
    facts = json.loads(line)
    assert facts["unit"] == unit
    if math.isfinite(value):
        assert facts["value"] == value


def test_json_has_every_fact() -> None:
    """An object a line, with the exact time; null where there is no value."""
    good, bad = (json.loads(line) for line in json_lines([GOOD, BAD], STYLE))
    assert good == {
        "time": TIME, "time_ns": TIME_NS, "series": SERIES, "value": 20.25, "unit": "degC",
        "quality": "good", "reason": "", "time_known": "synced", "time_error_ns": 0,
    }  # fmt: skip
    assert bad["value"] is None
    assert (bad["quality"], bad["reason"]) == ("bad", "read_failed")


@pytest.mark.parametrize("name", FORMATS)
def test_infinite_values_break_no_format(name: str) -> None:
    """A sensor may give one; JSON has no word for it, and says null."""
    *_, line = FORMATS[name]([GOOD._replace(value=math.inf)], STYLE)
    assert "null" in line if name == "json" else "inf" in line


def undated(earliest_ns: int | None, latest_ns: int | None) -> DatedReading:
    """A reading of unknown time, with its bounds."""
    dating = Dating(Known.UNKNOWN, None, None, earliest_ns, latest_ns)
    return GOOD._replace(time_ns=None, dating=dating)


@pytest.mark.parametrize(
    ("earliest_ns", "latest_ns", "told", "interval"),
    [
        (
            EARLIEST_NS, LATEST_NS, f"(read after {EARLIEST} and before {LATEST})",
            f"{EARLIEST}/{LATEST}",
        ),
        (None, LATEST_NS, f"(read before {LATEST})", f"../{LATEST}"),
        (EARLIEST_NS, None, f"(read after {EARLIEST})", f"{EARLIEST}/.."),
        (None, None, "(nobody knows when)", "../.."),
    ],
)  # fmt: skip
def test_unknown_time_looks_like_none(
    earliest_ns: int | None, latest_ns: int | None, told: str, interval: str
) -> None:
    """A table says so, a spreadsheet gets an interval, a program null; each with the bounds."""
    reading = undated(earliest_ns, latest_ns)
    (line,) = table_lines([reading], STYLE)
    assert line.startswith(f"unknown{' ' * 22}  {SERIES}")
    assert line.endswith(f"good  {told}")
    assert list(csv_lines([reading], STYLE))[1].startswith(f"{interval},{SERIES},")
    (facts,) = map(json.loads, json_lines([reading], STYLE))
    assert (facts["time"], facts["time_ns"], facts["time_error_ns"]) == (None, None, None)
    assert (facts["time_known"], facts["earliest_ns"], facts["latest_ns"]) == (
        "unknown", earliest_ns, latest_ns,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error_ns", "told"),
    [(0, "0 ms"), (1, "1 ms"), (999_999_999, "1000 ms"), (10**9, "1 s"), (10**9 + 1, "2 s")],
)
def test_measured_time_says_how_good_it_is(error_ns: int, told: str) -> None:
    """Never too good; the lines are else the same as of a clock that is right."""
    reading = GOOD._replace(dating=Dating(Known.DERIVED, 5, error_ns))
    (own,), (derived,) = (list(table_lines([each], STYLE)) for each in (GOOD, reading))
    assert derived == f"{own}  (derived, to {told})"
    assert list(csv_lines([reading], STYLE)) == list(csv_lines([GOOD], STYLE))
    (facts,) = map(json.loads, json_lines([reading], STYLE))
    assert (facts["time_known"], facts["time_error_ns"]) == ("derived", error_ns)

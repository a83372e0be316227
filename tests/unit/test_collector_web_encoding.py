"""collector.web.encoding: pieces as JSON, CSV and packed columns, without loss."""

import json
import math
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Known
from collector.times import END_OF_TIME_NS
from collector.web.encoding import TIMES, Clock, Columns, Csv, Json
from collector.web.pieces import Piece
from kit.webs import unpacked

SEOUL = ZoneInfo("Asia/Seoul")
CLOCK = Clock("ns", SEOUL)


def piece(
    times_ns: list[int],
    values: list[float],
    qualities: list[int] | None = None,
    known: Known = Known.SYNCED,
    unit: str = "degC",
) -> Piece:
    """A piece of these readings."""
    bounds = (None, 10**9) if known is Known.UNKNOWN else (None, None)
    return Piece(
        "pi/air.temperature", unit, known, 0, *bounds,
        np.array(times_ns, np.int64), np.array(values, np.float64),
        np.array(qualities or [0] * len(values), np.uint8),
    )  # fmt: skip


def written(form: Json | Csv | Columns, *pieces: Piece) -> bytes:
    """A whole answer."""
    parts = [form.begin(0, END_OF_TIME_NS), *(form.piece(each) for each in pieces), form.end(2)]
    return b"".join(parts)


def test_json_is_one_object() -> None:
    """Also of many pieces, and of none."""
    answer = json.loads(written(Json(CLOCK), piece([1], [2.5]), piece([3], [0.1])))
    assert answer["start"] == 0
    assert answer["end"] is None
    assert answer["undecodable_batches"] == 2
    assert [each["values"] for each in answer["readings"]] == [[2.5], [0.1]]
    assert json.loads(written(Json(CLOCK)))["readings"] == []


def test_json_says_what_is_not_good() -> None:
    """Numbers for programs, words for those that occur; nothing where all are good."""
    bad = piece([1, 2, 3], [1.0, math.nan, 2.0], [0, 129, 4])
    [told] = json.loads(written(Json(CLOCK), bad))["readings"]
    assert told["values"] == [1.0, None, 2.0]
    assert told["qualities"] == [0, 129, 4]
    assert told["reasons"] == {"129": "bad (read_failed)", "4": "suspect (stuck)"}
    [good] = json.loads(written(Json(CLOCK), piece([1], [1.0])))["readings"]
    assert (good["qualities"], good["reasons"]) == (None, {})


def test_unknown_times_are_none() -> None:
    """What bounds them is told instead."""
    [told] = json.loads(written(Json(CLOCK), piece([5], [1.0], known=Known.UNKNOWN)))["readings"]
    assert told["times"] is None
    assert (told["time_known"], told["earliest"], told["latest"]) == ("unknown", None, 10**9)
    csv = written(Csv(Clock("rfc3339", SEOUL)), piece([5], [1.0], known=Known.UNKNOWN))
    assert b"\n../1970-01-01T09:00:01.000+09:00,pi/air.temperature,1.0,degC,good\n" in csv


@pytest.mark.parametrize(
    ("form", "one"),
    [
        ("rfc3339", "2026-11-23T12:00:00.250+09:00"),
        ("s", 1795402800.25),
        ("ms", 1795402800250),
        ("ns", 1795402800250000000),
    ],
)
def test_forms_of_time(form: str, one: object) -> None:
    """Alone, many at once, and as text."""
    clock, at_ns = Clock(form, SEOUL), 1795402800250000000
    assert clock.one(at_ns) == one
    assert clock.one(None) is None
    assert clock.words(np.array([at_ns, at_ns])) == [str(one).encode()] * 2
    [told] = json.loads(written(Json(clock), piece([at_ns], [1.0])))["readings"]
    assert told["times"] == [one]
    assert form in TIMES


def test_csv_is_quoted() -> None:
    """A unit may hold what parts fields; a bad reading has no value."""
    lines = written(Csv(CLOCK), piece([1], [math.nan], [130], unit='a,"b')).decode().split("\n")
    assert lines[0] == "time,series,value,unit,quality"
    assert lines[1] == '1,pi/air.temperature,,"a,""b",bad (timed_out)'


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), FLOATS, st.integers(0, 255)), max_size=20)
)
def test_columns_keep_every_bit(readings: list[tuple[int, float, int]]) -> None:
    """Times, values and qualities of any kind, packed as they are described."""
    times, values, qualities = (
        (list(each) for each in zip(*readings, strict=True)) if readings else ([], [], [])
    )
    whole = piece(times, values, qualities)
    [(head, columns), (end, _)] = unpacked(written(Columns(CLOCK), whole))
    assert (head["series"], head["unit"], head["count"]) == (
        "pi/air.temperature",
        "degC",
        len(times),
    )
    assert end == {"end": True, "undecodable_batches": 2}
    assert columns == [
        whole.times_ns.tobytes(), whole.values.tobytes(), whole.qualities.tobytes()
    ]  # fmt: skip

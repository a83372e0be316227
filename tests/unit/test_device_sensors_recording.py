"""Recorded CSV: both kinds, in the order of time, in bounded memory, with errors that say where."""

import math
import tracemalloc
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Dating, Known
from collector.printing import Style, csv_lines
from collector.query import DatedReading
from device.sensors import SensorError, recording
from device.sensors.recording import OWN_HEADER, Recording
from kit.listening import held
from wire.readings import Quality

HEAD = ",".join(OWN_HEADER) + "\n"
STYLE = Style(timezone(timedelta(hours=1)), {}, 0)
TIMES_MS = st.integers(0, 10**6).map(lambda ms: 1_763_895_600_000 + ms)


@pytest.fixture
def recorded(tmp_path):
    """Writes a CSV and gives all its moments; nothing stays open."""
    before = held()
    file = tmp_path / "file.csv"

    def recorded(text, sensor=None, is_over=lambda: False):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        recording = Recording(str(file), sensor)
        try:
            return list(recording.moments(is_over))
        finally:
            recording.close()

    yield recorded
    assert held() == before


def values(moments):
    """The time in seconds and the values of each moment."""
    return [
        (time_ns / 1e9, {each.channel: each.value for each in samples})
        for time_ns, samples in moments
    ]


def printed(readings):
    """What `telegauge-collector query --format csv` prints of readings."""
    return "".join(f"{line}\n" for line in csv_lines(readings, STYLE))


def wrong(recorded, text, sensor=None):
    """Why a text is no recording, without its folder."""
    with pytest.raises(SensorError) as error:
        recorded(text, sensor)
    return "file.csv" + str(error.value).partition("file.csv")[2]


def test_a_wide_file_has_a_column_a_channel(recorded):
    """Times in seconds; an empty field is no value, names become channels, whatever ends the lines."""
    text = "time,Air Temp,humidity\r\n0,21.5,40\r\n\r\n0.5,,41\r\n1.5,1e1, 42 "
    assert values(recorded(text)) == [
        (0, {"air_temp": 21.5, "humidity": 40}),
        (0.5, {"humidity": 41}),
        (1.5, {"air_temp": 10, "humidity": 42}),
    ]


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-23T12:00:00+01:00",
        "2026-11-23T11:00:00Z",
        "2026-11-23 11:00:00.000",
        "1795431600",
        "1795431600.0",
    ],
)
def test_times_are_rfc_3339_or_seconds(recorded, time):
    """Without an offset they are UTC; only what lies between them counts."""
    [(time_ns, _)] = recorded(f"time,a\n{time},1\n")
    assert time_ns == 1_795_431_600 * 10**9


def test_a_spreadsheets_mark_and_quotes_are_no_matter(recorded):
    """A byte order mark, and quotes around anything."""
    assert values(recorded(b'\xef\xbb\xbf"time","a"\n"1","2"\n')) == [(1, {"a": 2})]
    own = HEAD + '"1","pi/air.a","2","m","good"\n'
    assert values(recorded(own)) == [(1, {"a": 2})]


def test_our_own_is_put_into_the_order_of_time(recorded):
    """It has one series behind the other; what has one time is one moment."""
    text = (
        f"{HEAD}10,pi/air.a,1.0,m,good\n20,pi/air.a,2.0,m,good\n30,pi/air.a,3.0,m,good\n"
        "10,pi/air.b,1.5,s,good\n25,pi/air.b,2.5,s,good\n"
    )
    assert values(recorded(text)) == [
        (10, {"a": 1, "b": 1.5}),
        (20, {"a": 2}),
        (25, {"b": 2.5}),
        (30, {"a": 3}),
    ]


@given(
    st.lists(
        st.tuples(
            TIMES_MS,
            st.sampled_from(["a", "b", "c"]),
            st.floats(allow_nan=False, allow_infinity=False),
            st.sampled_from(["", "degC", "%", 'in,"h"']),
            st.integers(0, 255),
        ),
        min_size=1,
        unique_by=lambda row: row[:2],
    )
)
def test_what_a_query_prints_is_what_comes_back(tmp_path_factory, rows):
    """Every value, unit, quality and time, whatever there is."""
    readings = [
        DatedReading(
            f"pi/air.{channel}",
            time_ms * 10**6,
            value if quality < Quality.BAD else math.nan,
            quality,
            unit,
        )
        for time_ms, channel, value, unit, quality in sorted(rows, key=lambda row: (row[1], row[0]))
    ]
    file = tmp_path_factory.mktemp("recording") / "air.csv"
    file.write_text(printed(readings))
    recording = Recording(str(file))
    given = [
        (time_ns, f"pi/air.{each.channel}", repr(each.value), each.unit, each.quality)
        for time_ns, samples in recording.moments(lambda: False)
        for each in samples
    ]
    recording.close()
    assert sorted(given) == sorted(
        (each.time_ns, each.series, repr(each.value), each.unit, each.quality) for each in readings
    )
    assert [time_ns for time_ns, *_ in given] == sorted(time_ns for time_ns, *_ in given)


def test_what_has_no_time_is_left_out(recorded):
    """A query prints the interval that it lies in, which may be open."""
    unknown = Dating(Known.UNKNOWN, latest_ns=10**9)
    readings = [
        DatedReading("pi/air.a", None, 1.0, 0, "", unknown),
        DatedReading("pi/air.a", 2 * 10**9, 2.0, 0, ""),
        DatedReading("pi/air.a", None, 3.0, 0, "", Dating(Known.UNKNOWN)),
    ]
    assert values(recorded(printed(readings))) == [(2, {"a": 2})]


def test_of_many_sensors_one_is_meant(recorded):
    """By its name, with that of its device if need be."""
    text = f"{HEAD}1,pi/air.a,1.0,,good\n2,pi/soil.a,2.0,,good\n3,pi2/air.a,3.0,,good\n"
    assert values(recorded(text, "soil")) == [(2, {"a": 2})]
    assert values(recorded(text, "pi/air")) == [(1, {"a": 1})]
    assert recorded(text, "rain") == []
    told = "column `series`: `pi/soil` beside `pi/air`: say which with the option `sensor`"
    assert told in wrong(recorded, text)
    assert "`pi2/air` beside `pi/air`" in wrong(recorded, text, "air")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "file.csv is empty"),
        ("\n\n", "file.csv is empty"),
        (
            "a,b\n1,2\n",
            "line 1: the first line must be `time,series,value,unit,quality`, or `time`",
        ),
        ("time\n1\n", "line 1: the first line must be"),
        ("time,a,A\n", "line 1, column `A`: the channel `a` stands there twice"),
        ("time,°\n", "line 1, column `°`: `°` can be no channel"),
        ("time,a\n1,2\n3,x\n", "line 3, column `a`: `x` is no number"),
        ("time,a\n1,inf\n", "line 2, column `a`: `inf` is no number"),
        ("time,a\n1,2,3\n", "line 2: 3 columns, and the first line has 2"),
        ("time,a\n\n1\n", "line 3: 1 columns, and the first line has 2"),
        ("time,a\nnoon,2\n", "line 2, column `time`: `noon` is neither RFC 3339 nor seconds"),
        ("time,a\n0001-01-01,2\n", "line 2, column `time`: `0001-01-01` is too far away"),
        ("time,a\n2,1\n1,1\n", "line 3, column `time`: `1` is before the last"),
        ('time,a\n1,"2\n', "line 2: no CSV: unexpected end of data"),
        (b"time,a\n1,\xff\n", "line 2: no CSV"),
        ("time,a\n1," + "2" * 70_000, "line 2: a line of more than 65536 bytes"),
        (
            HEAD + "1,pi.a,1.0,,good\n",
            "line 2, column `series`: `pi.a` is no device/sensor.channel",
        ),
        (HEAD + "1,pi/air.A,1.0,,good\n", "line 2, column `series`"),
        (HEAD + "1,pi/air.a,x,,good\n", "line 2, column `value`: `x` is no number"),
        (HEAD + f"1,pi/air.a,1,{'m' * 17},good\n", "line 2, column `unit`"),
        (HEAD + "1,pi/air.a,1,m,fine\n", "line 2, column `quality`: `fine` is no quality"),
        (HEAD + "1,pi/air.a,1,m,good (stuck)\n", "column `quality`"),
        (HEAD + "1,pi/air.a,1,m,bad (reason_300)\n", "column `quality`"),
        (HEAD + "1,pi/air.a,1,m,good\nx,pi/air.a,1,m,good\n", "line 3, column `time`"),
    ],
)
def test_errors_say_where(recorded, text, told):
    """The line as an editor counts it, and the column by its name."""
    assert told in wrong(recorded, text)


def test_errors_count_lines_also_behind_a_place_where_time_goes_back(recorded):
    """Each such place is read for itself."""
    text = (
        f"{HEAD}1,pi/air.a,1,,good\n2,pi/air.a,1,,good\n\n1,pi/air.b,1,,good\n2,pi/air.b,x,,good\n"
    )
    assert "line 6, column `value`" in wrong(recorded, text)


def test_time_may_go_back_only_so_often(recorded, monkeypatch):
    """A file in no order is one to sort."""
    monkeypatch.setattr(recording, "_MAX_RUNS", 2)
    rows = "".join(f"{9 - n},pi/air.a,1,,good\n" for n in range(3))
    assert "line 4, column `time`: it goes back more than 2 times" in wrong(recorded, HEAD + rows)


def test_a_sensor_is_no_option_of_a_wide_file(recorded):
    """It names none."""
    assert "names no sensors" in wrong(recorded, "time,a\n1,2\n", "air")


def test_only_files_are_replayed(tmp_path):
    """Not a folder, nor a device without end."""
    before = held()
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(SensorError, match="is no file that can be replayed"):
            Recording(str(path))
    with pytest.raises(FileNotFoundError, match="nothing"):
        Recording(str(tmp_path / "nothing.csv"))
    assert held() == before


def test_it_ends_when_it_is_told_to(recorded):
    """Also while it looks for the places where time goes back."""
    assert recorded("time,a\n1,1\n2,2\n", is_over=lambda: True) == []
    assert recorded(HEAD + "1,pi/air.a,1,,good\n2,pi/air.a,1,,good\n", is_over=lambda: True) == []


@pytest.mark.parametrize("kind", ["wide", "own"])
def test_a_large_file_is_never_held_in_memory(tmp_path, kind):
    """A megabyte is read within a part of it."""
    file = tmp_path / "large.csv"
    with file.open("w") as opened:
        if kind == "wide":
            opened.write("time,a\n" + "".join(f"{n},{n}.123456789\n" for n in range(60_000)))
        else:
            opened.write(HEAD)
            for channel in "ab":
                rows = (f"{n},pi/air.{channel},{n}.123456789,m,good\n" for n in range(20_000))
                opened.write("".join(rows))
    assert file.stat().st_size > 1_000_000
    tracemalloc.start()
    recording = Recording(str(file))
    moments = recording.moments(lambda: False)
    for _ in range(5_000):
        next(moments)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    recording.close()
    assert peak < 600_000


def test_a_file_that_is_cut_meanwhile_says_so(tmp_path):
    """It does not seem to end."""
    file = tmp_path / "file.csv"
    file.write_text("time,a\n" + "".join(f"{n},1\n" for n in range(10_000)))
    recording = Recording(str(file))
    moments = recording.moments(lambda: False)
    next(moments)
    file.write_text("time,a\n")
    with pytest.raises(SensorError, match="has become shorter while it was replayed"):
        list(moments)
    recording.close()

"""collector.bucket_lines: buckets as lines for people, spreadsheets and programs."""

import csv
import json
import math
from datetime import UTC

import numpy as np

from collector.bucket_lines import FORMATS, csv_lines, json_lines, table_lines
from collector.printing import Style
from collector.store import MINUTE_NS, Key, summarised

KEY = Key("greenhouse/air.temperature", 'a,"b')
TIMES_NS = np.array([0, 1, MINUTE_NS])
BUCKETS = summarised(TIMES_NS - TIMES_NS % MINUTE_NS, TIMES_NS, np.array([0.1, 0.2, math.nan]))
NAMES = ("mean", "max", "count")
STYLE = Style(UTC, {KEY.series: 1}, len(KEY.series))


def test_table_stands_in_columns() -> None:
    """A head, then a line a bucket; as many decimals as the series has, `-` where there is no value."""
    head, first, second = table_lines([(KEY, BUCKETS)], NAMES, STYLE)
    assert head.split() == ["TIME", "SERIES", "MEAN", "MAX", "COUNT", "BAD", "UNIT"]
    assert first.split()[1:] == [KEY.series, "0.1", "0.2", "2", "0", KEY.unit]
    assert second.split()[1:] == [KEY.series, "-", "-", "0", "1", KEY.unit]
    assert head.index(" UNIT") == first.index(f" {KEY.unit}")


def test_csv_has_every_digit() -> None:
    """And quotes where a unit needs them."""
    rows = list(csv.DictReader(csv_lines([(KEY, BUCKETS)], NAMES, STYLE)))
    assert [row["mean"] for row in rows] == ["0.15", ""]
    assert [(row["count"], row["bad"], row["unit"]) for row in rows] == [
        ("2", "0", KEY.unit),
        ("0", "1", KEY.unit),
    ]


def test_json_is_an_object_a_line() -> None:
    """null where no reading has a value; counts are whole numbers."""
    first, second = map(json.loads, json_lines([(KEY, BUCKETS)], NAMES, STYLE))
    assert first["max"] == 0.2
    assert (first["count"], first["bad"], first["time_ns"]) == (2, 0, 0)
    assert (second["mean"], second["count"], second["bad"]) == (None, 0, 1)


def test_nothing_is_no_error() -> None:
    """A head at most."""
    for write in FORMATS.values():
        assert len(list(write([], NAMES, STYLE))) <= 1

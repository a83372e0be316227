"""collector.plotting: charts that lose no spike and hide no gap."""

import io
import math
from datetime import UTC

import numpy as np
import pytest

from collector.plotting import MAX_SERIES, Canvas, canvas_of, charts
from collector.store import MINUTE_NS, Buckets, Key, summarised

SPAN = (0, 60 * MINUTE_NS)
PLAIN = Canvas(60, 10, UTC, is_coloured=False, has_dots=True)
KEY = Key("greenhouse/air.temperature", "degC")


def buckets(values: list[float], per_bucket: int = 1) -> Buckets:
    """A bucket a minute."""
    places = np.arange(len(values)) // per_bucket
    return summarised(places * MINUTE_NS, np.arange(len(values)), np.array(values))


def drawn(
    *found: tuple[Key, Buckets], name: str | None = None, canvas: Canvas = PLAIN
) -> list[str]:
    """The lines of all charts."""
    return list(charts(found, name, SPAN, canvas))


def dots(line: str) -> int:
    """How many places of a row have something in them."""
    return sum(not each.isspace() for each in line.partition("|")[2])


def test_spike_of_one_reading_is_seen() -> None:
    """Both extremes of a bucket are in the chart; of the means alone the spike would be none."""
    found = buckets([20.0, 20.0, 99.0, 20.0] * 1 + [20.0] * 56, per_bucket=4)
    labels = [line.split("|")[0] for line in drawn((KEY, found)) if dots(line)]
    assert any(
        float(label) > 90 for label in labels if label.strip(" -").replace(".", "").isdigit()
    )
    means = drawn((KEY, found), name="mean")
    assert not any("99" in line.split("|")[0] for line in means)


def test_bad_readings_are_gaps() -> None:
    """The line ends before them and begins anew behind; nothing is drawn across."""
    level = [20.0] * 60
    whole = max(map(dots, drawn((KEY, buckets(level)))[1:10]))
    broken = [*level[:20], *[math.nan] * 20, *level[40:]]
    assert max(map(dots, drawn((KEY, buckets(broken)))[1:10])) == pytest.approx(
        whole * 2 / 3, abs=3
    )


def test_series_without_a_value() -> None:
    """It is said, and the others are drawn."""
    lines = drawn(
        (KEY, buckets([math.nan])), (Key("cellar/air.temperature", "degC"), buckets([1.0]))
    )
    assert lines[0] == "greenhouse/air.temperature: no readings with a value"
    assert any(line.endswith("cellar/air.temperature [degC]") for line in lines)


def test_chart_of_each_unit() -> None:
    """And never more lines in one than can be told apart."""
    many = [(Key(f"d{number}/a.b", "%"), buckets([1.0, 2.0])) for number in range(MAX_SERIES + 1)]
    lines = drawn((KEY, buckets([1.0])), *many)
    assert sum("^" in line for line in lines) == 3
    assert all(sum(line.endswith(f"{key.series} [%]") for line in lines) == 1 for key, _ in many)


def test_colours_and_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours on a terminal; in plain text letters; without UTF-8 nothing beyond ASCII."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # plotille looks at the terminal of its own accord
    two = [(KEY, buckets([1.0, 2.0])), (Key("a/b.c", "degC"), buckets([3.0, math.inf]))]
    coloured = "\n".join(drawn(*two, canvas=PLAIN._replace(is_coloured=True)))
    assert "\x1b[" in coloured
    plain = "\n".join(drawn(*two))
    assert "\x1b" not in plain
    assert "o a/b.c" in plain
    assert "\n".join(drawn(*two, canvas=PLAIN._replace(has_dots=False))).isascii()


def test_canvas_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as COLUMNS says, plain."""
    monkeypatch.setenv("COLUMNS", "100")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    canvas = canvas_of(stream, UTC)
    assert (canvas.columns, canvas.is_coloured, canvas.has_dots) == (82, False, False)

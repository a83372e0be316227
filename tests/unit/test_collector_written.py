"""collector.written: units and values as people write them, and small bars."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.written import UNITS, sparkline, unit_written, value_written
from kit.documents import ROOT

VALUES = st.lists(st.one_of(st.none(), st.floats()))


def test_units_are_written_as_on_the_page() -> None:
    """Terminal and page show one thing alike."""
    text = (ROOT / "collector" / "web" / "static" / "units.js").read_text()
    table = text.partition("const WRITTEN = {")[2].partition("};")[0]
    page = {
        one or other: written
        for one, other, written in re.findall(r'(?:"(.+?)"|(\w+)): "(.+?)"', table)
    }
    assert {unit: sign for unit, sign in page.items() if unit != sign} == UNITS


def test_unknown_units_stay() -> None:
    """Whoever has one knows it."""
    assert unit_written("ug/m3") == "µg/m³"
    assert unit_written("furlong") == "furlong"


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (20.04, 1, "20.0"),
        (-0.5, 0, "-0"),
        (1234.5678, None, "1234.57"),
        (0.000012345678, None, "1.23457e-05"),
        (1e300, 3, "1e+300"),
        (None, 1, "-"),
        (math.nan, 1, "-"),
        (math.inf, None, "-"),
    ],
)
def test_values(value: float | None, decimals: int | None, expected: str) -> None:
    """With the decimals that count, and never as wide as a screen."""
    assert value_written(value, decimals) == expected


def test_bars_go_from_the_least_to_the_greatest() -> None:
    """A hole is a space, and what never changes lies in the middle."""
    assert sparkline([0.0, 1.0, None, 3.5, 7.0, 8.0]) == "▁▂ ▄██"
    assert sparkline([5.0, 5.0]) == "▄▄"
    assert sparkline([None, math.nan]) == "  "
    assert sparkline([]) == ""


@given(VALUES)
def test_there_is_a_bar_a_value(values: list[float | None]) -> None:
    """However large or small they are."""
    bars = sparkline(values)
    assert len(bars) == len(values)
    holes = [each is None or not math.isfinite(each) for each in values]
    assert [bar == " " for bar in bars] == holes

"""service.table: columns that people and `cut` can read."""

from hypothesis import given, settings
from hypothesis import strategies as st

from service import table

CELLS = st.text("abcdef0123456789.-", min_size=1, max_size=12)


def test_columns_are_aligned() -> None:
    """Words to the left, numbers to the right, nothing behind the last word."""
    rows = [("air.temperature", "21.5", "degC", ""), ("air.humidity", "100", "%", "wet")]
    assert table.lines(("SERIES", ">VALUE", "UNIT", "DETAIL"), rows) == [
        "SERIES           VALUE  UNIT  DETAIL",
        "air.temperature   21.5  degC",
        "air.humidity       100  %     wet",
    ]


def test_without_rows_the_heads_are_left() -> None:
    """And are as wide as they are."""
    assert table.lines(("SENSOR", ">READS"), []) == ["SENSOR  READS"]


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=10))
def test_no_cell_is_cut(rows: list[tuple[str, str, str]]) -> None:
    """Every line splits into the cells it was made of, and ends in the same column."""
    found = table.lines(("A", ">B", ">C"), rows)
    assert [tuple(line.split()) for line in found] == [("A", "B", "C"), *rows]
    assert len({len(line) for line in found}) == 1

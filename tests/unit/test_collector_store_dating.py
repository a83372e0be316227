"""collector.store.dating: how a dating stands in the columns of a row, and comes back."""

import pytest

from collector.clock import LARGEST_NS, OWN, Dating, Known
from collector.store.dating import columns_of, dating_of, is_sound

FIRST_NS, LAST_NS = 1000, 3000


@pytest.mark.parametrize(
    ("dating", "columns"),
    [
        (Dating(Known.SYNCED, 50, 3), (1, 50, 3, 1050, 3050)),
        (Dating(Known.DERIVED, -50, 3), (2, -50, 3, 950, 2950)),
        (Dating(Known.UNKNOWN, None, None, 5, 9), (3, None, None, 5, 9)),
        (Dating(Known.UNKNOWN, None, None), (3, None, None, -LARGEST_NS, LARGEST_NS)),
    ],
)
def test_dating_comes_back(dating: Dating, columns: tuple[int, int, int, int, int]) -> None:
    """As it was, with the range that a question finds it by."""
    assert columns_of(dating, FIRST_NS, LAST_NS) == columns
    assert dating_of(*columns) == dating
    assert is_sound(columns, FIRST_NS, LAST_NS)


def test_batches_with_pairs_of_their_own() -> None:
    """Each dates itself."""
    assert dating_of(0, None, None, 5, 9) is OWN
    assert is_sound((0, None, None, 5, 9), FIRST_NS, LAST_NS)


@pytest.mark.parametrize(
    "columns",
    [
        (2, 51, 3, 1050, 3050),
        (2, 50, 3, 1051, 3050),
        (2, 50, 3, 1050, 3051),
        (2, None, 3, 1050, 3050),
        (4, 50, 3, 1050, 3050),
    ],
)
def test_columns_that_do_not_fit_are_noticed(columns: tuple[int, int, int, int, int]) -> None:
    """A bit that flips on the disk makes no time."""
    assert not is_sound(columns, FIRST_NS, LAST_NS)


def test_text_in_place_of_a_number_is_noticed() -> None:
    """SQLite keeps any."""
    assert not is_sound((2, 50, 3, "1050", 3050), FIRST_NS, LAST_NS)  # type: ignore[arg-type]

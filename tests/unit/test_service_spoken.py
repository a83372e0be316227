"""service.spoken: durations, sizes and names as people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.spoken import cut, duration, size, some, status


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (300, "5 min"),
        (7199, "119 min"),
        (3 * 3600 + 1800, "3 h"),
        (2 * 86_400, "2 days"),
        (400 * 86_400, "400 days"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    """In the largest unit of which there are two at least, and whole ones only."""
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1_288_490_189, "1.2 GiB")],
)
def test_size(size_bytes: int, said: str) -> None:
    """With one decimal."""
    assert size(size_bytes) == said


@given(st.text(), st.integers(3, 50))
def test_cut_text_fits(text: str, characters: int) -> None:
    """And is the text itself where that fits."""
    short = cut(text, characters)
    assert len(short) <= characters
    assert short == text or short.endswith("...")


def test_names() -> None:
    """A few of them, and how many more."""
    assert some(["a"]) == "a"
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert len(some(["x" * 63] * 4)) <= 80 + len(" and 1 more")


def test_status_is_bounded() -> None:
    """One trouble cannot hide the next, and all of it fits into one line."""
    assert status(["up", "0 spooled"], ["mend this"]) == "up, 0 spooled, mend this"
    said = status(["up"], ["x" * 1000, "second"])
    assert said.startswith("up, x")
    assert said.endswith("..., second")
    assert len(status(["x" * 1000], [])) == 300

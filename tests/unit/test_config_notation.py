"""Notations of names."""

import msgspec
import pytest

from config.notation import matching

NAME = matching("[a-z]{1,3}", "1 to 3 small letters", frozenset({"no"}))


def test_a_name_that_matches_whole_is_taken():
    """Nothing may stand before or behind the pattern, not even a line end."""
    assert NAME.read("abc") == "abc"
    for text in ("abcd", "abc\n", "Abc", ""):
        with pytest.raises(ValueError, match="Accepted: 1 to 3 small letters"):
            NAME.read(text)


def test_a_reserved_name_is_refused_as_such():
    """It fits the pattern, so the message must say something else."""
    with pytest.raises(ValueError, match="`no` is reserved"):
        NAME.read("no")


def test_the_annotation_carries_the_notation():
    """Walker and schema find it where msgspec keeps what it does not know."""
    assert isinstance(NAME.meta(), msgspec.Meta)
    assert NAME.meta().extra == {"notation": NAME}

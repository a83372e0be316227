"""Single values, and what YAML 1.1 makes of them."""

import pytest

from config.nodes import Scalar
from config.parser import parse
from config.scalars import read_any, read_text, read_truth


def scalar(text):
    node, problems = parse(f"k: {text}\n", [])
    assert not problems
    value = node.entries["k"].value
    assert isinstance(value, Scalar)
    return value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("no", "`no` without quotes is the truth value false to YAML.*in quotes, 'no'"),
        ("Yes", "the truth value true"),
        ("on", "the truth value true"),
        ("off", "the truth value false"),
        ("true", "the truth value true"),
        ("22:30", "`22:30` without quotes is the number 1350 to YAML.*'22:30'"),
        ("010", "the number 8 "),
        ("1_000", "the number 1000 "),
        ("0x76", "the number 118 "),
        ("12", "the number 12 "),
        ("1.5", "is a number "),
        (".inf", "is a number "),
        ("2024-01-01", "is a date "),
        ("2024-01-01 10:00:00", "is a date "),
        ("0b_", "is a number"),
        ("~", "a value is missing"),
        ("", "a value is missing"),
        ("null", "a value is missing"),
    ],
)
def test_what_yaml_takes_for_something_else_is_no_text(text, part):
    """The message says what YAML makes of it and how it is written instead."""
    with pytest.raises(ValueError, match=part):
        read_text(scalar(text))


@pytest.mark.parametrize("text", ["'no'", "'22:30'", '"010"', "'2024-01-01'", "'~'"])
def test_quotes_make_text_of_anything(text):
    """What the messages advise works."""
    assert read_text(scalar(text)) == text[1:-1]
    assert read_any(scalar(text)) == text[1:-1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17", 17),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0x76", 118),
        ("0.05", 0.05),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("1.0e+3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("GPIO17", "GPIO17"),
        ("y", "y"),
        ("=", "="),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_options_are_what_they_look_like(text, value):
    """Values for a driver come as plain YAML, with their types."""
    got = read_any(scalar(text))
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("010", "the number 8 .*Write a plain number"),
        ("22:30", "the number 1350"),
        ("1_000", "the number 1000"),
        ("0b1", "the number 1 "),
        ("on", "Write true or false"),
        ("No", "Write true or false"),
        ("2024-01-01", "a date"),
        ("1:30.5", "a number"),
        (".nan", "a number"),
        ("-.inf", "a number"),
        ("1.0e+999", "too large"),
        ("9" * 19, "too large: the limit is 9223372036854775807"),
        ("9" * 9999, "too large"),
        ("0x" + "f" * 9999, "too large"),
        ("1e3", "a number to some programs and text to others"),
        ("08", "a number to some programs"),
        ("0o17", "a number to some programs"),
    ],
)
def test_options_that_could_be_two_things_are_refused(text, part):
    """A pin 010 that silently becomes 8 is an evening lost."""
    with pytest.raises(ValueError, match=part):
        read_any(scalar(text))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_truth(text, value):
    """The two words, and nothing else that YAML takes for one of them."""
    assert read_truth(scalar(text)) is value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("no", "`no` without quotes is the truth value false to YAML. Write true or false"),
        ("on", "Write true or false"),
        ("'true'", "`true` in quotes is text"),
        ("1", "`1` is neither true nor false: write one of them"),
        ("perhaps", "neither true nor false"),
        ("", "neither true nor false"),
    ],
)
def test_what_is_no_truth(text, part):
    """It is told what is accepted."""
    with pytest.raises(ValueError, match=part):
        read_truth(scalar(text))

"""Durations and sizes."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.quantities import (
    duration,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("5m", 300),
        ("2h", 7200),
        ("90d", 7_776_000),
        ("1y", 31_536_000),
        ("0s", 0),
    ],
)
def test_durations_are_seconds(text, seconds):
    """Every unit, and a year of 365 days."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("64KiB", 65536), ("64MiB", 2**26), ("2GiB", 2**31)]
)
def test_sizes_are_bytes(text, size_bytes):
    """Binary units, spelled so that nobody must guess."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "s", "1.5s", "-1s", "10 s", "10S", "1h30m", "10min", "٣s", "1" * 5000 + "s", "1w"]
)
def test_what_is_no_duration_says_what_is(text):
    """One way to write it; the message lists it."""
    with pytest.raises(ValueError, match=r"is not a duration.*500ms 10s 5m 2h 90d 1y"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["64MB", "64 MiB", "64mib", "64M", "0.5GiB", ""])
def test_what_is_no_size_says_what_is(text):
    """MB and MiB differ by 5 %; only one of them is taken."""
    with pytest.raises(ValueError, match=r"is not a size.*64KiB 64MiB 2GiB"):
        parse_size(text)


def test_a_number_without_a_unit_is_asked_back():
    """The commonest slip gets its own answer."""
    with pytest.raises(ValueError, match=r"^10 of what\? .*10s$"):
        parse_duration("10")
    with pytest.raises(ValueError, match=r"^64 of what\? .*64MiB$"):
        parse_size("64")


@pytest.mark.parametrize("text", ["99ms", "150ms", "50ms", "2d", "0s"])
def test_a_duration_outside_its_limits_names_them(text):
    """Too short, too long and off the grid are one kind of wrong."""
    with pytest.raises(ValueError, match="Accepted: 100ms to 1d in steps of 100ms"):
        duration("100ms", "1d", step="100ms").read(text)


def test_limits_themselves_are_inside():
    """From and to include their ends."""
    assert duration("100ms", "1d", step="100ms").read("100ms") == 0.1
    assert duration("100ms", "1d").read("1d") == 86400
    assert size("64KiB", "1GiB").read("64KiB") == 65536
    assert size("64KiB", "1GiB").read("1024MiB") == 2**30


def test_a_size_outside_its_limits_names_them():
    """Both ends."""
    for text in ("63KiB", "2GiB"):
        with pytest.raises(ValueError, match="Accepted: 64KiB to 1GiB"):
            size("64KiB", "1GiB").read(text)


@given(st.integers(0, 10**12))
def test_durations_written_are_read_back(value_ms):
    """Writing is the way back of reading, to the millisecond, and editors accept it."""
    text = format_duration(value_ms / 1000)
    assert parse_duration(text) == value_ms / 1000
    assert re.fullmatch(duration("0s", "1y").pattern, text)


@given(st.integers(0, 10**12 - 1))
def test_sizes_written_are_read_back(value_kib):
    """Writing is the way back of reading, and editors accept it."""
    text = format_size(value_kib * 1024)
    assert parse_size(text) == value_kib * 1024
    assert re.fullmatch(size("64KiB", "1GiB").pattern, text)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    """Nothing but ValueError comes out."""
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0

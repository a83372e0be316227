"""service.keys: what somebody presses, in a real pseudo-terminal."""

import os
import pty
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from kit.waiting import WITHIN_S
from service.keys import keys_in, keys_of


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """A terminal: the end that somebody types at, and that of the program."""
    typing, own = pty.openpty()
    with os.fdopen(own, "r") as stream:
        yield typing, stream
    os.close(typing)


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"jjk", ["j", "j", "k"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1b[5~q", ["up", "page_up", "q"]),
        (b"\x1b[1;5Aq", ["q"]),
        (b"\x1b[200", []),
        (b"\x1b", []),
        ("é\n\x00q".encode(), ["q"]),
        (b"", []),
    ],
)
def test_keys_have_names(data: bytes, keys: list[str]) -> None:
    """Unknown ones are left out as a whole: nothing in them counts as another key."""
    assert keys_in(data) == keys


def test_each_key_comes_at_once(terminal: tuple[int, TextIO]) -> None:
    """Without a line's end, one after another; where none is pressed, none comes."""
    typing, stream = terminal
    with keys_of(stream) as keys:
        assert keys.next(0.0) is None
        os.write(typing, b"a\x1b[Bq")
        assert [keys.next(WITHIN_S) for _ in range(3)] == ["a", "down", "q"]
        assert keys.next(0.0) is None


def test_terminal_is_as_before(terminal: tuple[int, TextIO]) -> None:
    """Also where it ended by an error."""
    _, stream = terminal
    before = termios.tcgetattr(stream)
    with pytest.raises(ZeroDivisionError, match="False"), keys_of(stream):
        raise ZeroDivisionError(termios.tcgetattr(stream) == before)
    assert termios.tcgetattr(stream) == before


def test_terminal_that_is_gone_is_told() -> None:
    """Its window was closed."""
    typing, own = pty.openpty()
    with os.fdopen(own, "r") as stream, keys_of(stream) as keys:
        os.close(typing)
        assert keys.next(WITHIN_S) == ""

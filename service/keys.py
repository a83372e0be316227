"""Keys that somebody presses in a terminal, as they press them."""

import os
import select
import termios
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_NAMES = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down",
    b"\x1b[5~": "page_up", b"\x1b[6~": "page_down",
    b"\x1b[H": "home", b"\x1bOH": "home", b"\x1b[1~": "home",
    b"\x1b[F": "end", b"\x1bOF": "end", b"\x1b[4~": "end",
}  # fmt: skip
_READ_BYTES = 64


class Keys:
    """The keys of a terminal that gives each at once."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._pressed: deque[str] = deque()

    def next(self, within_s: float) -> str | None:
        """Wait for the next key; None: none was pressed within that time. "": the terminal is gone."""
        if not self._pressed:
            ready, _, _ = select.select([self._terminal], [], [], within_s)
            if ready:
                self._pressed.extend(keys_in(_read(self._terminal)) or [""])
        return self._pressed.popleft() if self._pressed else None


@contextmanager
def keys_of(stream: TextIO) -> Iterator[Keys]:
    """Give the keys of a terminal, which is as it was afterwards."""
    terminal = stream.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield Keys(terminal)
    finally:
        with suppress(termios.error):  # its window was closed
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def keys_in(data: bytes) -> list[str]:
    """Return the keys of what a terminal sent: letters, or names of others; unknown ones are left out."""
    found = []
    while data:
        size = _sequence_bytes(data)
        key, data = data[:size], data[size:]
        if key in _NAMES:
            found.append(_NAMES[key])
        elif key.isascii() and key.decode().isprintable():
            found.append(key.decode())
    return found


def _sequence_bytes(data: bytes) -> int:
    """Return how many bytes make up the first key: of an escape sequence all (ECMA-48, section 5.4)."""
    if data[:2] not in (b"\x1b[", b"\x1bO"):
        return 1
    for at in range(2, len(data)):
        if 0x40 <= data[at] <= 0x7E:
            return at + 1
    return len(data)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, _READ_BYTES)
    except OSError:
        return b""

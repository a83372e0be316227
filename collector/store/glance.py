"""A glance at a store for a line of status: at little cost, and never an error.

What is wrong with one that is in trouble others say.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from collector.errors import StoreError
from collector.store.reader import Reader
from collector.store.rows import DeviceRow

_T = TypeVar("_T")


def devices_of(path: Path) -> list[DeviceRow]:
    """Return the devices of a store; none of one that is in trouble."""
    return _asked(path, Reader.devices)


def names_in(path: Path) -> list[str]:
    """Return the names of the devices of a store; none of one that is in trouble."""
    return _asked(path, Reader.names)


def _asked(path: Path, question: Callable[[Reader], list[_T]]) -> list[_T]:
    try:
        with closing(Reader(path)) as reader:
            return question(reader)
    except (StoreError, sqlite3.Error, UnicodeDecodeError):
        return []

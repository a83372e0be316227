"""Matching: the devices and series that a pattern, a shell glob over the whole name, can mean."""

import re
import sqlite3
from fnmatch import fnmatchcase, translate
from typing import NamedTuple

from collector.store import history
from collector.store.history import StoredSeries
from wire.readings import series_name

# Of so many patterns it is remembered which series they match.
_PATTERNS = 8


class Device(NamedTuple):
    """A device whose batches are asked for."""

    id: int
    name: str


class Matching:
    """What of one store matches."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._matched: dict[str, tuple[int | None, list[StoredSeries]]] = {}

    def described(self, pattern: str) -> dict[str, set[str]]:
        """Return the names of the described series that match, by device."""
        matches = re.compile(translate(pattern)).match
        found: dict[str, set[str]] = {}
        for device, sensor, channel in self._database.execute(
            "SELECT name, sensor, channel FROM series JOIN device ON device.id = device"
        ):
            if matches(name := series_name(device, sensor, channel)):
                found.setdefault(device, set()).add(name)
        return found

    def stored(self, pattern: str) -> list[StoredSeries]:
        """Return the sealed series that match; it is matched anew when there are others, which never go."""
        (newest,) = self._database.execute("SELECT max(id) FROM stored_series").fetchone()
        known = self._matched.get(pattern)
        if known is None or known[0] != newest:
            if len(self._matched) >= _PATTERNS:
                self._matched.clear()
            known = newest, history.stored_series(self._database, pattern)
            self._matched[pattern] = known
        return known[1]

    def devices(self, pattern: str) -> list[Device]:
        """Return the devices whose series a pattern can match."""
        may_have = devices_of(pattern)
        rows = self._database.execute("SELECT id, name FROM device ORDER BY name")
        return [Device(*row) for row in rows if fnmatchcase(row[1], may_have)]


def devices_of(pattern: str) -> str:
    """Return the pattern that the devices match whose series may match this one."""
    device, slash, _ = pattern.partition("/")
    # `*` matches a slash too, and so may `[...]`.
    return device if slash and "[" not in device else "*"

"""Where the overview of the terminal comes from: the store, and the collector where one runs.

What was is summed up by a thread of its own: it may take longer than a glance.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC
from typing import Protocol, TypeVar

import numpy as np

from collector.errors import StoreError
from collector.membership import MemberStatus
from collector.overview import DeviceView, overview
from collector.report import Status, device_statuses
from collector.store import Reader, means
from collector.summaries import grid_for, summaries
from collector.web.latest import Latest

BARS = 32
_ASK_EVERY_S = 2.0
# How much of the time may go into summing up what was.
_PAST_SHARE = 0.2
_PAST_EVERY_S = 5.0
_NOT_RUNNING = "THE COLLECTOR IS NOT RUNNING; this is from the store"
_ALL = "*"
_OWN_SENSOR = "agent."

_T = TypeVar("_T")


class Ask(Protocol):
    """Asks the running collector; None where none answers."""

    def __call__(self, kind: type[_T], name: str) -> _T | None:
        """Ask for something."""


class Source:
    """What is shown of one store; `ask` asks the running collector.

    `trouble`: that none runs, "" where one does.
    """

    def __init__(self, reader: Reader, pattern: str, last_s: float, ask: Ask) -> None:
        self.past: dict[str, Sequence[float | None]] = {}
        self.trouble = ""
        self._reader = reader
        self._pattern = pattern
        self._last_ns = round(last_s * 1e9)
        self._ask = ask
        self._latest = Latest()
        self._asked_s: float | None = None
        self._status: Status | None = None
        self._members: list[MemberStatus] = []

    def devices(self, now_ns: int) -> list[DeviceView]:
        """Return how everything is at a time (UTC, ns)."""
        self._ask_collector()
        if self._status is None:
            statuses = device_statuses(self._reader, None, now_ns=now_ns)
        else:
            statuses = self._status.devices
        described = [
            each for each in self._reader.series(self._pattern) if self._is_shown(each.name)
        ]
        latest = self._latest.of(self._reader, _ALL).readings.values()
        found = overview(statuses, self._members, described, latest, now_ns)
        return [each for each in found if each.series or self._pattern == _ALL]

    def _is_shown(self, series: str) -> bool:
        """Say whether a series is shown: the health of agents fills the screen, and is asked for."""
        return self._pattern != _ALL or not series.partition("/")[2].startswith(_OWN_SENSOR)

    def read_past(self) -> None:
        """Sum up what was. Takes a while."""
        self.past = _past(self._reader, self._pattern, self._last_ns)

    @contextmanager
    def reading_past(self) -> Iterator[None]:
        """Sum it up again and again meanwhile, in another thread."""
        end = threading.Event()
        thread = threading.Thread(target=self._keep, args=(end,), name="past", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()

    def _ask_collector(self) -> None:
        now_s = time.monotonic()
        if self._asked_s is not None and now_s - self._asked_s < _ASK_EVERY_S:
            return
        self._status = self._ask(Status, "status")
        members = self._ask(list[MemberStatus], "devices") if self._status else None
        self._members = members or []
        self.trouble = "" if self._status else _NOT_RUNNING
        self._asked_s = time.monotonic()

    def _keep(self, end: threading.Event) -> None:
        wait_s = 0.0
        while not end.wait(wait_s):
            began_s = time.monotonic()
            try:
                with closing(Reader(self._reader.path)) as reader:
                    self.past = _past(reader, self._pattern, self._last_ns)
            except (StoreError, sqlite3.Error, UnicodeDecodeError):
                pass  # whoever reads the values meets it too, and says so
            wait_s = max(_PAST_EVERY_S, (time.monotonic() - began_s) / _PAST_SHARE)


def _past(reader: Reader, pattern: str, last_ns: int) -> dict[str, Sequence[float | None]]:
    end_ns = time.time_ns()
    grid = grid_for(BARS, end_ns - last_ns, end_ns, UTC)
    first_ns = (end_ns - last_ns) // grid.width_ns * grid.width_ns
    count = (end_ns - first_ns) // grid.width_ns + 1
    found: dict[str, Sequence[float | None]] = {}
    for key, buckets in summaries(reader, pattern, first_ns, end_ns, grid).items():
        bars: list[float | None] = [None] * count
        values = means(buckets)
        for start_ns, value in zip(buckets.starts_ns.tolist(), values.tolist(), strict=True):
            place = (start_ns - first_ns) // grid.width_ns
            if 0 <= place < count and np.isfinite(value):
                bars[place] = value
        found[key.series] = bars
    return found

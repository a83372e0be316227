"""The latest reading of each series, remembered: a question decodes only what has come since the last.

Of a device whose clock was not synchronised times can become known later, so it is asked anew each
time; one of which readings were deleted or have expired, once; and all are, where rows are gone or too many.
"""

import math
import re
import threading
from fnmatch import fnmatchcase, translate
from typing import Any

import numpy as np

from collector.clock import OWN, Known
from collector.store import DatedReading, Newest, Reader, last_place, parts_of, reading_of
from collector.web.encoding import Clock
from wire.readings import grade, reason

# Beyond so many rows the store itself is faster.
_MAX_ROWS = 4096
_WORDS = [(grade(number), reason(number)) for number in range(256)]


class Latest:
    """What is remembered of one store."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._last_row = -1
        self._removed: dict[str, int] = {}
        self._found = Newest({}, set())

    def of(self, reader: Reader, pattern: str) -> Newest:
        """Return the latest reading of each series that matches, in order of their names."""
        matches = re.compile(translate(pattern)).match
        device = pattern.partition("/")[0]
        with self._turn:
            self._catch_up(reader)
            readings, damaged = self._found
            return Newest(
                {name: readings[name] for name in sorted(readings) if matches(name)},
                {each for each in damaged if matches(each) or fnmatchcase(each, f"{device}/[*]")},
            )

    def _catch_up(self, reader: Reader) -> None:
        former, self._last_row = self._last_row, -1  # all is asked for anew behind a failure
        former_removed, self._removed = self._removed, reader.removed()
        newest = reader.last_row_id()
        is_near = former >= 0 and 0 <= newest - former <= _MAX_ROWS
        reached = self._take_new(reader, former, newest) if is_near else None
        if reached is None:
            self._found = reader.latest("*")
        else:
            changed = self._removed.items() - former_removed.items()
            for device in self._of_odd_clocks() | {name for name, _ in changed}:
                self._ask_anew(reader, device)
        self._last_row = newest if reached is None else reached

    def _take_new(self, reader: Reader, former: int, newest: int) -> int | None:
        """Take what has come behind a row; return up to which. None: some of it was sealed before."""
        at, seen = former, 0
        while at < newest and (rows := reader.after(at)):
            for row in rows:
                for part in parts_of(row):
                    if part is None:
                        self._found.damaged.add(f"{row.device}/*")
                    else:
                        self._take(reading_of(part, last_place(part)))
            seen, at = seen + len(rows), rows[-1].id
        reached = max(at, newest)
        return reached if seen == reached - former else None

    def _take(self, reading: DatedReading) -> None:
        former = self._found.readings.get(reading.series)
        is_later = (
            former is None
            or former.time_ns is None
            or reading.time_ns is None
            or reading.time_ns >= former.time_ns
        )
        if is_later:
            self._found.readings[reading.series] = reading

    def _of_odd_clocks(self) -> set[str]:
        readings = self._found.readings.items()
        return {name.partition("/")[0] for name, each in readings if each.dating != OWN}

    def _ask_anew(self, reader: Reader, device: str) -> None:
        readings, damaged = self._found
        its = f"{device}/"
        newest = reader.latest(f"{its}*")
        readings = {name: each for name, each in readings.items() if not name.startswith(its)}
        damaged = {each for each in damaged if not each.startswith(its)}
        self._found = Newest(readings | newest.readings, damaged | newest.damaged)


def told(found: Newest, clock: Clock) -> dict[str, Any]:
    """Return what was found as JSON holds it; `value` is null where there is none."""
    readings = list(found.readings.values())
    times_ns = np.array([each.time_ns or 0 for each in readings], np.int64)
    words = clock.words(times_ns) if clock.form == "rfc3339" else []
    texts = [word.decode() for word in words] or [clock.one(each) for each in times_ns.tolist()]
    latest = [_told(reading, when, clock) for reading, when in zip(readings, texts, strict=True)]
    return {"latest": latest, "damaged": sorted(found.damaged)}


def _told(reading: DatedReading, when: Any, clock: Clock) -> dict[str, Any]:
    known, dating = reading.dating.known, reading.dating
    word, why = _WORDS[reading.quality]
    facts = {
        "series": reading.series,
        "time": when if reading.time_ns is not None else None,
        "value": reading.value if math.isfinite(reading.value) else None,
        "unit": reading.unit,
        "quality": word,
        "reason": why,
        "time_known": known.value,
        "time_error_ns": dating.error_ns,
    }
    if known is Known.UNKNOWN:
        facts["earliest"] = clock.one(dating.earliest_ns)
        facts["latest"] = clock.one(dating.latest_ns)
    return facts

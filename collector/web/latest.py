"""The latest reading of each series, remembered: a question decodes only what has come since the last.

Of a device whose clock was not synchronised times can become known later, so it is asked anew each
time; and all are, where rows are gone or too many, or the store was changed otherwise.
"""

import math
import re
import threading
from fnmatch import translate
from typing import Any

import numpy as np

from collector.clock import OWN, Dating, Known
from collector.store import DatedReading, Part, Reader, parts_of
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
        self._found: dict[str, DatedReading] = {}

    def forget(self) -> None:
        """Ask for all anew at the next question: the store was changed by more than new readings."""
        self._last_row = -1

    def of(self, reader: Reader, pattern: str) -> list[DatedReading]:
        """Return the latest reading of each series that matches, by name."""
        matches = re.compile(translate(pattern)).match
        with self._turn:
            self._catch_up(reader)
            return [each for name, each in sorted(self._found.items()) if matches(name)]

    def _catch_up(self, reader: Reader) -> None:
        newest = reader.last_row_id()
        former, self._last_row = self._last_row, newest
        is_near = former >= 0 and 0 <= newest - former <= _MAX_ROWS
        if not (is_near and self._take_new(reader, former, newest)):
            self._found = reader.latest("*")

    def _take_new(self, reader: Reader, former: int, newest: int) -> bool:
        """Take what has come behind a row; False: some of it was sealed before."""
        at, seen = former, 0
        while at < newest and (rows := reader.after(at)):
            for row in rows:
                for part in parts_of(row):
                    if part is not None:
                        self._take(_last_of(part))
            seen, at = seen + len(rows), rows[-1].id
        if seen != max(at, newest) - former:
            return False
        self._last_row = max(at, newest)
        odd = {name.partition("/")[0] for name, each in self._found.items() if each.dating != OWN}
        for device in odd:
            self._found |= reader.latest(f"{device}/*")
        return True

    def _take(self, reading: DatedReading) -> None:
        former = self._found.get(reading.series)
        is_later = (
            former is None
            or former.time_ns is None
            or reading.time_ns is None
            or reading.time_ns >= former.time_ns
        )
        if is_later:
            self._found[reading.series] = reading


def _last_of(part: Part) -> DatedReading:
    """Return the last reading of a part of one batch."""
    at = int(np.argmax(part.times_ns)) if len(part.times_ns) > 1 else 0
    dating: Dating = part.datings[at]
    time_ns = None if dating.known is Known.UNKNOWN else int(part.times_ns[at])
    value, quality = float(part.values[at]), int(part.qualities[at])
    return DatedReading(part.series, time_ns, value, quality, part.unit, dating)


def told(readings: list[DatedReading], clock: Clock) -> list[dict[str, Any]]:
    """Return readings as JSON holds them; `value` is null where there is none."""
    times_ns = np.array([each.time_ns or 0 for each in readings], np.int64)
    words = clock.words(times_ns) if clock.form == "rfc3339" else []
    texts = [word.decode() for word in words] or [clock.one(each) for each in times_ns.tolist()]
    return [_told(reading, when, clock) for reading, when in zip(readings, texts, strict=True)]


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

"""How much a selection is: what whoever deletes is shown before. Reads; of sealed readings only the heads."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from collector.store.cutting import Span
from collector.store.database import open_for_reading
from collector.store.deletion import Selection, bound
from collector.store.history import stored_series
from collector.store.parts import parts_of, within
from collector.store.reader import Reader
from collector.store.rows import BATCH, batch_row


class Amount(NamedTuple):
    """Which series, about how many readings, and the first and last time of them (UTC, ns), if any."""

    series: list[str]
    readings: int
    first_ns: int | None
    last_ns: int | None


def amount_of(path: Path, selection: Selection) -> Amount:
    """Return how much a selection is.

    Raises:
        StoreError: the store cannot be read.
    """
    found = _Found(selection.span)
    with closing(Reader(path)) as reader, closing(open_for_reading(path)) as database:
        names = {row.name for row in reader.series(selection.pattern)}
        for series in stored_series(database, selection.pattern):
            names.add(series.key.series)
            for row in database.execute(
                "SELECT from_ns, to_ns, readings FROM chunk"
                " WHERE series = ? AND to_ns >= ? AND from_ns <= ?",
                (series.id, *bound(found.span)),
            ):
                found.add(*row)
        for device in reader.devices(selection.pattern):
            for row in database.execute(
                f"SELECT {BATCH} WHERE device = ? AND to_ns >= ? AND from_ns <= ?",
                (device.id, *bound(found.span)),
            ):
                for part in parts_of(batch_row(row), selection.pattern):
                    if part is not None and not part.boot:
                        names.add(part.series)
                        times_ns = within(part, *found.span).times_ns
                        if len(times_ns):
                            found.add(int(times_ns.min()), int(times_ns.max()), len(times_ns))
    return Amount(sorted(names), round(found.readings), found.first_ns, found.last_ns)


class _Found:
    """What was found so far; of what reaches beyond the span a share counts."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.readings = 0.0
        self.first_ns: int | None = None
        self.last_ns: int | None = None

    def add(self, from_ns: int, to_ns: int, readings: int) -> None:
        """Take note of readings from one time up to and with another."""
        first_ns = max(from_ns, self.span.start_ns)
        last_ns = min(to_ns, self.span.end_ns - 1)
        self.readings += readings * (last_ns - first_ns + 1) / (to_ns - from_ns + 1)
        self.first_ns = first_ns if self.first_ns is None else min(self.first_ns, first_ns)
        self.last_ns = last_ns if self.last_ns is None else max(self.last_ns, last_ns)

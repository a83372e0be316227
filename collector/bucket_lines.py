"""Buckets as lines of text: for people (`table`), for spreadsheets (`csv`), for programs (`json`).

The time of a bucket is when it begins. Bad readings are counted, and in nothing else.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from collector.printing import Style, quoted, shown
from collector.store import Buckets, Key
from collector.summaries import AGGREGATES
from collector.times import told

Found = Iterable[tuple[Key, Buckets]]

_json = msgspec.json.Encoder()
_WHOLE = ("count", "bad")


def table_lines(found: Found, names: Sequence[str], style: Style) -> Iterator[str]:
    """Give a head and a line a bucket, in columns."""
    width = len(told(0, style.zone))
    heads = "".join(f" {name:>12}" for name in names)
    yield f"{'TIME':{width}}  {'SERIES':{style.width}} {heads.upper()}     BAD UNIT"
    for key, buckets in found:
        decimals = style.decimals.get(key.series)
        for start_ns, bad, *values in _rows(buckets, names):
            cells = "".join(
                f" {value if name in _WHOLE else shown(value, decimals):>12}"
                for name, value in zip(names, values, strict=True)
            )
            when = told(start_ns, style.zone)
            yield f"{when:{width}}  {key.series:{style.width}} {cells} {bad:7} {key.unit}".rstrip()


def csv_lines(found: Found, names: Sequence[str], style: Style) -> Iterator[str]:
    """Give a head and a line a bucket (RFC 4180); every digit of the values."""
    yield f"time,series,{','.join(names)},bad,unit"
    for key, buckets in found:
        unit = quoted(key.unit)
        for start_ns, bad, *values in _rows(buckets, names):
            cells = ",".join("" if _is_none(value) else repr(value) for value in values)
            yield f"{told(start_ns, style.zone)},{key.series},{cells},{bad},{unit}"


def json_lines(found: Found, names: Sequence[str], style: Style) -> Iterator[str]:
    """Give one JSON object a line; null where no reading of a bucket has a value."""
    for key, buckets in found:
        for start_ns, bad, *values in _rows(buckets, names):
            facts: dict[str, Any] = {
                "time": told(start_ns, style.zone),
                "time_ns": start_ns,
                "series": key.series,
                "unit": key.unit,
            }
            for name, value in zip(names, values, strict=True):
                facts[name] = None if _is_none(value) else value
            yield _json.encode(facts | {"bad": bad}).decode()


def _rows(buckets: Buckets, names: Sequence[str]) -> Iterator[list[Any]]:
    """Give the start, the count of bad readings and the aggregates of each bucket."""
    columns: list[list[Any]] = [
        buckets.counts.tolist() if name == "count" else AGGREGATES[name](buckets).tolist()
        for name in names
    ]
    for row in zip(buckets.starts_ns.tolist(), buckets.bads.tolist(), *columns, strict=True):
        yield list(row)


def _is_none(value: float) -> bool:
    return math.isnan(value)


FORMATS: dict[str, Callable[[Found, Sequence[str], Style], Iterator[str]]] = {
    "table": table_lines,
    "csv": csv_lines,
    "json": json_lines,
}

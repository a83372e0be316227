"""Readings as lines of text: for people (`table`), for spreadsheets (`csv`), for programs (`json`)."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

import msgspec

from collector.clock import Dating, Known
from collector.query import DatedReading
from collector.times import told
from wire.readings import grade, in_words, reason

_json = msgspec.json.Encoder()
_UNKNOWN = "unknown"


class Style(NamedTuple):
    """What lines need beside the readings: the zone of times, and the decimals of each series."""

    zone: tzinfo
    decimals: Mapping[str, int | None]
    width: int


def shown(value: float, decimals: int | None) -> str:
    """Return a value as a table shows it; `-` where there is none."""
    if math.isnan(value):
        return "-"
    return f"{value:.{decimals}f}" if decimals is not None else f"{value:.12g}"


def quality_told(quality: int) -> str:
    """Return a quality with its reason."""
    return in_words(grade(quality), reason(quality))


def table_lines(readings: Iterable[DatedReading], style: Style) -> Iterator[str]:
    """Give a line a reading, in columns; behind them how its time is known, if not by its own clock."""
    width = len(told(0, style.zone))
    for reading in readings:
        value = shown(reading.value, style.decimals.get(reading.series))
        when = _UNKNOWN if reading.time_ns is None else told(reading.time_ns, style.zone)
        note = dating_told(reading.dating, style.zone)
        yield (
            f"{when:{width}}  {reading.series:{style.width}}  "
            f"{value:>12} {reading.unit:6} {quality_told(reading.quality)}"
            f"{f'  {note}' if note else ''}"
        )


def csv_lines(readings: Iterable[DatedReading], style: Style) -> Iterator[str]:
    """Give a head and a line a reading (RFC 4180); every digit of the value.

    In the place of a time that is unknown stands the interval that it lies in (ISO 8601-2).
    """
    yield "time,series,value,unit,quality"
    for reading in readings:
        value = "" if math.isnan(reading.value) else repr(reading.value)
        when = _interval(reading, style.zone)
        unit = quoted(reading.unit)
        yield f"{when},{reading.series},{value},{unit},{quality_told(reading.quality)}"


def quoted(text: str) -> str:
    """Return a text as a field of a CSV."""
    return '"' + text.replace('"', '""') + '"' if set(text) & {",", '"'} else text


def json_lines(readings: Iterable[DatedReading], style: Style) -> Iterator[str]:
    """Give one JSON object a line; `value` is null where the quality is bad.

    `time` is null where it is unknown; then two more fields bound it, null where nobody knows.
    """
    for reading in readings:
        when_ns, dating = reading.time_ns, reading.dating
        facts: dict[str, object] = {
            "time": None if when_ns is None else told(when_ns, style.zone),
            "time_ns": when_ns,
            "series": reading.series,
            "value": None if math.isnan(reading.value) else reading.value,
            "unit": reading.unit,
            "quality": grade(reading.quality),
            "reason": reason(reading.quality),
            **dating_facts(dating),
        }
        yield _json.encode(facts).decode()


def dating_facts(dating: Dating) -> dict[str, object]:
    """Return how a time is known, as programs are told."""
    facts: dict[str, object] = {"time_known": str(dating.known), "time_error_ns": dating.error_ns}
    if dating.known is Known.UNKNOWN:
        facts |= {"earliest_ns": dating.earliest_ns, "latest_ns": dating.latest_ns}
    return facts


def dating_told(dating: Dating, zone: tzinfo) -> str:
    """Return how a time is known, as people are told; nothing where the device's clock was right."""
    if dating.known is Known.SYNCED:
        return ""
    if dating.known is Known.DERIVED:
        return f"(derived, to {_span(dating.error_ns or 0)})"
    earliest_ns, latest_ns = dating.earliest_ns, dating.latest_ns
    bounds = [] if earliest_ns is None else [f"after {told(earliest_ns, zone)}"]
    bounds += [] if latest_ns is None else [f"before {told(latest_ns, zone)}"]
    return f"(read {' and '.join(bounds)})" if bounds else "(nobody knows when)"


def _span(error_ns: int) -> str:
    """Return an error bound, never too small: in milliseconds, or seconds where it is long."""
    if error_ns < 10**9:
        return f"{-(-error_ns // 10**6)} ms"
    return f"{-(-error_ns // 10**9)} s"


def _interval(reading: DatedReading, zone: tzinfo) -> str:
    if reading.time_ns is not None:
        return told(reading.time_ns, zone)
    ends = (reading.dating.earliest_ns, reading.dating.latest_ns)
    return "/".join(".." if each is None else told(each, zone) for each in ends)


FORMATS: dict[str, Callable[[Iterable[DatedReading], Style], Iterator[str]]] = {
    "table": table_lines,
    "csv": csv_lines,
    "json": json_lines,
}

"""Readings as lines of text: for people (`table`), for spreadsheets (`csv`), for programs (`json`)."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

import msgspec

from collector.times import told
from wire.readings import Reading, grade, in_words, reason

_json = msgspec.json.Encoder()


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


def table_lines(readings: Iterable[Reading], style: Style) -> Iterator[str]:
    """Give a line a reading, in columns."""
    for reading in readings:
        value = shown(reading.value, style.decimals.get(reading.series))
        yield (
            f"{told(reading.time_ns, style.zone)}  {reading.series:{style.width}}  "
            f"{value:>12} {reading.unit:6} {quality_told(reading.quality)}"
        )


def csv_lines(readings: Iterable[Reading], style: Style) -> Iterator[str]:
    """Give a head and a line a reading (RFC 4180); every digit of the value."""
    yield "time,series,value,unit,quality"
    for reading in readings:
        value = "" if math.isnan(reading.value) else repr(reading.value)
        unit = (
            '"' + reading.unit.replace('"', '""') + '"'
            if set(reading.unit) & {",", '"'}
            else reading.unit
        )
        when = told(reading.time_ns, style.zone)
        yield f"{when},{reading.series},{value},{unit},{quality_told(reading.quality)}"


def json_lines(readings: Iterable[Reading], style: Style) -> Iterator[str]:
    """Give one JSON object a line; `value` is null where the quality is bad."""
    for reading in readings:
        facts = {
            "time": told(reading.time_ns, style.zone),
            "time_ns": reading.time_ns,
            "series": reading.series,
            "value": None if math.isnan(reading.value) else reading.value,
            "unit": reading.unit,
            "quality": grade(reading.quality),
            "reason": reason(reading.quality),
        }
        yield _json.encode(facts).decode()


FORMATS: dict[str, Callable[[Iterable[Reading], Style], Iterator[str]]] = {
    "table": table_lines,
    "csv": csv_lines,
    "json": json_lines,
}

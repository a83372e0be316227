"""The overview in a terminal: what stands in each line, in which colour. Pure but for what rich draws."""

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.device_states import STATES
from collector.overview import DeviceView, SeriesView
from collector.times import told
from collector.written import sparkline, unit_written, value_written
from service.spoken import duration
from wire.readings import in_words

Past = Mapping[str, Sequence[float | None]]

_STATES = {
    "silent": ("■", "bold red"),
    "late": ("◐", "yellow"),
    "draining": ("▲", "magenta"),
    "never_seen": ("○", "dim"),
    "live": ("●", "green"),
}
_CONDITIONS = {
    "bad": "red",
    "suspect": "yellow",
    "good": "",
    "quiet": "dim",
    "none": "dim",
}
_HEADS = ("SERIES", "VALUE", "UNIT", "AGE", "PAST", "STATE")
_GAP = 2
MAX_BARS = 32
_PAST_LEAST = 6
_STATE_LEAST = 12
_ADVICE = "no device yet: telegauge-collector invite NAME lets one in"


class Look(NamedTuple):
    """How the overview is shown.

    Args:
        width: characters of a line.
        has_signs: whether the terminal shows more than ASCII.
        title: what stands above, such as that no collector runs.
        first_line: how many lines are scrolled away.
        max_lines: how many there is room for; None: all.
    """

    zone: tzinfo
    width: int
    has_signs: bool
    title: str = ""
    first_line: int = 0
    max_lines: int | None = None


class _Line(NamedTuple):
    name: Text
    value: str
    unit: str
    age: str
    past: Sequence[float | None]
    state: str
    style: str


class _Widths(NamedTuple):
    """How many characters each column has, whichever of the lines are shown."""

    name: int
    value: int
    unit: int
    age: int
    past: int
    state: int

    @classmethod
    def of(cls, lines: Sequence[_Line], look: Look) -> "_Widths":
        """Give numbers what they want; names and words are cut where there is too little."""
        value = _widest("VALUE", (line.value for line in lines))
        unit = _widest("UNIT", (line.unit for line in lines))
        age = _widest("AGE", (line.age for line in lines))
        name = _widest("SERIES", (line.name.plain for line in lines))
        state = _widest("STATE", (line.state for line in lines))
        room = max(2, look.width - value - unit - age - _GAP * (len(_HEADS) - 1))
        name = max(1, min(name, max(room - min(state, _STATE_LEAST), room // 2)))
        state = max(1, min(state, room - name))
        past = min(MAX_BARS, room - name - state)
        return cls(
            name, value, unit, age, past if look.has_signs and past >= _PAST_LEAST else 0, state
        )


def _widest(head: str, cells: Iterable[str]) -> int:
    return max(map(cell_len, [head, *cells]))


def shows_signs(encoding: str | None) -> bool:
    """Say whether a terminal of an encoding shows more than ASCII."""
    try:
        return codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        return False


def drawn(devices: Sequence[DeviceView], past: Past, now_ns: int, look: Look) -> RenderableType:
    """Return the overview as rich draws it."""
    lines = list(_lines(devices, now_ns, past, look))
    head = Text(_head(devices, now_ns, look), no_wrap=True, overflow="ellipsis")
    if not lines:
        return Group(head, Text(_ADVICE))
    widths = _Widths.of(lines, look)
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, _GAP, 0, 0))
    for name, width in zip(_HEADS, widths, strict=True):
        is_number = name in ("VALUE", "AGE")
        table.add_column(
            name if width else "",
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    last_line = None if look.max_lines is None else look.first_line + look.max_lines
    for line in lines[look.first_line : last_line]:
        bars = Text(sparkline(line.past[-widths.past :]) if widths.past else "", style="cyan")
        table.add_row(
            line.name, line.value, line.unit, line.age, bars, line.state, style=line.style
        )
    return Group(head, table)


def line_count(devices: Sequence[DeviceView]) -> int:
    """Return how many lines there are below the head of the table."""
    return sum(1 + len(each.series) for each in devices)


def _head(devices: Sequence[DeviceView], now_ns: int, look: Look) -> str:
    states = [each.state for each in devices]
    counts = [
        f"{states.count(state)} {state.replace('_', ' ')}" for state in STATES if state in states
    ]
    series = sum(len(each.series) for each in devices)
    parts = [told(now_ns, look.zone)[:19].replace("T", " "), *counts, f"{series} series"]
    return "  ".join([*parts, look.title] if look.title else parts)


def _lines(devices: Sequence[DeviceView], now_ns: int, past: Past, look: Look) -> Iterator[_Line]:
    for device in devices:
        yield _of_device(device, now_ns, look)
        for series in device.series:
            yield _of_series(series, now_ns, past.get(series.series, ()), look)


def _of_device(device: DeviceView, now_ns: int, look: Look) -> _Line:
    sign, style = _STATES[device.state]
    words = [device.state.replace("_", " ")]
    if device.standing in ("revoked", "invited", "expired"):
        words.append(device.standing)
    if device.connected is False and device.heard_ns is not None:
        words.append("away")
    if device.spooled_readings:
        words.append(f"{device.spooled_readings:.0f} wait there")
    name = Text(f"{sign} {device.device}" if look.has_signs else device.device, style="bold")
    if device.label:
        name.append(f"  {device.label}", style="not bold dim")
    age = "never" if device.heard_ns is None else _age(device.heard_ns, now_ns)
    return _Line(name, "", "", age, (), ", ".join(words), style)


def _of_series(series: SeriesView, now_ns: int, past: Sequence[float | None], look: Look) -> _Line:
    word = "" if series.condition in ("good", "none") else series.condition
    return _Line(
        Text(f"  {series.series.partition('/')[2]}"),
        value_written(series.value, series.decimals),
        unit_written(series.unit) if look.has_signs else series.unit,
        "-" if series.condition == "none" else _age(series.time_ns, now_ns),
        past,
        word if word == "quiet" else in_words(word, series.reason),
        _CONDITIONS[series.condition],
    )


def _age(time_ns: int | None, now_ns: int) -> str:
    if time_ns is None:
        return "unknown"
    return duration(max(0.0, (now_ns - time_ns) / 1e9))

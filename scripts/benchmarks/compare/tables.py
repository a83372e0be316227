"""Tables of medians, with the ratios of ours to the peers', which are taken within a round."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

Figure = dict[str, Any]
_OURS = "telegauge"


class _Table(NamedTuple):
    """One table: which figures go into it, what makes a line of them, and what is shown."""

    part: str
    cases: tuple[str, ...]
    columns: dict[str, str]


_TABLES = [
    _Table(
        "ingest",
        ("readings", "per_batch", "connections", "channels", "jitter_ms"),
        {
            "readings_s": "readings/s until sealed",
            "acked_readings_s": "readings/s until acknowledged",
            "cpu_s_per_million": "CPU s/M",
            "sender_cpu_s_per_million": "sender CPU s/M",
            "peak_rss_mb": "peak RSS MB",
            "bytes_per_reading": "bytes a reading",
            "raw_bytes_per_reading": "raw",
            "rollup_bytes_per_reading": "rollups",
            "hold_p99_ms": "hold p99 ms",
            "hold_longest_ms": "longest",
        },
    ),
    _Table(
        "latency",
        ("readings", "per_batch"),
        {"load_readings_s": "load, readings/s", "p50_ms": "ack p50 ms", "p99_ms": "p99 ms"},
    ),
    _Table(
        "size",
        ("data",),
        {
            "bytes_per_reading": "bytes a reading on disk",
            "raw_bytes_per_reading": "raw",
            "raw_payload_bytes_per_reading": "raw, without what fills pages and blocks",
            "rollup_bytes_per_reading": "rollups",
        },
    ),
    _Table(
        "query",
        ("question",),
        {
            "took_ms": "ms",
            "first_ms": "first time",
            "cpu_ms": "server CPU ms",
            "body_bytes": "bytes",
        },
    ),
]


def lines(figures: Sequence[Figure]) -> list[str]:
    """Return a table for each part that was measured."""
    return [line for table in _TABLES for line in _table(table, figures)]


def _table(table: _Table, figures: Sequence[Figure]) -> Iterator[str]:
    found = [_flat(each) for each in figures if each["part"] == table.part]
    if not found:
        return
    shown = {key: text for key, text in table.columns.items() if any(key in each for each in found)}
    heads = [*(case.replace("_", " ") for case in table.cases), "party", *shown.values(), "ratio"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for case in sorted({_case(table, each) for each in found}, key=str):
        here = [each for each in found if _case(table, each) == case]
        for party in sorted({each["party"] for each in here}, key=lambda name: name != _OURS):
            theirs = [each for each in here if each["party"] == party]
            cells = [_spread([each[key] for each in theirs if key in each]) for key in shown]
            ratio = "" if party == _OURS else _ratio(here, party, next(iter(shown)))
            yield f"| {' | '.join([*map(str, case), party, *cells, ratio])} |"
    yield ""


def _ratio(here: Sequence[Figure], party: str, key: str) -> str:
    """Return ours over theirs, of the rounds that both have."""
    ours = {each.get("round"): each[key] for each in here if each["party"] == _OURS}
    ratios = [
        ours[each.get("round")] / each[key]
        for each in here
        if each["party"] == party and each.get("round") in ours
    ]
    return _spread(ratios)


def _case(table: _Table, figure: Figure) -> tuple[Any, ...]:
    return tuple(figure[key] for key in table.cases)


def _flat(figure: Figure) -> Figure:
    """Return a figure with one number for what was repeated within it."""
    repeated = {key: median(each) for key, each in figure.items() if isinstance(each, list)}
    return figure | repeated


def _spread(numbers: Sequence[float]) -> str:
    if not numbers:
        return ""
    middle = _number(median(numbers))
    if len(numbers) == 1:
        return middle
    return f"{middle} ({_number(min(numbers))} to {_number(max(numbers))})"


_SHORT: list[tuple[float, Callable[[float], str]]] = [
    (1e6, lambda number: f"{number / 1e6:.2f} M"),
    (1e4, lambda number: f"{number / 1e3:.0f} k"),
    (100, lambda number: f"{number:.0f}"),
]


def _number(number: float) -> str:
    for least, form in _SHORT:
        if number >= least:
            return form(number)
    return f"{number:.3g}"

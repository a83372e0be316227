"""Units and values as people write them, and a few values as a line of small bars. Pure.

In the store, on the wire and in YAML a unit is ASCII; the page writes it as here.
"""

import math
from collections.abc import Mapping, Sequence

UNITS: Mapping[str, str] = {
    "degC": "°C",
    "degF": "°F",
    "deg": "°",
    "ug/m3": "µg/m³",
    "mg/m3": "mg/m³",
    "m/s2": "m/s²",
    "m2": "m²",
    "m3": "m³",
    "W/m2": "W/m²",
    "uT": "µT",
    "uA": "µA",
    "uV": "µV",
    "us": "µs",
    "Ohm": "Ω",
    "kOhm": "kΩ",
}
_BARS = "▁▂▃▄▅▆▇█"


def unit_written(unit: str) -> str:
    """Return a unit as people write it; one that nobody knows stays as it is."""
    return UNITS.get(unit, unit)


def value_written(value: float | None, decimals: int | None) -> str:
    """Return a value with so many decimals, or with six digits that count; `-` where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    if decimals is None or abs(value) >= 1e9:
        return f"{value:.6g}"
    return f"{value:.{decimals}f}"


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar a value, from the least to the greatest of them; a space where there is none."""
    known = [each for each in values if each is not None and math.isfinite(each)]
    if not known:
        return " " * len(values)
    least, greatest = min(known), max(known)
    return "".join(_bar(each, least, greatest) for each in values)


def _bar(value: float | None, least: float, greatest: float) -> str:
    if value is None or not math.isfinite(value):
        return " "
    if greatest <= least:
        return _BARS[len(_BARS) // 2 - 1]
    share = (value / 2 - least / 2) / (greatest / 2 - least / 2)  # halves: a span never overflows
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]

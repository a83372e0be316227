"""Durations, sizes and numbers: how they are written (`10s`, `64MiB`, `-0.4`), read and shown.

Knows no setting; the limits of one are arguments. Inside the programs a duration is seconds (float)
and a size bytes (int).
"""

import re
from collections.abc import Callable, Mapping

from config.notation import Notation
from config.problems import shown

_DURATION_UNITS_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "y": 365 * 86_400_000,
}
_SIZE_UNITS_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION_WORDS = "a whole number with its unit, such as 500ms 10s 5m 2h 90d 1y"
# No leading zero: for YAML 1.1 `010` is eight.
_WHOLE = "-?(0|[1-9][0-9]{0,15})"
_NUMBER = rf"{_WHOLE}(\.[0-9]{{0,30}})?([eE][-+]?[0-9]{{1,2}})?"
_SIZE_WORDS = "a whole number with its unit, such as 64KiB 64MiB 2GiB"


def duration(least: str, most: str, step: str = "1ms") -> Notation:
    """Return the notation of durations from `least` to `most` in whole multiples of `step`."""
    least_ms, most_ms, step_ms = (_milliseconds(text) for text in (least, most, step))
    accepted = f"{least} to {most}" + (f" in steps of {step}" if step_ms > 1 else "")

    def read(text: str) -> float:
        value_ms = _milliseconds(text)
        if not least_ms <= value_ms <= most_ms or value_ms % step_ms:
            raise ValueError(f"{text} is not accepted here. Accepted: {accepted}")
        return value_ms / 1000

    return Notation(accepted, _pattern(_DURATION_UNITS_MS), read, format_duration)


def size(least: str, most: str) -> Notation:
    """Return the notation of sizes from `least` to `most`."""
    least_bytes, most_bytes = parse_size(least), parse_size(most)
    accepted = f"{least} to {most}"

    def read(text: str) -> int:
        value_bytes = parse_size(text)
        if not least_bytes <= value_bytes <= most_bytes:
            raise ValueError(f"{text} is not accepted here. Accepted: {accepted}")
        return value_bytes

    return Notation(accepted, _pattern(_SIZE_UNITS_BYTES), read, format_size)


def number(least: float = -1e15, most: float = 1e15) -> Notation:
    """Return the notation of decimal numbers from `least` to `most`."""
    return _plain(float, "a number", _NUMBER, least, most, "number")


def whole(least: int, most: int) -> Notation:
    """Return the notation of whole numbers from `least` to `most`."""
    return _plain(int, "a whole number", _WHOLE, least, most, "integer")


def _plain(
    kind: Callable[[str], float], words: str, pattern: str, least: float, most: float, json: str
) -> Notation:
    is_bounded = (least, most) != (-1e15, 1e15)
    accepted = f"{words} from {least:g} to {most:g}" if is_bounded else f"{words}, such as -0.4"
    form = re.compile(pattern)

    def read(text: str) -> float:
        value = kind(text) if form.fullmatch(text) else None
        if value is None or not least <= value <= most:
            raise ValueError(f"`{shown(text)}` is not accepted here. Accepted: {accepted}")
        return value

    return Notation(accepted, f"^{pattern}$", read, kind, json)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration; a year is 365 days.

    Raises:
        ValueError: with what is accepted.
    """
    return _milliseconds(text) / 1000


def parse_size(text: str) -> int:
    """Return the bytes of a size.

    Raises:
        ValueError: with what is accepted.
    """
    return _scaled(text, _SIZE_UNITS_BYTES, f"a size. Accepted: {_SIZE_WORDS}", "MiB")


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as these seconds, to the millisecond."""
    return _shortest(round(seconds * 1000), _DURATION_UNITS_MS, "s")


def format_size(size_bytes: int) -> str:
    """Return the shortest text that `parse_size` reads as these bytes, whole KiB."""
    return _shortest(size_bytes, _SIZE_UNITS_BYTES, "KiB")


def _milliseconds(text: str) -> int:
    return _scaled(text, _DURATION_UNITS_MS, f"a duration. Accepted: {_DURATION_WORDS}", "s")


def _scaled(text: str, units: Mapping[str, int], accepted: str, usual_unit: str) -> int:
    found = re.fullmatch(r"([0-9]{1,12})([A-Za-z]*)", text)
    if found and found[2] in units:
        return int(found[1]) * units[found[2]]
    if found and not found[2]:
        raise ValueError(f"{text} of what? Write the unit too, for example {text}{usual_unit}")
    raise ValueError(f"`{shown(text)}` is not {accepted}")


def _shortest(value: int, units: Mapping[str, int], zero_unit: str) -> str:
    if value == 0:
        return f"0{zero_unit}"
    unit = max((unit for unit in units if value % units[unit] == 0), key=lambda unit: units[unit])
    return f"{value // units[unit]}{unit}"


def _pattern(units: Mapping[str, int]) -> str:
    return f"^[0-9]{{1,12}}({'|'.join(units)})$"

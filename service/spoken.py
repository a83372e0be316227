"""Durations, sizes and names as people say them, and text cut to what there is room for. Pure."""

from collections.abc import Sequence

_DURATIONS = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"))
_SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))

# What a status line has room for, and of that a trouble, and names.
_LINE_CHARACTERS = 300
_TROUBLE_CHARACTERS = 180
_NAMED = 3
_NAMES_CHARACTERS = 80


def duration(seconds: float) -> str:
    """Return about how long it is: `40 s`, `5 min`, `3 h`, `2 days`."""
    for unit_s, unit in _DURATIONS:
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(size_bytes: int) -> str:
    """Return about how large it is: `512 bytes`, `1.2 GiB`."""
    for unit_bytes, unit in _SIZES:
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:.1f} {unit}"
    return f"{size_bytes} bytes"


def cut(text: str, characters: int) -> str:
    """Return the text, or what of it fits."""
    return text if len(text) <= characters else text[: characters - 3] + "..."


def some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    said = cut(", ".join(names[:_NAMED]), _NAMES_CHARACTERS)
    more = len(names) - _NAMED
    return f"{said} and {more} more" if more > 0 else said


def status(parts: Sequence[str], troubles: Sequence[str]) -> str:
    """Return one line for the service manager: how a program stands, and what somebody should know."""
    cut_troubles = [cut(each, _TROUBLE_CHARACTERS) for each in troubles]
    return cut(", ".join([*parts, *cut_troubles]), _LINE_CHARACTERS)

"""Columns of text for people: aligned, without frames, so that `grep` and `cut` like them too."""

from collections.abc import Iterable, Sequence


def lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a head line and a line a row; a head that begins with `>` aligns its column right."""
    right = [head.startswith(">") for head in heads]
    whole = [[head.removeprefix(">") for head in heads], *map(list, rows)]
    widths = [max(len(row[column]) for row in whole) for column in range(len(heads))]
    return [_line(row, widths, right) for row in whole]


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = [
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(row, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()

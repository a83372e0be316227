"""What is wrong with a configuration file, and how that is shown to people.

Knows neither YAML nor settings.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

KeyPath = tuple[str, ...]

_SHOWN_CHARACTERS = 60
_SHOWN_PROBLEMS = 50
_SHOWN_COLUMNS = 100


class Position(NamedTuple):
    """A place in the file; both count from 1, columns are characters."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; without a position it is the file as a whole."""

    message: str
    key: KeyPath = ()
    position: Position | None = None


class ConfigError(Exception):
    """A file that cannot be used. `str` is the whole report, as shown to people.

    Args:
        file: the name as the user gave it.
        problems: at least one; they are put into the order of the file.
        lines: the file's lines, as far as it could be read.
    """

    def __init__(self, file: str, problems: Iterable[Problem], lines: Sequence[str] = ()) -> None:
        self.file = file
        self.problems = sorted(problems, key=lambda problem: problem.position or (0, 0))
        self._lines = lines
        super().__init__(file, self.problems)

    def __str__(self) -> str:
        parts = [_report(self.file, problem, self._lines) for problem in self._shown]
        return "\n".join([*parts, self._count])

    @property
    def lines(self) -> list[str]:
        """The same report, one line a problem, without what stands in the file."""
        lines = [_head(self.file, problem) for problem in self._shown]
        return [*lines, self._count] if len(self.problems) > len(lines) else lines

    @property
    def in_short(self) -> str:
        """The first problem in one line, and how many more there are."""
        more = len(self.problems) - 1
        return _head(self.file, self.problems[0]) + (f" (and {more} more)" if more else "")

    @property
    def _shown(self) -> list[Problem]:
        return self.problems[:_SHOWN_PROBLEMS]

    @property
    def _count(self) -> str:
        count, shown = len(self.problems), len(self._shown)
        rest = f", the first {shown} are shown" if count > shown else ""
        return f"{count} problem{'s' if count > 1 else ''} in {self.file}{rest}"


def did_you_mean(name: str, accepted: Iterable[str]) -> str:
    """Return " Did you mean `x`?" where a name is close to an accepted one, else nothing."""
    close = difflib.get_close_matches(name[:_SHOWN_CHARACTERS], accepted, n=1)
    return f" Did you mean `{close[0]}`?" if close else ""


def shown(text: str) -> str:
    """Return what of a user's text can stand in a message: one line, not long, printable."""
    short = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
    return _printable(short)


def _head(file: str, problem: Problem) -> str:
    key = f"{'.'.join(map(shown, problem.key))}: " if problem.key else ""
    where = ":".join(map(str, (file, *(problem.position or ()))))
    return f"{where}: {key}{problem.message}"


def _report(file: str, problem: Problem, lines: Sequence[str]) -> str:
    head = _head(file, problem)
    if problem.position is None:
        return head
    line, column = problem.position
    source = lines[line - 1] if line <= len(lines) else ""
    return f"{head}\n{_marked(source, column)}" if source.strip() else head


def _marked(source: str, column: int) -> str:
    """Return the source line with a caret under the column, cut to what a terminal shows."""
    start = max(0, column - 1 - _SHOWN_COLUMNS // 2) if len(source) > _SHOWN_COLUMNS else 0
    part = _printable(source[start : start + _SHOWN_COLUMNS])
    before = part[: column - 1 - start]
    return f"  {part.rstrip()}\n  {' ' * sum(map(_width, before))}^"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " if c in "\t\xa0" else "\ufffd" for c in text)


def _width(character: str) -> int:
    """Return how many terminal columns a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

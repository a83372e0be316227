"""Says what is wrong with a text that is no YAML, in words that tell what to change.

PyYAML's own words describe its scanner ("mapping values are not allowed here"); the place where it
stopped and the line there tell what the writer did. Knows no setting.
"""

import re
from dataclasses import dataclass

import yaml

from config.problems import Position, Problem, shown


@dataclass(frozen=True)
class _Stop:
    """Where PyYAML stopped (`at`), where what it was in `began`, and the `last` sound value."""

    words: str
    at: Position
    began: Position | None
    last: Position
    lines: list[str]

    @property
    def line(self) -> str:
        return self.lines[self.at.line - 1] if self.at.line <= len(self.lines) else ""

    @property
    def before(self) -> str:
        return self.line[: self.at.column - 1]

    @property
    def character(self) -> str:
        return self.line[self.at.column - 1 : self.at.column]

    @property
    def opening(self) -> str:
        """The character that began what was never finished."""
        if self.began is None or self.began.line > len(self.lines):
            return ""
        return self.lines[self.began.line - 1][self.began.column - 1 : self.began.column]


def explained(error: yaml.MarkedYAMLError, lines: list[str], last: Position) -> Problem:
    """Make a problem of PyYAML's error; `last` is where the last sound value began."""
    began = _place(error.context_mark)
    stop = _Stop(str(error.problem), _place(error.problem_mark) or last, began, last, lines)
    for rule in (_tab, _look_alike, _first_character, _unclosed, _no_colon, _colon, _leftover):
        if found := rule(stop):
            return found
    return Problem(f"this is not YAML ({shown(stop.words)})", (), stop.at)


def _place(mark: yaml.Mark | None) -> Position | None:
    return Position(mark.line + 1, mark.column + 1) if mark else None


def _tab(stop: _Stop) -> Problem | None:
    tab = re.match(r" *(\t)", stop.line)
    if not tab and stop.character != "\t":
        return None
    column = tab.start(1) + 1 if tab else stop.at.column
    message = "a tab stands here, which YAML does not take: use spaces"
    return Problem(message, (), Position(stop.at.line, column))


def _look_alike(stop: _Stop) -> Problem | None:
    """Characters that look like a space or a quote, in the line or where its value began."""
    began = stop.began or stop.at
    for number in (stop.at.line, began.line, stop.last.line):
        line = stop.lines[number - 1] if number <= len(stop.lines) else ""
        if found := re.search("\xa0", line):
            message = "a no-break space stands here (it looks like a space): type a plain space"
            return Problem(message, (), Position(number, found.start() + 1))
        if found := re.search(r"[\u201c\u201d\u201e]|(?<!\w)[\u2018\u2019\u201a]", line):
            message = "typographic quotes are no quotes to YAML. Use straight ones: ' or \""
            return Problem(message, (), Position(number, found.start() + 1))
    return None


def _first_character(stop: _Stop) -> Problem | None:
    if "cannot start any token" in stop.words:
        message = f"a value cannot begin with `{stop.character}`: put it in quotes, for example "
        return Problem(f"{message}'{stop.character}'", (), stop.at)
    if stop.opening in ("*", "&", "!", "|", ">") and stop.began and stop.at.line == stop.began.line:
        message = f"`{stop.opening}` has a meaning of its own in YAML: put the value in quotes"
        return Problem(message, (), stop.began)
    if "escape" in stop.words:
        message = "a backslash has a meaning inside double quotes: use single quotes"
        return Problem(message, (), stop.began)
    return None


def _unclosed(stop: _Stop) -> Problem | None:
    if stop.opening in ("'", '"') and "end of stream" in stop.words:
        return Problem(f"this {stop.opening} is never closed", (), stop.began)
    if stop.opening not in ("{", "["):
        return None
    if stop.began and stop.began.line == stop.at.line and stop.character == ":":
        return Problem(_SECOND_COLON, (), stop.at)
    closing = {"{": "}", "[": "]"}[stop.opening]
    where = f" in front of line {stop.at.line}" if stop.character else ""
    message = f"this {stop.opening} is not closed: a {closing} is missing, or a comma{where}"
    return Problem(message, (), stop.began)


def _no_colon(stop: _Stop) -> Problem | None:
    if "could not find expected ':'" not in stop.words or stop.began is None:
        return None
    return Problem(_missing_colon(stop.lines[stop.began.line - 1]), (), stop.began)


def _colon(stop: _Stop) -> Problem | None:
    """A colon where none may be: the second of its line, or in a text begun further up."""
    if stop.character != ":":
        return None
    if "unexpected ':'" in stop.words:
        message = "a space is missing behind this `:`, or the text around it needs quotes"
        return Problem(message, (), stop.at)
    if stop.last.line == stop.at.line or re.search(r":(\s|$)", stop.before):
        return Problem(_SECOND_COLON, (), stop.at)
    above = stop.lines[stop.last.line - 1]
    if re.search(r":\s", above[: stop.last.column - 1]):
        message = f"this line is indented too far: the key in line {stop.last.line} has its value"
        return Problem(message, (), _first_word(stop.line, stop.at.line))
    return Problem(_missing_colon(above), (), stop.last)


def _leftover(stop: _Stop) -> Problem | None:
    if not stop.character:
        return None
    if "entries are not allowed" in stop.words:
        message = "a list begins on a line of its own below its key, or stands in [ ]"
        return Problem(message, (), stop.at)
    if not stop.before.strip():
        return Problem(_INDENTATION, (), stop.at)
    message = "nothing may follow the value here. Text with quotes in it stands in the other quotes"
    return Problem(message, (), stop.at)


def _missing_colon(line: str) -> str:
    if found := re.match(r"\s*(?:- )?([a-z_]+):(\S+)", line):
        return f"a space is missing after the colon: write `{found[1]}: {shown(found[2])}`"
    return "a `:` is missing: keys are written `key: value`"


def _first_word(line: str, number: int) -> Position:
    return Position(number, len(line) - len(line.lstrip()) + 1)


_SECOND_COLON = (
    "a second `:` in one line. If it belongs to the text, put the text in quotes: 'like: this'; "
    "if not, begin a new line"
)
_INDENTATION = (
    "this line does not line up with the keys above it. Keys of one section begin in the same "
    "column"
)

"""Lines of text as readings: what programs, boards and scripts print, in the forms that people print.

    21.5                            number          the channel `value`
    level 0.83                      name value
    temperature=21.5 humidity=40    key=value       also `temperature: 21.5, humidity: 40`
    {"air": {"t": 21.5}}            json            the channel `air_t`; of a list: `air_1`, `air_2` ...
    T is 21.5 (raw 512)             regex           a channel a named group of `pattern`

`auto`, the default, takes the first four, each told by its looks; whoever names a form gets that one
or an error. Text, null, nan and inf are no readings: they are left out, and a line with nothing else
is an error. A number is written with a point. Names become channels: small letters, other characters
than letters and digits `_`. No channel has a unit, as no line says in which it is: the YAML does.

Pure. Never raises anything but LineError, whatever the bytes are.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from config.problems import shown
from device.sensors import OptionProblem
from device.sensors.options import Option
from wire.readings import is_one_line, is_sensor_name

Values = dict[str, float]

# More is noise, or a file that was sent by mistake.
MAX_BYTES = 4096
MAX_CHANNELS = 64
_MAX_DEPTH = 8

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WITH_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_OTHERS = re.compile("[^a-z0-9]+")
_SEPARATORS = re.compile(r"[\s,;]+")
_AROUND_EQUALS = re.compile(r"\s*=\s*|(?<=:)\s+")
_TO_PATTERN = "`parse: regex` with a `pattern` takes numbers out of any line"


class LineError(Exception):
    """A line holds no readings; the message says what is wrong with it."""


def problems(options: Mapping[str, Any]) -> list[OptionProblem]:
    """Say what is wrong with `parse` and `pattern` together, where each alone is right."""
    form, pattern = options.get("parse"), options.get("pattern")
    if pattern is None:
        needs = "`parse: regex` needs the option `pattern`, with a named group a channel"
        return [OptionProblem("parse", needs)] if form == "regex" else []
    if form not in (None, "regex"):
        return [OptionProblem("pattern", f"`pattern` is for `parse: regex`, not `parse: {form}`")]
    return [OptionProblem("pattern", message) for message in _pattern_problems(pattern)]


class Parser:
    """Makes readings of lines, in one form; a `pattern` alone means `regex`."""

    def __init__(self, parse: str, pattern: str | None = None) -> None:
        self._form = "regex" if pattern is not None else parse
        self._pattern = re.compile(pattern or "", re.MULTILINE)
        self._values = _FORMS.get(self._form, self._groups)

    def line(self, line: bytes) -> Values:
        """Return what one line says, a value a channel, in its order.

        Raises:
            LineError: nothing, or not in this form.
        """
        if len(line) > MAX_BYTES:
            raise LineError(f"a line of more than {MAX_BYTES} bytes")
        return self._line(_text(line))

    def output(self, output: bytes) -> Values:
        """Return what the whole output of a program says.

        JSON and a pattern take it as a whole; else every line that is not blank counts, and no
        channel may stand in two of them.

        Raises:
            LineError: nothing, or not in this form.
        """
        text = _text(output)
        if self._form in ("json", "regex") or (self._form == "auto" and text[0] in "{["):
            return _some(self._values(text), text)
        pairs = [
            pair for line in text.splitlines() if line.strip() for pair in self._pairs(line.strip())
        ]
        return _some(_distinct(pairs), text)

    def _pairs(self, line: str) -> Iterable[tuple[str, float]]:
        return self._line(line).items()

    def _line(self, text: str) -> Values:
        if not is_one_line(text.replace("\t", " ")):
            raise LineError(f"`{shown(text)}` has control characters in it")
        return _some(self._values(text), text)

    def _groups(self, text: str) -> Values:
        match = self._pattern.search(text)
        if match is None:
            raise LineError(f"`{shown(text)}` does not match the pattern")
        return {
            name: value
            for name, found in match.groupdict().items()
            if found is not None and (value := number_of(found)) is not None
        }


def channel_name(text: str) -> str:
    """Return the channel that a printed name stands for.

    Raises:
        LineError: none can be made of it.
    """
    name = _OTHERS.sub("_", text.lower()).strip("_")
    if name[:1].isdigit():
        name = f"value_{name}"
    if not is_sensor_name(name):
        raise LineError(
            f"`{shown(text)}` can be no channel: a name has 1 to 63 letters, digits and _"
        )
    return name


def number_of(text: str) -> float | None:
    """Return the number that a text is; None where it is none, or none that a reading can be."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _text(data: bytes) -> str:
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise LineError(f"`{shown(data.decode(errors='replace'))}` is no text") from None
    if not text:
        raise LineError("nothing at all")
    return text


def _some(values: Values, text: str) -> Values:
    if not values:
        raise LineError(f"no number in `{shown(text)}`. {_TO_PATTERN}")
    if len(values) > MAX_CHANNELS:
        raise LineError(f"more than {MAX_CHANNELS} values in `{shown(text)}`")
    return values


def _distinct(pairs: Iterable[tuple[str, float]]) -> Values:
    values: Values = {}
    for name, value in pairs:
        if name in values:
            raise LineError(f"the channel `{name}` stands there twice")
        values[name] = value
    return values


def _auto(text: str) -> Values:
    if text[0] in "{[":
        return _json(text)
    if (number := number_of(text)) is not None:
        return {"value": number}
    if _WITH_COMMA.fullmatch(text):
        raise LineError(_point(text))
    if "=" in text or ":" in text:
        return _keys(text)
    if len(text.split()) == 2:
        return _name_value(text)
    raise LineError(
        f"`{shown(text)}` is no number, `name value`, `key=value` or JSON. {_TO_PATTERN}"
    )


def _alone(text: str) -> Values:
    number = number_of(text)
    if number is None:
        raise LineError(_no_number(text))
    return {"value": number}


def _name_value(text: str) -> Values:
    name, _, value = text.replace("\t", " ").partition(" ")
    number = number_of(value.strip())
    if number is None:
        raise LineError(_no_number(value.strip() or text))
    if not name[0].isalpha():
        raise LineError(f"`{shown(name)}` is no name of a value: it begins with a letter")
    return {channel_name(name): number}


def _keys(text: str) -> Values:
    pieces = _SEPARATORS.split(_AROUND_EQUALS.sub(lambda found: found[0].strip(), text))
    pairs = [_pair(piece, text) for piece in pieces if piece]
    return _distinct((channel_name(name), number) for name, number in pairs if number is not None)


def _pair(piece: str, text: str) -> tuple[str, float | None]:
    """Take `name=value` apart, or `name:value`; the latter may be a time of day, if no letter leads."""
    name, equals, value = piece.partition("=")
    if not equals:
        name, equals, value = piece.partition(":")
        equals = equals if name[:1].isalpha() else ""
    if not equals or not name:
        comma = _WITH_COMMA.search(text)
        raise LineError(
            _point(comma[0])
            if comma
            else f"`{shown(piece)}` in `{shown(text)}` is no key=value. {_TO_PATTERN}"
        )
    return name, number_of(value)


def _json(text: str) -> Values:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise LineError(f"`{shown(text)}` is no JSON: {error}") from None
    named = isinstance(found, dict)
    return _distinct(
        (channel_name(name), value) for name, value in _flat("" if named else "value", found, 0)
    )


def _flat(name: str, found: Any, depth: int) -> Iterator[tuple[str, float]]:
    if depth > _MAX_DEPTH:
        raise LineError(f"more than {_MAX_DEPTH} levels of JSON")
    if isinstance(found, dict | list):
        parts = found.items() if isinstance(found, dict) else enumerate(found, start=1)
        for key, part in parts:
            yield from _flat(f"{name}_{key}" if name else str(key), part, depth + 1)
    elif isinstance(found, bool | int | float):
        yield name, _as_float(found)


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise LineError(f"`{shown(str(number)[:40])}...` is too large") from None


def _no_number(text: str) -> str:
    return _point(text) if _WITH_COMMA.fullmatch(text) else f"`{shown(text)}` is no number"


def _point(text: str) -> str:
    return f"`{shown(text)}`: write a number with a point, `{shown(text.replace(',', '.'))}`"


def _pattern_problems(pattern: str) -> Iterator[str]:
    try:
        names = list(re.compile(pattern, re.MULTILINE).groupindex)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"`pattern` is no regular expression: {error}"
        return
    if not names:
        yield "`pattern` has no named group: (?P<level>[0-9.]+) gives the channel `level`"
    if len(names) > MAX_CHANNELS:
        yield f"`pattern` has more than {MAX_CHANNELS} named groups"
    for name in names:
        if not is_sensor_name(name):
            yield (
                f"the group `{shown(name)}` of `pattern` can be no channel: small letters, digits "
                "and _, beginning with a letter, at most 63 characters"
            )


_FORMS: dict[str, Callable[[str], Values]] = {
    "auto": _auto,
    "number": _alone,
    "name value": _name_value,
    "key=value": _keys,
    "json": _json,
}

OPTIONS = (
    Option("parse", (str,), accepted=(*_FORMS, "regex"), default="auto"),
    Option("pattern", (str,), 1, 1000),
)

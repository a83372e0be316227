"""What a request asks: its query parameters, read and checked; each no says what is accepted."""

import re
import time
from collections.abc import Collection, Mapping
from datetime import tzinfo
from typing import NamedTuple
from urllib.parse import parse_qsl

from collector.times import END_OF_TIME_NS, parse_when
from collector.web.problems import Refused
from config.problems import did_you_mean, shown
from config.quantities import parse_duration

MAX_PATTERN_CHARACTERS = 256
_MAX_FIELDS = 32
# A `+` of an offset that was not written as %2B.
_LOST_PLUS = re.compile(r"(.*[0-9]{2}:[0-9]{2}.*) ([0-9]{2}:?[0-9]{2})")


class Span(NamedTuple):
    """A range of time, half open; UTC, ns."""

    start_ns: int
    end_ns: int


class Asked:
    """The parameters of one request, of which each may stand once.

    Raises:
        Refused: there are others than `accepted`.
    """

    def __init__(self, query: str, accepted: Collection[str], zone: tzinfo) -> None:
        self.zone = zone
        self.now_ns = time.time_ns()
        self._values = _parsed(query, accepted)

    def text(self, name: str, otherwise: str) -> str:
        """Return a parameter as it is; an empty one counts as left out."""
        return self._values.get(name) or otherwise

    def has(self, name: str) -> bool:
        """Say whether a parameter was given."""
        return bool(self._values.get(name))

    def pattern(self, otherwise: str = "*") -> str:
        """Return the pattern."""
        pattern = self.text("pattern", otherwise)
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            raise refused("pattern", f"it has more than {MAX_PATTERN_CHARACTERS} characters")
        return pattern

    def choice(self, name: str, choices: Mapping[str, object] | Collection[str]) -> str:
        """Return one of some words; the first one where none is given."""
        accepted = list(choices)
        word = self.text(name, accepted[0])
        if word not in accepted:
            raise refused(
                name,
                f"`{shown(word)}` is not accepted.{did_you_mean(word, accepted)} "
                f"Accepted: {', '.join(accepted)}",
            )
        return word

    def some(self, name: str, choices: Collection[str]) -> frozenset[str] | None:
        """Return some of some words, with commas between them; None where none is given."""
        if not self.has(name):
            return None
        words = self._values[name].split(",")
        for word in words:
            if word not in choices:
                raise refused(
                    name,
                    f"`{shown(word)}` is not accepted.{did_you_mean(word, choices)} "
                    f"Accepted: {', '.join(choices)}, or some of these with commas between",
                )
        return frozenset(words)

    def number(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number, None where it is left out."""
        if not self.has(name):
            return None
        text = self._values[name]
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise refused(name, f"`{shown(text)}` is not accepted. Accepted: {least} to {most}")
        return int(text)

    def duration_ns(self, name: str) -> int | None:
        """Return a duration, None where it is left out."""
        if not self.has(name):
            return None
        try:
            return round(parse_duration(self._values[name].removeprefix("-")) * 1e9)
        except ValueError as error:
            raise refused(name, str(error)) from None

    def span(self, otherwise: str | None) -> Span:
        """Return the range of `start`, `end` and `last`; without them the last `otherwise`, or all."""
        last_ns = self.duration_ns("last")
        if last_ns is not None and (self.has("start") or self.has("end")):
            raise refused("last", "it stands alone: it is a range of its own")
        end_ns = self._when("end", END_OF_TIME_NS)
        if last_ns is not None:
            return Span(max(self.now_ns - last_ns, -END_OF_TIME_NS), end_ns)
        start_ns = -END_OF_TIME_NS
        if otherwise is not None and not (self.has("start") or self.has("end")):
            start_ns = self.now_ns - round(parse_duration(otherwise) * 1e9)
        start_ns = self._when("start", start_ns)
        if end_ns <= start_ns:
            raise refused("end", "the range ends before it begins")
        return Span(start_ns, end_ns)

    def _when(self, name: str, otherwise_ns: int) -> int:
        text = self.text(name, "")
        if not text:
            return otherwise_ns
        if lost := _LOST_PLUS.fullmatch(text):
            text = f"{lost[1]}+{lost[2]}"
        try:
            return parse_when(text, self.zone, self.now_ns)
        except (ValueError, OverflowError) as error:
            raise refused(name, str(error)) from None


def refused(name: str, why: str) -> Refused:
    """Return what refuses a parameter."""
    return Refused(400, f"{name}: {why}", parameter=name)


def _parsed(query: str, accepted: Collection[str]) -> dict[str, str]:
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refused(400, f"more than {_MAX_FIELDS} parameters") from None
    values: dict[str, str] = {}
    for name, value in fields:
        if name not in accepted:
            known = ", ".join(accepted) if accepted else "none"
            raise Refused(
                400,
                f"no parameter `{shown(name)}`.{did_you_mean(name, accepted)} Accepted: {known}",
                parameter=shown(name),
                accepted=list(accepted),
            )
        if name in values:
            raise refused(name, "it is given twice")
        values[name] = value
    return values

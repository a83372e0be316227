"""What a driver's options may be, and what people are told of those that are not so.

Knows no driver: each one lists its options here in the same words.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from config.problems import did_you_mean, shown
from wire.readings import is_one_line

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list of texts",
    dict: "a mapping",
}


class OptionProblem(NamedTuple):
    """What is wrong with `options:`; `option` is the key at fault, None for the driver itself."""

    option: str | None
    message: str


@dataclass(frozen=True)
class Option:
    """One option of a driver.

    `types` are of bool, int, float, str, list (of texts) and dict; none of them: anything goes. A
    float may be written as a whole number, and is finite. `least` and `most` bound numbers, the UTF-8
    bytes of a text, and how many a list or mapping has. `accepted`: a text is one of these.
    `of` names the unit of a number for people ("seconds").
    """

    name: str
    types: tuple[type, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    of: str = ""
    accepted: tuple[str, ...] = ()
    default: Any = None
    is_required: bool = False
    may_be_null: bool = False


def check(
    driver: str, options: Mapping[str, Any], accepted: Sequence[Option]
) -> list[OptionProblem]:
    """Return everything that is wrong with a driver's options."""
    known = {option.name: option for option in accepted}
    found = []
    for name, value in options.items():
        if name not in known:
            found.append(OptionProblem(name, _unknown(driver, name, list(known))))
        elif not _fits(known[name], value):
            found.append(OptionProblem(name, _unfit(known[name], value)))
    missing = [
        option.name for option in accepted if option.is_required and option.name not in options
    ]
    found += [OptionProblem(None, f"`{driver}` needs the option `{name}`") for name in missing]
    return found


def completed(options: Mapping[str, Any], accepted: Iterable[Option]) -> dict[str, Any]:
    """Return all accepted options, with the default of those not given."""
    return {option.name: options.get(option.name, option.default) for option in accepted}


def choices(name: str, accepted: Iterable[str]) -> str:
    """Return the end of a message on a wrong name: the nearest right one, and all of them."""
    names = list(accepted)
    return f"{did_you_mean(name, names)} Accepted: {', '.join(names)}"


def _unknown(driver: str, name: str, known: Sequence[str]) -> str:
    if not known:
        return f"`{driver}` takes no options"
    return f"`{driver}` has no option `{shown(name)}`.{choices(name, known)}"


def _fits(option: Option, value: Any) -> bool:
    if value is None:
        return option.may_be_null
    if option.types and not any(_is(value, kind) for kind in option.types):
        return False
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and not is_one_line(text) for text in texts):
        return False
    if option.accepted and isinstance(value, str) and value not in option.accepted:
        return False
    size = _size(value)
    return not isinstance(size, int | float) or option.least <= size <= option.most


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, list | dict) else value


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and -math.inf < value < math.inf
    if kind is list:
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    return isinstance(value, kind)


def _unfit(option: Option, value: Any) -> str:
    kinds = " or ".join(_WORDS[kind] for kind in option.types) or "a value"
    if option.accepted:
        kinds = f"one of {', '.join(option.accepted)}"
    of = f" of {option.of}" if option.of else ""
    null = ", or null" if option.may_be_null else ""
    return f"`{option.name}` must be {kinds}{of}{_range(option)}{null}, not {shown(repr(value))}"


def _range(option: Option) -> str:
    if option.accepted:
        return ""
    counted: dict[tuple[type, ...], str] = {
        (str,): " bytes",
        (list,): " entries",
        (dict,): " entries",
    }
    what = counted.get(option.types, "")
    if math.isinf(option.most):
        return "" if math.isinf(option.least) else f", {option.least:g}{what} or more"
    if math.isinf(option.least):
        return f", {option.most:g}{what} at most"
    return f" from {option.least:g} to {option.most:g}{what}"

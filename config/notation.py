"""What a Notation is: how one kind of value is written in YAML, read, explained and checked.

Settings types carry one in their annotation (`Annotated[float, DURATION.meta()]`), the walker and
the JSON Schema find it there. Knows no setting.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from config.problems import shown


@dataclass(frozen=True)
class Notation:
    """How a value is written.

    `read` makes the value of its text and raises ValueError with a sentence for people; `write` is
    the way back. `pattern` is for editors only: what it lets through `read` may still refuse; of a
    `json_type` other than string it is not told.
    """

    accepted: str
    pattern: str
    read: Callable[[str], Any]
    write: Callable[[Any], Any] = str
    json_type: str = "string"

    def meta(self) -> msgspec.Meta:
        """Return the annotation for a settings type."""
        return msgspec.Meta(extra={"notation": self})


def matching(pattern: str, accepted: str, reserved: frozenset[str] = frozenset()) -> Notation:
    """Return the notation of a name that matches `pattern` whole and is not `reserved`."""
    whole = re.compile(pattern)

    def read(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(f"`{shown(text)}` is not accepted here. Accepted: {accepted}")
        if text in reserved:
            raise ValueError(
                f"`{shown(text)}` is reserved for the program itself: choose another name"
            )
        return text

    return Notation(accepted, f"^{pattern}$", read)

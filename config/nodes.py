"""The tree of a YAML text: every value with its place in the file.

Knows neither how it is built nor what a value should be.
"""

from dataclasses import dataclass, field

from config.problems import Position


@dataclass(frozen=True)
class Scalar:
    """A single value. `tag` is what YAML takes it for (`str`, `int`, `bool`, `null`, ...)."""

    position: Position
    text: str
    tag: str
    is_plain: bool = True


@dataclass(frozen=True)
class Entry:
    """A key of a mapping and what stands under it."""

    key: Scalar
    value: "Node"


@dataclass(frozen=True)
class Mapping:
    """Keys and values, in the order of the file; `is_damaged` says that some could not be kept."""

    position: Position
    entries: dict[str, Entry] = field(default_factory=dict)
    is_damaged: bool = False


@dataclass(frozen=True)
class Sequence:
    """A list."""

    position: Position
    items: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Broken:
    """A value whose problem has been reported already."""

    position: Position


Node = Scalar | Mapping | Sequence | Broken

"""What differs between two settings, and what of that a running program can take.

Pure, and knows no setting: which keys only a start can take is an argument.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from config.problems import KeyPath

T = TypeVar("T", bound=msgspec.Struct)


class Changes(NamedTuple, Generic[T]):
    """What a file changes: each dotted key that differs is either `taken` or `waiting`.

    `settings` are in force with it: the file's, where a key waits for a start the former ones.
    """

    settings: T
    taken: list[str]
    waiting: list[str]


def compare(in_force: T, file: T, at_start: Collection[KeyPath]) -> Changes[T]:
    """Return what a file changes, where the keys `at_start`, and all below them, need a start."""
    taken: list[str] = []
    waiting: list[str] = []
    for key in _differing(in_force, file):
        needs_start = any(key[: len(each)] == each for each in at_start)
        (waiting if needs_start else taken).append(".".join(key))
    settings = file
    for each in at_start:
        settings = _with_former(settings, in_force, each)
    return Changes(settings, taken, waiting)


def _differing(former: object, now: object, key: KeyPath = ()) -> Iterator[KeyPath]:
    """Return the keys that differ, as far down as both have them, in the order of the file."""
    if former == now:
        return
    before, after = _entries(former), _entries(now)
    if before is None or after is None:
        yield key
        return
    for name in dict.fromkeys([*after, *before]):
        if name in before and name in after:
            yield from _differing(before[name], after[name], (*key, name))
        else:
            yield (*key, name)


def _entries(value: object) -> Mapping[str, object] | None:
    """Return what stands below a value, by its keys in the YAML; None where nothing can."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {each.encode_name: getattr(value, each.name) for each in fields}
    # The points of a table are named by numbers.
    return {str(name): each for name, each in value.items()} if isinstance(value, dict) else None


def _with_former(now: Any, former: Any, key: KeyPath) -> Any:
    """Return settings with one key as it was."""
    if not key:
        return former
    (name,) = (each.name for each in msgspec.structs.fields(now) if each.encode_name == key[0])
    value = _with_former(getattr(now, name), getattr(former, name), key[1:])
    return msgspec.structs.replace(now, **{name: value})

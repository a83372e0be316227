"""Holds the tree of a YAML text against the settings types, node by node, and finds all problems.

Makes plain data that msgspec can convert; what is wrong is left out of it. Knows no setting: fields,
accepted values and notations come from the types.
"""

from collections.abc import Callable
from typing import Any

from msgspec import inspect

from config.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence
from config.notation import Notation
from config.problems import KeyPath, Position, Problem, did_you_mean, shown
from config.scalars import read_any, read_text, read_truth

_MAX_GUESSES = 100

WRONG = object()
"""Stands for a value that has been reported, or lies in something that has."""


class Walker:
    """One walk over one tree; `problems` grows as it goes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._readers: dict[type[inspect.Type], Callable[..., Any]] = {
            inspect.AnyType: self._any,
            inspect.BoolType: self._truth,
            inspect.DictType: self._dict,
            inspect.LiteralType: self._choice,
            inspect.Metadata: self._annotated,
            inspect.StrType: self._text,
            inspect.StructType: self._struct,
            inspect.UnionType: self._union,
            inspect.VarTupleType: self._list,
        }

    def read(self, node: Node, kind: inspect.Type, key: KeyPath = ()) -> Any:
        """Return the plain data of a node, or WRONG once its problem was noted."""
        if isinstance(node, Broken):
            return WRONG
        return self._readers[type(kind)](node, kind, key)

    def _annotated(self, node: Node, kind: inspect.Metadata, key: KeyPath) -> Any:
        notation = (kind.extra or {}).get("notation")
        if notation:
            return self._value(node, lambda scalar: _noted(scalar, notation), key)
        return self.read(node, kind.type, key)

    def _wrong(self, message: str, key: KeyPath, position: Position) -> Any:
        self.problems.append(Problem(message, key, position))
        return WRONG

    def _value(self, node: Node, read: Callable[[Scalar], Any], key: KeyPath) -> Any:
        if not isinstance(node, Scalar):
            message = f"a single value is wanted here, not {_described(node)}"
            return self._wrong(message, key, node.position)
        try:
            return read(node)
        except ValueError as error:
            return self._wrong(str(error), key, node.position)

    def _text(self, node: Node, _kind: inspect.StrType, key: KeyPath) -> Any:
        return self._value(node, read_text, key)

    def _truth(self, node: Node, _kind: inspect.BoolType, key: KeyPath) -> Any:
        return self._value(node, read_truth, key)

    def _choice(self, node: Node, kind: inspect.LiteralType, key: KeyPath) -> Any:
        return self._value(node, lambda scalar: _chosen(scalar, kind.values), key)

    def _union(self, node: Node, kind: inspect.UnionType, key: KeyPath) -> Any:
        """Only `X | None` exists, and None is how the types say "left out": never written."""
        (wanted,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
        return self.read(node, wanted, key)

    def _any(self, node: Node, kind: inspect.Type, key: KeyPath) -> Any:
        match node:
            case Scalar():
                return self._value(node, read_any, key)
            case Sequence():
                return self._items(node, kind, key)
            case Mapping():
                return self._pairs(node, inspect.StrType(), kind, key)

    def _list(self, node: Node, kind: inspect.VarTupleType, key: KeyPath) -> Any:
        """Frozen settings hold tuples; an entry that stands there twice says nothing more."""
        if not isinstance(node, Sequence):
            return self._wrong(_no_list(node, kind), key, node.position)
        parts = self._items(node, kind.item_type, key)
        for number, item in enumerate(node.items, 1):
            if parts is not WRONG and parts[number - 1] in parts[: number - 1]:
                message = f"{_described(item)} stands in this list already: take one of them away"
                self._wrong(message, (*key, str(number)), item.position)
        return parts

    def _items(self, node: Sequence, kind: inspect.Type, key: KeyPath) -> Any:
        parts = [
            self.read(item, kind, (*key, str(number))) for number, item in enumerate(node.items, 1)
        ]
        return WRONG if any(part is WRONG for part in parts) else parts

    def _dict(self, node: Node, kind: inspect.DictType, key: KeyPath) -> Any:
        if not isinstance(node, Mapping):
            return self._wrong(_no_section(node, "name: ..."), key, node.position)
        if len(node.entries) < (kind.min_length or 0) and not node.is_damaged:
            return self._wrong("at least one entry is needed here", key, node.position)
        return self._pairs(node, kind.key_type, kind.value_type, key)

    def _pairs(
        self, node: Mapping, name_kind: inspect.Type, kind: inspect.Type, key: KeyPath
    ) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for text, entry in node.entries.items():
            path = (*key, text)
            name = self.read(entry.key, name_kind, path)
            value = self.read(entry.value, kind, path)
            if name is not WRONG and value is not WRONG:
                data[name] = value
        return data

    def _struct(self, node: Node, kind: inspect.StructType, key: KeyPath) -> Any:
        if _is_nothing(node):
            node = Mapping(node.position)  # `spool:` with nothing below: all its defaults
        if not isinstance(node, Mapping):
            return self._wrong(_no_fields(node, kind), key, node.position)
        fields = {field.encode_name: field for field in kind.fields}
        data, guessed = {}, set()
        for name, entry in node.entries.items():
            if name not in fields:
                guessed.add(self._unknown(entry, fields, key))
            elif (value := self.read(entry.value, fields[name].type, (*key, name))) is not WRONG:
                data[name] = value
        missing = [name for name in fields if fields[name].required and name not in data]
        for name in missing:
            if not (node.is_damaged or name in node.entries or name in guessed):
                self._wrong("this key is missing", (*key, name), node.position)
        return WRONG if missing else data

    def _unknown(self, entry: Entry, accepted: dict[str, Any], key: KeyPath) -> str:
        """Note a key that does not exist; return the one that was probably meant."""
        name = entry.key.text
        # Nobody means a hundred keys wrong: a file of another kind is not guessed at for minutes.
        guess = did_you_mean(name, accepted) if len(self.problems) < _MAX_GUESSES else ""
        message = f"no such key.{guess} Accepted here: {', '.join(accepted)}"
        self._wrong(message, (*key, name), entry.key.position)
        return guess.split("`")[1] if guess else ""


def _noted(scalar: Scalar, notation: Notation) -> Any:
    """Read a value by its notation; what YAML takes for no text must not pass as text."""
    if scalar.tag == "null":
        return read_text(scalar)
    value = notation.read(scalar.text)
    if isinstance(value, str):
        read_text(scalar)
    return value


def _chosen(scalar: Scalar, accepted: tuple[Any, ...]) -> Any:
    if scalar.tag != "null" and scalar.text not in accepted:
        raise ValueError(
            f"`{shown(scalar.text)}` is not accepted here.{did_you_mean(scalar.text, accepted)} "
            f"Accepted: {', '.join(accepted)}"
        )
    return read_text(scalar)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.tag == "null"


def _described(node: Node) -> str:
    if isinstance(node, Scalar):
        return f"`{shown(node.text)}`"
    return "a list" if isinstance(node, Sequence) else "a section of keys"


def _no_section(node: Node, wanted: str) -> str:
    if _is_nothing(node):
        return f"nothing stands below this key: write lines of `{wanted}`, or take the key away"
    return f"a section is wanted here (lines of `{wanted}`), not {_described(node)}"


def _no_list(node: Node, kind: inspect.VarTupleType) -> str:
    item = kind.item_type
    known = ", ".join(item.values) if isinstance(item, inspect.LiteralType) else "..."  # type: ignore[arg-type]
    if _is_nothing(node):
        return f"nothing stands here: write a list, [] for an empty one. Accepted in it: {known}"
    found = f"[{shown(node.text)}]" if isinstance(node, Scalar) else "[...]"
    return (
        f"a list is wanted here, such as {found}, not {_described(node)}. Accepted in it: {known}"
    )


def _no_fields(node: Node, kind: inspect.StructType) -> str:
    names = [field.encode_name for field in kind.fields]
    name, colon, value = (node.text if isinstance(node, Scalar) else "").partition(":")
    if colon and name in names:
        return f"a space is missing after the colon: write `{name}: {shown(value)}`"
    return f"{_no_section(node, 'key: value')}. Accepted keys: {', '.join(names)}"

"""Makes the tree of a YAML text, and takes nothing that YAML does behind one's back.

Built from PyYAML's events, so that what we do not take (anchors, tags, several documents, deep
nesting, look-alike characters) is refused where it stands. Knows no setting: what a value should be
is the walker's.
"""

import re
from typing import Any

import yaml

from config.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence
from config.problems import KeyPath, Position, Problem, shown
from config.syntax import explained

MAX_NESTING = 20

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TYPOGRAPHIC_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"


class UnreadableError(Exception):
    """The text is no YAML, or not YAML we take; carries the one problem that stopped us."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)


def parse(text: str, lines: list[str]) -> tuple[Node | None, list[Problem]]:
    """Build the tree; None for a text without any content.

    Raises:
        UnreadableError: where reading could not go on.
    """
    builder = _Builder(text)
    try:
        return builder.build(), builder.problems
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(explained(error, lines, builder.last)) from error


class _Builder:
    """Takes one event after another; `last` is where the last value began."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.last = Position(1, 1)
        self._loader = _Loader(text)

    def build(self) -> Node | None:
        self._next()  # the stream begins
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        root = self._node(self._next(), (), Position(1, 1))
        self._next()  # the document ends
        following = self._next()
        if not isinstance(following, yaml.StreamEndEvent):
            self._note("a second document begins here (`---`): a file holds one", (), following)
        if isinstance(root, Scalar) and root.is_plain and not root.text:
            return None
        return root

    def _next(self) -> yaml.Event:
        event: yaml.Event = self._loader.get_event()
        if isinstance(event, yaml.NodeEvent):
            self.last = _position(event)
        return event

    def _note(self, message: str, key: KeyPath, event: yaml.Event) -> None:
        self.problems.append(Problem(message, key, _position(event)))

    def _node(self, event: yaml.Event, key: KeyPath, at: Position | None = None) -> Node:
        """Take one value; a section and an empty value stand `at` their key."""
        if isinstance(event, yaml.CollectionStartEvent) and len(key) >= MAX_NESTING:
            message = f"nested more than {MAX_NESTING} levels deep"
            raise UnreadableError(Problem(message, (), _position(event)))
        if refusal := _refusal(event):
            self._note(refusal, key, event)
        here = _position(event)
        node: Node = Broken(here)
        if isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(at or here, key)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(here, key)
        elif isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, here if event.value or event.style else at or here)
        return Broken(here) if refusal else node

    def _scalar(self, event: yaml.ScalarEvent, position: Position) -> Scalar:
        is_plain = event.style in (None, "")
        tag = self._loader.resolve(yaml.ScalarNode, event.value, (is_plain, not is_plain))
        short = tag.rpartition(":")[2]
        return Scalar(position, event.value, "str" if short == "value" else short, is_plain)

    def _sequence(self, position: Position, key: KeyPath) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*key, str(len(items) + 1))))
        return Sequence(position, items)

    def _mapping(self, position: Position, key: KeyPath) -> Mapping:
        entries: dict[str, Entry] = {}
        is_damaged = False
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._key(event, entries, key)
            path = (*key, name.text if name else "?")
            value = self._node(self._next(), path, name.position if name else None)
            if name:
                entries[name.text] = Entry(name, value)
            is_damaged = is_damaged or name is None
        return Mapping(position, entries, is_damaged)

    def _key(self, event: yaml.Event, entries: dict[str, Entry], key: KeyPath) -> Scalar | None:
        """Take a key; None once its problem was noted."""
        text = event.value if isinstance(event, yaml.ScalarEvent) else "?"
        name = self._node(event, (*key, text))
        if not isinstance(name, Scalar):
            if not isinstance(name, Broken):
                self._note("a key must be plain text", key, event)
            return None
        if trap := _key_trap(name, entries):
            self._note(trap, (*key, name.text), event)
            return None
        return name


def _position(event: yaml.Event) -> Position:
    return _place(event.start_mark)


def _place(mark: Any) -> Position:
    """Make a position of PyYAML's mark, which counts from 0."""
    return Position(mark.line + 1, mark.column + 1)


def _refusal(event: yaml.Event) -> str | None:
    """Say why we do not take a value, whatever it should be."""
    if not isinstance(event, yaml.NodeEvent):
        return None
    if isinstance(event, yaml.AliasEvent):
        return f"aliases are not used here. If text is meant, put it in quotes: '*{event.anchor}'"
    if event.anchor:
        return f"anchors are not used here. If text is meant, put it in quotes: '&{event.anchor}'"
    if isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent) and event.tag:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        return f"tags are not used here: take `{shown(tag)}` away"
    if isinstance(event, yaml.ScalarEvent) and not event.style:
        return _plain_trap(event)
    return None


def _plain_trap(event: yaml.ScalarEvent) -> str | None:
    """Say what is wrong with text that has no quotes around it."""
    text: str = event.value
    if text and (text[0] in _TYPOGRAPHIC_QUOTES or text[-1] in "\u201c\u201d"):
        return "typographic quotes are no quotes to YAML. Use straight ones: ' or \""
    if "\xa0" in text:
        return (
            "there is a no-break space in this text (it looks like a space): type it again with "
            "plain spaces, or put the text in quotes"
        )
    last = _place(event.end_mark).line
    if last > _position(event).line:
        return (
            f"this goes on in line {last}, so YAML takes it for one text. Is a "
            "`:` missing, or the next line indented too far? Put text of several lines in quotes"
        )
    return None


def _key_trap(name: Scalar, entries: dict[str, Entry]) -> str | None:
    """Say what is wrong with a key, whatever the keys here are."""
    if name.is_plain and name.tag == "merge":
        return "merge keys (`<<`) are not used here: write the keys out"
    if name.is_plain and (colon := re.fullmatch(r"([^:]+):([^:]+)", name.text)):
        return f"a space is missing after the colon: write `{shown(colon[1])}: {shown(colon[2])}`"
    if name.text in entries:
        first = entries[name.text].key.position.line
        return f"this key stands here twice (first in line {first}): take one away"
    return None

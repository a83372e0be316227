"""Loads a YAML file into settings, or explains everything that is wrong with it.

Knows no setting: the type and the check of what types cannot say are arguments.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from config.nodes import Mapping, Node, Sequence
from config.parser import UnreadableError, parse
from config.problems import ConfigError, KeyPath, Position, Problem
from config.walker import WRONG, Walker

MAX_FILE_BYTES = 2**20

# Everything a text file has no use for, and what other programs count as a line end but editors not.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

T = TypeVar("T", bound=msgspec.Struct)
Check = Callable[[T], Iterable[tuple[KeyPath, str]]]


def _nothing_else(_settings: T) -> Iterable[tuple[KeyPath, str]]:
    return ()


def load(path: Path, settings_type: type[T], check: Check[T] = _nothing_else) -> T:
    """Read a file whole and return its settings.

    Args:
        path: UTF-8, at most 1 MiB; messages name it as it is given here.
        settings_type: the type of the whole file.
        check: yields (key path, message) for what the types cannot say.

    Raises:
        ConfigError: the file cannot be read or something in it is wrong; nothing else is raised.
    """
    text = _read(path)
    lines = re.split("\r\n|\r|\n", text)
    try:
        root, problems = _tree(text, lines)
    except UnreadableError as error:
        raise ConfigError(str(path), [error.problem], lines) from None
    settings = _settings(root, settings_type, check, problems)
    if settings is None:
        raise ConfigError(str(path), problems, lines)
    return settings


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), [Problem(_unreadable(error, path))]) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(str(path), [Problem("larger than 1 MiB: this is no configuration file")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [_no_utf8(content, error.start)]) from None


def _unreadable(error: OSError, path: Path) -> str:
    match error:
        case FileNotFoundError():
            return "no such file. Name another one with -c FILE"
        case IsADirectoryError():
            return f"this is a folder. Name a file in it, with -c {path}/FILE"
        case PermissionError():
            return f"you may not read it (user id {os.getuid()}): put sudo in front of the command"
    return f"cannot be read: {error.strerror or error}"


def _no_utf8(content: bytes, offset: int) -> Problem:
    before = content[:offset].decode("utf-8-sig", errors="replace")
    lines = re.split("\r\n|\r|\n", before)
    message = f"not UTF-8 (byte 0x{content[offset]:02x}): save the file as UTF-8 in your editor"
    return Problem(message, (), Position(len(lines), len(lines[-1]) + 1))


def _tree(text: str, lines: list[str]) -> tuple[Node, list[Problem]]:
    for number, line in enumerate(lines, 1):
        if found := _CONTROL.search(line):
            message = f"an invisible character stands here (U+{ord(found[0]):04X}): delete it"
            raise UnreadableError(Problem(message, (), Position(number, found.start() + 1)))
    root, problems = parse(text, lines)
    if root is None:
        raise UnreadableError(Problem("the file is empty (comments do not count)"))
    return root, problems


def _settings(
    root: Node, settings_type: type[T], check: Check[T], problems: list[Problem]
) -> T | None:
    """Return the settings, or None once `problems` has been filled."""
    walker = Walker()
    data = walker.read(root, msgspec.inspect.type_info(settings_type))
    problems += walker.problems
    if data is WRONG:
        return None
    try:
        settings = msgspec.convert(data, settings_type)
    except msgspec.ValidationError as error:
        if not problems:  # a rule of the types that the walker does not know
            problems.append(Problem(str(error)))
        return None
    problems += list(_checked(settings, check, root, problems))
    return None if problems else settings


def _checked(settings: T, check: Check[T], root: Node, known: list[Problem]) -> Iterable[Problem]:
    """Run the check, without what it says where something below was left out of the settings."""
    for key, message in check(settings):
        if not any(_is_below(problem.key, key[:-1]) for problem in known):
            yield Problem(message, key, _find(root, key))


def _is_below(key: KeyPath, section: KeyPath) -> bool:
    """Say whether a key lies in a section inside of a section."""
    depth = len(section)
    return depth > 0 and key[:depth] == section and len(key) > depth + 1


def _find(root: Node, key: KeyPath) -> Position:
    """Return where a key stands, or else the section or item it should stand in."""
    node, position = root, root.position
    for name in key:
        if isinstance(node, Mapping) and name in node.entries:
            position, node = node.entries[name].key.position, node.entries[name].value
        elif isinstance(node, Sequence) and name.isdecimal() and 0 < int(name) <= len(node.items):
            node = node.items[int(name) - 1]
            position = node.position
        else:
            break
    return position

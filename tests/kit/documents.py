"""The documents for users, taken apart: what they tell people to type, their links, their examples."""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import collector.__main__
import device.__main__

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
COMMANDS = {
    "telegauge-device": device.__main__.COMMANDS,
    "telegauge-collector": collector.__main__.COMMANDS,
}
_PROGRAM = "telegauge-(?:device|collector)"


class Command(NamedTuple):
    """One command of ours, as a document says it: `verb`, and what stands behind that."""

    program: str
    verb: str
    arguments: list[str]


def each_of(documents: list[Path]) -> pytest.MarkDecorator:
    """Run a test for each of them, under its name."""
    return pytest.mark.parametrize(
        "document", documents, ids=lambda path: str(path.relative_to(ROOT))
    )


def verbs(text: str) -> list[tuple[str, str]]:
    """Return program and verb of each command that is named, in a line to type or within a sentence."""
    return re.findall(rf"(?:^ +|/bin/|`|sudo )({_PROGRAM}) ([a-z]+)\b", text, re.M)


def lines_to_type(text: str) -> list[str]:
    """Return the lines that are indented as code."""
    return re.findall(r"^ {4,}(\S.*)$", text, re.M)


def commands(text: str) -> Iterator[Command]:
    """Give each whole command of ours in the lines to type."""
    for line in lines_to_type(text):
        if found := re.search(rf"(?:^|/bin/|sudo |&& |exec \w+ )({_PROGRAM}) ([a-z]+\b.*)", line):
            verb, *arguments = shlex.split(found[2].removesuffix("\\"), comments=True)
            yield Command(found[1], verb, arguments)


def parser_of(command: Command) -> ArgumentParser:
    """Return what reads the arguments of a command."""
    parser = ArgumentParser(prog=f"{command.program} {command.verb}")
    parser.add_argument("-c", "--config")
    package = command.program.removeprefix("telegauge-")
    import_module(f"{package}.commands.{command.verb}").arguments(parser)
    return parser


def links(text: str) -> list[str]:
    """Return where a document's links lead, but those to other sites."""
    return re.findall(r"\]\((?!https?:)([^)]+)\)", text)


def anchors(text: str) -> set[str]:
    """Return the parts that a document can be entered at, as web sites make them of its headings."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def examples(text: str, kind: str) -> list[str]:
    """Return the fenced blocks of one kind, such as `yaml`."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


def section(text: str, title: str) -> str:
    """Return what stands under a heading."""
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return str(found)


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables, heads left out."""
    lines = re.findall(r"^\| *(.*?) *\|$", text, re.M)
    cells = [re.split(r" *\| *", line) for line in lines]
    return [
        row for row, below in zip(cells, [*cells[1:], [""]], strict=True) if _is_row(row, below)
    ]


def _is_row(row: list[str], below: list[str]) -> bool:
    return not (_is_rule(row) or _is_rule(below))


def _is_rule(row: list[str]) -> bool:
    return all(set(cell) <= set("-:") for cell in row) and any(row)

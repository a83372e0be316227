"""The walk over a tree with settings types of its own, which no program has."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, field, inspect

from config.notation import matching
from config.parser import parse
from config.quantities import duration
from config.walker import WRONG, Walker

Name = Annotated[str, matching("[a-z]+", "small letters", frozenset({"self"})).meta()]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str
    colour: Literal["red", "green"] = "red"
    options: dict[str, Any] = field(default_factory=dict)


class Empty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    wait_s: Annotated[float, duration("1s", "1h").meta(), Meta(description="How long.")] = field(
        name="wait", default=5.0
    )


class Whole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    parts: Annotated[dict[Name, Part], Meta(min_length=1)]
    name: Name | None = None
    empty: Empty = Empty()
    extras: dict[Name, Empty] | None = None
    colours: tuple[Literal["red", "green"], ...] = ("red",)
    names: tuple[Name, ...] = ()


def walk(text):
    root, problems = parse(text, text.split("\n"))
    walker = Walker()
    data = walker.read(root, inspect.type_info(Whole))
    return data, sorted(
        (*problem.position, ".".join(problem.key), problem.message)
        for problem in [*problems, *walker.problems]
    )


def test_right_text_becomes_data_that_converts():
    """Quantities are read, names kept, options as they are."""
    data, problems = walk(
        "name: it\nempty: {wait: 2m}\nparts:\n  a:\n    kind: x\n    colour: green\n"
        "    options: {pin: 0x10, list: [1, {deep: null}], 'no': false}\nextras:\n  b:\n"
    )
    assert problems == []
    whole = msgspec.convert(data, Whole)
    assert whole == Whole(
        name="it",
        empty=Empty(wait_s=120),
        parts={
            "a": Part(
                kind="x",
                colour="green",
                options={"pin": 16, "list": [1, {"deep": None}], "no": False},
            )
        },
        extras={"b": Empty()},
    )


@pytest.mark.parametrize(
    ("text", "colours"),
    [("", ("red",)), ("colours: []\n", ()), ("colours: [green, red]\n", ("green", "red"))],
)
def test_a_list_is_kept_in_its_order(text, colours):
    """Left out it is the default; empty it is empty."""
    data, problems = walk(PART + text)
    assert problems == []
    assert msgspec.convert(data, Whole).colours == colours


def test_an_empty_section_means_its_defaults():
    """All lines below `empty:` may be commented out."""
    data, problems = walk("empty:\nparts: {a: {kind: x}}\n")
    assert problems == []
    assert msgspec.convert(data, Whole).empty == Empty()


PART = "parts: {a: {kind: x}}\n"
WRONGS = [
    ("nam: it", (2, 1, "nam"), "no such key. Did you mean `name`? Accepted here: parts, name, em"),
    ("zzz: it", (2, 1, "zzz"), "no such key. Accepted here: parts, name, empty, extras, c"),
    ("name: No", (2, 7, "name"), "`No` is not accepted here. Accepted: small letters"),
    ("name: self", (2, 7, "name"), "`self` is reserved"),
    ("name: no", (2, 7, "name"), "the truth value false"),
    ("name: 12", (2, 7, "name"), "`12` is not accepted here. Accepted: small letters"),
    ("name:", (2, 1, "name"), "a value is missing here"),
    ("name: [a]", (2, 7, "name"), "a single value is wanted here, not a list"),
    ("name: {a: b}", (2, 1, "name"), "a single value is wanted here, not a section of keys"),
    ("empty: 5", (2, 8, "empty"), "a section is wanted here (lines of `key: value`), not `5`. Acc"),
    ("empty: [a]", (2, 8, "empty"), "not a list. Accepted keys: wait"),
    ("empty:\n  wait:5s", (3, 3, "empty"), "a space is missing after the colon: write `wait: 5s`"),
    ("empty:\n  wait: 5", (3, 9, "empty.wait"), "5 of what?"),
    ("empty:\n  wait: '5'", (3, 9, "empty.wait"), "5 of what?"),
    ("empty:\n  wait: 2h", (3, 9, "empty.wait"), "2h is not accepted here. Accepted: 1s to 1h"),
    ("empty:\n  wait: yes", (3, 9, "empty.wait"), "`yes` is not a duration"),
    ("empty:\n  wait:", (3, 3, "empty.wait"), "a value is missing"),
    ("empty:\n  wait: *x", (3, 9, "empty.wait"), "aliases are not used"),
    ("extras:", (2, 1, "extras"), "nothing stands below this key: write lines of `name: ...`"),
    (
        "extras: [a]",
        (2, 9, "extras"),
        "a section is wanted here (lines of `name: ...`), not a list",
    ),
    (
        "colours: red",
        (2, 10, "colours"),
        "a list is wanted here, such as [red], not `red`. Accepted",
    ),
    (
        "colours: {a: b}",
        (2, 1, "colours"),
        "such as [...], not a section of keys. Accepted in it: ",
    ),
    ("colours:", (2, 1, "colours"), "nothing stands here: write a list, [] for an empty one. Acc"),
    ("colours: [red, gren]", (2, 16, "colours.2"), "Did you mean `green`? Accepted: green, red"),
    ("colours:\n- red\n- on", (4, 3, "colours.2"), "`on` is not accepted here. Accepted: green"),
    ("colours: [[red]]", (2, 11, "colours.1"), "a single value is wanted here, not a list"),
    ("colours: [red, green, red]", (2, 23, "colours.3"), "`red` stands in this list already"),
    ("names: [a, b, No]", (2, 15, "names.3"), "`No` is not accepted here. Accepted: small letters"),
    ("names: a", (2, 8, "names"), "a list is wanted here, such as [a], not `a`"),
    ("extras:\n  no:", (3, 3, "extras.no"), "the truth value false"),
    ("extras:\n  A:", (3, 3, "extras.A"), "`A` is not accepted here. Accepted: small letters"),
]


@pytest.mark.parametrize(("text", "place", "part"), WRONGS)
def test_a_wrong_value_is_explained_where_it_stands(text, place, part):
    """One problem, with position, dotted key, what was wrong and what is accepted."""
    _data, problems = walk(PART + text)
    assert [problem[:3] for problem in problems] == [place], problems
    assert part in problems[0][3]


INSIDE = [
    ("a:", (2, 3, "parts.a.kind"), "this key is missing"),
    ("a: {}", (2, 3, "parts.a.kind"), "this key is missing"),
    ("a: {knd: x}", (2, 7, "parts.a.knd"), "Did you mean `kind`?"),
    ("a: {kind: x, colour: gren}", (2, 24, "parts.a.colour"), "Did you mean `green`? Accepted: "),
    ("a: {kind: x, colour: off}", (2, 24, "parts.a.colour"), "Accepted: green, red"),
    ("a: {kind: x, colour: }", (2, 16, "parts.a.colour"), "a value is missing"),
    ("a: {kind: on}", (2, 13, "parts.a.kind"), "the truth value true"),
    ("a: {kind: x, options: 5}", (2, 25, "parts.a.options"), "a section is wanted here"),
    ("a: {kind: x, options: {p: 010}}", (2, 29, "parts.a.options.p"), "the number 8"),
    ("a: {kind: x, options: {p: [1, 010]}}", (2, 33, "parts.a.options.p.2"), "the number 8"),
    ("a: {kind: x, options: {on: 1}}", (2, 26, "parts.a.options.on"), "the truth value true"),
    ("a: {kind: x, options: {12: 1}}", (2, 26, "parts.a.options.12"), "the number 12"),
]


@pytest.mark.parametrize(("text", "place", "part"), INSIDE)
def test_a_wrong_value_deeper_down_is_explained_too(text, place, part):
    """A missing key is looked for at the section that lacks it, and a misspelt one is not missing."""
    _data, problems = walk("parts:\n  " + text)
    assert [problem[:3] for problem in problems] == [place], problems
    assert part in problems[0][3]


def test_a_required_section_needs_an_entry():
    """`parts: {}` and no `parts` at all are different mistakes."""
    assert walk("parts: {}")[1][0][2:] == ("parts", "at least one entry is needed here")
    data, problems = walk("name: it")
    assert problems[0] == (1, 1, "parts", "this key is missing")
    assert data is WRONG


def test_all_problems_come_at_once():
    """Nobody repairs a file line by line against the program."""
    _data, problems = walk("nam: x\nempty: {wait: 5}\nparts:\n  A: {knd: x}\n  b: {kind: no}\n")
    assert len(problems) == 5


def test_what_is_wrong_is_left_out_of_the_data():
    """The rest can still be checked for what types cannot say."""
    data, problems = walk(
        "name: NO\nparts:\n  a: {kind: x, options: {p: 010, q: [1, on], r: 1}}\n  b:\n"
    )
    assert len(problems) == 4
    assert data == {"parts": {"a": {"kind": "x", "options": {"r": 1}}}}


def test_a_damaged_section_is_not_asked_for_its_keys():
    """The key that could not be read may be the very one."""
    assert len(walk("parts:\n  a: {“kind”: x}\n")[1]) == 1
    assert len(walk("parts: {<<: {}}\n")[1]) == 1

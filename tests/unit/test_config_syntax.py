"""Texts that are no YAML, and traps of those that are: the place and the advice."""

import pytest
import yaml

from config import parser
from config.parser import UnreadableError, parse

TRAPS = [
    # What stops PyYAML.
    ("unit: %", (1, 7), "cannot begin with `%`: put it in quotes, for example '%'"),
    ("a:\n  - {b: %}", (2, 9), "cannot begin with `%`"),
    ("a: @x", (1, 4), "cannot begin with `@`"),
    ("a: `x`", (1, 4), "cannot begin with ```"),
    ("a: *", (1, 4), "`*` has a meaning of its own"),
    ("a: &", (1, 4), "`&` has a meaning of its own"),
    ("a: *x y", (1, 7), "nothing may follow"),
    ("a: >x\n", (1, 4), "`>` has a meaning of its own"),
    ("label: a: b", (1, 9), "a second `:` in one line"),
    ("driver: gpiozero:", (1, 17), "a second `:` in one line"),
    ("driver: gpiozero:\nb: 1", (1, 17), "a second `:` in one line"),
    ("a: {b: c: d}", (1, 9), "a second `:` in one line"),
    ("a: [b: c: d]", (1, 9), "a second `:` in one line"),
    ("a:\n\tb: c", (2, 1), "a tab stands here"),
    ("a:\n  b: 1\n\tc: 2", (3, 1), "a tab stands here"),
    ("a:\n  b: 1\n  \tc: 2", (3, 3), "a tab stands here"),
    ("\ta: 1", (1, 1), "a tab stands here"),
    ("a: 'x\nb: 1\n", (1, 4), "this ' is never closed"),
    ('a: "x\nb: 1\n', (1, 4), 'this " is never closed'),
    ("a: {b: 1\nc: 2\n", (1, 4), "this { is not closed: a } is missing, or a comma in front of"),
    ("a: [1, 2\n", (1, 4), "this [ is not closed: a ] is missing"),
    ("a: 'it's'", (1, 8), "nothing may follow the value here"),
    ('a: "x" y', (1, 8), "nothing may follow the value here"),
    ("a: {b: 1}}", (1, 10), "nothing may follow the value here"),
    ('a: "C:\\q"', (1, 4), "a backslash has a meaning inside double quotes: use single quotes"),
    ("a:\n  b: 1\n c: 2\n", (3, 2), "does not line up"),
    ("a:\n  b: 1\n   c: 2\n", (3, 4), "indented too far: the key in line 2 has its value"),
    ("a: 1\n  b: 2", (2, 3), "indented too far: the key in line 1 has its value"),
    ("a: x # c\n  y: 1", (2, 3), "does not line up"),
    ("- a\nb: 1", (2, 1), "does not line up"),
    ("a:\n  interval 10s\n  b: 1", (2, 3), "a `:` is missing"),
    (
        "a:\n  interval:10s\n  b: 1",
        (2, 3),
        "a space is missing after the colon: write `interval: 10s`",
    ),
    ("a: 1\ninterval 10s\n", (2, 1), "a `:` is missing"),
    ("a: 1\ninterval:10s\n", (2, 1), "a space is missing after the colon: write `interval: 10s`"),
    ("a: - x", (1, 4), "a list begins on a line of its own"),
    ("a: 1\nlabel:\xa0x\n", (2, 7), "a no-break space stands here"),
    ("a: \u201cx: y\u201d\n", (1, 4), "typographic quotes"),
    ("a: 1\n\u2018b: c\u2019: 1\n", (2, 1), "typographic quotes"),
    # What PyYAML takes, and means something else by.
    ("a: \u201cAir\u201d", (1, 4), "typographic quotes"),
    ("a: \u2018Air\u2019", (1, 4), "typographic quotes"),
    ("\u201ca\u201d: 1", (1, 1), "typographic quotes"),
    ("a:\n  b: 1\n  \xa0c: 1", (3, 3), "a no-break space in this text"),
    ("a: 10\xa0s", (1, 4), "a no-break space in this text"),
    ("a: b\n  c\n", (1, 4), "this goes on in line 2"),
    ("a: 1\nb: 2\na: 3", (3, 1), "stands here twice (first in line 1)"),
    ("a: {b: 1, b: 2}", (1, 11), "stands here twice (first in line 1)"),
    ("a: {pin:17}", (1, 5), "a space is missing after the colon: write `pin: 17`"),
    ("a: &x 1", (1, 4), "anchors are not used here. If text is meant, put it in quotes: '&x'"),
    ("a: *x", (1, 4), "aliases are not used here. If text is meant, put it in quotes: '*x'"),
    ("a: {<<: {b: 1}}", (1, 5), "merge keys"),
    ("a: !!python/name:os.system x", (1, 4), "tags are not used here: take `!!python/name:os.sy"),
    ("a: !x {b: 1}", (1, 4), "tags are not used here: take `!x` away"),
    ("!x a: 1", (1, 1), "tags are not used here"),
    ("? [a]\n: b", (1, 3), "a key must be plain text"),
    ("*x : b", (1, 1), "aliases are not used here"),
    ("a: 1\n---\nb: 2", (2, 1), "a second document begins here"),
    ("[" * 30, (1, 21), "nested more than 20 levels deep"),
    ("a:" + "\n- " + "{b: " * 30, (2, 75), "nested more than 20 levels deep"),
]


def test_libyaml_wants_a_space_behind_every_colon():
    """PyYAML without libyaml takes `{b:}` for `{b: null}`: one of the few places they differ."""
    if not hasattr(yaml, "CSafeLoader"):
        pytest.skip("this PyYAML is built without libyaml")
    with pytest.raises(UnreadableError) as caught:
        parse("a: {b:}", ["a: {b:}"])
    assert caught.value.problem.position == (1, 6)
    assert "a space is missing behind this `:`" in caught.value.problem.message


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _loader(request, monkeypatch):
    """Run with libyaml and without: not every PyYAML has it."""
    if not hasattr(yaml, request.param):
        pytest.skip("this PyYAML is built without libyaml")
    monkeypatch.setattr(parser, "_Loader", getattr(yaml, request.param))


@pytest.mark.usefixtures("_loader")
@pytest.mark.parametrize(("text", "position", "part"), TRAPS)
def test_a_trap_is_explained_where_it_stands(text, position, part):
    """One problem, at the right place, that says what to do; the same with either scanner."""
    try:
        _root, problems = parse(text, text.split("\n"))
    except UnreadableError as error:
        problems = [error.problem]
    assert [problem.position for problem in problems] == [position], problems
    assert part in problems[0].message


def test_what_no_rule_knows_is_told_in_pyyamls_words():
    """Better PyYAML's own words than none."""
    with pytest.raises(UnreadableError) as caught:
        parse("%YAML 9.9.9\n---\na", ["%YAML 9.9.9", "---", "a"])
    assert caught.value.problem.message

"""The tree of a YAML text."""

from config.nodes import Broken, Mapping, Scalar, Sequence
from config.parser import parse
from config.problems import Position


def tree(text):
    root, problems = parse(text, text.split("\n"))
    assert problems == []
    return root


def test_every_value_has_its_place():
    """Lines and columns count from 1, columns in characters, not bytes."""
    root = tree("é: {a: 'b', ü: 1}\n한글: x\nlist:\n  - 1\n")
    flow = root.entries["é"].value
    assert isinstance(flow, Mapping)
    assert flow.entries["ü"].key.position == (1, 13)
    assert flow.entries["ü"].value == Scalar(Position(1, 16), "1", "int")
    assert flow.entries["a"].value == Scalar(Position(1, 8), "b", "str", is_plain=False)
    assert root.entries["한글"].value.position == (2, 5)
    assert root.entries["list"].value == Sequence(
        Position(4, 3), [Scalar(Position(4, 5), "1", "int")]
    )


def test_a_section_and_an_empty_value_stand_at_their_key():
    """There a missing key is looked for, not at the first key that happens to be there."""
    root = tree("a:\n  b: 1\nc:\n")
    assert root.entries["a"].value.position == (1, 1)
    assert root.entries["c"].value.position == (3, 1)


def test_tags_are_what_yaml_takes_values_for():
    """Quotes make text of everything."""
    root = tree("[no, 'no', 1, 1.5, 22:30, 2024-01-01, null, '', =, x]")
    assert [item.tag for item in root.items] == [
        "bool",
        "str",
        "int",
        "float",
        "int",
        "timestamp",
        "null",
        "str",
        "str",
        "str",
    ]


def test_a_text_without_content_has_no_tree():
    """Comments and document marks are no content."""
    for text in ("", "# only a comment\n", "---\n", "---\n...\n", "~" * 0 + "\n\n"):
        assert parse(text, []) == (None, [])


def test_a_refused_value_is_broken_and_the_rest_goes_on():
    """One wrong value hides no other, and its key is not reported as missing."""
    root, problems = parse("a: &x 1\nb: {c: *x, d: 2}\na: 3\n", [])
    assert [problem.position for problem in problems] == [(1, 4), (2, 8), (3, 1)]
    assert [problem.key for problem in problems] == [("a",), ("b", "c"), ("a",)]
    assert root.entries["a"].value == Broken(Position(1, 4))
    assert root.is_damaged
    assert root.entries["b"].value.entries["d"].value.text == "2"

"""config.changes: which keys differ, which of them wait, and what is in force then."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.changes import compare


class Part(msgspec.Struct, frozen=True):
    """A section; one key is named otherwise in the YAML."""

    size_bytes: int = msgspec.field(name="max_size", default=1)
    options: dict[str, int] = {}


class Whole(msgspec.Struct, frozen=True):
    """Settings with all kinds of keys."""

    name: str | None = None
    allow: tuple[str, ...] = ()
    part: Part = Part()
    parts: dict[str, Part] = {}


AT_START = (("part", "max_size"), ("name",))


@pytest.mark.parametrize(
    ("file", "taken", "waiting"),
    [
        (Whole(), [], []),
        (Whole(name="x"), [], ["name"]),
        (Whole(allow=("ping",)), ["allow"], []),
        (Whole(part=Part(2, {"pin": 4})), ["part.options.pin"], ["part.max_size"]),
        (Whole(parts={"air": Part()}), ["parts.air"], []),
    ],
)
def test_each_key_that_differs_is_taken_or_waits(
    file: Whole, taken: list[str], waiting: list[str]
) -> None:
    """By its name in the YAML, as far down as both files have it."""
    changes = compare(Whole(), file, AT_START)
    assert (changes.taken, changes.waiting) == (taken, waiting)


def test_keys_below_a_key_of_a_mapping_are_told_apart() -> None:
    """What came, what went and what is another."""
    former = Whole(parts={"air": Part(1, {"pin": 4}), "door": Part()})
    file = Whole(parts={"hall": Part(), "air": Part(2, {"pin": 4})})
    changes = compare(former, file, AT_START)
    assert changes.taken == ["parts.hall", "parts.air.max_size", "parts.door"]
    assert changes.settings == file


def test_whole_section_may_wait() -> None:
    """With all that is below it."""
    changes = compare(Whole(), Whole(part=Part(2, {"pin": 1})), (("part",),))
    assert changes == (Whole(), [], ["part.max_size", "part.options.pin"])


PARTS = st.builds(
    Part, st.integers(1, 2), st.dictionaries(st.sampled_from("ab"), st.integers(1, 2))
)
WHOLES = st.builds(
    Whole,
    st.sampled_from([None, "x"]),
    st.sampled_from([(), ("ping",)]),
    PARTS,
    st.dictionaries(st.sampled_from(["air", "door"]), PARTS),
)


@given(WHOLES, WHOLES)
def test_never_half_a_change(former: Whole, file: Whole) -> None:
    """What is in force then differs from the file in the keys that wait, and from before in those taken."""
    changes = compare(former, file, AT_START)
    assert compare(changes.settings, file, AT_START)[1:] == ([], changes.waiting)
    assert compare(former, changes.settings, AT_START)[1:] == (changes.taken, [])

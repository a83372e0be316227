"""collector.replacements: two devices of one name are told from one that lost its link."""

from hypothesis import given
from hypothesis import strategies as st

from collector.replacements import REPLACEMENTS, WITHIN_S, Replacements


def test_third_within_ten_minutes_is_no_accident() -> None:
    """And each one after it, as long as they come."""
    replacements = Replacements()
    assert [replacements.note("greenhouse", at_s) for at_s in (0, 60, 599, 700)] == [
        False,
        False,
        True,
        False,
    ]
    assert replacements.note("greenhouse", 1000)


def test_slow_ones_are_accidents() -> None:
    """A device may well move to another network three times a day."""
    replacements = Replacements()
    assert not any(replacements.note("greenhouse", n * WITHIN_S / 2) for n in range(20))
    assert replacements.duplicate_identities(20 * WITHIN_S) == set()


def test_each_device_counts_alone() -> None:
    """A room where many devices lose their link at once is no reason."""
    replacements = Replacements()
    assert not any(replacements.note(f"pi-{n % 10}", float(n)) for n in range(20))
    assert replacements.note("pi-3", 21.0)
    assert replacements.duplicate_identities(21.0) == {"pi-3"}


def test_name_is_shown_for_ten_minutes() -> None:
    """After the last such replacement; then all is well again."""
    replacements = Replacements()
    for at_s in (0.0, 1.0, 2.0, 100.0):
        replacements.note("greenhouse", at_s)
    assert replacements.duplicate_identities(100.0 + WITHIN_S - 1) == {"greenhouse"}
    assert replacements.duplicate_identities(100.0 + WITHIN_S) == set()


def test_what_is_over_takes_no_memory() -> None:
    """Names come and go."""
    replacements = Replacements()
    for number in range(1000):
        for _ in range(REPLACEMENTS):
            replacements.note(f"pi-{number}", number * WITHIN_S)
    assert len(replacements._replaced_s) == len(replacements._duplicate_until_s) == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 500)), max_size=30))
def test_it_says_what_a_plain_count_says(steps: list[tuple[str, float]]) -> None:
    """Three of one device, none older than ten minutes."""
    replacements, now_s, noted = Replacements(), 0.0, []
    for device, later_s in steps:
        now_s += later_s
        noted.append((device, now_s))
        recent = [at_s for name, at_s in noted if name == device and now_s < at_s + WITHIN_S]
        assert replacements.note(device, now_s) == (len(recent) >= REPLACEMENTS)

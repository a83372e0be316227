"""collector.gaps: what each reason means."""

from collector.gaps import MEANINGS, UNKNOWN, meaning
from wire.bodies import GapReason


def test_every_reason_has_its_words() -> None:
    """A reason that an agent can give is explained, each in its own words."""
    reasons = [word for name, word in vars(GapReason).items() if not name.startswith("_")]
    assert sorted(reasons) == sorted(MEANINGS)
    assert len({meaning(reason) for reason in reasons}) == len(reasons)


def test_words_fit_a_line_of_80_columns() -> None:
    """Also where they stand under their gap."""
    assert max(map(len, [UNKNOWN, *MEANINGS.values()])) <= 76


def test_reason_of_a_newer_agent_is_no_error() -> None:
    """It is said that it is not known here."""
    assert meaning("martian_weather") == UNKNOWN

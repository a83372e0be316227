"""collector.retention_settings: how long what is kept, and what does not fit together."""

from pathlib import Path

import pytest

from collector.retention_settings import kept_by
from collector.settings import CollectorSettings, check
from collector.store import Keep
from config import ConfigError, load


def read(folder: Path, text: str) -> list[Keep]:
    """What a YAML makes the store keep."""
    file = folder / "collector.yaml"
    file.write_text(text)
    return kept_by(load(file, CollectorSettings, check).retention)


def test_left_out_is_kept_for_ever(tmp_path: Path) -> None:
    """Wholly, or a key of a rule."""
    assert read(tmp_path, "logs:\n") == []
    text = "retention: [{series: '*/host.*', raw: 30d, minute: 1y}, {series: '*', raw: forever}]"
    day_ns = 86_400 * 10**9
    assert read(tmp_path, text) == [Keep("*/host.*", 30 * day_ns, 365 * day_ns), Keep("*")]


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("{raw: 1d}", "series"),
        ("{series: '*', raw: 1s}", "retention.1.raw: 1s is not accepted here"),
        ("{series: '*', raw: 2y, minute: 1y}", "retention.1.minute: 1y is less than raw has (2y)"),
        ("{series: '*', minute: 1y}", "1y is less than raw has (forever)"),
        ("{series: '*', raw: 1d, hour: 1y}", "retention.1.hour: 1y is less than minute has"),
    ],
)
def test_what_is_not_accepted(tmp_path: Path, rule: str, part: str) -> None:
    """Each says what would be."""
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, f"retention: [{rule}]")
    assert part in str(raised.value)


def test_position_is_that_of_the_item(tmp_path: Path) -> None:
    """The key where it stands there, else the item: not where the list begins."""
    text = (
        "retention:\n"
        "  - {series: '*/host.*', raw: 30d, minute: 1y}\n"
        "  - series: '*/air.*'\n"
        "    raw: 2y\n"
        "    minute: 1y\n"
        "  - {minute: 1y, series: 'a/*'}\n"
        "  - series: 'b/*'\n"
        "    minute: 30d\n"
        "    raw: 1d\n"
        "    hour: 2d\n"
    )
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert [(problem.key[1:], problem.position) for problem in raised.value.problems] == [
        (("2", "minute"), (5, 5)),
        (("3", "minute"), (6, 6)),
        (("4", "hour"), (10, 5)),
    ]

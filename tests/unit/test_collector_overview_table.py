"""collector.overview_table: what stands in the lines of a terminal, at any width."""

import io
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from collector.device_states import STATES
from collector.overview import DeviceView, SeriesView
from collector.overview_table import Look, drawn, line_count, shows_signs

NOW_NS = 1_790_000_000 * 10**9
LOOK = Look(ZoneInfo("Asia/Seoul"), 100, has_signs=True)
AIR = SeriesView("cellar/air.pm25", None, "ug/m3", 1, 1.0, 12.34, "", NOW_NS - 4 * 10**9, "good")
BAD = SeriesView("cellar/door.open", None, "", 0, 1.0, None, "timed_out", NOW_NS, "bad")
NONE = SeriesView("cellar/soil.t", None, "degC", 0, 1.0, None, "", None, "none")
CELLAR = DeviceView(
    "cellar", "Down", "late", "joined", False, NOW_NS - 60 * 10**9, 132.0, [BAD, AIR, NONE]
)
PAST = {"cellar/air.pm25": [1.0, None, 2.0]}


def lines(devices: Sequence[DeviceView] = (CELLAR,), look: Look = LOOK) -> list[str]:
    """What a terminal shows."""
    file = io.StringIO()
    console = Console(file=file, width=look.width, highlight=False, color_system=None)
    console.print(drawn(devices, PAST, NOW_NS, look))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_lines_say_everything() -> None:
    """The device, then its series: value, unit as people write it, age, what was, what is wrong."""
    head, columns, cellar, bad, air, none = lines()
    assert head == "2026-09-21 23:13:20  1 late  3 series"
    assert columns.split() == ["SERIES", "VALUE", "UNIT", "AGE", "PAST", "STATE"]
    assert cellar.split() == [
        "◐",
        "cellar",
        "Down",
        "60",
        "s",
        "late,",
        "away,",
        "132",
        "wait",
        "there",
    ]
    assert bad.split() == ["door.open", "-", "0", "s", "bad", "(timed_out)"]
    assert air.split() == ["air.pm25", "12.3", "µg/m³", "4", "s", "▁", "█"]
    assert "▁ █" in air
    assert none.split() == ["soil.t", "-", "°C", "-"]


def test_terminal_of_few_letters() -> None:
    """ASCII alone, where it shows no more."""
    shown = "\n".join(lines(look=LOOK._replace(has_signs=False)))
    assert shown.isascii()
    assert "ug/m3" in shown
    assert "PAST" not in shown


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_numbers_are_whole_at_any_width(width: int) -> None:
    """Small bars go first, then names are cut; no line is longer than the terminal is wide."""
    shown = lines(look=LOOK._replace(width=width))
    assert max(map(len, shown)) <= width
    if width >= 40:
        assert [line for line in shown if "12.3" in line and "4 s" in line]


def test_some_of_the_lines() -> None:
    """Those that were moved to; the head stays."""
    whole = lines()
    assert line_count([CELLAR]) == len(whole) - 2 == 4
    assert lines(look=LOOK._replace(first_line=1, max_lines=2)) == [*whole[:2], *whole[3:5]]


def test_every_state_is_told_in_words() -> None:
    """A colour alone says nothing to some."""
    devices = [
        DeviceView(f"d{number}", None, state, None, True, 1, None, [])
        for number, state in enumerate(STATES)
    ]
    shown = lines(devices)
    for state, line in zip(STATES, shown[2:], strict=True):
        assert state.replace("_", " ") in line
        assert state.replace("_", " ") in shown[0]


def test_devices_that_never_came() -> None:
    """They stand there with what became of the invitation; where there are none, how to begin."""
    attic = DeviceView("attic", None, "never_seen", "expired", False, None, None, [])
    assert lines([attic])[2].split() == ["○", "attic", "never", "never", "seen,", "expired"]
    assert "telegauge-collector invite" in lines([])[1]


def test_trouble_stands_above() -> None:
    """Such as that no collector runs."""
    assert lines(look=LOOK._replace(title="NOT RUNNING"))[0].endswith("NOT RUNNING")


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", True),
        ("UTF8", True),
        ("ascii", False),
        ("latin-1", False),
        (None, False),
        ("?", False),
    ],
)
def test_encodings(encoding: str | None, expected: bool) -> None:
    """Only one of them has small bars."""
    assert shows_signs(encoding) is expected

"""device.standing: the worst that is true of a sensor, and what is logged of it."""

import math
from typing import Any

from structlog.testing import capture_logs

from device.reader import Outcome
from device.standing import Standing
from wire.blocks import Point
from wire.readings import Quality


def outcome(quality: Quality = Quality.GOOD, message: str = "") -> Outcome:
    """A read that went like this."""
    return Outcome(0, 0.1, (), quality, message)


def point(channel: str, quality: Quality = Quality.GOOD) -> Point:
    """What a channel gave."""
    return Point(channel, "", math.nan if quality >= Quality.BAD else 1.0, quality)


def told(entries: list[Any]) -> list[tuple[str, str]]:
    """Event and reason of what was logged."""
    return [(entry["event"], entry.get("reason", "")) for entry in entries]


def test_nothing_is_known_at_first() -> None:
    """Neither good nor failing."""
    standing = Standing("air")
    assert (standing.quality, standing.detail, standing.is_failing) == (None, "", False)


def test_worst_channel_counts() -> None:
    """Each that is not good is named, with its reason where there are no better words."""
    standing = Standing("air")
    standing.read(outcome())
    standing.judge(
        [point("a"), point("b", Quality.STUCK), point("c", Quality.OUT_OF_RANGE)],
        ["", "1 all the time", ""],
    )
    assert standing.quality is Quality.OUT_OF_RANGE
    assert standing.detail == "b: 1 all the time; c: out_of_range"
    assert standing.is_failing
    standing.judge([point("a"), point("b"), point("c")])
    assert (standing.quality, standing.detail) == (Quality.GOOD, "")


def test_failed_read_says_it_all() -> None:
    """Its bad points are no faults of channels."""
    standing = Standing("air")
    standing.read(outcome(Quality.TIMED_OUT, "no answer"))
    standing.judge([point("a", Quality.TIMED_OUT)])
    assert (standing.quality, standing.detail) == (Quality.TIMED_OUT, "no answer")
    standing.read(outcome())
    assert standing.quality is Quality.GOOD


def test_fault_of_a_channel_is_logged_when_it_changes() -> None:
    """Once when it begins, when it becomes another, and when it is over."""
    standing = Standing("air")
    standing.read(outcome())
    with capture_logs() as entries:
        for quality in (
            Quality.GOOD, Quality.STUCK, Quality.STUCK, Quality.SENTINEL, Quality.GOOD,
        ):  # fmt: skip
            standing.judge([point("a", quality)], [""])
    assert told(entries) == [
        ("channel_not_good", "stuck"),
        ("channel_not_good", "sentinel"),
        ("channel_recovered", ""),
    ]
    assert entries[0]["channel"] == "air.a"


def test_what_passes_by_itself_is_not_logged() -> None:
    """A spike a minute must not fill the journal; it is in the readings."""
    standing = Standing("air")
    standing.read(outcome())
    with capture_logs() as entries:
        for quality in (Quality.JUMPED, Quality.GOOD, Quality.POWER_ON_VALUE, Quality.GOOD):
            standing.judge([point("a", quality)], [""])
    assert entries == []


def test_other_channels_begin_anew() -> None:
    """After a change of the YAML nothing is said of what is no longer there."""
    standing = Standing("air")
    standing.read(outcome())
    standing.judge([point("a", Quality.STUCK)])
    standing.clear()
    assert standing.quality is Quality.GOOD

"""Readings, their names and their quality: the words that both ends share.

A series is `device/sensor.channel`. A quality is one byte: its range says how far the value can be
trusted, the number itself says why. Ranges are fixed for ever, so a peer that does not know a
number yet still knows what to make of the reading.
"""

import re
from enum import IntEnum

MAX_UNIT_BYTES = 16

DEVICE_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
SENSOR_NAME = r"[a-z][a-z0-9_]{0,62}"
CHANNEL_NAME = SENSOR_NAME
# What could forge a line of a terminal or a log, as it stands in a class of a regular expression.
CONTROL_CHARACTERS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"

_DEVICE = re.compile(DEVICE_NAME)
_SENSOR = re.compile(SENSOR_NAME)
_CONTROL = re.compile(f"[{CONTROL_CHARACTERS}]")


class Quality(IntEnum):
    """How far a value can be trusted, and why not further.

    0 is good, 1 to 127 suspect (the value is as read, and doubtful), 128 to 255 bad (there is no
    value: it is NaN, and counts in no mean, minimum or maximum).
    """

    GOOD = 0
    SUSPECT = 1
    POWER_ON_VALUE = 2
    JUMPED = 3
    STUCK = 4
    BAD = 128
    READ_FAILED = 129
    TIMED_OUT = 130
    NOT_OPEN = 131
    NO_VALUE = 132
    OUT_OF_RANGE = 133
    SENTINEL = 134
    STALE = 135


GRADES = ("good", "suspect", "bad")


def grade(quality: int) -> str:
    """Return one of these."""
    good, suspect, bad = GRADES
    if quality == Quality.GOOD:
        return good
    return suspect if quality < Quality.BAD else bad


def reason(quality: int) -> str:
    """Return why a reading is not good, in one word; empty where nothing more is known."""
    if quality in (Quality.GOOD, Quality.SUSPECT, Quality.BAD):
        return ""
    try:
        return Quality(quality).name.lower()
    except ValueError:
        return f"reason_{quality}"


def in_words(grade_word: str, reason_word: str) -> str:
    """Return a quality as every table shows it: `bad (timed_out)`, or `good` alone."""
    return f"{grade_word} ({reason_word})" if reason_word else grade_word


def series_name(device: str, sensor: str, channel: str) -> str:
    """Return the full name of a series."""
    return f"{device}/{sensor}.{channel}"


def is_device_name(text: str) -> bool:
    """Say whether a text can name a device."""
    return _DEVICE.fullmatch(text) is not None


def is_sensor_name(text: str) -> bool:
    """Say whether a text can name a sensor or a channel."""
    return _SENSOR.fullmatch(text) is not None


def is_unit(text: str) -> bool:
    """Say whether a text can be a unit: short, and on one line."""
    return len(text.encode()) <= MAX_UNIT_BYTES and is_one_line(text)


def is_one_line(text: str) -> bool:
    """Say whether words for people hold nothing that could forge a line of a terminal or a log."""
    return _CONTROL.search(text) is None

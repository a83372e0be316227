"""Signals: what silence and rules say of one subject. Pure.

A subject is a series (`pi/air.temperature`), a device (`pi`), or several devices that went together
(`*` and a number).
"""

from enum import IntEnum
from typing import NamedTuple

GROUP = "*"


class Level(IntEnum):
    """How far it has come."""

    OFF = 0
    PENDING = 1
    ON = 2


class Signal(NamedTuple):
    """Something is wrong with a subject, is about to be, or is no more.

    `since_ns`: since when (UTC). `members`: of which things it is the summary.
    """

    rule: str
    subject: str
    level: Level
    since_ns: int = 0
    words: str = ""
    value: float | None = None
    members: tuple[str, ...] = ()


def series_of(subject: str) -> str | None:
    """Return the series that a subject is; None: it is none."""
    return subject if "/" in subject else None


def device_of(subject: str) -> str | None:
    """Return the device of a subject; None: there are several."""
    return None if subject.startswith(GROUP) else subject.partition("/")[0]


def is_group(subject: str) -> bool:
    """Say whether a subject is several devices."""
    return subject.startswith(GROUP)

"""What the doctor says: one finding a line, how bad it is, and what mends it."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is. A warning keeps nothing that is configured from working now."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    `mend` is what to type or do about it, a line a step; whatever is not good has one. `paste` is a
    piece of device.yaml, for the section `sensors`.
    """

    level: Level
    subject: str
    message: str
    mend: str = ""
    paste: str = ""


def good(subject: str, message: str, mend: str = "", paste: str = "") -> Finding:
    """Say that something is as it should be; `mend` is then for those who want more."""
    return Finding(Level.GOOD, subject, message, mend, paste)


def warning(subject: str, message: str, mend: str) -> Finding:
    """Say what somebody should look at."""
    return Finding(Level.WARNING, subject, message, mend)


def bad(subject: str, message: str, mend: str) -> Finding:
    """Say what keeps something that is configured from working."""
    return Finding(Level.BAD, subject, message, mend)


def as_needed(who: tuple[str, ...], subject: str, message: str, mend: str) -> Finding:
    """Say what is missing: bad where somebody needs it, a warning else."""
    if not who:
        return warning(subject, message, mend)
    return bad(subject, f"{message}; needed by {', '.join(who)}", mend)

"""The line that `systemctl status` shows of the agent: how it stands, trouble first hand. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from device.link_ends import NOT_JOINED
from service.spoken import cut, duration, some, status

_DETAIL_CHARACTERS = 80


class LinkStanding(NamedTuple):
    """How the link stands, for `for_s`; of one that is down how it ended, "" before the first try."""

    is_up: bool
    for_s: float
    reason: str = ""
    detail: str = ""


class SpoolStanding(NamedTuple):
    """How many readings wait, whether nothing more can be kept, and what the card fails with."""

    held_readings: int
    is_full: bool = False
    card_error: str = ""


def status_line(
    sensors: int,
    failing: Sequence[str],
    link: LinkStanding,
    spool: SpoolStanding,
    troubles: Sequence[str] = (),
) -> str:
    """Say how the agent stands.

    Args:
        sensors: how many there are.
        failing: those whose last read failed.
        troubles: what else somebody should know, such as a file that is not in force.
    """
    return status([_sensors(sensors, failing), _link(link), *_spool(spool)], troubles)


def _sensors(count: int, failing: Sequence[str]) -> str:
    said = "1 sensor" if count == 1 else f"{count} sensors"
    return f"{said} ({some(failing)} failing)" if failing else said


def _link(link: LinkStanding) -> str:
    if link.is_up:
        return f"link up {duration(link.for_s)}"
    if link.reason == NOT_JOINED:
        return "not joined: sudo telegauge-device join TOKEN"
    if not link.reason:
        return "link not up yet"
    why = cut(_small(link.detail) or link.reason, _DETAIL_CHARACTERS)
    return f"link down {duration(link.for_s)}: {why}"


def _spool(spool: SpoolStanding) -> list[str]:
    parts = [f"{spool.held_readings} spooled"]
    if spool.is_full:
        parts.append("spool full: no sensor is read")
    if spool.card_error:
        parts.append(f"card fails: {cut(_small(spool.card_error), _DETAIL_CHARACTERS)}")
    return parts


def _small(text: str) -> str:
    """Begin with a small letter, as in the middle of a line, unless it is an abbreviation's."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text

"""Instants as people write and read them: RFC 3339, seconds since 1970, or relative to now."""

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.quantities import parse_duration

_LOCAL_TIME = Path("/etc/localtime")
# Fewer digits would be a year, or a day without its dashes.
_NUMBER = re.compile(r"(0|[0-9]{9,})(\.[0-9]+)?")
_AGO = re.compile(r"-?([0-9]+[a-z]+)")
ACCEPTED = (
    "2026-11-23T12:00:00+01:00, 2026-11-23 12:00, seconds since 1970, 24h (that long ago), or now"
)
END_OF_TIME_NS = 2**63 - 1


def zone_of(name: str) -> tzinfo:
    """Return the time zone of the YAML's `time_zone`; `system` is this machine's."""
    if name != "system":
        return ZoneInfo(name)
    try:
        return ZoneInfo(str(_LOCAL_TIME.resolve()).partition("zoneinfo/")[2])
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return datetime.now().astimezone().tzinfo or UTC


def zone_name(zone: tzinfo, now_ns: int) -> str:
    """Return a zone as browsers know it: its name, or where it has none its offset now."""
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    return datetime.fromtimestamp(now_ns // 10**9, zone).isoformat()[-6:]


def parse_when(text: str, zone: tzinfo, now_ns: int) -> int:
    """Return an instant in UTC ns; one without an offset is in `zone`.

    What 64 bits cannot say, before 1677 or after 2262, becomes their begin or end.

    Raises:
        ValueError: with what was accepted.
    """
    return max(-END_OF_TIME_NS, min(_parse(text, zone, now_ns), END_OF_TIME_NS))


def told(time_ns: int, zone: tzinfo) -> str:
    """Return an instant as RFC 3339 with milliseconds and the zone's offset."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    try:
        instant = datetime.fromtimestamp(seconds, zone)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
    return instant.replace(microsecond=rest_ns // 1000).isoformat(timespec="milliseconds")


def _parse(text: str, zone: tzinfo, now_ns: int) -> int:
    if text == "now":
        return now_ns
    if ago := _AGO.fullmatch(text):
        return now_ns - round(parse_duration(ago[1]) * 1e9)
    if _NUMBER.fullmatch(text):
        return int(Decimal(text) * 1_000_000_000)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"`{text}` is no instant. Accepted: {ACCEPTED}") from None
    return _ns(instant if instant.tzinfo else instant.replace(tzinfo=zone))


def _ns(instant: datetime) -> int:
    whole = instant.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + instant.microsecond * 1000

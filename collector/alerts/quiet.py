"""Quiet hours: whether people are to be left alone now. Pure."""

from datetime import datetime, tzinfo

from collector.alert_settings import QuietHours


def is_quiet(hours: QuietHours | None, now_ns: int, zone: tzinfo) -> bool:
    """Say whether a time (UTC, ns) is in quiet hours, by the clock on the wall there."""
    if hours is None:
        return False
    wall = datetime.fromtimestamp(now_ns // 10**9, zone)
    minute = wall.hour * 60 + wall.minute
    if hours.from_min < hours.to_min:
        return hours.from_min <= minute < hours.to_min
    return minute >= hours.from_min or minute < hours.to_min

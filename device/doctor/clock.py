"""The clock: synchronised, plausible, kept over a power cut."""

import time
from datetime import UTC, datetime
from typing import NamedTuple

from device.doctor.board import Board
from device.doctor.finding import Finding, good, warning
from device.doctor.place import Place
from service.kernelclock import kernel_synchronised

_SUBJECT = "clock"
# Nobody ran this program before it was written; a clock far ahead is as wrong as one at 1970.
_PLAUSIBLE_YEARS = range(2025, 2075)
_SYNCHRONISE = "sudo timedatectl set-ntp true\ntimedatectl timesync-status"


class Clock(NamedTuple):
    """`now_s` is UTC since 1970; `rtcs` are the clocks that run on without power."""

    now_s: float
    is_synchronised: bool
    rtcs: tuple[str, ...] = ()


def look(place: Place) -> Clock:
    """Look at this machine's clock, and for one with a battery."""
    names = [place.text(f"{rtc}/name") for rtc in _rtcs(place)]
    return Clock(time.time(), kernel_synchronised(), tuple(name or "rtc" for name in names))


def judge(clock: Clock, board: Board) -> list[Finding]:
    """Say how far its times can be trusted. Readings keep their order whatever it says."""
    now = datetime.fromtimestamp(clock.now_s, UTC)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    found = []
    if now.year not in _PLAUSIBLE_YEARS:
        message = f"it says {shown}, which cannot be: until it is right, readings are dated by the collector"
        found.append(warning(_SUBJECT, message, _SYNCHRONISE))
    elif not clock.is_synchronised:
        message = f"it says {shown}, and nothing keeps it right"
        found.append(warning(_SUBJECT, message, _SYNCHRONISE))
    else:
        found.append(good(_SUBJECT, f"synchronised: {shown}"))
    if clock.rtcs:
        found.append(good(_SUBJECT, f"kept without power by {', '.join(clock.rtcs)}"))
    elif board.is_pi:
        found.append(
            good(
                _SUBJECT,
                "no clock with a battery: after a boot without network the time is "
                "known once the network or the collector is there",
            )
        )
    return found


def _rtcs(place: Place) -> list[str]:
    return [f"/sys/class/rtc/{rtc.name}" for rtc in place.named("/sys/class/rtc/rtc*")]

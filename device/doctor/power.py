"""The supply and the heat of a Raspberry Pi, as its firmware tells them."""

import contextlib
from typing import NamedTuple

from device.doctor.board import Board
from device.doctor.finding import Finding, bad, good, warning
from device.doctor.place import Place
from device.sensors import machine
from device.sensors.machine import CAPPED, HOT, SINCE_BOOT, THROTTLED, UNDER_VOLTAGE

_SUBJECT = "power"
_SUPPLY = "use the supply made for this Pi and a short, thick cable; give USB devices a powered hub"
_COOL = "give it a heat sink, a fan or a cooler place; see vcgencmd measure_temp"


class Power(NamedTuple):
    """`throttled` is the firmware's word, `is_weak` the alarm of the kernel's driver; None: no such thing."""

    throttled: int | None = None
    is_weak: bool | None = None


def look(place: Place) -> Power:
    """Ask the kernel, and the firmware by what there is."""
    return Power(_throttled(place), _alarm(place))


def judge(power: Power, board: Board) -> list[Finding]:
    """Say what is wrong now, and what was since boot."""
    if power.throttled is None and power.is_weak is None:
        if not board.is_pi:
            return []
        mend = "sudo apt install raspi-utils; where you are not root: sudo telegauge-device doctor"
        return [warning(_SUBJECT, "nobody tells whether the supply is strong enough", mend)]
    word = power.throttled or 0
    found = []
    if power.is_weak or word & UNDER_VOLTAGE:
        found.append(bad(_SUBJECT, "the supply is too weak now (under-voltage)", _SUPPLY))
    elif word >> SINCE_BOOT & UNDER_VOLTAGE:
        found.append(warning(_SUBJECT, "the supply was too weak since the last boot", _SUPPLY))
    if word & HOT:
        found.append(warning(_SUBJECT, "it is too hot and slows down", _COOL))
    elif word & (CAPPED | THROTTLED):
        found.append(warning(_SUBJECT, "it is slowed down, by its supply or its heat", _COOL))
    elif word >> SINCE_BOOT & (CAPPED | THROTTLED | HOT):
        found.append(warning(_SUBJECT, "it was slowed down since the last boot", _COOL))
    return found or [good(_SUBJECT, "the supply is strong enough, and nothing slows it down")]


def _throttled(place: Place) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return machine.throttling(_on(place))()
    said = (place.run(("vcgencmd", "get_throttled")) or "").strip().partition("=")[2]
    with contextlib.suppress(ValueError):
        return int(said, 16)
    return None


def _alarm(place: Place) -> bool | None:
    with contextlib.suppress(OSError, ValueError):
        return bool(machine.under_voltage(_on(place))())
    return None


def _on(place: Place) -> machine.Place:
    return machine.Place(place.root, "/", None)

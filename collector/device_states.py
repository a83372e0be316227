"""The state of a device in one word, as the page, `top` and the API have it. Pure.

    never_seen  nothing of it was ever stored
    silent      nothing was stored for 5 of its intervals, 2 min at least
    late        nothing was stored for 3 of its intervals, 90 s at least; of one that is away, for 10 s
    draining    it is here, and still sends what it kept while it was away
    live        none of these

What is stored counts, by the collector's clock: neither what the device's clock says, nor that its
connection is still there. Its interval is the shortest within which one of its series is to say
something.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias, get_args

State: TypeAlias = Literal["silent", "late", "draining", "never_seen", "live"]

# Those that want to be looked at come first.
STATES: tuple[State, ...] = get_args(State)

# What `silence:` of the alerts begins with, too. What is set there is when somebody is told: these
# words, which programs read, stay what they are.
SILENT_INTERVALS, SILENT_LEAST_S = 5, 120.0
# More than a minute: the health of the agent itself comes once in that time, whatever else is quiet.
LATE_INTERVALS, LATE_LEAST_S = 3, 90.0
# Whoever lost the connection is back by then, or not at all for now.
AWAY_S = 10.0


class Facts(NamedTuple):
    """What decides it.

    Args:
        heard_ns: when something of it was last stored (UTC, ns); None: never.
        interval_s: the shortest of its intervals; None: it told of none.
        connected: whether it has a session; None: nobody knows.
        is_draining: it still sends what it kept.
    """

    heard_ns: int | None
    interval_s: float | None
    connected: bool | None
    is_draining: bool = False


def state_of(facts: Facts, now_ns: int) -> State:
    """Return the state of a device at a time (UTC, ns)."""
    if facts.heard_ns is None:
        return "never_seen"
    quiet_s = (now_ns - facts.heard_ns) / 1e9
    interval_s = facts.interval_s or 0.0
    if quiet_s > silent_after_s(interval_s):
        return "silent"
    is_gone = facts.connected is False and quiet_s > AWAY_S
    if is_gone or quiet_s > max(LATE_LEAST_S, LATE_INTERVALS * interval_s):
        return "late"
    return "draining" if facts.connected and facts.is_draining else "live"


def silent_after_s(
    interval_s: float, intervals: float = SILENT_INTERVALS, least_s: float = SILENT_LEAST_S
) -> float:
    """Return for how long nothing may come of what is to say something within an interval."""
    return max(least_s, intervals * interval_s)


def shortest(intervals_s: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the shortest interval of each device, of pairs of a device and one of its intervals."""
    found: dict[str, float] = {}
    for device, interval_s in intervals_s:
        found[device] = min(interval_s, found.get(device, interval_s))
    return found

"""What can happen to a link, as plain data: faults, where they strike, and the plan of a session.

What carries it out is `kit.faultproxy`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class Way(Enum):
    """A direction."""

    UP = "from whoever connected to the target"
    DOWN = "from the target to whoever connected"


BOTH = frozenset(Way)


class Act(Enum):
    """What a fault does, always in both directions."""

    RESET = "RST to both ends"
    FINISH = "FIN to both ends; what they still say is swallowed"
    SILENCE = "half-open: everything is swallowed, nothing is closed, for ever"
    STALL = "nothing is read, so that the ends' buffers fill; goes on after a while"


# Given what is about to go through: how much of it still does before the fault; None: all of it.
Locator = Callable[[Way, bytes], int | None]


@dataclass(frozen=True)
class Fault:
    """One fault of a session, once `after_bytes` bytes of the ways that are `counted` went through.

    `stall_s` is how long a STALL lasts.
    """

    act: Act
    after_bytes: int = 0
    counted: frozenset[Way] = BOTH
    stall_s: float = 0.0

    def locator(self) -> Locator:
        """Find the place in one session."""
        left = self.after_bytes

        def locate(way: Way, data: bytes) -> int | None:
            nonlocal left
            if way not in self.counted or len(data) < left:
                left -= len(data) if way in self.counted else 0
                return None
            return left

        return locate


@dataclass(frozen=True)
class Plan:
    """What one session meets.

    Args:
        fault: strikes once; None: never.
        piece_bytes: each direction is handed on in pieces of so many bytes at most; 0: as it comes.
        delay_s: how long each byte is under way, by direction; a direction not named: 0.
    """

    fault: Fault | None = None
    piece_bytes: int = 0
    delay_s: dict[Way, float] = field(default_factory=dict)

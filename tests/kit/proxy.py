"""A TCP proxy that knows frames, and cuts the link in the middle of the one it is told to.

The cut is a reset on both sides after half of the frame went through, so neither end can know
whether what it sent has arrived. What else can happen to a link: `kit.faultproxy`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from kit.faultproxy import Act, Fault, FaultProxy, Locator, Plan, Way

_HEAD = struct.Struct("<IB")


@dataclass(frozen=True)
class FrameFault(Fault):
    """A fault in the middle of a frame.

    `frame` is its number in the session from 1, both directions counted together in the order in
    which their heads pass; 0: never.
    """

    frame: int = 0

    def locator(self) -> Locator:
        """Find the place in one session."""
        seen = 0
        ways = {way: _Frames() for way in Way}

        def locate(way: Way, data: bytes) -> int | None:
            nonlocal seen
            for start, size in ways[way].begun(data):
                seen += 1
                if seen == self.frame:
                    # A part of the frame may stand in what went through before, but no more than
                    # its head.
                    return max(start + size // 2, 0)
            return None

        return locate


class FrameProxy(FaultProxy):
    """Forwards 127.0.0.1:`port` to `target_port`.

    Args:
        cut_at: given the number of a session from 1, the frame in whose middle it is cut; 0: never.
    """

    def __init__(self, target_port: int, cut_at: Callable[[int], int]) -> None:
        super().__init__(
            target_port, lambda session: Plan(FrameFault(Act.RESET, frame=cut_at(session)))
        )

    @property
    def cuts(self) -> int:
        """How many sessions were cut."""
        return self.faults


class _Frames:
    """Follows the frames of one direction."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def begun(self, data: bytes) -> list[tuple[int, int]]:
        """Where frames begin whose head ends in this data, and their size.

        The place is negative where the head began in earlier data.
        """
        found, at = [], 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            before = len(self._head)
            self._head += data[at : at + _HEAD.size - before]
            start, at = at - before, at + len(self._head) - before
            if len(self._head) == _HEAD.size:
                self._left = _HEAD.unpack(self._head)[0]
                found.append((start, _HEAD.size + self._left))
                self._head = b""
        return found

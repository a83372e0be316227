"""Measuring: what a PING and its PONG say of a device's clock, and which of that is worth telling.

The device's clock was read at some time between the two: halfway, give or take half the round trip.
"""

from typing import NamedTuple

from collector.clock import HOUR_NS, Pair, Source
from wire.bodies import Moment, Pong

# Tokens of PINGs that measure; those below mean something else.
FIRST_TOKEN = 2
EVERY_S = 60.0

_MS_NS = 1_000_000


class Measured(NamedTuple):
    """The clocks of a device as it told them, and what the collector measured meanwhile."""

    clock: Moment
    pair: Pair


class Measuring:
    """The measurements of one session. Of each hour of a boot the best is told, as it gets better.

    `is_answered`: the peer says what its clocks show; an older one does not. `latest`: what was
    measured last, whether it was worth telling or not.
    """

    def __init__(self) -> None:
        self.is_answered = True
        self.latest: Measured | None = None
        self._token = FIRST_TOKEN - 1
        self._asked_s: float | None = None
        self._told: dict[bytes, Pair] = {}

    def ask(self, now_s: float) -> int:
        """Return the token of a PING that is said now; what an earlier one asked counts no more."""
        self._token += 1
        self._asked_s = now_s
        return self._token

    def answered(self, pong: Pong, now_s: float, wall_ns: int, is_vouched: bool) -> Measured | None:
        """Take a PONG; return what it says, if that is worth telling.

        Args:
            now_s: the time that `ask` was told, now.
            wall_ns: UTC, now, by the collector's clock.
            is_vouched: the kernel calls that clock synchronised.
        """
        if pong.token != self._token or self._asked_s is None:
            return None
        half_trip_ns = round((now_s - self._asked_s) * 1e9 / 2)
        self._asked_s = None
        if pong.clock is None:
            self.is_answered = False
            return None
        pair = _pair(pong.clock.boot_ns, wall_ns - half_trip_ns, is_vouched, half_trip_ns)
        self.latest = Measured(pong.clock, pair)
        if not self._is_better(pong.clock.boot_id, pair):
            return None
        self._told = {pong.clock.boot_id: pair}
        return self.latest

    def _is_better(self, boot_id: bytes, pair: Pair) -> bool:
        told = self._told.get(boot_id)
        if told is None or told.boot_ns // HOUR_NS != pair.boot_ns // HOUR_NS:
            return True
        return is_better(pair, told)


def _pair(boot_ns: int, wall_ns: int, is_vouched: bool, error_ns: int) -> Pair:
    """Return a pair of whole milliseconds apart: a regular grid of readings stays one in UTC."""
    offset_ns = round((wall_ns - boot_ns) / _MS_NS) * _MS_NS
    source = Source.VOUCHED if is_vouched else Source.MEASURED
    return Pair(boot_ns, boot_ns + offset_ns, source, error_ns + _MS_NS // 2)


def is_better(pair: Pair, other: Pair) -> bool:
    """Say which of two of the same hour is worth more."""
    return (-pair.source, pair.error_ns) < (-other.source, other.error_ns)

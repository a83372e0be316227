"""Dating: from what is known of a boot's clock to the UTC of what was read in it. Pure.

A device counts time since its boot. A *pair* says what that was at a moment of UTC, and where that
comes from:

    synchronised   the device's own clock, which its kernel called synchronised
    vouched        measured by the collector, whose kernel called its clock synchronised
    measured       measured by a collector of which nobody knows that

One rule dates a reading: of the pairs of its own boot the nearest synchronised one, as long as that
is good to a second; else the best of those that a synchronised clock stands behind; else the best
measured one; else its time is unknown. The best is the one of the least bound: its own error, and
what a crystal may drift on the way.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from enum import IntEnum, StrEnum
from typing import NamedTuple

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
# No crystal of a Pi is worse than 100 ppm: one part in so many.
DRIFT = 10_000
# A synchronised pair goes before all others as long as its bound is no larger than this.
GOOD_NS = SECOND_NS
# Clocks that agree so closely say the same; it is also the grain of the pairs that batches carry.
SAME_NS = 2_000_000
# A clock that shows less is wrong: this program was not written yet.
NO_EARLIER_NS = 1_767_225_600 * SECOND_NS
LARGEST_NS = 2**63 - 1

_BOOT_WITHIN_NS = 2**61
_WALL_WITHIN_NS = 2**62


class Source(IntEnum):
    """Where a pair comes from; the greater, the more it is worth."""

    MEASURED = 0
    VOUCHED = 1
    SYNCHRONISED = 2


class Known(StrEnum):
    """How a time is known."""

    SYNCED = "synced"
    DERIVED = "derived"
    UNKNOWN = "unknown"


class Pair(NamedTuple):
    """A CLOCK_BOOTTIME and the UTC of the same moment, which is right to `error_ns`."""

    boot_ns: int
    wall_ns: int
    source: Source
    error_ns: int = 0

    @property
    def offset_ns(self) -> int:
        """What turns a CLOCK_BOOTTIME of that boot into UTC."""
        return self.wall_ns - self.boot_ns

    @property
    def is_possible(self) -> bool:
        """Whether one may compute with it: a device may claim any numbers."""
        return abs(self.boot_ns) < _BOOT_WITHIN_NS and abs(self.wall_ns) <= _WALL_WITHIN_NS

    def bound_ns(self, boot_ns: int) -> int:
        """Return how far off the UTC can be that it gives to a moment of its boot."""
        return self.error_ns + abs(boot_ns - self.boot_ns) // DRIFT


class Dating(NamedTuple):
    """How the time of readings is known.

    `offset_ns` turns CLOCK_BOOTTIME into UTC, right to `error_ns`; None: each batch has its own
    pair, which is synchronised, or nothing is known. Then `earliest_ns` and `latest_ns` bound
    them, as far as anybody knows (UTC).
    """

    known: Known
    offset_ns: int | None = None
    error_ns: int | None = 0
    earliest_ns: int | None = None
    latest_ns: int | None = None


# Of batches whose own pair is synchronised: each is its own nearest.
OWN = Dating(Known.SYNCED)


class Pairs:
    """The pairs of one boot."""

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._of: dict[Source, list[Pair]] = {source: [] for source in Source}
        for pair in sorted(pairs):
            self._of[pair.source].append(pair)

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[Pair]:
        return (pair for found in self._of.values() for pair in found)

    def add(self, pair: Pair) -> None:
        """Take one more."""
        insort(self._of[pair.source], pair)

    def remove(self, pair: Pair) -> None:
        """Give one up."""
        self._of[pair.source].remove(pair)

    def best_of(self, source: Source, boot_ns: int) -> Pair | None:
        """Return the pair of one source that dates a moment best."""
        pairs, best = self._of[source], None
        start = bisect_left(pairs, boot_ns, key=lambda pair: pair.boot_ns)
        for way in (range(start - 1, -1, -1), range(start, len(pairs))):
            for place in way:
                pair = pairs[place]
                if best is not None and abs(boot_ns - pair.boot_ns) // DRIFT >= best.bound_ns(
                    boot_ns
                ):
                    break  # all further ones are worse by their distance alone
                if best is None or pair.bound_ns(boot_ns) < best.bound_ns(boot_ns):
                    best = pair
        return best

    def of_hour(self, boot_ns: int) -> Pair | None:
        """Return what was measured in the hour of uptime that a moment lies in: one is kept."""
        hour = boot_ns // HOUR_NS
        for source in (Source.VOUCHED, Source.MEASURED):
            found = self._of[source]
            place = bisect_left(found, hour * HOUR_NS, key=lambda pair: pair.boot_ns)
            if place < len(found) and found[place].boot_ns // HOUR_NS == hour:
                return found[place]
        return None

    def date(self, boot_ns: int) -> Pair | None:
        """Return the pair that dates a moment; None: its time is unknown."""
        own = self.best_of(Source.SYNCHRONISED, boot_ns)
        if own is not None and own.bound_ns(boot_ns) <= GOOD_NS:
            return own
        vouched = self.best_of(Source.VOUCHED, boot_ns)
        trusted = [pair for pair in (own, vouched) if pair is not None]
        if trusted:
            return min(trusted, key=lambda pair: pair.bound_ns(boot_ns))
        return self.best_of(Source.MEASURED, boot_ns)

    def reach(self, pair: Pair) -> tuple[int, int]:
        """Return from when to when a pair may be the one that dates: between those as good as it."""
        before, after = -LARGEST_NS, LARGEST_NS
        for other in self:
            if other == pair or other.source < pair.source:
                continue
            if other.error_ns > pair.bound_ns(other.boot_ns):
                continue
            if other.boot_ns < pair.boot_ns:
                before = max(before, other.boot_ns)
            else:
                after = min(after, other.boot_ns)
        return before, after


def dating_by(pair: Pair, first_ns: int, last_ns: int) -> Dating:
    """Return how readings of a span of a boot are dated by a pair."""
    known = Known.SYNCED if pair.source is Source.SYNCHRONISED else Known.DERIVED
    error_ns = max(pair.bound_ns(first_ns), pair.bound_ns(last_ns))
    return Dating(known, pair.offset_ns, error_ns)


def is_news(now: Dating, former: Dating) -> bool:
    """Say whether a dating is worth writing down in the place of a former one."""
    if now.known is not former.known or now.offset_ns is None or former.offset_ns is None:
        return now != former
    if abs(now.offset_ns - former.offset_ns) > SAME_NS:
        return True
    return 2 * (now.error_ns or 0) < (former.error_ns or 0)


class OwnClock:
    """Whether the collector's own clock can be right, by what it has seen; UTC, ns.

    Args:
        newest_ns: the newest receipt in the store.
    """

    _SLACK_NS = SECOND_NS

    def __init__(self, newest_ns: int) -> None:
        self._newest_ns = newest_ns

    def heard(self, now_ns: int) -> None:
        """Note a receipt."""
        self._newest_ns = max(self._newest_ns, now_ns)

    def is_possible(self, now_ns: int, is_vouched: bool = False) -> bool:
        """Say whether the clock may show this; `is_vouched`: the kernel calls it synchronised."""
        if now_ns < NO_EARLIER_NS:
            return False
        return is_vouched or now_ns >= self._newest_ns - self._SLACK_NS

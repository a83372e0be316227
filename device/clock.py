"""The clocks of this machine: the one that counts since boot, the wall clock, and how they differ.

Times in a batch are CLOCK_BOOTTIME (clock_gettime(2)): it never jumps and goes on in suspend. A
batch carries one pair of both clocks, from which the collector makes UTC.
"""

import time
from pathlib import Path

from service.kernelclock import kernel_synchronised
from wire.batches import ClockPair

MS_NS = 1_000_000
# A pair is renewed when the clocks have moved apart by more than this: a regular grid of readings
# then stays regular in UTC, which is what makes its times cost next to nothing on disk.
RENEW_NS = 2 * MS_NS


def boottime_ns() -> int:
    """Return CLOCK_BOOTTIME in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> bytes:
    """Return the 16 bytes that name this boot (random(4))."""
    return bytes.fromhex(path.read_text().strip().replace("-", ""))


def renewed(before: ClockPair | None, boot_ns: int, wall_ns: int, synchronised: bool) -> ClockPair:
    """Return the pair to put into a batch now: the former offset while it still holds.

    The offset (wall - boot) is in whole milliseconds.
    """
    offset_ns = round((wall_ns - boot_ns) / MS_NS) * MS_NS
    if before is not None and abs(wall_ns - boot_ns - before.offset_ns) <= RENEW_NS:
        offset_ns = before.offset_ns
    return ClockPair(boot_ns, boot_ns + offset_ns, synchronised)


class Clock:
    """Gives the clock pair of each batch."""

    def __init__(self) -> None:
        self._pair: ClockPair | None = None

    def pair(self) -> ClockPair:
        """Return the pair of this moment."""
        # Asked before and after: a clock that is set between must not vouch for what it showed before.
        was_synchronised = kernel_synchronised()
        both_ns = _both_ns()
        self._pair = renewed(self._pair, *both_ns, was_synchronised and kernel_synchronised())
        return self._pair


def _both_ns() -> tuple[int, int]:
    """Read both clocks as one: the try that took least, lest a busy moment looks like a step."""
    tries = []
    for _ in range(3):
        before_ns, wall_ns, after_ns = boottime_ns(), time.time_ns(), boottime_ns()
        tries.append((after_ns - before_ns, (before_ns + after_ns) // 2, wall_ns))
    _, boot_ns, wall_ns = min(tries)
    return boot_ns, wall_ns

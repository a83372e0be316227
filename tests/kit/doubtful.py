"""Doubtful readings in a store: suspect ones, and those of a boot whose clock was measured, never set."""

from pathlib import Path

from collector.clock import Pair, Source
from collector.measuring import Measured
from kit.stores import OTHER_EPOCH, Read, arrived, at_ns, batch, read, transaction
from kit.wireworks import CLOCK
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody
from wire.bodies import Moment
from wire.readings import Quality
from wire.receiver import Arrived

JUMPED, STUCK, BAD = int(Quality.JUMPED), int(Quality.STUCK), int(Quality.BAD)
# How far off the measured pair is.
ERROR_NS = 40_000_000
_BOOT = bytes(range(64, 80))
_UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)


def measure(path: Path, device: str, at_s: float = 0.0) -> None:
    """Measure the clock of a device in that boot: what it sends of it then is dated by that."""
    pair = Pair(round(at_s * 1e9), at_ns(at_s), Source.VOUCHED, ERROR_NS)
    moment = Moment(_BOOT, pair.boot_ns, 7, synchronised=False)
    with transaction(path, at_ns(at_s)) as group:
        group.measured(device, Measured(moment, pair))


def reads(first_s: int, end_s: int, qualities: dict[int, int]) -> list[Read]:
    """A read each second; `qualities`: of those that are not good, by their second."""

    def one(at_s: int) -> Read:
        quality = qualities.get(at_s, 0)
        return read(at_s, float("nan") if quality >= BAD else 20.0, quality=quality)

    return [one(at_s) for at_s in range(first_s, end_s)]


def set_batch(seq: int, some: list[Read]) -> Arrived:
    """A batch of a boot whose clock is set."""
    return batch(seq, *some, before=0)


def unset_batch(seq: int, some: list[Read]) -> Arrived:
    """A batch of the boot whose clock is not; its readings have the times that they have in the other."""
    body = OpenBody()
    for each in some:
        body.add(each.sensor, each.time_ns, each.points)
    return arrived(seal(body, Place(OTHER_EPOCH, seq, 0), _BOOT, _UNSET))

"""The open batch: what was accepted and has no seq yet, and what fits it."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from device.spool.records import EpochFacts, Read
from wire import blocks
from wire.batches import MAX_BODY_BYTES, MAX_READINGS, ClockPair, Place, seal
from wire.blocks import OpenBody, Point
from wire.bodies import Moment


def fits(body: OpenBody, points: Sequence[Point]) -> bool:
    """Say whether a read has room in an open batch; an empty one takes any part."""
    return not body.readings or (
        body.readings + len(points) <= MAX_READINGS
        and body.size_bytes + blocks.cost_bytes(points) <= MAX_BODY_BYTES
    )


def parts(points: Sequence[Point]) -> list[Sequence[Point]]:
    """Split a read that no batch could hold whole; all other reads stay in one piece."""
    if not points:
        return []
    if len(points) <= MAX_READINGS and blocks.cost_bytes(points) <= MAX_BODY_BYTES:
        return [points]
    half = len(points) // 2
    return parts(points[:half]) + parts(points[half:])


def body_of(reads: Iterable[Read]) -> OpenBody:
    """Build the open batch anew from the reads that were kept."""
    body = OpenBody()
    for read in reads:
        body.add(read.sensor, read.time_ns, read.points)
    return body


def closed(body: OpenBody, facts: EpochFacts, now: Moment) -> tuple[EpochFacts, bytes]:
    """Seal an open batch as the next of its epoch; return it, and what is known of the epoch then."""
    place = Place(facts.epoch, facts.last_seq + 1, facts.readings)
    pair = ClockPair(now.boot_ns, now.wall_ns, now.synchronised)
    after = replace(
        facts,
        last_seq=facts.last_seq + 1,
        readings=facts.readings + body.readings,
        clock=now if now.synchronised or not facts.clock.synchronised else facts.clock,
    )
    return after, seal(body, place, now.boot_id, pair)

"""Batches and frames for tests, with every field at hand."""

import struct
import zlib

from wire.batches import HEADER_BYTES, ClockPair, Place, seal
from wire.blocks import OpenBody, Point
from wire.bodies import Held, Moment

EPOCH = bytes(range(16))
BOOT = bytes(range(16, 32))
CLOCK = ClockPair(10**9, 1_790_000_000 * 10**9, synchronised=True)
# The same clock pair, as HOLD and END tell it.
MOMENT = Moment(BOOT, *CLOCK)
HELD = Held(EPOCH, 1, MOMENT, 0)


def sealed_batch(
    seq: int = 1,
    values: list[float] | None = None,
    *,
    epoch: bytes = EPOCH,
    before: int | None = None,
    first_ns: int = 10**9,
) -> bytes:
    """One reading a second of `air.temperature`, from `first_ns` (boot time) on."""
    values = [20.0] if values is None else values
    body = OpenBody()
    for number, value in enumerate(values):
        body.add("air", first_ns + number * 10**9, [Point("temperature", "degC", value, 0)])
    place = Place(epoch, seq, (seq - 1) * len(values) if before is None else before)
    return seal(body, place, BOOT, CLOCK)


def damaged(sealed: bytes) -> bytes:
    """The batch with one bit of its body changed."""
    changed = bytearray(sealed)
    changed[HEADER_BYTES] ^= 1
    return bytes(changed)


def resealed(sealed: bytes, offset: int, new: bytes) -> bytes:
    """The batch with bytes replaced and a checksum that fits again: a lie, well made."""
    changed = sealed[:offset] + new + sealed[offset + len(new) : -4]
    return changed + struct.pack("<I", zlib.crc32(changed))

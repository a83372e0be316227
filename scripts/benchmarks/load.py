"""The load: sessions that send batches sealed beforehand, as fast as they are acknowledged."""

import asyncio
import random
import struct
import time
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from service.stream import ConversationStream
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody, Point
from wire.conversation import Closed, Event
from wire.frames import Ack, Held, Marks, Ready
from wire.sender import Sender

_CHANNELS = 10
_BODIES = 500  # so many different ones, taken in turn: encoding is not what is measured
_BOOT = bytes(range(16))


class Sealed(NamedTuple):
    """The batches of one session, ready to send."""

    epoch: bytes
    batches: list[bytes]
    readings: int


def sealed_sessions(sessions: int, readings: int, per_batch: int) -> list[Sealed]:
    """Seal `readings` readings: 10 channels at 1 Hz, decimal values as sensors give them."""
    dice = random.Random(1)
    count = max(1, readings // sessions // per_batch)
    bodies = [_body(per_batch, dice) for _ in range(min(_BODIES, count))]
    made = []
    for _ in range(sessions):
        epoch = dice.randbytes(16)
        batches = [
            _numbered(bodies[seq % len(bodies)], epoch, seq, (seq - 1) * per_batch)
            for seq in range(1, count + 1)
        ]
        made.append(Sealed(epoch, batches, count * per_batch))
    return made


async def send_all(port: int, sessions: Sequence[Sealed]) -> float:
    """Send everything over one connection a session; return the seconds until the last ACK."""
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in sessions]
    began_s = time.perf_counter()
    for number, (session, end) in enumerate(zip(sessions, ends, strict=True)):
        await loop.create_connection(
            lambda number=number, session=session, end=end: _Device(number, session, end),
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*ends)
    return time.perf_counter() - began_s


class _Device(ConversationStream):
    def __init__(self, number: int, session: Sealed, end: "asyncio.Future[None]") -> None:
        self.sender = Sender(f"bench-{number}", "bench", asyncio.get_running_loop().time())
        super().__init__(self.sender)
        self._session = session
        self._all_acknowledged = end
        self._next = 1

    def happened(self, event: Event) -> None:
        match event:
            case Ready():
                self.sender.hold([Held(self._session.epoch, _BOOT, 1)])
            case Marks():
                self._push()
            case Ack(mark=mark) if mark == len(self._session.batches):
                self._all_acknowledged.set_result(None)
                self.close("stopping")
            case Ack():
                self._push()

    def writable(self) -> None:
        self._push()

    def ended(self, closed: Closed) -> None:
        if not self._all_acknowledged.done():
            self._all_acknowledged.set_exception(RuntimeError(f"session ended: {closed}"))

    def _push(self) -> None:
        batches = self._session.batches
        while self._next <= len(batches) and self.sender.has_room(len(batches[self._next - 1])):
            self.sender.batch(Place(self._session.epoch, self._next, 0), batches[self._next - 1])
            self._next += 1


def _body(readings: int, dice: random.Random) -> bytes:
    body, values = OpenBody(), [20.0 + number for number in range(_CHANNELS)]
    for read in range(max(1, readings // _CHANNELS)):
        values = [round(value + dice.choice((-0.1, 0.0, 0.0, 0.1)), 1) for value in values]
        points = [
            Point(f"channel_{number}", "degC", value, 0)
            for number, value in enumerate(values[: min(readings, _CHANNELS)])
        ]
        body.add("bench", (1000 + read) * 10**9, points)
    clock = ClockPair(10**9, time.time_ns(), synchronised=True)
    return seal(body, Place(bytes(16), 1, 0), _BOOT, clock)


def _numbered(sealed: bytes, epoch: bytes, seq: int, before: int) -> bytes:
    """The batch under another number: its place and checksum anew (PROTOCOL.md, BATCH)."""
    data = sealed[:8] + struct.pack("<16sQQ", epoch, seq, before) + sealed[40:-4]
    return data + struct.pack("<I", zlib.crc32(data))

"""The load: sessions that send batches sealed beforehand, as fast as they may or at a pace."""

import asyncio
import random
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from service.stream import ConversationStream
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody, Point
from wire.bodies import Ack, Describe, Held, Marks, Moment
from wire.conversation import Closed, Event
from wire.greetings import Ready
from wire.sender import Sender

_CHANNELS = 10
_BODIES = 500  # so many different ones, taken in turn: encoding is not what is measured
_BOOT = bytes(range(16))
_START_S = 0.5  # until all sessions of a paced load are there
_T = TypeVar("_T")


class Sealed(NamedTuple):
    """The batches of one session, ready to send, and what its device is called and says of itself."""

    epoch: bytes
    batches: list[bytes]
    readings: int
    device: str = ""
    description: Describe | None = None


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


async def send_all(port: int, sessions: Sequence[Sealed], at_once: int = 0) -> float:
    """Send everything over one connection a session; return the seconds until the last ACK.

    So many sessions `at_once`, the next when one has ended; 0: all.
    """
    began_s = time.perf_counter()
    await _send(_Device, port, sessions, at_once)
    return time.perf_counter() - began_s


async def send_paced(port: int, sessions: Sequence[Sealed], every_s: float) -> list[float]:
    """Send a batch a session every so many seconds; return how long each took to be acknowledged.

    The sessions take turns. A batch counts from when it was due, also where it had to wait.
    """
    began_s = time.perf_counter()
    paced = partial(_PacedDevice, began_s, every_s, len(sessions))
    return [took_s for device in await _send(paced, port, sessions) for took_s in device.took_s]


async def _send(
    make: "Callable[..., _T]", port: int, sessions: Sequence[Sealed], at_once: int = 0
) -> "list[_T]":
    loop = asyncio.get_running_loop()
    waiting = iter(enumerate(sessions))
    devices = []

    async def one_by_one() -> None:
        for number, session in waiting:
            end = loop.create_future()
            _, device = await loop.create_connection(
                partial(make, number, session, end), "127.0.0.1", port
            )
            devices.append(device)
            await end

    await asyncio.gather(*(one_by_one() for _ in range(at_once or len(sessions))))
    return devices


class _Device(ConversationStream):
    def __init__(self, number: int, session: Sealed, end: "asyncio.Future[None]") -> None:
        name = session.device or f"bench-{number}"
        self.sender = Sender(name, "bench", asyncio.get_running_loop().time())
        super().__init__(self.sender)
        self._session = session
        self._all_acknowledged = end
        self._next = 1

    def happened(self, event: Event) -> None:
        match event:
            case Ready():
                if self._session.description is not None:
                    self.sender.describe(self._session.description)
                self.sender.hold([Held(self._session.epoch, 1, Moment(_BOOT, 0, 0), 0)])
            case Marks():
                self._push()
            case Ack(mark=mark):
                self._acknowledged(mark)

    def writable(self) -> None:
        self._push()

    def ended(self, closed: Closed) -> None:
        if not self._all_acknowledged.done():
            self._all_acknowledged.set_exception(RuntimeError(f"session ended: {closed}"))

    def _acknowledged(self, mark: int) -> None:
        if mark == len(self._session.batches):
            self._all_acknowledged.set_result(None)
            self.close("stopping")
        else:
            self._push()

    def _push(self) -> None:
        batches = self._session.batches
        while self._next <= len(batches) and self.sender.has_room(
            self._session.epoch, len(batches[self._next - 1])
        ):
            self.sender.batch(Place(self._session.epoch, self._next, 0), batches[self._next - 1])
            self._next += 1


class _PacedDevice(_Device):
    """Sends by the clock, whatever is acknowledged; `took_s` is how long each batch waited for that."""

    def __init__(
        self,
        began_s: float,
        every_s: float,
        sessions: int,
        number: int,
        session: Sealed,
        end: "asyncio.Future[None]",
    ) -> None:
        super().__init__(number, session, end)
        self.took_s: list[float] = []
        self._first_s = began_s + _START_S + every_s * number / sessions
        self._every_s = every_s

    def _due_s(self, seq: int) -> float:
        return self._first_s + (seq - 1) * self._every_s

    def _acknowledged(self, mark: int) -> None:
        now_s = time.perf_counter()
        for seq in range(len(self.took_s) + 1, mark + 1):
            self.took_s.append(now_s - self._due_s(seq))
        if mark == len(self._session.batches):
            super()._acknowledged(mark)

    def _push(self) -> None:
        """Send what is due, and come again for the next."""
        batches = self._session.batches
        while self._next <= len(batches) and self._due_s(self._next) <= time.perf_counter():
            sealed = batches[self._next - 1]
            self.sender.batch(Place(self._session.epoch, self._next, 0), sealed)
            self._next += 1
        self.flush()
        if self._next <= len(batches):
            wait_s = self._due_s(self._next) - time.perf_counter()
            asyncio.get_running_loop().call_later(max(0.0, wait_s), self._push)


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

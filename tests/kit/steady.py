"""Devices that send one small batch again and again, over TLS, and note how long each ACK took."""

import asyncio
import secrets
from collections.abc import Sequence
from itertools import count

from device.contact import Contact
from device.credentials import Credentials
from kit.wireworks import BOOT, CLOCK, MOMENT
from service import tls
from service.stream import ConversationStream
from wire.batches import Place, seal
from wire.blocks import OpenBody, Point
from wire.bodies import Ack, ByeReason, Held, Marks
from wire.conversation import Closed, Event
from wire.greetings import Ready
from wire.sender import Sender

_READINGS = 10
_ENTER_WITHIN_S = 60.0


def batch(epoch: bytes, seq: int) -> bytes:
    """Ten readings of one sensor."""
    body = OpenBody()
    points = [Point(f"c{n}", "degC", float(seq * 100 + n), 0) for n in range(_READINGS)]
    body.add("steady", seq * 10**9, points)
    return seal(body, Place(epoch, seq, (seq - 1) * _READINGS), BOOT, CLOCK)


class Steady(ConversationStream):
    """One device; `took_s`: how long each batch waited for its ACK, counted from when it was due."""

    def __init__(self, credentials: Credentials) -> None:
        prover = Contact(credentials.device, (), credentials).prover()
        now_s = asyncio.get_running_loop().time()
        self.sender = Sender(credentials.device, "steady", now_s, prover)
        super().__init__(self.sender)
        self.epoch = secrets.token_bytes(16)
        self.took_s: list[float] = []
        self.end: Closed | None = None
        self.flows, self.gone = asyncio.Event(), asyncio.Event()
        self._due_s: dict[int, float] = {}

    def happened(self, event: Event) -> None:
        """Come in, and note what is acknowledged."""
        match event:
            case Ready():
                self.sender.hold([Held(self.epoch, 1, MOMENT, 0)])
            case Marks():
                self.flows.set()
            case Ack():
                for seq in [seq for seq in self._due_s if seq <= event.mark]:
                    self.took_s.append(self._loop.time() - self._due_s.pop(seq))

    def ended(self, closed: Closed) -> None:
        """Note why."""
        self.end = closed
        self.flows.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing is left of the connection (asyncio calls this)."""
        super().connection_lost(exc)
        self.gone.set()

    async def send(self, first_s: float, every_s: float, batches: int) -> None:
        """Send so many batches, one every so often from a time of the loop on; wait for their ACKs."""
        await asyncio.wait_for(self.flows.wait(), _ENTER_WITHIN_S)
        for seq in range(1, batches + 1):
            due_s = first_s + (seq - 1) * every_s
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            assert self.end is None, self.end
            self._due_s[seq] = due_s
            self.sender.batch(Place(self.epoch, seq, 0), batch(self.epoch, seq))
            self.flush()
        while self._due_s and self.end is None:
            await asyncio.sleep(every_s / 10)
        assert self.end is None, self.end

    async def leave(self) -> None:
        """Say BYE, and wait until nothing is left."""
        self.close(ByeReason.STOPPING)
        await self.gone.wait()


async def connect(port: int, credentials: Credentials, host: str) -> Steady:
    """Connect a device from an address of its own."""
    _, device = await asyncio.get_running_loop().create_connection(
        lambda: Steady(credentials), "127.0.0.1", port,
        ssl=tls.client_context(), server_hostname="", local_addr=(host, 0),
    )  # fmt: skip
    return device


async def connect_all(port: int, all_credentials: Sequence[Credentials]) -> list[Steady]:
    """Connect one after the other, each from an address of its own; come again where there was no room."""
    devices = []
    for number, credentials in zip(count(), all_credentials, strict=False):
        host = f"127.3.{number // 250}.{number % 250 + 2}"
        for _ in range(20):
            try:
                device = await connect(port, credentials, host)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            await asyncio.wait_for(device.flows.wait(), _ENTER_WITHIN_S)
            if device.end is None:
                devices.append(device)
                break
    assert len(devices) == len(all_credentials), "not all came in"
    return devices


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share lies at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

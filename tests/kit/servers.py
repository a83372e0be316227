"""A collector's network side in the test's own event loop, and devices that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from collector.datagrams import Datagrams
from collector.server import Server
from collector.session import Session
from collector.sessions import Sessions
from collector.space import FreeSpace
from collector.store import Writer
from collector.store.database import FILE_NAME, open_for_writing
from config.addresses import Address
from kit.waiting import WITHIN_S, until
from kit.wireworks import MOMENT
from wire import frames
from wire.bodies import Ack, Body, Held, Marks, Reject
from wire.conversation import Closed, Event, State
from wire.receiver import Arrived
from wire.sender import Sender

_T = TypeVar("_T")


class _AnyAck(Sender):
    """Takes any ACK and REJECT: the device here sends frames that its sender knows nothing of."""

    def _take(self, kind: frames.FrameType, body: Body) -> Event | None:
        return body if isinstance(body, Ack | Reject) else super()._take(kind, body)


class Device:
    """The device's end of a session, on a real socket; `events` is all that the collector said."""

    def __init__(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.events: list[Event] = []
        self.sender = _AnyAck(name, "test", asyncio.get_running_loop().time())
        self._reader = reader
        self._writer = writer
        self._task = asyncio.create_task(self._pump())

    def send(self, *bodies: Body) -> None:
        """Say frames, whether it is their time or not."""
        self.write(b"".join(frames.encode(body) for body in bodies))

    async def hold(self, *epochs: bytes, lost: str | None = None) -> dict[bytes, int]:
        """Say what is still held; return the marks that answer."""
        asked_before = len(self.heard(Marks))
        self.sender.hold([Held(epoch, 1, MOMENT, 0) for epoch in epochs], lost)
        self.flush()
        marks = await self.said(Marks, asked_before + 1)
        return {each.epoch: each.mark for each in marks[-1].marks}

    def send_batches(self, *batches: Arrived) -> None:
        """Send batches, whether the window has room or not."""
        self.write(b"".join(frames.encode_batch(each.sealed) for each in batches))

    def send_together(self, *what: Arrived | Body | bytes) -> None:
        """Send batches (as they are, or as bytes) and frames in one piece."""
        self.write(b"".join(map(_frame, what)))

    def write(self, data: bytes) -> None:
        """Send any bytes."""
        self._writer.write(data)

    async def said(self, kind: type[_T], count: int = 1) -> list[_T]:
        """Wait for so many events of a kind, and return them."""
        await until(lambda: len(self.heard(kind)) >= count or self.heard(Closed))
        assert len(self.heard(kind)) >= count, self.events
        return self.heard(kind)

    def heard(self, kind: type[_T]) -> list[_T]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def acknowledged(self, epoch: bytes, mark: int, ended: bool = False) -> None:
        """Wait for an acknowledgement."""
        ack = Ack(epoch, mark, ended)
        await until(lambda: ack in self.events or self.heard(Closed))
        assert ack in self.events, self.events

    async def closed(self) -> Closed:
        """Wait for the end; return how it came."""
        (closed,) = await self.said(Closed)
        return closed

    async def leave(self) -> None:
        """Close the connection without a word."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def flush(self) -> None:
        """Send what the conversation has to say."""
        self._writer.writelines(self.sender.outgoing(asyncio.get_running_loop().time()))

    async def _pump(self) -> None:
        self.flush()
        data = b"not yet"
        while data:
            try:
                data = await self._reader.read(65536)
            except OSError:
                data = b""
            now_s = asyncio.get_running_loop().time()
            self.events += self.sender.receive(data, now_s) if data else self.sender.receive_end()
            if self.sender.state is not State.CLOSED:
                self.flush()


class ServerRig:
    """Server, sessions and writer; `faults` is what reached the loop's exception handler.

    The floor of free space is 0, until a test sets `space.min_free_bytes`; it is looked at once a
    second.
    """

    def __init__(self, file: Path) -> None:
        loop = asyncio.get_running_loop()
        self.file = file
        self.faults: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.sessions = Sessions()
        self.space = FreeSpace(file.parent, 0)
        self.writer = Writer(
            open_for_writing(file),
            loop.call_soon_threadsafe,
            self.sessions.catch_up,
            self.failures.append,
        )
        self.datagrams = Datagrams(self.writer.store_datagrams, self.space.is_low)
        self.made: list[Session] = []
        self.server = Server(Address("127.0.0.1", 0), self._session)
        self._devices: list[Device] = []
        self._strangers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect like a stranger, who has not said anything."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._strangers.append(writer)  # or it would close itself where a test forgets it
        return reader, writer

    async def arrive(self, name: str) -> Device:
        """Connect a device that says HELLO, and nothing more."""
        device = Device(name, *await self.connect())
        self._devices.append(device)
        return device

    async def device(self, name: str = "greenhouse") -> Device:
        """Connect a device, and wait until it is let in."""
        device = await self.arrive(name)
        await until(lambda: device.sender.state is State.OPEN)
        return device

    async def all_gone(self) -> None:
        """Wait until no session is left."""
        await until(lambda: not len(self.sessions))

    async def start(self) -> None:
        """Start the parts."""
        self.writer.start()
        await self.server.start()

    async def stop(self) -> None:
        """End the parts; whoever is connected is sent away."""
        await self.server.close()
        for device in self._devices:
            await device.leave()
        for stranger in self._strangers:
            stranger.close()
        for session in self.made:
            session.transport.abort()
        assert await asyncio.to_thread(self.writer.close, WITHIN_S)
        await self.all_gone()

    def _session(self) -> Session:
        self.made.append(
            Session(
                self.writer,
                self.sessions,
                "telegauge-collector test",
                self.space,
                self.datagrams,
            )
        )
        return self.made[-1]


Scenario = Callable[[ServerRig], Awaitable[None]]


@asynccontextmanager
async def server_rig(file: Path) -> AsyncIterator[ServerRig]:
    """A running server that is stopped; no fault may have reached the loop."""
    rig = ServerRig(file)
    await rig.start()
    try:
        yield rig
    finally:
        await rig.stop()
    assert rig.faults == []


def _frame(what: Arrived | Body | bytes) -> bytes:
    if isinstance(what, bytes):
        return frames.encode_batch(what)
    return frames.encode_batch(what.sealed) if isinstance(what, Arrived) else frames.encode(what)


def player(folder: Path) -> Callable[[Scenario], None]:
    """What runs a scenario against a server on a real socket."""

    async def run(scenario: Scenario) -> None:
        async with server_rig(folder / FILE_NAME) as rig:
            await scenario(rig)

    return lambda scenario: asyncio.run(run(scenario))


async def all_said(reader: asyncio.StreamReader) -> bytes:
    """Everything a peer says until it closes, however it does."""
    said = bytearray()
    with suppress(OSError):
        async with asyncio.timeout(WITHIN_S):
            while data := await reader.read(65536):
                said += data
    return bytes(said)


def bodies(data: Iterable[int]) -> list[Body]:
    """Frames, decoded."""
    found = frames.FrameReader(frames.MAX_FRAME_BYTES).feed(bytes(data))
    return [frames.decode(kind, body) for kind, body in found]

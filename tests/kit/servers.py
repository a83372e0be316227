"""A collector's network side in the test's own event loop, and devices that do as they are told."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from collector import trust_file
from collector.admission import Admission
from collector.certificate import own_certificate
from collector.datagrams import Datagrams
from collector.entrance import Caller
from collector.server import Server, secured_by
from collector.services import Services
from collector.session import Session
from collector.sessions import Sessions
from collector.space import FreeSpace
from collector.store import Housekeeper, Writer
from collector.store.database import FILE_NAME, open_for_writing
from collector.trust import Trust
from config.addresses import Address
from kit.keys import joined
from kit.waiting import WITHIN_S, until
from kit.wireworks import MOMENT
from service import tls
from wire import frames
from wire.bodies import Ack, Held, Marks, Moment, Reject
from wire.conversation import Closed, Conversation, Event, State
from wire.frames import Body
from wire.greetings import Ready
from wire.joiner import Joiner
from wire.proofs import NONCE_BYTES
from wire.receiver import Arrived
from wire.sender import Prover, Sender
from wire.tokens import Token

_T = TypeVar("_T")
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Another machine (RFC 5737).
FAR = "192.0.2.7"


class _AnyAck(Sender):
    """Takes any ACK and REJECT: the device here sends frames that its sender knows nothing of."""

    def _take(self, kind: frames.FrameType, body: Body) -> Event | None:
        return body if isinstance(body, Ack | Reject) else super()._take(kind, body)


class Peer:
    """The far end of a connection to the collector; `events` is all that the collector said."""

    def __init__(self, conversation: Conversation, connection: Connection) -> None:
        self.events: list[Event] = []
        self._conversation = conversation
        self._reader, self._writer = connection
        self._task = asyncio.create_task(self._pump())

    def send(self, *bodies: Body) -> None:
        """Say frames, whether it is their time or not."""
        self.write(b"".join(frames.encode(body) for body in bodies))

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

    async def closed(self) -> Closed:
        """Wait for the end; return how it came."""
        (closed,) = await self.said(Closed)
        return closed

    async def leave(self) -> None:
        """Close the connection without a word; what has not left by now never does."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def flush(self) -> None:
        """Send what the conversation has to say."""
        self._writer.writelines(self._conversation.outgoing(asyncio.get_running_loop().time()))

    async def _pump(self) -> None:
        self.flush()
        data = b"not yet"
        while data:
            try:
                data = await self._reader.read(65536)
            except OSError:
                data = b""
            now_s = asyncio.get_running_loop().time()
            conversation = self._conversation
            self.events += conversation.receive(data, now_s) if data else conversation.receive_end()
            if conversation.state is not State.CLOSED:
                self.flush()


class Device(Peer):
    """The device's end of a session, on a real socket; with a `prover` it has a key.

    `clock` is what its PONGs say; None: it is of an earlier version.
    """

    def __init__(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        prover: Prover | None = None,
        clock: Callable[[], Moment] | None = None,
    ) -> None:
        self.sender = _AnyAck(name, "test", asyncio.get_running_loop().time(), prover, clock)
        super().__init__(self.sender, (reader, writer))

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

    async def acknowledged(self, epoch: bytes, mark: int, ended: bool = False) -> None:
        """Wait for an acknowledgement."""
        ack = Ack(epoch, mark, ended)
        await until(lambda: ack in self.events or self.heard(Closed))
        assert ack in self.events, self.events


class ServerRig:
    """Server, sessions, trust and writer; `faults` is what reached the loop's exception handler.

    `is_far`: whoever connects from now on counts as coming from another machine. The floor of free
    space is 0, until a test sets `space.min_free_bytes`; it is looked at once a second.
    """

    def __init__(self, file: Path, plain_on_loopback: bool = True) -> None:
        loop = asyncio.get_running_loop()
        self.file = file
        self.is_far = False
        self.faults: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.sessions = Sessions()
        self.trust = Trust(file.parent / trust_file.FILE_NAME)
        self.space = FreeSpace(file.parent, 0)
        self.writer = Writer(
            open_for_writing(file),
            loop.call_soon_threadsafe,
            self.sessions.catch_up,
            self.failures.append,
            self.trust.is_revoked,
        )
        self.housekeeper = Housekeeper(
            file, self.writer, loop.call_soon_threadsafe, self.failures.append
        )
        self.datagrams = Datagrams(self.writer.store_datagrams, self.space.is_low)
        self.made: list[Session] = []
        self.device_clock: Callable[[], Moment] | None = None
        self.certificate = own_certificate(file.parent, {})
        self.admission = Admission(plain_on_loopback)
        self.services = Services(
            self.writer, self.sessions, "telegauge-collector test", self.space, self.datagrams,
            self.trust, self.admission, plain_on_loopback, self.certificate.fingerprint,
        )  # fmt: skip
        self.server = Server(
            Address("127.0.0.1", 0), self._session, self.admission, secured_by(self.certificate)
        )
        self._peers: list[Peer] = []
        self._strangers: list[asyncio.StreamWriter] = []

    @property
    def ready(self) -> Ready:
        """What a device hears that is let in."""
        return Ready(1, self.services.version, self.certificate.fingerprint)

    async def connect(self, over_tls: bool = False) -> Connection:
        """Connect like a stranger, who has not said anything."""
        security: dict[str, Any] = (
            {"ssl": tls.client_context(), "server_hostname": ""} if over_tls else {}
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, **security)
        self._strangers.append(writer)  # or it would close itself where a test forgets it
        return reader, writer

    async def arrive(self, name: str, key: bytes | None = None) -> Device:
        """Connect a device that says HELLO, and proves its key over TLS if it has one."""
        reader, writer = await self.connect(over_tls=key is not None)
        prover = None
        if key is not None:
            fingerprint = tls.peer_fingerprint(writer.transport)
            assert fingerprint is not None
            prover = Prover(key, secrets.token_bytes(NONCE_BYTES), fingerprint)
        device = Device(name, reader, writer, prover, self.device_clock)
        self._peers.append(device)
        return device

    async def device(self, name: str = "greenhouse", key: bytes | None = None) -> Device:
        """Connect a device, and wait until it is let in."""
        device = await self.arrive(name, key)
        await until(lambda: device.sender.state is State.OPEN or device.heard(Closed))
        assert device.sender.state is State.OPEN, device.events
        return device

    async def joiner(self, secret: bytes, nonce: bytes = bytes(NONCE_BYTES)) -> Peer:
        """Connect a device that says JOIN, and proves to have a token with this secret."""
        token = Token(self.certificate.fingerprint, secret, (("127.0.0.1", self.server.port),))
        joiner = Joiner(token, nonce, "test", asyncio.get_running_loop().time())
        self._peers.append(Peer(joiner, await self.connect(over_tls=True)))
        return self._peers[-1]

    def let_in(self, name: str = "greenhouse") -> bytes:
        """Invite a device and let it join; return its key."""
        return joined(self.trust, self.certificate.fingerprint, name, self.server.port).key

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
        for peer in self._peers:
            await peer.leave()
        for stranger in self._strangers:
            stranger.close()
        for session in self.made:
            if hasattr(session, "transport"):  # else it was cut before TLS was agreed on
                session.transport.abort()
        assert await asyncio.to_thread(self.writer.close, WITHIN_S)
        await self.all_gone()
        self.trust.close()

    def _session(self, caller: Caller) -> Session:
        if self.is_far:
            caller = caller._replace(peer=caller.peer._replace(host=FAR), is_local=False)
        self.made.append(Session(self.services, caller))
        return self.made[-1]


Scenario = Callable[[ServerRig], Awaitable[None]]


@asynccontextmanager
async def server_rig(file: Path, plain_on_loopback: bool = True) -> AsyncIterator[ServerRig]:
    """A running server that is stopped; no fault may have reached the loop."""
    rig = ServerRig(file, plain_on_loopback)
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


def player(folder: Path, plain_on_loopback: bool = True) -> Callable[[Scenario], None]:
    """What runs a scenario against a server on a real socket."""

    async def run(scenario: Scenario) -> None:
        async with server_rig(folder / FILE_NAME, plain_on_loopback) as rig:
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

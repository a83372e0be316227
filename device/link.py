"""The link: keeps a TCP session with the collector, and sends what the spool holds.

Connects, drives `wire.sender`, and begins again after every end. A batch leaves the spool when it
is acknowledged, never before; what was sent in a session that ended is sent again in the next.
"""

import asyncio
import os
import socket
from collections.abc import Callable

import structlog

from config.addresses import Address, is_loopback
from device.backoff import Backoff
from device.spool import Spool
from service.stream import ConversationStream
from wire.conversation import Closed, Event, State
from wire.frames import Ack, ByeReason, Describe, Gap, Held, Marks, Ready
from wire.sender import Sender

_log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
_NO_CONNECTION = "no_connection"
# How long readings wait in the open batch while the link is up.
BATCH_AGE_S = 1.0


class Link:
    """The device's end of the network.

    Args:
        device: this device's name.
        agent: program and version, as the collector shows them.
        describe: gives what this device has, now.
    """

    def __init__(
        self,
        address: Address,
        device: str,
        agent: str,
        spool: Spool,
        describe: Callable[[], Describe],
        backoff: Backoff | None = None,
    ) -> None:
        self.address = address
        self.device = device
        self.agent = agent
        self.spool = spool
        self.describe = describe
        self.sessions = 0
        self.last_end: Closed | None = None
        self._backoff = backoff or Backoff()
        self._stream: _LinkStream | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._progress = asyncio.Event()
        self._next_try_at_s: float | None = None
        self._is_hopeless = False
        self._hurry = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether batches flow: the collector has said where to go on."""
        return self._stream is not None and self._stream.is_flowing

    async def run(self) -> None:
        """Keep a session until cancelled; say BYE then."""
        try:
            while True:
                closed = await self._session()
                self._report(closed)
                await self._pause(self._backoff.next_s(closed.retry_after_s))
                self._next_try_at_s = None
        finally:
            if self._stream is not None:
                self._stream.close(ByeReason.STOPPING)

    def next_try_s(self) -> float | None:
        """Return how long it is until the next try to connect; None where none is waited for."""
        if self._next_try_at_s is None:
            return None
        return max(0.0, self._next_try_at_s - asyncio.get_running_loop().time())

    def readings_accepted(self) -> None:
        """Note that the spool took readings: they leave within BATCH_AGE_S while the link is up."""
        if self._closing is None:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(BATCH_AGE_S, self.send_now)

    def send_now(self) -> None:
        """Close the open batch and send it, if the link is up; else it goes on growing."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        if self._stream is not None and self.is_up:
            self._stream.send_open()

    async def drain(self, timeout_s: float) -> bool:
        """Send what is held and wait for its acknowledgement; say whether all of it came.

        A link that is down is tried once more at once; where nobody listens there is no waiting.
        """
        self.send_now()
        self._is_hopeless = False
        self._hurry.set()
        try:
            async with asyncio.timeout(timeout_s):
                while self.spool.held_readings and not self._is_hopeless:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass
        return not self.spool.held_readings

    def acknowledge(self, mark: int) -> None:
        """Let go of what the collector has committed (the stream calls this)."""
        if self.spool.acknowledge(mark):
            self._backoff.reset()
        self._progress.set()

    def describe_again(self) -> None:
        """Tell the collector what has changed about the sensors."""
        if self._stream is not None and self._stream.sender.state is State.OPEN:
            self._stream.describe()

    async def _pause(self, wait_s: float) -> None:
        self._next_try_at_s = asyncio.get_running_loop().time() + wait_s
        try:
            async with asyncio.timeout(wait_s):
                await self._hurry.wait()
        except TimeoutError:
            return
        self._hurry.clear()

    async def _session(self) -> Closed:
        ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, self._stream = await asyncio.get_running_loop().create_connection(
                    lambda: _LinkStream(self, ended), *self.address
                )
            return await ended
        except TimeoutError:
            return Closed(_NO_CONNECTION, f"no answer within {CONNECT_TIMEOUT_S:g} s")
        except OSError as error:
            return Closed(_NO_CONNECTION, _told(error))

    def went_up(self, collector: str) -> None:
        """Note that batches flow (the stream calls this)."""
        self.sessions += 1
        self.last_end = None
        _log.info("link_up", collector=f"{self.address}", peer_version=collector)

    def _report(self, closed: Closed) -> None:
        self._stream = None
        self._is_hopeless = closed.reason == _NO_CONNECTION
        self._progress.set()
        if self.last_end is None or self.last_end.reason != closed.reason:
            _log.warning(
                "link_down",
                collector=f"{self.address}",
                reason=closed.reason,
                detail=closed.detail,
                held_readings=self.spool.held_readings,
            )
        self.last_end = closed


class _LinkStream(ConversationStream):
    """One session of the link."""

    hears_while_stalled = True

    def __init__(self, link: Link, ended: "asyncio.Future[Closed]") -> None:
        self.sender = Sender(link.device, link.agent, asyncio.get_running_loop().time())
        super().__init__(self.sender)
        self.is_flowing = False
        self._link = link
        self._ended = ended
        self._next_seq = 0

    def opened(self) -> None:
        peer = self.transport.get_extra_info("peername")
        # None: the peer has reset the connection already, which `connection_lost` will say.
        if peer is not None and not is_loopback(peer[0]):
            self.close(ByeReason.NOT_ACCEPTED, f"{peer[0]} is not this machine")

    def happened(self, event: Event) -> None:
        match event:
            case Ready() | Marks() if self.sender.state is not State.OPEN:
                pass  # what came behind it has ended the session already
            case Ready():
                self._collector = event.collector
                self.describe()
                spool = self._link.spool
                self.sender.hold([Held(spool.epoch, spool.boot_id, spool.lowest_seq)])
            case Marks():
                self._go_on({entry.epoch: entry.mark for entry in event.marks})
            case Ack():
                self._acknowledged(event.mark)
                self._send_closed()

    def writable(self) -> None:
        self._send_closed()

    def ended(self, closed: Closed) -> None:
        self.is_flowing = False
        if not self._ended.done():
            self._ended.set_result(closed)

    def describe(self) -> None:
        self.sender.describe(self._link.describe())
        self.flush()

    def send_open(self) -> None:
        self._link.spool.close_batch()
        self._send_closed()
        self.flush()

    def _go_on(self, marks: dict[bytes, int]) -> None:
        spool = self._link.spool
        mark = marks.get(spool.epoch, 0)
        self._acknowledged(mark)
        if self.sender.state is not State.OPEN:
            return  # that mark was a lie
        if mark < spool.lowest_seq - 1:
            self.sender.gap(_rollback(spool, mark))
        self._next_seq = spool.lowest_seq
        self.is_flowing = True
        self._link.went_up(self._collector)
        self.send_open()

    def _acknowledged(self, mark: int) -> None:
        if mark > self._link.spool.last_seq:
            self.close(ByeReason.PROTOCOL_ERROR, f"mark {mark} of an epoch that has fewer batches")
        else:
            self._link.acknowledge(mark)

    def _send_closed(self) -> None:
        # What a session before this one had sent may be acknowledged past what this one has.
        self._next_seq = max(self._next_seq, self._link.spool.lowest_seq)
        while self.is_flowing and not self.is_stalled:
            batch = self._link.spool.batch(self._next_seq)
            if batch is None or not self.sender.has_room(len(batch.sealed)):
                return
            self.sender.batch(batch.place, batch.sealed)
            self._next_seq += 1


def _told(error: OSError) -> str:
    # asyncio puts its own words into the error; the number is the system's, or the resolver's.
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _rollback(spool: Spool, mark: int) -> Gap:
    """Say that the collector lost what it had acknowledged: its store is older than that."""
    return Gap(spool.epoch, mark + 1, spool.lowest_seq - 1, "collector_rollback")

"""The link: keeps a TCP session with the collector, and begins again after every end.

What is said in a session is device.link_stream's. A batch leaves the spool when it is acknowledged,
never before; what was sent in a session that ended is sent again in the next.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import structlog

from config.addresses import Address
from device.backoff import Backoff
from device.datagram_epochs import DatagramEpochs
from device.link_stream import LinkStream
from device.spool import Spool
from wire.bodies import ByeReason, Command, Describe, Result
from wire.conversation import Closed, State

_log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
_NO_CONNECTION = "no_connection"
# How long readings wait in the open batch while the link is up; half of `at_risk` where that is less:
# what is soon acknowledged must not have to go to the card.
BATCH_AGE_S = 1.0


class Link:
    """The device's end of the network.

    Args:
        device: this device's name.
        agent: program and version, as the collector shows them.
        describe: gives what this device has, now.
        obey: does what the collector asks for.

    `datagrams` is where what is read goes, if it travels as datagrams.
    """

    def __init__(
        self,
        address: Address,
        device: str,
        agent: str,
        spool: Spool,
        describe: Callable[[], Describe],
        obey: Callable[[Command], Awaitable[Result]],
        backoff: Backoff | None = None,
    ) -> None:
        self.address = address
        self.device = device
        self.agent = agent
        self.spool = spool
        self.describe = describe
        self.obey = obey
        self.datagrams: DatagramEpochs | None = None
        self.sessions = 0
        self.last_end: Closed | None = None
        self._backoff = backoff or Backoff()
        self._stream: LinkStream | None = None
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
            wait_s = min(BATCH_AGE_S, self.spool.plan.at_risk_s / 2)
            self._closing = loop.call_later(wait_s, self.send_now)

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
                while not (self.is_drained or self._is_hopeless):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass
        return self.is_drained

    @property
    def is_drained(self) -> bool:
        """Whether the collector has everything that it can have of this device."""
        return self.spool.is_drained(self.device)

    def progressed(self, news: bool) -> None:
        """Note that the collector has acknowledged something (the stream calls this)."""
        if news:
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
                    lambda: LinkStream(self, ended), *self.address
                )
        except TimeoutError:
            return Closed(_NO_CONNECTION, f"no answer within {CONNECT_TIMEOUT_S:g} s")
        except OSError as error:
            return Closed(_NO_CONNECTION, _told(error))
        return await ended

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


def _told(error: OSError) -> str:
    # asyncio puts its own words into the error; the number is the system's, or the resolver's.
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)

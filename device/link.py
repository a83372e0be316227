"""The link: keeps a TCP session with the collector, and begins again after every end.

What is said in a session is device.link_stream's. A batch leaves the spool when it is acknowledged,
never before; what was sent in a session that ended is sent again in the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from msgspec.structs import replace

from config.addresses import Address
from device import link_ends
from device.backoff import Backoff
from device.connecting import why_not
from device.contact import Contact
from device.credentials import Credentials
from device.datagram_epochs import DatagramEpochs
from device.departure import BATCH_AGE_S, Departure
from device.errors import JoinError
from device.link_ends import CHANGED, NO_CONNECTION, NOT_JOINED, UNWELCOME, WRONG_COLLECTOR
from device.link_stream import LinkStream
from device.spool import Spool
from device.spool.epochs import may_be
from service.keyfile import KeyFileError
from wire.bodies import ByeReason, Command, Describe, Result
from wire.conversation import Closed, State

_log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
# How long the former collector has to acknowledge what was offered to it, when another is joined.
LEAVE_WITHIN_S = 3.0


class Link:
    """The device's end of the network.

    Args:
        contact: as whom this device speaks, and to whom.
        agent: program and version, as the collector shows them.
        describe: gives what this device has, now.
        obey: does what the collector asks for.
        keep: keeps credentials, in place of others if these are said; None: it cannot be done.

    `owner` is whose the epochs are that are offered: as the last READY of this contact says.
    `datagrams` is where what is read goes, if it travels as datagrams; `departure` is told of what goes
    into the spool. `on_change` is called when it
    goes up or down, or is down for another reason.
    """

    def __init__(
        self,
        contact: Contact,
        agent: str,
        spool: Spool,
        describe: Callable[[], Describe],
        obey: Callable[[Command], Awaitable[Result]],
        backoff: Backoff | None = None,
        keep: Callable[[Credentials, Credentials | None], None] | None = None,
    ) -> None:
        self.contact = contact
        self.owner = contact.owner
        self.agent = agent
        self.spool = spool
        self.describe = describe
        self.obey = obey
        self.datagrams: DatagramEpochs | None = None
        self.sessions = 0
        self.last_end: Closed | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._backoff = backoff or Backoff()
        self._keep = keep
        # What is kept and what is used are changed together, one after the other.
        self._keeping = asyncio.Lock()
        # Epochs are offered by one session at a time: they become its collector's with that.
        self.offering = asyncio.Lock()
        self._turn = 0
        self._opening: asyncio.Timeout | None = None
        self._stream: LinkStream | None = None
        # What is soon acknowledged must not have to go to the card.
        self.departure = Departure(
            self.send_now, lambda: min(BATCH_AGE_S, spool.plan.at_risk_s / 2)
        )
        self._progress = asyncio.Event()
        self._next_try_at_s: float | None = None
        self._is_hopeless = False
        self._hurry = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether batches flow: the collector has said where to go on."""
        return self._stream is not None and self._stream.is_flowing

    @property
    def device(self) -> str:
        """This device's name."""
        return self.contact.device

    @property
    def address(self) -> Address:
        """Where the collector is looked for now."""
        return self.contact.addresses[self._turn % len(self.contact.addresses)]

    async def run(self) -> None:
        """Keep a session until cancelled; say BYE then."""
        try:
            while True:
                closed = await self._session()
                self._report(closed)
                await self._pause(self._wait_s(closed))
                self._next_try_at_s = None
        finally:
            if self._stream is not None:
                self._stream.close(ByeReason.STOPPING)

    def next_try_s(self) -> float | None:
        """Return how long it is until the next try to connect; None where none is waited for."""
        if self._next_try_at_s is None:
            return None
        return max(0.0, self._next_try_at_s - asyncio.get_running_loop().time())

    def send_now(self) -> None:
        """Close the open batch and send it, if the link is up; else it goes on growing."""
        self.departure.gone()
        if self._stream is not None and self.is_up:
            self._stream.send_open()

    async def drain(self, timeout_s: float) -> bool:
        """Send what is held and wait for its acknowledgement; say whether all of it came.

        A link that is down is tried once more at once; where nobody listens, or this device is not
        let in, there is no waiting.
        """
        self.send_now()
        if self.last_end is not None and self.last_end.reason in UNWELCOME:
            return self.is_drained
        self._is_hopeless = False
        self._hurry.set()
        await self._acknowledged(lambda: self.is_drained or self._is_hopeless, timeout_s)
        return self.is_drained

    async def _acknowledged(self, is_enough: Callable[[], bool], timeout_s: float) -> None:
        """Wait for acknowledgements, until that is enough."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not is_enough():
                    self._progress.clear()
                    await self._progress.wait()

    @property
    def is_drained(self) -> bool:
        """Whether the collector has everything that it can have of this device."""
        return self.spool.is_drained(self.owner)

    def progressed(self, news: bool) -> None:
        """Note that the collector has acknowledged something (the stream calls this)."""
        if news:
            self._backoff.reset()
        self._progress.set()

    def describe_again(self) -> None:
        """Tell the collector what has changed about the sensors."""
        if self._stream is not None and self._stream.sender.state is State.OPEN:
            self._stream.describe()

    async def join(self, contact: Contact) -> None:
        """Keep what a join brought, and connect with it at once.

        Raises:
            KeyFileError: it cannot be kept; nothing has changed.
        """
        assert self._keep is not None, "asked where nothing can be kept"
        assert contact.credentials is not None, "a join brings some"
        async with self._keeping:
            await asyncio.to_thread(self._keep, contact.credentials, None)
            await self._go_over(contact)

    async def change(self, contact_with: Callable[[Credentials | None], Contact]) -> None:
        """Speak as whom, and to whom, the YAML says now; with the credentials that are used by then."""
        async with self._keeping:
            contact = contact_with(self.contact.credentials)
            if contact != self.contact:
                await self._go_over(contact)

    async def _go_over(self, contact: Contact) -> None:
        await self._take_leave(contact.owner)
        self._turn = 0
        self.rejoin(contact)

    async def _take_leave(self, owner: str) -> None:
        """Let the collector of now have what was offered to it: another would not be asked for it."""
        former = self.owner
        if not self.is_up or may_be(former, owner):
            return
        await self.spool.roll_if_due(owner)
        self.send_now()
        await self._acknowledged(
            lambda: not (self.is_up and self.spool.epochs.offered_to(former)), LEAVE_WITHIN_S
        )

    def rejoin(self, contact: Contact) -> None:
        """Connect at once, as somebody else or to somebody else."""
        self.contact, self.owner = contact, contact.owner
        self.last_end = None
        self._backoff.reset()
        if self._stream is not None:
            self._stream.close(ByeReason.STOPPING, CHANGED)
        elif self._opening is not None and not self._opening.expired():
            self._opening.reschedule(asyncio.get_running_loop().time())
        self._hurry.set()

    async def take_key(self, contact: Contact, key: bytes) -> None:
        """Use another key for a contact, if it can be kept; the session ends to come back with it."""
        # Also where its session ends meanwhile: what was written has to be what is used.
        await asyncio.shield(self._take_key(contact, key))

    async def _take_key(self, contact: Contact, key: bytes) -> None:
        async with self._keeping:
            if contact is not self.contact:
                return  # it has another key by now
            if contact.credentials is None or self._keep is None:
                _log.error("key_not_taken", detail="this device's credentials cannot be changed")
                return
            credentials = replace(contact.credentials, key=key)
            try:
                await asyncio.to_thread(self._keep, credentials, contact.credentials)
            except (JoinError, KeyFileError) as error:
                _log.error("key_not_taken", detail=str(error))
                return
            _log.info("key_taken", collector=f"{self.address}")
            self.rejoin(contact._replace(credentials=credentials))

    def _wait_s(self, closed: Closed) -> float:
        if closed.reason in (ByeReason.NOT_ACCEPTED, NOT_JOINED):
            return max(self._backoff.refused_s(), closed.retry_after_s)
        return self._backoff.next_s(closed.retry_after_s)

    async def _pause(self, wait_s: float) -> None:
        self._next_try_at_s = asyncio.get_running_loop().time() + wait_s
        try:
            async with asyncio.timeout(wait_s):
                await self._hurry.wait()
        except TimeoutError:
            return
        self._hurry.clear()

    async def _session(self) -> Closed:
        if self.last_end is not None and self.last_end.reason in (NO_CONNECTION, WRONG_COLLECTOR):
            self._turn += 1  # not before: until now it is the address that is spoken of
        if not self.contact.may_use(self.address):
            return link_ends.not_joined(self.address.host)
        loop, contact = asyncio.get_running_loop(), self.contact
        ended: asyncio.Future[Closed] = loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S) as self._opening:
                _, self._stream = await loop.create_connection(
                    lambda: LinkStream(self, contact, ended), *self.address, **contact.security()
                )
        except OSError as error:
            if contact is not self.contact:
                return Closed(ByeReason.STOPPING, CHANGED)
            return Closed(NO_CONNECTION, why_not(error, CONNECT_TIMEOUT_S))
        finally:
            self._opening = None
        if contact is not self.contact:
            self._stream.close(ByeReason.STOPPING, CHANGED)
        return await ended

    def met(self, contact: Contact, owner: str) -> None:
        """Note whose the epochs are that are offered to a contact (the stream calls this)."""
        if contact is self.contact:
            self.owner = owner

    def went_up(self, collector: str) -> None:
        """Note that batches flow (the stream calls this)."""
        self.sessions += 1
        self.last_end = None
        _log.info("link_up", collector=f"{self.address}", peer_version=collector)
        self.on_change()

    def _report(self, closed: Closed) -> None:
        self._stream = None
        self._is_hopeless = closed.reason in (NO_CONNECTION, *UNWELCOME)
        self._progress.set()
        former, self.last_end = self.last_end, closed
        if former is None or former.reason != closed.reason:
            how = {"collector": f"{self.address}", "reason": closed.reason, "detail": closed.detail}
            _log.warning("link_down", **how, held_readings=self.spool.held_readings)
            self.on_change()

"""One session of the link: what is said after READY, and which row of which epoch goes next.

The present epoch goes first, then the others, the oldest first; each from behind its mark. Rows that
lie on the card are read ahead by the card's thread, a little at a time.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from config.addresses import Address
from device.contact import Contact
from device.feed import Feed
from device.link_ends import WRONG_COLLECTOR
from device.link_side import LinkSide
from device.spool import CardError, Row
from device.spool.epochs import may_be
from service.stream import ConversationStream
from wire.batches import Place
from wire.bodies import Ack, ByeReason, Command, DatagramKey, Held, Key, Marks, Reject, Report
from wire.conversation import Closed, Event, State
from wire.greetings import Ready
from wire.sender import BACKLOG_BYTES, Sender

_log = structlog.get_logger()

# How long until rows are asked for again that the card could not give.
_CARD_AGAIN_S = 5.0
_GAP_BYTES = 128  # of a GAP or END frame, roughly


class LinkStream(ConversationStream):
    """One session; `is_flowing`: the collector has said where to go on."""

    hears_while_stalled = True

    def __init__(self, link: LinkSide, contact: Contact, ended: "asyncio.Future[Closed]") -> None:
        now_s = asyncio.get_running_loop().time()
        self.sender = Sender(contact.device, link.agent, now_s, contact.prover(), link.spool.now)
        super().__init__(self.sender)
        self.is_flowing = False
        self._link = link
        self._contact = contact
        self._spool = link.spool
        self._datagrams = link.datagrams
        self._ended = ended
        self._collector = ""
        self._owner = contact.owner
        self._feeds: dict[bytes, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self) -> None:
        """Look at whom we have reached before anything is said."""
        objection = self._contact.objection(self.transport)
        if objection is not None:
            self.give_up(Closed(WRONG_COLLECTOR, objection))

    def happened(self, event: Event) -> None:
        """Act on what the collector said."""
        if self.sender.state is not State.OPEN and not isinstance(event, Ack):
            return  # what came behind it has ended the session already
        match event:
            case Ready():
                self._begin(event)
            case Marks():
                self._go_on({entry.epoch: entry.mark for entry in event.marks})
            case Ack():
                self._acknowledged(event.epoch, event.mark, event.ended)
            case Reject():
                self._go_back(event)
            case Command():
                self._start(self._obey(event))
            case Key():
                self._start(self._link.take_key(self._contact, event.key))
            case DatagramKey() if self._datagrams:
                host, port, *_ = self.transport.get_extra_info("peername")
                self._datagrams.key_came(event, Address(host, port))
            case Report() if self._datagrams:
                self._datagrams.reported(event)

    def settled(self) -> None:
        """Go on: not before all is known that came, since behind an ACK there may be a REJECT."""
        self._send()

    def writable(self) -> None:
        """Go on where the socket was full."""
        self._send()

    def ended(self, closed: Closed) -> None:
        """Let the link know; whatever is still under way is not for this session any more."""
        self.is_flowing = False
        for task in self._tasks:
            task.cancel()
        if not self._ended.done():
            self._ended.set_result(closed)

    def describe(self) -> None:
        """Say what this device has now."""
        self.sender.describe(self._link.describe())
        self.flush()

    def send_open(self) -> None:
        """Close the open batch and send it."""
        self._spool.close_batch()
        self._send()
        self.flush()

    def _begin(self, ready: Ready) -> None:
        if self._contact.is_another(ready.fingerprint):
            self.give_up(Closed(WRONG_COLLECTOR, "it says that it is another than its certificate"))
            return
        self._collector = ready.collector
        if ready.fingerprint is not None:
            self._owner = self._contact.owner_at(ready.fingerprint)
        self._link.met(self._contact, self._owner)
        self.describe()
        self._start(self._hold())

    async def _hold(self) -> None:
        # What this writes to the card must be known to be there, also where the session ends meanwhile.
        held = await asyncio.shield(self._held())
        present = self._spool.epochs.present
        if not self._is_wanted():
            return
        if present is not None and not may_be(present.owner, self._owner):
            self.close(ByeReason.STOPPING, "the spool has no room to begin another epoch")
        elif held:
            self.sender.hold(held, self._spool.lost)

    async def _held(self) -> list[Held]:
        async with self._link.offering:
            if not self._is_wanted():
                return []
            if self._datagrams:
                self._datagrams.session_began(self._owner)
            if self._spool.epochs.present is not None:  # else the run is ending
                await self._spool.roll_if_due(self._owner)
            return await self._spool.held(self._owner, self._is_wanted)

    def _is_wanted(self) -> bool:
        return self.sender.state is State.OPEN and self._contact is self._link.contact

    def _go_on(self, marks: dict[bytes, int]) -> None:
        for facts in self._spool.epochs.waiting(self._owner):
            mark = marks.get(facts.epoch)
            if mark is None:
                continue  # begun since: it is for the next session
            self._feeds[facts.epoch] = Feed(facts, mark)
            self._acknowledged(facts.epoch, mark, ended=False)
        if self.sender.state is not State.OPEN:
            return  # a mark was a lie
        self._start(self._spool.told_loss())
        self.is_flowing = True
        self._link.went_up(self._collector)
        self.send_open()
        if self._datagrams and (wish := self._datagrams.wish()):
            self.sender.open_datagrams(wish)
            self.flush()

    def _acknowledged(self, epoch: bytes, mark: int, ended: bool) -> None:
        feed = self._feeds.get(epoch)
        if feed is None:
            return
        if feed.facts.is_end_known and mark > feed.facts.last_seq:
            self.close(ByeReason.PROTOCOL_ERROR, f"mark {mark} of an epoch that has fewer batches")
            return
        feed.acknowledged(mark)
        self._link.progressed(self._spool.acknowledge(feed.facts, mark, ended))
        if ended:
            del self._feeds[epoch]

    def _send(self) -> None:
        if self.is_flowing:
            for feed in list(self._feeds.values()):
                is_present = feed.facts is self._spool.epochs.present
                if not (self._advance(feed) or is_present or feed.is_out_of_reach):
                    return  # in order: the next oldest waits for this one

    def _advance(self, feed: Feed) -> bool:
        """Send what there is of an epoch; say whether that is all for now."""
        while self.is_flowing and not self.is_stalled and feed.may_go_on:
            row = feed.next_row()
            if row is None and feed.has_more():
                self._load(feed)
            elif row is None:
                return self._finish(feed)
            elif not self._send_row(feed, row):
                return False
        return False

    def _send_row(self, feed: Feed, row: Row) -> bool:
        epoch = feed.facts.epoch
        if not self.sender.has_room(epoch, len(row.sealed) or _GAP_BYTES):
            return False
        if row.gap is not None:
            self.sender.gap(row.gap)
        else:
            self.sender.batch(Place(epoch, row.first_seq, 0), row.sealed)
        feed.sent(row)
        return True

    def _finish(self, feed: Feed) -> bool:
        if not self.sender.has_room(feed.facts.epoch, _GAP_BYTES):
            return False
        end = feed.end()
        if end is not None:
            self.sender.end(end)
        return True

    def _load(self, feed: Feed) -> None:
        rows = self._spool.near_rows(feed.facts, feed.next_seq, BACKLOG_BYTES)
        if rows is not None:
            feed.took(rows)
            return
        feed.is_reading = True
        self._start(self._load_from_card(feed))

    async def _load_from_card(self, feed: Feed) -> None:
        try:
            rows = await self._spool.rows(feed.facts, feed.next_seq, BACKLOG_BYTES)
        except CardError:
            feed.is_out_of_reach = True
            self._send()
            self.flush()
            await asyncio.sleep(_CARD_AGAIN_S)
            feed.is_reading = feed.is_out_of_reach = False
        else:
            feed.took(rows)
        self._send()

    def _go_back(self, reject: Reject) -> None:
        """Send nothing behind a batch the collector can never store, until a gap is in its place."""
        feed = self._feeds.get(reject.epoch)
        if feed is not None:
            _log.error("batch_rejected", seq=reject.seq, detail=reject.detail)
            feed.go_back(reject.seq)
            self._start(self._put_gap(feed, reject))

    async def _put_gap(self, feed: Feed, reject: Reject) -> None:
        try:
            await self._spool.reject(feed.facts, reject.seq, reject.detail)
        except CardError as error:
            self.close(ByeReason.STOPPING, f"the spool fails: {error}"[:200])
            return
        feed.mending -= 1
        self._send()

    async def _obey(self, command: Command) -> None:
        result = await self._link.obey(command)
        if self.sender.state is State.OPEN:
            self.sender.result(result)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self.flush()
        elif not self._ended.done():
            self._ended.set_exception(error)  # a bug: whoever runs the link is to see it
            self.close(ByeReason.STOPPING, "the agent has failed")

"""A conversation on an asyncio transport: the thin edge that both ends of a session share.

It moves bytes and time into a `wire.conversation.Conversation` and its bytes out, and hands its
events to the owner. It knows nothing of readings. Asyncio protocols, not streams: a StreamReader
costs three times the CPU a frame.
"""

import asyncio
from typing import cast

from wire.conversation import SILENCE_S, Closed, Conversation, Event, State

# What is still unsent when a session ends has this long to leave.
LINGER_S = 2.0
_TAKES_NOTHING = Closed("silence", f"the peer has read nothing for {SILENCE_S:g} s")


class ConversationStream(asyncio.Protocol):
    """Base of the device's link and the collector's session; they override the hooks.

    `hears_while_stalled`: whether a peer that does not read is still read. A device must, since a
    collector that is behind goes on saying that it lives; a collector must not, since a stranger
    could ask without end for what it never takes.
    """

    hears_while_stalled = False

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_stalled = False
        self._stalled: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._not_reading: set[str] = set()
        self._over = False

    def opened(self) -> None:
        """Hook: the connection is there; nothing was said yet."""

    def happened(self, event: Event) -> None:
        """Hook: the peer did something; `Closed` does not come here."""

    def settled(self) -> None:
        """Hook: all that came with one receive was handed over."""

    def writable(self) -> None:
        """Hook: the socket takes data again."""

    def ended(self, closed: Closed) -> None:
        """Hook: the session is over; called once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the conversation (asyncio calls this)."""
        self.transport = cast(asyncio.Transport, transport)
        self.opened()
        self.flush()
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the conversation (asyncio calls this)."""
        self._act(self.conversation.receive(data, self._loop.time()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection (asyncio calls this)."""
        self._act(self.conversation.receive_end(str(exc) if exc else ""))
        for handle in (self._timer, self._stalled, self._lingering):
            if handle is not None:
                handle.cancel()

    def pause_writing(self) -> None:
        """Send no more for now; stop hearing a stranger, whose wishes would pile up here."""
        self._is_stalled = True
        if not self.hears_while_stalled:
            self._stalled = self._loop.call_later(SILENCE_S, self.give_up, _TAKES_NOTHING)
            self.stop_reading("peer does not read")

    def resume_writing(self) -> None:
        """Go on (asyncio calls this)."""
        self._is_stalled = False
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self.go_on_reading("peer does not read")
        self.writable()
        self.flush()

    @property
    def is_stalled(self) -> bool:
        """Whether the peer has stopped reading."""
        return self._is_stalled

    def give_up(self, closed: Closed) -> None:
        """End it at once, without a word."""
        self.conversation.receive_end()
        self._end(closed)
        self.transport.abort()

    def stop_reading(self, why: str) -> None:
        """Leave what comes to the kernel, and so to the peer, until every `why` has gone."""
        if not self._not_reading and not self._over:
            self.transport.pause_reading()
            self.conversation.set_reading(False, self._loop.time())
        self._not_reading.add(why)

    def go_on_reading(self, why: str) -> None:
        """Take back one `why`."""
        if why not in self._not_reading:
            return
        self._not_reading.remove(why)
        if not self._not_reading and not self._over:
            self.transport.resume_reading()
            self.conversation.set_reading(True, self._loop.time())

    def flush(self) -> None:
        """Write what the conversation has to say."""
        data = self.conversation.outgoing(self._loop.time())
        if data and not self.transport.is_closing():
            # Not writelines: in 3.12 and early 3.13 it forgets to say pause_writing (CVE-2024-12254).
            self.transport.write(b"".join(data))

    def close(self, reason: str, detail: str = "", retry_after_s: float = 0.0) -> None:
        """Say BYE and close."""
        self._act([self.conversation.bye(reason, detail, retry_after_s)])

    def _act(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Closed):
                self._end(event)
            elif not self._over:
                self.happened(event)
        self.settled()
        self.flush()
        # Once: a second time a TLS transport forgets what it needs to abort (before Python 3.11.5).
        if self._over and not self.transport.is_closing():
            self.transport.close()

    def _end(self, closed: Closed) -> None:
        if self._over:
            return
        self._over = True
        self._lingering = self._loop.call_later(LINGER_S, self.transport.abort)
        self.ended(closed)

    def _arm(self) -> None:
        # Deadlines only ever move away, so one timer that looks again is enough.
        self._timer = self._loop.call_at(self.conversation.next_deadline_s(), self._tick)

    def _tick(self) -> None:
        self._act(self.conversation.tick(self._loop.time()))
        if self.conversation.state is not State.CLOSED:
            self._arm()

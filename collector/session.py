"""A session: the collector's end of one device, from the connection to the last word.

Which session gives way to which, and when the socket is read no more: a session whose batches wait
too long for the writer stops reading, which is backpressure, not memory. Who may come in is for the
entrance to say; what a device brings is for the intake.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence

import structlog

from collector.device_notes import ClockNote, SessionNote
from collector.entrance import Caller, Entrance
from collector.intake import DISK_FULL, DISK_FULL_RETRY_S, Intake
from collector.measuring import EVERY_S, Measuring
from collector.results import CommandError, Results
from collector.services import Services
from service.kernelclock import kernel_synchronised
from service.stream import ConversationStream
from wire.bodies import ByeReason, Command, Describe, End, Hold, OpenDatagrams, Pong, Result
from wire.conversation import SILENCE_S, Closed, Event, State
from wire.errors import LocalProtocolError
from wire.greetings import Auth, Hello, Join
from wire.receiver import NOT_A_DEVICE, Arrived, Dropped, Receiver
from wire.sender import WINDOW_BYTES

_log = structlog.get_logger()

# What all sessions together may have waiting at the writer.
MAX_PENDING_BYTES = 4 * 1024 * 1024
# How long a session that is to be replaced has to show that it is alive.
ALIVE_WITHIN_S = 2.0
# A device has this much longer for its RESULT than for what it was told to do.
RESULT_GRACE_S = 2.0
_RETRY_S = 60.0
_SEND_BUFFER_BYTES = 16 * 1024
_REPORT_EVERY_S = 10.0
_BEHIND = "the writer is behind"
# What nobody has to look at.
_GOOD_ENDS = (ByeReason.STOPPING, ByeReason.REPLACED, ByeReason.REVOKED)
_ARE_YOU_ALIVE = 1  # the token of a PING


class Session(ConversationStream):
    """One device's connection."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self.receiver = Receiver(caller.place.since_s)
        super().__init__(self.receiver)
        self.device: str | None = None
        self.is_plain = caller.fingerprint is None
        self._services = services
        self._caller = caller
        self._entrance = Entrance(services, caller, self.receiver, self)
        self._reporting: asyncio.TimerHandle | None = None
        self._measuring = Measuring()
        self._asking: asyncio.TimerHandle | None = None
        self._intake: Intake | None = None
        self._results = Results()
        self._giving_way: asyncio.TimerHandle | None = None
        self._dropped = 0

    def opened(self) -> None:
        """Let the door end this connection, until it is let in."""
        _bound(self.transport)
        self._caller.place.evict = self.transport.abort

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place at the door back, not before nothing is left (asyncio calls this)."""
        super().connection_lost(exc)
        self._entrance.closed(self._loop.time())

    def happened(self, event: Event) -> None:
        """Act on what the device said."""
        match event:
            case Arrived() if self._intake is not None:  # nearly all, so it is asked for first
                self._intake.take(event)
            case Hello() | Join() | Auth():
                self._entrance.take(event)
            case Pong(token=token) if token == _ARE_YOU_ALIVE:
                if self._giving_way is not None:
                    self._give_way(was_alive=True)
            case Pong():
                self._take_clock(event)
            case Result():
                if not self._results.take(event):
                    _log.debug("result_ignored", device=self.device, id=event.id)
            case OpenDatagrams() if self._giving_way is not None:
                pass  # the key of the session that comes in its place must live
            case Dropped():
                self._note_dropped(event)
            case _:
                assert self._intake is not None, "the receiver lets nothing through before HELLO"
                self._intake.take(event)
                self._note(event)

    def settled(self) -> None:
        """Hand what has arrived to the writer; read no more if too much waits there."""
        if self._intake is None:
            return
        self._intake.settled()
        if self._is_behind(self._intake, WINDOW_BYTES):
            self.stop_reading(_BEHIND)
            self._services.sessions.behind.add(self)

    def ended(self, closed: Closed) -> None:
        """Say once how it ended."""
        self._note_end(closed)
        self._services.sessions.ended(self)
        self._results.end()
        for handle in (self._reporting, self._asking, self._giving_way):
            if handle is not None:
                handle.cancel()
        if self._entrance.has_told:
            return
        _log.log(
            self._level_of(closed),
            "session_ended",
            device=self.device,
            peer=str(self._caller.peer),
            reason=closed.reason,
            detail=closed.detail,
            by="device" if closed.by_peer else "collector",
            dropped=self._dropped,
        )

    def replace(self) -> None:
        """Make place for a newer session of the same device, once it is known if this one lives."""
        self._giving_way = self._loop.call_later(ALIVE_WITHIN_S, self._give_way, False)
        self.receiver.ping(_ARE_YOU_ALIVE)
        self.flush()

    def stop(self) -> None:
        """Say BYE, because the collector stops."""
        self.close(ByeReason.STOPPING)

    def catch_up(self) -> None:
        """Read again, if the writer has caught up."""
        if self._intake is None or not self._is_behind(self._intake, WINDOW_BYTES // 2):
            self._services.sessions.behind.discard(self)
            self.go_on_reading(_BEHIND)

    async def command(self, name: str, arguments: Sequence[str], within_s: float) -> Result | None:
        """Tell the device to do something within a time; return what came of it.

        None: nobody knows, because no RESULT came or the session ended.

        Raises:
            CommandError: it was not sent; the device will not do it.
        """
        if self.receiver.state is not State.OPEN or self.is_stalled:
            raise CommandError(f"{self.device} takes nothing now; try again when it is back")
        with self._results.expected() as (number, answer):
            try:
                self.receiver.command(Command(number, name, list(arguments), within_s))
            except LocalProtocolError as error:
                raise CommandError(str(error)) from None
            self.flush()
            await asyncio.wait([answer], timeout=within_s + RESULT_GRACE_S)
            return answer.result() if answer.done() else None

    def let_in(self, hello: Hello) -> None:
        """Begin the session of a device that may come in."""
        services = self._services
        self.device = hello.device
        if services.space.is_low():
            self.close(ByeReason.DISK_FULL, DISK_FULL, DISK_FULL_RETRY_S)
            return
        if not services.sessions.has_room():
            self.close(ByeReason.OVERLOADED, "too many sessions", _RETRY_S)
            return
        self._intake = Intake(
            hello.device, self, self.receiver, services.writer, services.space, services.datagrams
        )
        services.sessions.greeted(self, hello.device)
        peer, over_tls = str(self._caller.peer), self._caller.fingerprint is not None
        note = SessionNote(time.time_ns(), peer, hello.agent, over_tls)
        services.notes.began(hello.device, note)
        self.receiver.ready(services.version, services.fingerprint)
        self._reporting = self._loop.call_later(_REPORT_EVERY_S, self._report)
        self._ask_for_clock()
        _log.info(
            "session_started",
            device=hello.device,
            peer=peer,
            tls=over_tls,
            agent=hello.agent,
        )

    def give_key(self, key: bytes) -> None:
        """Give the device another key.

        Raises:
            LocalProtocolError: the session is over.
        """
        self.receiver.key(key)
        self.flush()

    def _report(self) -> None:
        if self._intake is not None and not self.is_stalled:
            self._intake.report()
        self._reporting = self._loop.call_later(_REPORT_EVERY_S, self._report)

    def _ask_for_clock(self) -> None:
        """Measure the device's clock, now and again."""
        if self._measuring.is_answered and not self.is_stalled:
            self.receiver.ping(self._measuring.ask(self._loop.time()))
            self.flush()
        self._asking = self._loop.call_later(EVERY_S, self._ask_for_clock)

    def _take_clock(self, pong: Pong) -> None:
        now_s, wall_ns, is_vouched = self._loop.time(), time.time_ns(), kernel_synchronised()
        measured = self._measuring.answered(pong, now_s, wall_ns, is_vouched)
        if measured is not None and self._intake is not None:
            self._intake.measured(measured)
        if self._measuring.latest is not None and self.device is not None:
            clock, pair = self._measuring.latest
            ahead_ns = clock.wall_ns - pair.wall_ns
            note = ClockNote(wall_ns, ahead_ns, pair.error_ns, clock.synchronised)
            self._services.notes.clock(self.device, note)

    def _note(self, event: Event) -> None:
        assert self.device is not None, "the receiver lets nothing through before HELLO"
        notes = self._services.notes
        match event:
            case Describe():
                notes.describes(self.device, event)
                self._services.described(self.device, event)
            case Hold():
                notes.holds(self.device, event.epochs)
            case End():  # said when all before it is acknowledged
                notes.sent_all(self.device, event.epoch)

    def _note_end(self, closed: Closed) -> None:
        device, services = self.device, self._services
        if device is None or services.sessions.of(device) is not self:
            return  # nobody's, or another one has taken its place
        services.notes.ended(device)
        if closed.by_peer and (closed.reason, closed.detail) == (ByeReason.STOPPING, ""):
            services.stopped(device)
        if closed.reason not in _GOOD_ENDS:
            detail = closed.detail or closed.reason.replace("_", " ")
            services.notes.trouble(device, closed.reason, detail, time.time_ns())

    def _give_way(self, was_alive: bool) -> None:
        assert self.device is not None, "only a device's session is replaced"
        if was_alive and self._services.sessions.note_replaced(self.device):
            detail = (
                f"two devices are named {self.device} and take turns here; "
                "let one join under another name: telegauge-collector invite NAME"
            )
            self.close(ByeReason.DUPLICATE_IDENTITY, detail, _RETRY_S)
        else:
            self.close(ByeReason.REPLACED, "a newer session of this device came", _RETRY_S)

    def _note_dropped(self, dropped: Dropped) -> None:
        self._dropped += 1
        if dropped.detail:
            assert self.device is not None, "only a device sends batches"
            self._services.notes.trouble(
                self.device, "batch_rejected", dropped.detail, time.time_ns()
            )
            _log.warning(
                "batch_rejected",
                device=self.device,
                epoch=dropped.epoch.hex(),
                seq=dropped.seq,
                detail=dropped.detail,
            )

    def _level_of(self, closed: Closed) -> int:
        """Strangers come and go without end: only what a person may want to mend is told loudly."""
        if self.device:
            return logging.INFO
        is_odd = closed.reason in (ByeReason.PROTOCOL_ERROR, NOT_A_DEVICE)
        return logging.WARNING if is_odd else logging.DEBUG

    def _is_behind(self, intake: Intake, own_bytes: int) -> bool:
        writer = self._services.writer
        is_much = writer.pending_bytes > MAX_PENDING_BYTES or writer.is_behind_sealing
        return intake.pending_bytes > own_bytes or is_much


def _bound(transport: asyncio.Transport) -> None:
    """Bound what a peer can make the kernel hold for it, and for how long.

    The kernel ends it when the peer's kernel is silent for as long: we may not be reading. What it
    keeps for a peer that does not read would grow to megabytes by itself; we say little.
    """
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    transport.set_write_buffer_limits(_SEND_BUFFER_BYTES)
    timeout_ms = int(SILENCE_S * 1000)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

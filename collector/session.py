"""A session: the collector's end of one device, between `wire.receiver` and the store.

Batches go to the writer as they came; the acknowledgement goes out when the writer says that they
are committed. A session whose batches wait too long stops reading its socket: backpressure, not
memory.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from collector.sessions import Sessions
from collector.store import Stored, Writer
from collector.store.writer import REQUEST_BYTES
from config.addresses import is_loopback
from service.stream import ConversationStream
from wire.conversation import Closed, Event, State
from wire.frames import ByeReason, Describe, Gap, Hello, Hold, Mark, Marks
from wire.receiver import Arrived, Receiver
from wire.sender import WINDOW_BYTES

_log = structlog.get_logger()
_T = TypeVar("_T")

# What all sessions together may have waiting at the writer.
MAX_PENDING_BYTES = 32 * 1024 * 1024
_BEHIND = "the writer is behind"


class Session(ConversationStream):
    """One device's connection. `version` is what the device is told of this program."""

    def __init__(self, writer: Writer, sessions: Sessions, version: str) -> None:
        self.receiver = Receiver(asyncio.get_running_loop().time())
        super().__init__(self.receiver)
        self.device: str | None = None
        self._writer = writer
        self._sessions = sessions
        self._version = version
        self._arrived: list[Arrived] = []
        self._pending_bytes = 0
        self._peer = ""

    def opened(self) -> None:
        """Look at who comes before anything is read."""
        host, port, *_ = self.transport.get_extra_info("peername")
        self._peer = f"{host}:{port}"
        if not is_loopback(host):
            self.close(ByeReason.NOT_ACCEPTED, f"{host} is not this machine")
        elif not self._sessions.has_room():
            self.close(ByeReason.OVERLOADED, "too many sessions", retry_after_s=60.0)
        else:
            self._sessions.opened(self)

    def happened(self, event: Event) -> None:
        """Act on what the device said."""
        match event:
            case Arrived():
                self._arrived.append(event)
            case Hello():
                self._greet(event)
            case Describe():
                self._writer.describe(self._name, event, self._answer(_nothing))
            case Hold():
                epochs = [held.epoch for held in event.epochs]
                self._writer.marks(self._name, epochs, self._answer(self._tell_marks))
            case Gap():
                self.settled()
                self._writer.record_gap(
                    self._name, event, self._answer(partial(self._acknowledge_gap, event))
                )

    def settled(self) -> None:
        """Hand what has arrived to the writer, in one piece."""
        if not self._arrived:
            return
        batches, self._arrived = self._arrived, []
        size_bytes = sum(len(arrived.sealed) for arrived in batches)
        self._writer.store(self._name, batches, self._answer(self._acknowledge, size_bytes))

    def ended(self, closed: Closed) -> None:
        """Say once how it ended."""
        self._sessions.ended(self)
        level = _log.info if self.device else _log.warning
        level(
            "session_ended",
            device=self.device,
            peer=self._peer,
            reason=closed.reason,
            detail=closed.detail,
            by="device" if closed.by_peer else "collector",
        )

    def replace(self) -> None:
        """Make place for a newer session of the same device."""
        self.close(
            ByeReason.REPLACED,
            "another session of this device came: do two agents share its name?",
            retry_after_s=60.0,
        )

    def stop(self) -> None:
        """Say BYE, because the collector stops."""
        self.close(ByeReason.STOPPING)

    def catch_up(self) -> None:
        """Read again, if the writer has caught up."""
        if not self._is_behind(WINDOW_BYTES // 2):
            self._sessions.behind.discard(self)
            self.go_on_reading(_BEHIND)

    @property
    def _name(self) -> str:
        assert self.device is not None, "the receiver lets nothing through before HELLO"
        return self.device

    def _greet(self, hello: Hello) -> None:
        if self.receiver.state is not State.GREETING:
            return  # what came with HELLO has ended the session already
        self.device = hello.device
        self._sessions.greeted(self, hello.device)
        self.receiver.ready(self._version)
        _log.info("session_started", device=hello.device, peer=self._peer, agent=hello.agent)

    def _is_behind(self, own_bytes: int) -> bool:
        return self._pending_bytes > own_bytes or self._writer.pending_bytes > MAX_PENDING_BYTES

    def _answer(
        self, act: Callable[[_T], None], size_bytes: int = REQUEST_BYTES
    ) -> Callable[[_T], None]:
        """Count a request as waiting; wrap what is done with the writer's answer.

        That is nothing, where the session has ended.
        """
        self._pending_bytes += size_bytes
        if self._is_behind(WINDOW_BYTES):
            self.stop_reading(_BEHIND)
            self._sessions.behind.add(self)

        def answered(result: _T) -> None:
            self._pending_bytes -= size_bytes
            if self.receiver.state is State.OPEN:
                act(result)
                self.flush()

        return answered

    def _tell_marks(self, marks: dict[bytes, int]) -> None:
        self.receiver.marks(Marks([Mark(epoch, mark) for epoch, mark in marks.items()]))

    def _acknowledge(self, stored: Stored) -> None:
        for epoch, mark in stored.marks.items():
            self.receiver.ack(epoch, mark)
        if stored.hole:
            self.close(ByeReason.HOLE, "a batch came whose predecessor never did")

    def _acknowledge_gap(self, gap: Gap, mark: int | None) -> None:
        if mark is None:
            self.close(ByeReason.HOLE, f"a gap from seq {gap.first_seq} leaves a hole before it")
        else:
            self.receiver.ack(gap.epoch, mark)


def _nothing(_answer: object) -> None:
    """Do nothing with an answer that nobody waits for."""

"""service.stream: bytes and time in, bytes out, over a real pair of sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kit.waiting import WITHIN_S, until
from kit.wireworks import EPOCH, sealed_batch
from service import stream
from service.stream import ConversationStream
from wire import conversation, frames
from wire.bodies import Ack, Bye, Describe, Ping, Pong
from wire.conversation import Closed, Event, State
from wire.frames import Body, FrameReader, FrameType
from wire.greetings import Hello, Ready
from wire.receiver import Arrived, Receiver

HELLO = frames.encode(Hello("greenhouse", 1, 1, "test"))
QUIET = b"a frame of many bytes" * 5000


class Recorder(ConversationStream):
    """A collector's end that lets everybody in and notes every hook."""

    def __init__(self) -> None:
        self.receiver = Receiver(asyncio.get_running_loop().time())
        super().__init__(self.receiver)
        self.events: list[Event] = []
        self.ends: list[Closed] = []
        self.hooks: list[str] = []
        self.lost = False

    def opened(self) -> None:
        """Note it."""
        self.hooks.append("opened")

    def happened(self, event: Event) -> None:
        """Let in who says hello."""
        self.hooks.append("happened")
        self.events.append(event)
        if isinstance(event, Hello) and self.receiver.state is State.GREETING:
            self.receiver.ready("test")

    def settled(self) -> None:
        """Note it."""
        self.hooks.append("settled")

    def writable(self) -> None:
        """Note it."""
        self.hooks.append("writable")

    def ended(self, closed: Closed) -> None:
        """Note it."""
        self.ends.append(closed)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it as well."""
        super().connection_lost(exc)
        self.lost = True


class Peer:
    """The other end: a plain socket, read only when asked to be."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = FrameReader(frames.MAX_FRAME_BYTES)

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        async with asyncio.timeout(WITHIN_S):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def hears(self, count: int = 1) -> list[Body | bytes]:
        """Read until so many frames have come, and return all that did; fewer at the end."""
        found: list[Body | bytes] = []
        async with asyncio.timeout(WITHIN_S):
            while len(found) < count:
                data = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
                if not data:
                    break
                for kind, body in self._reader.feed(data):
                    is_batch = kind is FrameType.BATCH
                    found.append(body if is_batch else frames.decode(kind, body))
        return found

    async def hears_all(self) -> list[Body | bytes]:
        """Read to the end of the stream."""
        return await self.hears(1_000_000)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Recorder, Peer]]:
    """A stream and its peer, ended in the end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    for each in (ours, theirs):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer = Peer(theirs)
    _, recorder = await asyncio.get_running_loop().create_connection(Recorder, sock=ours)
    try:
        yield recorder, peer
    finally:
        if not recorder.lost:  # asyncio 3.11 cannot abort what is closed
            recorder.transport.abort()
        peer.close()
        await until(lambda: recorder.lost)
    assert len(recorder.ends) == 1, "a session ends once"


@asynccontextmanager
async def let_in() -> AsyncIterator[tuple[Recorder, Peer]]:
    """A stream whose peer has said hello and was let in."""
    async with connected() as (recorder, peer):
        await peer.send(HELLO)
        assert await peer.hears() == [Ready(1, "test")]
        yield recorder, peer


def play(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; nothing may reach the loop's own fault handler."""
    faults: list[dict[str, Any]] = []

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        await scenario

    asyncio.run(whole())
    assert faults == []


async def turns(count: int = 20) -> None:
    """Let the loop look at its sockets so often: what can be read then has been read."""
    for _ in range(count):
        await asyncio.sleep(0)


def queue(recorder: Recorder, count: int) -> int:
    """Write so many big frames, read or not; return how many."""
    for _ in range(count):
        recorder.receiver._outgoing.append(frames.encode_batch(QUIET))
    recorder.flush()
    return count


def test_hooks_come_in_order() -> None:
    """Opened, then each event, then one `settled` for all that came with one receive."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            assert recorder.hooks == ["opened", "happened", "settled"]
            sealed = sealed_batch()
            await peer.send(frames.encode(Describe([])) + frames.encode_batch(sealed))
            await until(lambda: len(recorder.events) == 3)
            assert recorder.hooks[3:] == ["happened", "happened", "settled"]
            arrived = recorder.events[-1]
            assert isinstance(arrived, Arrived)
            assert arrived.sealed == sealed

    play(scenario())


def test_close_says_bye_and_ends_once() -> None:
    """BYE is the last frame, then the end of the stream; a second close changes nothing."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            recorder.close("stopping", "for a test", 7.0)
            recorder.close("replaced")
            assert await peer.hears_all() == [Bye("stopping", 7.0, "for a test")]
            await until(lambda: recorder.lost)
            assert recorder.ends == [Closed("stopping", "for a test", 7.0)]

    play(scenario())


def test_bye_leaves_behind_all_that_was_said_before() -> None:
    """A peer that reads slowly still gets everything, in order, with BYE at its end."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            count = queue(recorder, 10)
            assert recorder.is_stalled
            recorder.close("stopping")
            said = await peer.hears_all()
            assert said == [QUIET] * count + [Bye("stopping")]
            await until(lambda: recorder.lost)
            timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
            assert all(timer.cancelled() for timer in timers), "it would abort what is closed"

    play(scenario())


def test_peer_that_does_not_read_the_bye_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After LINGER_S what is unsent is given up, and the socket with it."""
    monkeypatch.setattr(stream, "LINGER_S", 0.05)

    async def scenario() -> None:
        async with let_in() as (recorder, _):
            queue(recorder, 10)
            recorder.close("stopping")
            assert not recorder.lost
            await until(lambda: recorder.lost)
            assert recorder.ends == [Closed("stopping")]

    play(scenario())


def test_peer_that_never_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: who takes nothing for SILENCE_S is no peer any more."""
    monkeypatch.setattr(stream, "SILENCE_S", 0.05)

    async def scenario() -> None:
        async with let_in() as (recorder, _):
            queue(recorder, 10)
            assert recorder.is_stalled
            assert not recorder.transport.is_reading()
            await until(lambda: recorder.lost)
            assert [(end.reason, end.by_peer) for end in recorder.ends] == [("silence", False)]

    play(scenario())


def test_device_hears_on_while_it_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is behind and says that it lives is not cut by its device."""
    monkeypatch.setattr(stream, "SILENCE_S", 0.05)

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            recorder.hears_while_stalled = True
            count = queue(recorder, 10)
            assert recorder.is_stalled
            await peer.send(frames.encode(Describe([])))
            await until(lambda: len(recorder.events) == 2)
            assert await peer.hears(count) == [QUIET] * count
            await until(lambda: not recorder.is_stalled)
            assert not recorder.lost

    play(scenario())


def test_peer_that_reads_at_last_goes_on() -> None:
    """Backpressure both ways: while it does not read it is not read; then both go on."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            count = queue(recorder, 10)
            await peer.send(frames.encode(Describe([])))
            await turns()
            assert len(recorder.events) == 1, "read from a peer that does not read"
            assert await peer.hears(count) == [QUIET] * count
            await until(lambda: len(recorder.events) == 2)
            assert not recorder.is_stalled
            assert recorder.transport.is_reading()
            assert recorder.hooks.count("writable") == 1

    play(scenario())


def test_reading_stops_for_as_long_as_there_is_a_reason() -> None:
    """Two reasons are two: taking one back is not enough, taking back a third is nothing."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            for why in ("store", "store", "memory"):
                recorder.stop_reading(why)
            await peer.send(frames.encode(Describe([])))
            for why in ("store", "unheard of", "store"):
                recorder.go_on_reading(why)
                await turns()
                assert len(recorder.events) == 1
            recorder.go_on_reading("memory")
            await until(lambda: len(recorder.events) == 2)

    play(scenario())


def test_who_does_not_read_counts_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that waits for the store is not ended for it; pings still go out."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            recorder.stop_reading("store")
            monkeypatch.setattr(conversation, "SILENCE_S", 0.1)
            monkeypatch.setattr(conversation, "PING_AFTER_S", 0.05)
            recorder._tick()  # deadlines have come nearer, which they never do by themselves
            assert await peer.hears(6) == [Ping()] * 6
            assert recorder.ends == []
            recorder.go_on_reading("store")
            *_, last = await peer.hears_all()
            assert isinstance(last, Bye)
            assert last.reason == "silence"

    play(scenario())


def test_ping_is_answered_and_sent() -> None:
    """The stream gives the conversation its time and sends what it says by itself."""

    async def scenario() -> None:
        async with let_in() as (_, peer):
            await peer.send(frames.encode(Ping(7)))
            assert await peer.hears() == [Pong(7)]

    play(scenario())


def test_silent_stranger_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer of the greeting runs from the start."""
    monkeypatch.setattr(conversation, "GREETING_S", 0.05)

    async def scenario() -> None:
        async with connected() as (recorder, peer):
            (bye,) = await peer.hears_all()
            assert isinstance(bye, Bye)
            assert bye.reason == "silence"
            await until(lambda: recorder.lost)

    play(scenario())


@pytest.mark.parametrize(("more", "detail"), [(b"", ""), (b"\x01", "in the middle of a frame")])
def test_lost_connection_is_an_end(more: bytes, detail: str) -> None:
    """It is told once, and whether it was in the middle of something."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            await peer.send(more)
            await turns()
            peer.close()
            await until(lambda: recorder.lost)
            assert recorder.ends == [Closed("connection_lost", detail, by_peer=True)]

    play(scenario())


def test_garbage_ends_the_session_with_a_reason() -> None:
    """And nothing that comes behind it is heard."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            await peer.send(b"\xff" * 100 + frames.encode(Describe([])))
            (bye,) = await peer.hears_all()
            assert isinstance(bye, Bye)
            assert bye.reason == "protocol_error"
            assert len(recorder.events) == 1

    play(scenario())


def test_nothing_happens_after_the_end() -> None:
    """Stopping, going on, flushing and closing a session that is over raise nothing."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            recorder.stop_reading("store")
            recorder.close("stopping")
            recorder.stop_reading("memory")
            recorder.go_on_reading("store")
            recorder.go_on_reading("memory")
            recorder.flush()
            await peer.hears_all()
            await until(lambda: recorder.lost)
            recorder.flush()
            recorder.close("stopping")
            assert len(recorder.ends) == 1

    play(scenario())


def test_answer_to_what_ends_the_session_is_not_sent_twice() -> None:
    """BYE of the peer is answered with nothing but the end of the stream."""

    async def scenario() -> None:
        async with let_in() as (recorder, peer):
            await peer.send(frames.encode(Bye("stopping")) + frames.encode(Ack(EPOCH, 1)))
            assert await peer.hears_all() == []
            assert recorder.ends == [Closed("stopping", by_peer=True)]

    play(scenario())


def test_transport_is_closed_once() -> None:
    """A TLS transport that is closed twice cannot be aborted any more in early releases of 3.11."""

    async def scenario() -> None:
        async with let_in() as (recorder, _):
            closes: list[None] = []
            close = recorder.transport.close
            recorder.transport.close = lambda: (closes.append(None), close())[1]  # type: ignore
            recorder.close("stopping")
            recorder.close("stopping")
            recorder.data_received(b"")
            assert len(closes) == 1

    asyncio.run(scenario())

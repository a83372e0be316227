"""device.link: sessions with a collector on a real socket, and with peers that are none."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.addresses import Address
from device import link as link_module
from device.backoff import FIRST_S, Backoff
from device.link import Link
from device.spool import Spool
from kit.programs import free_port
from kit.scripted import ScriptedCollector, ended, scripted_collector
from kit.waiting import until
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire import frames
from wire.blocks import Point
from wire.conversation import Closed
from wire.frames import Ack, Describe, Gap, Held, Hello, Hold, Marks, Ready, SensorDescription
from wire.receiver import Arrived
from wire.sender import WINDOW_BYTES


class Rig:
    """A link to a port, without the waits of its back-off, and its spool."""

    def __init__(self, port: int, spool: Spool | None = None) -> None:
        self.spool = spool or Spool(EPOCH, BOOT, lambda: CLOCK, 8 * 2**20)
        self.description = Describe([SensorDescription("air", "host", 1.0, [])], "Greenhouse")
        self.link = Link(
            Address("127.0.0.1", port),
            "greenhouse",
            "telegauge-device test",
            self.spool,
            lambda: self.description,
            Backoff(lambda: 0.0),
        )

    def accept(self, *values: float) -> None:
        """Accept one reading a value, as the agent does."""
        for value in values:
            time_ns = self.spool.accepted + 1
            assert self.spool.accept("air", time_ns, [Point("temperature", "degC", value, 0)])
        self.link.readings_accepted()

    def close_batches(self, count: int) -> None:
        """Accept and close so many batches of one reading."""
        for _ in range(count):
            self.accept(20.0)
            self.spool.close_batch()


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """The link runs, and is then cancelled."""
    task = asyncio.create_task(rig.link.run())
    try:
        yield rig
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Rig, ScriptedCollector]]:
    """A link that runs, and its collector."""
    async with scripted_collector() as collector, running(Rig(collector.port)) as rig:
        yield rig, collector


def play(scenario: Coroutine[Any, Any, None]) -> list[Any]:
    """Run a scenario; nothing may reach the loop's own fault handler. Return what was logged."""
    faults: list[dict[str, Any]] = []

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        await scenario

    with capture_logs() as entries:
        asyncio.run(whole())
    assert faults == []
    return entries


def seqs(arrived: list[Arrived]) -> list[int]:
    """The seqs of batches, in order."""
    return [each.header.place.seq for each in arrived]


def test_session_begins_as_the_protocol_says() -> None:
    """HELLO, DESCRIBE, HOLD; no batch before MARKS, then all that was held."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            collector.answers_hold = False
            rig = Rig(collector.port)
            rig.close_batches(2)
            async with running(rig):
                await until(lambda: collector.sessions and collector.session.heard(Hold))
                assert collector.session.events == [
                    Hello("greenhouse", 1, 1, "telegauge-device test"),
                    rig.description,
                    Hold([Held(EPOCH, BOOT, 1)]),
                ]
                was_up = rig.link.is_up
                collector.session.send(Marks([frames.Mark(EPOCH, 0)]))
                await until(lambda: rig.spool.acknowledged == 2)
                assert (was_up, rig.link.is_up) == (False, True)
                assert seqs(collector.stored) == [1, 2]
                assert rig.link.sessions == 1

    entries = play(scenario())
    assert [each["event"] for each in entries] == ["link_up"]


def test_readings_leave_by_themselves() -> None:
    """What was accepted within the age of a batch goes out as one, without being asked for."""

    async def scenario() -> None:
        async with linked() as (rig, collector):
            await until(lambda: rig.link.is_up)
            rig.accept(1.0, 2.0, 3.0)
            await until(lambda: rig.spool.acknowledged == 3)
            assert [arrived.header.readings for arrived in collector.stored] == [3]
            rig.accept(4.0)
            await until(lambda: rig.spool.acknowledged == 4)
            assert seqs(collector.stored) == [1, 2]

    play(scenario())


def test_open_batch_grows_while_the_link_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collector a batch is not closed for its age; it leaves when the link comes up."""
    monkeypatch.setattr(link_module, "BATCH_AGE_S", 0.01)

    async def scenario() -> None:
        port = free_port()
        async with running(Rig(port)) as rig:
            for _ in range(3):
                rig.accept(1.0)
                await until(lambda: rig.link._closing is None)
            assert (rig.spool.last_seq, rig.spool.held_readings) == (0, 3)
            async with scripted_collector(port) as collector:
                await until(lambda: rig.spool.acknowledged == 3)
                assert [arrived.header.readings for arrived in collector.stored] == [3]

    play(scenario())


def test_what_is_in_doubt_is_sent_again_unchanged() -> None:
    """After a cut: the same bytes under the same seq, and the next ones behind them."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            collector.acknowledges = False
            rig = Rig(collector.port)
            rig.close_batches(2)
            async with running(rig):
                await until(lambda: len(collector.stored) == 2)
                before = collector.session.heard(Arrived)
                collector.marks.clear()  # it had not committed them
                collector.stored.clear()
                collector.acknowledges = True
                collector.session.cut()
                rig.close_batches(1)
                await until(lambda: rig.spool.acknowledged == 3)
            again = collector.session.heard(Arrived)
            assert collector.session.heard(Hold) == [Hold([Held(EPOCH, BOOT, 1)])]
            assert [each.sealed for each in again[:2]] == [each.sealed for each in before]
            assert seqs(collector.stored) == [1, 2, 3]
            assert rig.link.sessions == 2

    entries = play(scenario())
    assert [each["event"] for each in entries] == ["link_up", "link_down", "link_up"]
    assert entries[1]["reason"] == "connection_lost"


def test_goes_on_behind_the_mark() -> None:
    """What the collector committed before the acknowledgement got lost is not sent again."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            rig = Rig(collector.port)
            rig.close_batches(4)
            collector.marks[EPOCH] = 3
            async with running(rig):
                await until(lambda: rig.spool.acknowledged == 4)
            assert seqs(collector.session.heard(Arrived)) == [4]
            assert collector.gaps == []

    play(scenario())


@pytest.mark.parametrize("held", [0, 2])
def test_collector_that_forgot_gets_a_gap(held: int) -> None:
    """An older store: what it had acknowledged is gone here, and it is told so before the rest."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            rig = Rig(collector.port)
            rig.close_batches(5)
            rig.spool.acknowledge(5 - held)
            collector.marks[EPOCH] = 1
            async with running(rig):
                await until(lambda: collector.gaps and rig.spool.held_readings == 0)
                assert collector.gaps == [Gap(EPOCH, 2, 5 - held, "collector_rollback")]
                assert seqs(collector.stored) == list(range(6 - held, 6))
                rig.close_batches(1)
                rig.link.send_now()
                await until(lambda: rig.spool.acknowledged == 6)

    play(scenario())


@pytest.mark.parametrize("by", ["marks", "ack"])
def test_promise_of_what_was_never_sent_is_refused(by: str) -> None:
    """A mark beyond the last batch would let go of readings that do not exist yet."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            rig = Rig(collector.port)
            rig.close_batches(2)
            collector.acknowledges = False
            if by == "marks":
                collector.marks[EPOCH] = 3
            async with running(rig):
                await until(lambda: collector.sessions)
                session = collector.session
                if by == "ack":
                    await until(lambda: session.heard(Arrived))
                    collector.answers_hold = False
                    session.send(Ack(EPOCH, 3))
                await until(lambda: session.heard(Closed))
                (closed,) = session.heard(Closed)
                assert (closed.reason, closed.by_peer) == ("protocol_error", True)
                assert "mark 3" in closed.detail
                assert rig.spool.held_readings == 2

    entries = play(scenario())
    assert [each["reason"] for each in entries if each["event"] == "link_down"] == [
        "protocol_error"
    ]


def test_window_bounds_what_is_under_way() -> None:
    """512 KiB unacknowledged and no more; each acknowledgement lets the next batches go."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            rig = Rig(collector.port)
            noise = random.Random(1)
            while rig.spool.held_bytes < 3 * WINDOW_BYTES:
                points = [Point(f"c_{i}", "", noise.random(), 0) for i in range(1000)]
                assert rig.spool.accept("noise", 1, points)
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: len(collector.stored) > 1)
                stream = rig.link._stream
                assert stream is not None

                def is_full() -> bool:
                    waiting = rig.spool.batch(stream._next_seq)
                    all_arrived = len(collector.stored) == stream._next_seq - 1
                    no_room = waiting and not stream.sender.has_room(len(waiting.sealed))
                    return all_arrived and bool(no_room)

                for mark in (0, 2, 4):
                    collector.session.send(Ack(EPOCH, mark))
                    await until(partial(lambda mark: rig.spool.lowest_seq == mark + 1, mark))
                    await until(is_full)
                    sizes = [len(arrived.sealed) for arrived in collector.stored[mark:]]
                    assert WINDOW_BYTES - 64 * 1024 < sum(sizes) <= WINDOW_BYTES
                    assert stream.sender.unacknowledged_bytes == sum(sizes)
                collector.acknowledges = True
                collector.session.acknowledge()
                await until(lambda: rig.spool.held_readings == 0)
            assert seqs(collector.stored) == list(range(1, rig.spool.last_seq + 1))

    play(scenario())


def test_wish_for_a_pause_is_heeded() -> None:
    """BYE with retry_after: no connection before that, and then one again."""
    asked_s = 0.5

    async def scenario() -> None:
        async with linked() as (rig, collector):
            await until(lambda: rig.link.is_up)
            said_s = asyncio.get_running_loop().time()
            collector.session.bye("replaced", "a newer session came", asked_s)
            await until(lambda: len(collector.sessions) == 2)
            assert collector.session.began_s - said_s >= asked_s
            await until(lambda: rig.link.is_up)

    _, down, _ = play(scenario())
    assert (down["reason"], down["detail"]) == ("replaced", "a newer session came")


HTTP_ANSWER = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (HTTP_ANSWER, "protocol_error"),
        (b"\xff" * 64, "protocol_error"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol_error"),
        (frames.encode(Ready(9)), "protocol_error"),
        (frames.encode(Ready(1)) + b"\xff" * 64, "protocol_error"),
        (frames.encode(Ready(1)) + frames.encode(Marks([])) * 2, "protocol_error"),
        (frames.encode(Ready(1)) + frames.encode(frames.Bye("overloaded")), "overloaded"),
    ],
    ids=["http", "garbage", "ssh", "version", "ready+garbage", "ready+marks", "ready+bye"],
)
def test_peer_that_is_no_collector(says: bytes, reason: str) -> None:
    """Whatever it says, in one packet: one line with the reason, and the link keeps trying."""

    async def scenario() -> None:
        async with scripted_collector() as stranger:
            stranger.says_first = says
            async with running(Rig(stranger.port)) as rig:
                rig.close_batches(1)
                await until(lambda: len(stranger.sessions) >= 4)
            assert rig.spool.held_readings == 1
            assert rig.link.sessions == 0

    entries = play(scenario())
    assert [(each["event"], each["reason"]) for each in entries] == [("link_down", reason)]


def test_peer_that_closes_at_once() -> None:
    """A proxy without a target behind it: connections that are over as soon as they are there."""

    async def scenario() -> None:
        connections = 0

        class Slammer(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                nonlocal connections
                connections += 1
                assert isinstance(transport, asyncio.Transport)
                transport.abort()

        server = await asyncio.get_running_loop().create_server(Slammer, "127.0.0.1", 0)
        async with running(Rig(server.sockets[0].getsockname()[1])):
            await until(lambda: connections >= 20)
        await ended(server)

    entries = play(scenario())
    assert [each["reason"] for each in entries] == ["connection_lost"]


def test_nobody_at_the_port() -> None:
    """One line that says so in the system's words, then silence until somebody is there."""

    async def scenario() -> None:
        port = free_port()
        async with running(Rig(port)) as rig:
            rig.close_batches(1)
            await until(lambda: rig.link.last_end)
            assert not rig.link.is_up
            async with scripted_collector(port):
                await until(lambda: rig.spool.acknowledged == 1)

    down, up = play(scenario())[:2]
    assert (down["event"], down["reason"]) == ("link_down", "no_connection")
    assert (down["detail"], down["held_readings"]) == ("Connection refused", 1)
    assert up["event"] == "link_up"


def test_name_that_resolves_to_nothing_says_so() -> None:
    """The resolver's words, not an error number that nobody knows."""
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert link_module._told(error) == "Name or service not known"


def test_peer_that_accepts_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after the time for a greeting."""
    monkeypatch.setattr("wire.conversation.GREETING_S", 0.05)

    async def scenario() -> None:
        async with scripted_collector() as collector:
            collector.greets = False
            async with running(Rig(collector.port)):
                await until(lambda: len(collector.sessions) >= 2)
                assert collector.sessions[0].heard(Closed)[0].reason == "silence"

    (entry,) = play(scenario())
    assert entry["reason"] == "silence"


class FarTransport(asyncio.Transport):
    """A connection to another machine, as far as its addresses go; keeps what is written."""

    def __init__(self, peer: tuple[str, int] | None) -> None:
        super().__init__({"peername": peer})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += data

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Note it."""
        self.closed = True

    abort = close


def told(peer: tuple[str, int] | None) -> tuple[list[frames.Body], bool]:
    """What a peer at an address is told first, and whether the connection is closed."""

    async def scenario() -> tuple[list[frames.Body], bool]:
        ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        stream = link_module._LinkStream(Rig(1).link, ended)
        transport = FarTransport(peer)
        stream.connection_made(transport)
        found = frames.FrameReader().feed(transport.written)
        said = [frames.decode(kind, data) for kind, data in found], transport.closed
        stream.connection_lost(None)
        return said

    return asyncio.run(scenario())


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1"])
def test_other_machines_are_told_nothing_of_ours(host: str) -> None:
    """Until there are keys: no description, no reading leaves this machine."""
    said, closed = told((host, 8888))
    assert closed
    assert isinstance(said[-1], frames.Bye)
    assert said[-1].reason == "not_accepted"
    assert host in said[-1].detail


@pytest.mark.parametrize("peer", [("127.0.0.1", 8888), ("::1", 8888), None])
def test_this_machine_is_greeted(peer: tuple[str, int] | None) -> None:
    """Also a connection that is gone before it could be looked at raises nothing."""
    said, closed = told(peer)
    assert said == [Hello("greenhouse", 1, 1, "telegauge-device test")]
    assert not closed


def test_stop_says_bye() -> None:
    """The collector learns that this is no cut."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            async with running(Rig(collector.port)) as rig:
                await until(lambda: rig.link.is_up)
            await until(lambda: collector.session.is_over)
            assert collector.session.heard(Closed) == [Closed("stopping", by_peer=True)]

    play(scenario())


def test_drain_waits_for_the_last_acknowledgement() -> None:
    """The open batch is closed and sent, and all of it acknowledged, before a clean end."""

    async def scenario() -> None:
        async with linked() as (rig, collector):
            await until(lambda: rig.link.is_up)
            rig.accept(1.0, 2.0)
            assert await rig.link.drain(20.0)
            assert (rig.spool.held_readings, collector.readings) == (0, 2)
            assert await rig.link.drain(0.0), "nothing is held"

    play(scenario())


def test_drain_gives_up_in_time() -> None:
    """Without acknowledgements the end comes all the same, and says that not all of it came."""

    async def scenario() -> None:
        async with linked() as (rig, collector):
            collector.acknowledges = False
            await until(lambda: rig.link.is_up)
            rig.accept(1.0)
            assert not await rig.link.drain(0.05)
            assert rig.spool.held_readings == 1

    play(scenario())


def test_drain_tries_a_link_that_is_down_at_once() -> None:
    """A stop does not wait out the pause that a collector has asked for."""

    async def scenario() -> None:
        async with linked() as (rig, collector):
            await until(lambda: rig.link.is_up)
            collector.session.bye("stopping", retry_after_s=3600.0)
            await until(lambda: rig.link.last_end)
            rig.accept(1.0)
            assert await rig.link.drain(20.0)
            assert len(collector.sessions) == 2

    play(scenario())


@pytest.mark.parametrize("while_waiting", [False, True])
def test_changed_sensors_are_described_again(while_waiting: bool) -> None:
    """Also between DESCRIBE and MARKS, when the first reads of a start come in."""

    async def scenario() -> None:
        async with scripted_collector() as collector:
            collector.answers_hold = not while_waiting
            async with running(Rig(collector.port)) as rig:
                await until(lambda: collector.sessions and collector.session.heard(Hold))
                if not while_waiting:
                    await until(lambda: rig.link.is_up)
                rig.description = Describe([])
                rig.link.describe_again()
                await until(lambda: len(collector.session.heard(Describe)) == 2)
                assert collector.session.heard(Describe)[-1] == Describe([])

    play(scenario())


def test_describing_without_a_session_is_nothing() -> None:
    """The next session describes everything anyway."""

    async def scenario() -> None:
        rig = Rig(free_port())
        rig.link.describe_again()
        rig.link.send_now()
        assert not rig.link.is_up

    assert play(scenario()) == []


def test_flapping_link_loses_nothing() -> None:
    """Cut a hundred times at any moment, every reading arrives once and in order."""

    async def scenario() -> None:
        async with linked() as (rig, collector):
            for number in range(100):
                rig.accept(float(number))
                rig.link.send_now()
                if number % 3:
                    await asyncio.sleep(0)
                else:
                    await until(lambda: rig.link.is_up)
                for session in collector.sessions:
                    session.cut()
            await until(lambda: rig.spool.held_readings == 0)
            assert seqs(collector.stored) == list(range(1, rig.spool.last_seq + 1))
            assert [arrived.header.place.before for arrived in collector.stored] == [
                sum(before.header.readings for before in collector.stored[:n])
                for n in range(len(collector.stored))
            ]
            assert collector.readings == 100

    play(scenario())


def test_collector_that_refuses_after_marks_is_left_in_peace() -> None:
    """A session in which nothing was acknowledged does not shorten the wait before the next."""
    ceilings_s: list[float] = []

    class Watched(Backoff):
        def next_s(self, at_least_s: float = 0.0) -> float:
            ceilings_s.append(self._ceiling_s)
            super().next_s(at_least_s)
            return 0.0

    async def scenario() -> None:
        async with scripted_collector() as collector:
            rig = Rig(collector.port)
            rig.link._backoff = Watched()
            async with running(rig):
                for number in range(1, 4):
                    await until(lambda number=number: rig.link.sessions == number)
                    collector.session.bye("hole")
                await until(lambda: rig.link.sessions == 4)
                rig.accept(1.0)
                await until(lambda: rig.spool.acknowledged == 1)
                collector.session.bye("hole")
                await until(lambda: rig.link.sessions == 5)

    play(scenario())
    assert ceilings_s == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, FIRST_S]


def test_drain_does_not_wait_where_nobody_listens() -> None:
    """A refused connection during the stop ends it at once, and says that not all of it came."""

    async def scenario() -> None:
        async with running(Rig(free_port())) as rig:
            rig.accept(1.0)
            began_s = asyncio.get_running_loop().time()
            assert not await rig.link.drain(60.0)
            assert asyncio.get_running_loop().time() - began_s < 30.0

    play(scenario())

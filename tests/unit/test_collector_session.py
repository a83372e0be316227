"""collector.session: one device's connection over a real socket, down to the file and back."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector.session import Session
from collector.sessions import Sessions
from collector.store.database import FILE_NAME
from collector.store.writer import REQUEST_BYTES
from kit.servers import ServerRig, bodies, server_rig
from kit.stores import OTHER_EPOCH, arrived, batch, described, locked, rows
from kit.waiting import until
from kit.wireworks import BOOT, EPOCH, sealed_batch
from wire import frames
from wire.conversation import State
from wire.frames import (
    Ack,
    Bye,
    Describe,
    Gap,
    Held,
    Hello,
    Hold,
    Pong,
    Ready,
)
from wire.sender import WINDOW_BYTES

STORED = "SELECT ifnull(sum(readings), 0) FROM batch"
Scenario = Callable[[ServerRig], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a server on a real socket; nothing may reach the loop's handler."""

    async def run(scenario: Scenario) -> None:
        async with server_rig(tmp_path / FILE_NAME) as rig:
            await scenario(rig)

    return lambda scenario: asyncio.run(run(scenario))


def noise(seq: int) -> Any:
    """A batch of some 10 KB, which do not deflate."""
    values = random.Random(seq)
    return arrived(sealed_batch(seq, [values.random() for _ in range(1000)]))


def test_device_is_let_in(play: Callable[[Scenario], None]) -> None:
    """HELLO is answered by READY, and the session has the device's name."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        assert device.events == [Ready(1, "telegauge-collector test")]
        assert rig.sessions.devices == ["greenhouse"]

    play(scenario)


def test_conversation_from_hello_to_the_end(play: Callable[[Scenario], None]) -> None:
    """Described, held, stored, acknowledged; the end is noted."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send(described("air.temperature"))
        assert await device.hold(EPOCH, OTHER_EPOCH) == {EPOCH: 0, OTHER_EPOCH: 0}
        device.send_batches(batch(1), batch(2), batch(1, epoch=OTHER_EPOCH))
        await device.acknowledged(EPOCH, 2)
        await device.acknowledged(OTHER_EPOCH, 1)
        device.send(Gap(EPOCH, 3, 7, "spool_full"))
        await device.acknowledged(EPOCH, 7)
        await device.leave()
        await rig.all_gone()
        assert rig.sessions.devices == []
        assert rows(rig.file, "SELECT sensor FROM series") == [("air",)]
        assert rows(rig.file, STORED) == [(3,)]

    play(scenario)


def test_session_is_logged_once_at_its_start_and_end(play: Callable[[Scenario], None]) -> None:
    """Who, from where, and how it ended; a stranger's end is a warning."""

    async def scenario(rig: ServerRig) -> None:
        with capture_logs() as logs:
            device = await rig.device()
            device.send(Bye("stopping"))
            await rig.all_gone()
            _, stranger = await rig.connect()
            stranger.write(b"\xff" * 64)
            await until(lambda: len(logs) == 3)
            stranger.close()
        events = [(log["event"], log["log_level"], log["device"]) for log in logs]
        assert events == [
            ("session_started", "info", "greenhouse"),
            ("session_ended", "info", "greenhouse"),
            ("session_ended", "warning", None),
        ]
        assert (logs[1]["reason"], logs[1]["by"]) == ("stopping", "device")
        assert (logs[2]["reason"], logs[2]["by"]) == ("protocol_error", "collector")
        assert all(log["peer"].startswith("127.0.0.1:") for log in logs)

    play(scenario)


def test_acknowledged_only_after_commit(play: Callable[[Scenario], None]) -> None:
    """While the disk is slow there is no word; when the word comes, everyone can see the rows."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        with locked(rig.file):
            device.send_batches(batch(2))
            await until(lambda: rig.writer.is_stuck(time.monotonic(), 0.1))
            assert device.heard(Ack) == [Ack(EPOCH, 1)]
            assert rows(rig.file, STORED) == [(1,)]
        await device.acknowledged(EPOCH, 2)
        assert rows(rig.file, STORED) == [(2,)]

    play(scenario)


def test_what_came_twice_is_acknowledged_twice(play: Callable[[Scenario], None]) -> None:
    """A device that did not hear the first word is not left waiting."""

    async def scenario(rig: ServerRig) -> None:
        for _ in range(2):
            device = await rig.device()
            device.send_batches(batch(1), batch(2))
            await device.acknowledged(EPOCH, 2)
            await device.leave()
        assert rows(rig.file, STORED) == [(2,)]

    play(scenario)


def test_what_arrived_before_the_end_is_stored(play: Callable[[Scenario], None]) -> None:
    """A device that leaves at once has not sent in vain; its spool learns it next time."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_batches(batch(1), batch(2))
        device.send(Bye("stopping"))
        await rig.all_gone()
        await device.leave()
        again = await rig.device()
        assert await again.hold(EPOCH) == {EPOCH: 2}

    play(scenario)


def test_ping_is_answered(play: Callable[[Scenario], None]) -> None:
    """A session says that it is alive."""

    async def scenario(rig: ServerRig) -> None:
        reader, writer = await rig.connect()
        writer.write(frames.encode(Hello("greenhouse", 1, 1)))
        await reader.readexactly(5)
        writer.write(frames.encode(frames.Ping(77)))
        pong = frames.encode(Pong(77))
        said = b""
        while pong not in said:
            said += await asyncio.wait_for(reader.read(1000), 20)
        writer.close()

    play(scenario)


@pytest.mark.parametrize("kind", ["batch", "gap"])
def test_hole_ends_the_session(play: Callable[[Scenario], None], kind: str) -> None:
    """What is before the hole counts, nothing after it; the device hears why."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_batches(batch(1))
        if kind == "batch":
            device.send_batches(batch(3))
        else:
            device.send(Gap(EPOCH, 3, 4, "spool_full"))
        closed = await device.closed()
        assert (closed.reason, closed.by_peer) == ("hole", True)
        assert Ack(EPOCH, 1) in device.events
        assert rows(rig.file, STORED) == [(1,)]
        assert rows(rig.file, "SELECT * FROM gap") == []

    play(scenario)


def test_newer_session_of_a_device_replaces_the_former(play: Callable[[Scenario], None]) -> None:
    """A device that lost its link is not kept out by its own ghost."""

    async def scenario(rig: ServerRig) -> None:
        former = await rig.device()
        newer = await rig.device()
        closed = await former.closed()
        assert (closed.reason, closed.retry_after_s, closed.by_peer) == ("replaced", 60.0, True)
        await until(lambda: len(rig.sessions) == 1)
        newer.send_batches(batch(1))
        await newer.acknowledged(EPOCH, 1)
        assert rig.sessions.devices == ["greenhouse"]

    play(scenario)


def test_stop_says_bye(play: Callable[[Scenario], None]) -> None:
    """Devices know that the collector went on purpose."""

    async def scenario(rig: ServerRig) -> None:
        devices = [await rig.device(name) for name in ("greenhouse", "cellar")]
        for session in rig.sessions:
            session.stop()
        assert [(await device.closed()).reason for device in devices] == ["stopping"] * 2
        await rig.all_gone()

    play(scenario)


def test_slow_writer_stops_the_reading(play: Callable[[Scenario], None]) -> None:
    """A device that sends past its window fills no memory; all of it is stored in the end."""
    sent = [noise(seq) for seq in range(1, 601)]
    size_bytes = sum(len(each.sealed) for each in sent)
    assert size_bytes > 4 * WINDOW_BYTES

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        other = await rig.device("cellar")
        session = rig.made[0]
        with locked(rig.file):
            device.send_batches(*sent)
            await until(lambda: not session.transport.is_reading())
            assert WINDOW_BYTES < rig.writer.pending_bytes < 2 * WINDOW_BYTES
            assert rig.sessions.behind == {session}
            assert rig.made[1].transport.is_reading()
        await device.acknowledged(EPOCH, len(sent))
        other.send_batches(batch(1))
        await other.acknowledged(EPOCH, 1)
        assert not rig.sessions.behind
        assert rig.writer.pending_bytes == 0
        assert rows(rig.file, STORED) == [(600_001,)]

    play(scenario)


def test_all_sessions_together_have_a_limit(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many devices that keep within their windows cannot fill memory either."""
    monkeypatch.setattr("collector.session.MAX_PENDING_BYTES", 50_000)

    async def scenario(rig: ServerRig) -> None:
        devices = [await rig.device(f"pi-{number}") for number in range(8)]
        with locked(rig.file):
            for device in devices:
                device.send_batches(noise(1), noise(2))
            await until(lambda: len(rig.sessions.behind) >= 1)
        for device in devices:
            await device.acknowledged(EPOCH, 2)
        await until(lambda: not rig.sessions.behind)
        assert all(session.transport.is_reading() for session in rig.made)

    play(scenario)


@pytest.mark.parametrize(
    "frame", [Describe([]), Hold([Held(EPOCH, BOOT, 1)]), Gap(EPOCH, 1, 1, "spool_full")]
)
def test_frames_that_are_no_batches_are_bounded_too(
    play: Callable[[Scenario], None], frame: frames.Body
) -> None:
    """Describing oneself over and over is no way round the limit."""
    padded = frames.encode(frame) * 100_000

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        session = rig.made[0]
        with locked(rig.file):
            device.write(padded)
            await until(lambda: not session.transport.is_reading())
            waiting = rig.writer.pending_bytes / REQUEST_BYTES
            assert 16 < waiting < 0.2 * 100_000
        await device.leave()
        await rig.all_gone()
        await until(lambda: rig.writer.pending_bytes == 0)

    play(scenario)


class FarTransport(asyncio.Transport):
    """A connection from another machine; it keeps what is written."""

    def __init__(self, peer: tuple[Any, ...]) -> None:
        super().__init__({"peername": peer})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def abort(self) -> None:
        """Note it."""
        self.closed = True


@pytest.mark.parametrize(
    "peer",
    [("192.0.2.7", 1234), ("fe80::1", 1234, 0, 2), ("::ffff:192.0.2.7", 1234, 0, 0)],
)
def test_other_machines_are_not_let_in(
    play: Callable[[Scenario], None], peer: tuple[Any, ...]
) -> None:
    """Nothing they say is read; they hear that they are not accepted."""

    async def scenario(rig: ServerRig) -> None:
        session = Session(rig.writer, Sessions(), "test")
        transport = FarTransport(peer)
        session.connection_made(transport)
        (bye,) = bodies(transport.written)
        assert isinstance(bye, Bye)
        assert bye.reason == "not_accepted"
        assert transport.closed
        session.data_received(frames.encode(Hello("greenhouse", 1, 1)))
        session.connection_lost(None)
        assert session.device is None
        assert session.receiver.state is State.CLOSED

    play(scenario)

"""collector.session: one device's connection over a real socket, down to the file and back."""

import asyncio
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector.results import CommandError
from collector.store.writer import REQUEST_BYTES
from kit.servers import Scenario, ServerRig, all_said, bodies, player
from kit.stores import OTHER_EPOCH, arrived, batch, described, locked, rows
from kit.waiting import WITHIN_S, until
from kit.wireworks import BOOT, EPOCH, HELD, damaged, sealed_batch
from service.kernelclock import kernel_synchronised
from wire import conversation, frames
from wire.batches import ClockPair
from wire.bodies import (
    Ack,
    Bye,
    Command,
    Describe,
    End,
    Gap,
    Held,
    Hold,
    Key,
    Marks,
    Moment,
    Ping,
    Pong,
    Result,
)
from wire.conversation import Closed, State
from wire.errors import LocalProtocolError
from wire.frames import Body
from wire.greetings import Hello, Ready
from wire.sender import WINDOW_BYTES

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
STORED = "SELECT ifnull(sum(readings), 0) FROM batch"


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a server on a real socket; nothing may reach the loop's handler."""
    return player(tmp_path)


def noise(seq: int) -> Any:
    """A batch of some 10 KB, which do not deflate."""
    values = random.Random(seq)
    return arrived(sealed_batch(seq, [values.random() for _ in range(1000)]))


def test_device_is_let_in(play: Callable[[Scenario], None]) -> None:
    """HELLO is answered by READY, and the session has the device's name."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        assert device.events == [rig.ready]
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
        writer.write(frames.encode(Ping(77)))
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


async def silent(rig: ServerRig, name: str = "greenhouse") -> Connection:
    """A device that was let in, and does not answer a PING."""
    reader, writer = await rig.connect()
    writer.write(frames.encode(Hello(name, 1, 1)))
    await reader.readexactly(len(frames.encode(rig.ready)))
    return reader, writer


def test_newer_session_of_a_device_replaces_the_former(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that lost its link is not kept out by its own ghost, which has 2 s for a sign."""
    monkeypatch.setattr("collector.session.ALIVE_WITHIN_S", 0.2)

    async def scenario(rig: ServerRig) -> None:
        reader, _ = await silent(rig)
        newer = await rig.device()
        clock, ping, bye = bodies(await all_said(reader))
        assert (clock, ping) == (Ping(2), Ping(1))
        assert isinstance(bye, Bye)
        assert (bye.reason, bye.retry_after_s) == ("replaced", 60.0)
        await until(lambda: len(rig.sessions) == 1)
        newer.send_batches(batch(1))
        await newer.acknowledged(EPOCH, 1)
        assert rig.sessions.devices == ["greenhouse"]
        assert rig.sessions.of("greenhouse") is rig.made[1]

    play(scenario)


def test_session_that_lives_is_replaced_too(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as it has shown that it does: there is nothing more to wait for."""
    monkeypatch.setattr("collector.session.ALIVE_WITHIN_S", 600.0)

    async def scenario(rig: ServerRig) -> None:
        former = await rig.device()
        await rig.device()
        closed = await former.closed()
        assert (closed.reason, closed.retry_after_s, closed.by_peer) == ("replaced", 60.0, True)
        await until(lambda: len(rig.sessions) == 1)

    play(scenario)


def test_only_the_answer_to_the_question_counts(play: Callable[[Scenario], None]) -> None:
    """A PONG that comes by itself is no sign of life."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send(Pong(1), Pong(2))
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        assert len(rig.sessions) == 1

    play(scenario)


MEASURED = "SELECT source, boot_ns, wall_ns, error_ns FROM clock_pair"


def test_clock_of_a_device_is_measured(play: Callable[[Scenario], None]) -> None:
    """Right after READY; it is known before the first batch is dated."""

    async def scenario(rig: ServerRig) -> None:
        rig.device_clock = lambda: Moment(BOOT, 5_000_000_000, 7)
        before_ns = time.time_ns()
        device = await rig.device()
        device.sender.hold([Held(EPOCH, 1, Moment(BOOT, 1, 7), 1)])
        device.flush()
        await device.said(Marks)
        unset = ClockPair(5_000_000_000, 7, synchronised=False)
        device.send_batches(batch(1, clock=unset))
        await device.acknowledged(EPOCH, 1)
        ((source, boot_ns, wall_ns, error_ns),) = rows(rig.file, MEASURED)
        assert (source, boot_ns) == (kernel_synchronised(), 5_000_000_000)
        assert before_ns - error_ns <= wall_ns <= time.time_ns() + error_ns
        assert rows(rig.file, "SELECT dated FROM batch") == [(2,)]

    play(scenario)


def test_boots_are_told_before_what_was_measured(play: Callable[[Scenario], None]) -> None:
    """The present one, which is measured first, comes behind those that HOLD names."""

    async def scenario(rig: ServerRig) -> None:
        rig.device_clock = lambda: Moment(OTHER_EPOCH, 5_000_000_000, 7)
        device = await rig.device()
        present = Held(OTHER_EPOCH, 1, Moment(OTHER_EPOCH, 1, 7), 1)
        device.sender.hold([present, Held(EPOCH, 1, Moment(BOOT, 1, 7), 1)])
        device.flush()
        await until(lambda: rows(rig.file, MEASURED))
        assert rows(rig.file, "SELECT boot_id, placed FROM boot ORDER BY id") == [
            (BOOT, 1), (OTHER_EPOCH, 1),
        ]  # fmt: skip

    play(scenario)


def test_clock_is_measured_again_and_again(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the device answers with it: one of an earlier version is asked once."""
    monkeypatch.setattr("collector.session.EVERY_S", 0.02)

    async def scenario(rig: ServerRig) -> None:
        asked: list[int] = []

        def clock() -> Moment:
            asked.append(len(asked))
            return Moment(BOOT, len(asked), 7)

        rig.device_clock = clock
        await rig.device()
        await until(lambda: len(asked) > 3)
        rig.device_clock = None
        await rig.device("cellar")
        await until(lambda: len(asked) > 10)
        assert not rig.made[1]._measuring.is_answered

    play(scenario)


def test_collector_whose_clock_is_wrong_measures_nothing(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so once, and takes it up again when the clock is right."""
    monkeypatch.setattr("collector.session.EVERY_S", 0.02)
    monkeypatch.setattr("collector.session.kernel_synchronised", lambda: False)

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device("cellar")
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        up_ns = iter(range(1, 10**6))
        rig.device_clock = lambda: Moment(BOOT, next(up_ns) * 3600 * 10**9, 7)
        real = time.time_ns
        with capture_logs() as logs, monkeypatch.context() as patch:
            patch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
            other = await rig.device()
            await other.hold(EPOCH)
            await until(lambda: next(up_ns) > 10)
            await until(lambda: any(each["event"] == "own_clock_wrong" for each in logs))
        measured = f"{MEASURED} WHERE source < 2"
        await until(lambda: rows(rig.file, measured))
        events = [each["event"] for each in logs if each["event"].startswith("own_clock")]
        assert events == ["own_clock_wrong"]
        wall_ns = min(row[2] for row in rows(rig.file, measured))
        assert wall_ns > real() - 60 * 10**9

    play(scenario)


def test_what_both_sessions_bring_is_stored_once(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the former has its 2 s both may send, even the same; each hears what is stored."""
    monkeypatch.setattr("collector.session.ALIVE_WITHIN_S", 600.0)

    async def scenario(rig: ServerRig) -> None:
        reader, writer = await silent(rig)
        newer = await rig.device()
        for seq in range(1, 6):
            writer.write(frames.encode_batch(batch(seq).sealed))
            newer.send_batches(*(batch(each) for each in range(1, seq + 1)))
            await newer.acknowledged(EPOCH, seq)
        heard = b""
        while frames.encode(Ack(EPOCH, 5)) not in heard:
            heard += await asyncio.wait_for(reader.read(1000), WITHIN_S)
        writer.close()
        assert rows(rig.file, STORED) == [(5,)]

    play(scenario)


def test_devices_that_share_a_name_are_told_so(play: Callable[[Scenario], None]) -> None:
    """At the third turn they take, with what to do; the log says it once, and status shows it."""

    async def scenario(rig: ServerRig) -> None:
        with capture_logs() as logs:
            reasons = []
            former = await rig.device()
            for _ in range(4):
                newer = await rig.device()
                closed = await former.closed()
                reasons.append(closed.reason)
                former = newer
        assert reasons == ["replaced"] * 2 + ["duplicate_identity"] * 2
        assert closed.retry_after_s == 60.0
        assert "let one join under another name: telegauge-collector invite" in closed.detail
        errors = [log for log in logs if log["log_level"] == "error"]
        assert [(log["event"], log["device"]) for log in errors] == [
            ("duplicate_identity", "greenhouse")
        ]
        assert rig.sessions.duplicate_identities == {"greenhouse"}

    play(scenario)


def test_ghosts_are_no_second_device(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a device loses its link: who does not answer was not there."""
    monkeypatch.setattr("collector.session.ALIVE_WITHIN_S", 0.05)

    async def scenario(rig: ServerRig) -> None:
        for _ in range(5):
            await silent(rig)
        await until(lambda: len(rig.sessions) == 1)
        assert rig.sessions.duplicate_identities == set()

    play(scenario)


def test_full_disk_lets_nobody_in(play: Callable[[Scenario], None]) -> None:
    """And sends nobody away for it who was in."""

    async def scenario(rig: ServerRig) -> None:
        former = await rig.device()
        rig.space.min_free_bytes = 2**62
        await until(rig.space.is_low)
        device = await rig.arrive("greenhouse")
        closed = await device.closed()
        assert (closed.reason, closed.retry_after_s, closed.by_peer) == ("disk_full", 60.0, True)
        assert device.heard(Ready) == []
        assert former.heard(Closed) == []
        assert rig.sessions.of("greenhouse") is rig.made[0]

    play(scenario)


def test_command_is_answered(play: Callable[[Scenario], None]) -> None:
    """What the device says of it reaches who asked; ids count in each session."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        asked = asyncio.create_task(rig.made[0].command("set_interval", ["air", "1s"], 5.0))
        (command,) = await device.said(Command)
        assert command == Command(1, "set_interval", ["air", "1s"], 5.0)
        result = Result(1, True, "every 1 s", {"air": 1.0})
        device.send(Result(7, False, "nobody asked"), result, result)
        assert await asked == result
        asked = asyncio.create_task(rig.made[0].command("ping", [], 5.0))
        await device.said(Command, 2)
        assert device.heard(Command)[1].id == 2
        device.send(Result(2, True))
        assert await asked == Result(2, True)

    play(scenario)


def test_command_without_an_answer_is_unknown(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time and a little more, or at the end of the session, nobody knows."""
    monkeypatch.setattr("collector.session.RESULT_GRACE_S", 0.05)

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        assert await rig.made[0].command("ping", [], 0.05) is None
        assert device.heard(Command) == [Command(1, "ping", [], 0.05)]
        asked = asyncio.create_task(rig.made[0].command("ping", [], 3600.0))
        await device.said(Command, 2)
        await device.leave()
        assert await asked is None

    play(scenario)


def test_command_that_cannot_be_sent_says_so(play: Callable[[Scenario], None]) -> None:
    """Too many at once, too long, or to a device that has gone: it was not sent, and will not be."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        session = rig.made[0]
        with pytest.raises(CommandError, match="name"):
            await session.command("n" * 65, [], 1.0)
        asked = [asyncio.create_task(session.command("ping", [], 60.0)) for _ in range(16)]
        await device.said(Command, 16)
        with pytest.raises(CommandError, match="16 commands wait"):
            await session.command("ping", [], 1.0)
        await device.leave()
        assert await asyncio.gather(*asked) == [None] * 16
        with pytest.raises(CommandError, match="takes nothing now"):
            await session.command("ping", [], 1.0)
        assert len(device.heard(Command)) == 16

    play(scenario)


def test_pulled_cable_is_noticed_behind_a_slow_disk(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does not read, a session says that it lives; once it reads, silence counts."""
    monkeypatch.setattr(conversation, "GREETING_S", 1.0)
    monkeypatch.setattr(conversation, "PING_AFTER_S", 0.1)
    monkeypatch.setattr(conversation, "SILENCE_S", 1.0)

    async def scenario(rig: ServerRig) -> None:
        reader, writer = await silent(rig)
        session = rig.made[0]
        with locked(rig.file):
            writer.writelines(frames.encode_batch(noise(seq).sealed) for seq in range(1, 101))
            await until(lambda: not session.transport.is_reading())
            heard = b""
            while heard.count(frames.encode(Ping())) < 15:
                heard += await asyncio.wait_for(reader.read(1000), WITHIN_S)
            assert session.receiver.state is State.OPEN
        bye = bodies(await all_said(reader))[-1]
        assert isinstance(bye, Bye)
        assert bye.reason == "silence"
        await rig.all_gone()
        writer.close()

    play(scenario)


def test_kernel_ends_what_nobody_reads_or_answers(play: Callable[[Scenario], None]) -> None:
    """A peer off the network is noticed even while the disk stands still."""

    async def scenario(rig: ServerRig) -> None:
        await rig.device()
        connection = rig.made[0].transport.get_extra_info("socket")
        timeout_ms = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout_ms == conversation.SILENCE_S * 1000

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
    "frame",
    [Describe([]), Hold([HELD]), Gap(EPOCH, 1, 1, "spool_full"), End(EPOCH, "stopped", 0, 0)],
)
def test_frames_that_are_no_batches_are_bounded_too(
    play: Callable[[Scenario], None], frame: Body
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


FAILS = {
    "nonsense": b"\xff" * 64,
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "a part": frames.encode(Hello("greenhouse", 1, 1))[:9],
    "a part, and leaves": frames.encode(Hello("greenhouse", 1, 1))[:9],
    "another version": frames.encode(Hello("greenhouse", 7, 9)),
    "bye": frames.encode(Bye("stopping")),
}


@pytest.mark.parametrize("what", FAILS)
def test_address_answers_for_who_is_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whatever was said, and whoever ended it: who was not let in has failed, once."""

    async def scenario(rig: ServerRig) -> None:
        monkeypatch.setattr(conversation, "GREETING_S", 0.2)
        reader, writer = await rig.connect()
        writer.write(FAILS[what])
        if "leaves" in what:
            await writer.drain()
            writer.close()
        await all_said(reader)
        await until(lambda: not rig.admission.places)
        assert [count for count, _ in rig.admission._failures.values()] == [1]

    player(tmp_path, plain_on_loopback=False)(scenario)


def test_device_that_goes_mad_is_no_stranger(tmp_path: Path) -> None:
    """Its address is not made to wait for what it says once it has shown its key."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device("greenhouse", rig.let_in())
        device.write(b"\xff" * 64)
        assert (await device.closed()).reason == "protocol_error"
        assert rig.admission._failures == {}

    player(tmp_path, plain_on_loopback=False)(scenario)


def test_key_goes_over_the_session(play: Callable[[Scenario], None]) -> None:
    """As long as there is one; afterwards whoever gives it is told."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        rig.made[0].give_key(bytes(32))
        [given] = await device.said(Key)
        assert given.key == bytes(32)
        device.send(Bye("stopping"))
        await rig.all_gone()
        with pytest.raises(LocalProtocolError):
            rig.made[0].give_key(bytes(32))

    play(scenario)


def test_connection_loses_its_place_only_at_the_door(play: Callable[[Scenario], None]) -> None:
    """Once a device is let in nobody's coming ends its session."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        assert rig.admission.places == []
        _, writer = await rig.connect()
        writer.write(frames.encode(Hello("cellar", 1, 1))[:9])
        await until(lambda: len(rig.made) == 2)
        [place] = rig.admission.places
        place.evict()
        await until(lambda: rig.made[1].receiver.state is State.CLOSED)
        await until(lambda: not rig.admission.places)
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)

    play(scenario)


def test_notes_say_how_a_device_stands(play: Callable[[Scenario], None]) -> None:
    """Its session, its interval, its clock, and that it still sends what it kept."""

    async def scenario(rig: ServerRig) -> None:
        now_ns = time.time_ns()
        rig.device_clock = lambda: Moment(BOOT, 5, time.time_ns() + 3600 * 10**9, True)
        device = await rig.device()
        notes = rig.services.notes
        device.send(described("air.temperature", interval_s=7.0))
        await device.hold(EPOCH, OTHER_EPOCH)
        await until(lambda: notes.of("greenhouse").clock)
        note = notes.of("greenhouse")
        assert note.session is not None
        assert note.session.since_ns >= now_ns
        assert (note.session.agent, note.session.over_tls) == ("test", False)
        assert note.interval_s == 7.0
        assert note.clock is not None
        assert note.clock.synchronised
        assert abs(note.clock.ahead_ns - 3600 * 10**9) < 20 * 10**9
        assert notes.draining == {"greenhouse"}
        device.send_together(batch(1, epoch=OTHER_EPOCH), End(OTHER_EPOCH, "restarted", 1, 1))
        await device.acknowledged(OTHER_EPOCH, 1, ended=True)
        assert notes.draining == set()
        await device.leave()
        await rig.all_gone()
        assert notes.of("greenhouse").session is None
        (trouble,) = notes.of("greenhouse").troubles
        assert (trouble.what, trouble.count) == ("connection_lost", 1)

    play(scenario)


def test_notes_of_a_rejected_batch(play: Callable[[Scenario], None]) -> None:
    """What was wrong with it; and a stop is no trouble."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        await device.hold(EPOCH)
        device.write(frames.encode_batch(damaged(sealed_batch())))
        await until(lambda: rig.services.notes.of("greenhouse").troubles)
        device.send(Bye("stopping"))
        await rig.all_gone()
        (trouble,) = rig.services.notes.of("greenhouse").troubles
        assert trouble.what == "batch_rejected"
        assert "checksum" in trouble.detail

    play(scenario)


def test_newer_session_is_the_one_that_is_noted(play: Callable[[Scenario], None]) -> None:
    """The end of the one that it replaced takes nothing away."""

    async def scenario(rig: ServerRig) -> None:
        former = await rig.device()
        newer = await rig.device()
        await former.closed()
        await until(lambda: len(rig.sessions) == 1)
        note = rig.services.notes.of("greenhouse")
        assert note.session is not None
        assert note.troubles == ()
        await newer.leave()

    play(scenario)

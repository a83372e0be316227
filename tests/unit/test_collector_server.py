"""collector.server: listens, and survives whoever calls; each stranger costs only himself."""

import asyncio
import errno
import os
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.errors import ListenError
from collector.server import Server
from collector.session import Session
from config.addresses import Address
from kit.servers import Device, Scenario, ServerRig, all_said, bodies, player
from kit.stores import batch, described, rows
from kit.waiting import until
from kit.wireworks import EPOCH, damaged, resealed, sealed_batch
from wire import conversation, frames
from wire.bodies import Ack, Bye, Describe, End, Gap, Hello, Marks, Ready, Reject, Result
from wire.frames import FrameType

ROOT = Path(__file__).parents[2]
NOBODY = 65534
HELLO = frames.encode(Hello("stranger", 1, 1))
READY = frames.encode(Ready(1, "telegauge-collector test"))
STORED_OF_WITNESS = (
    "SELECT readings FROM epoch JOIN device ON device.id = device WHERE name = 'witness'"
)


def head(length: int, kind: int) -> bytes:
    """The first five bytes of a frame."""
    return struct.pack("<IB", length, kind)


def noise(count: int) -> bytes:
    """Bytes of no meaning."""
    return random.Random(count).randbytes(count)


# What a stranger sends, and the reason that BYE gives (None: there is no BYE).
BEFORE_READY: dict[str, tuple[bytes, str | None]] = {
    "garbage": (b"\xff" * 64, "protocol_error"),
    "noise": (noise(100_000), "protocol_error"),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise(500), None),
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", "protocol_error"),
    "nothing": (b"", "silence"),
    "three letters": (b"abc", "silence"),
    "half a frame": (HELLO[:-3], "silence"),
    "one byte over the limit": (head(1025, 1), "protocol_error"),
    "huge length": (head(2**32 - 1, 1), "protocol_error"),
    "garbage behind hello": (HELLO + b"\xff" * 64, "protocol_error"),
    "frames before ready": (HELLO + frames.encode(Describe([])), "protocol_error"),
    "batch before ready": (HELLO + frames.encode_batch(sealed_batch()), "protocol_error"),
    "batch before hello": (frames.encode_batch(sealed_batch()), "protocol_error"),
    "two hellos": (HELLO + HELLO, "protocol_error"),
    "no such name": (frames.encode(Hello("Green House", 1, 1)), "protocol_error"),
    "no such version": (frames.encode(Hello("stranger", 7, 9)), "unsupported_version"),
    "no such body": (head(3, FrameType.HELLO) + b"abc", "protocol_error"),
}
AFTER_READY: dict[str, bytes] = {
    "one byte over the limit": head(256 * 1024 + 1, FrameType.BATCH),
    "unknown type": head(0, 99),
    "garbage": b"\xff" * 64,
    "collector's own frames": frames.encode(Marks([])),
    "hello again": HELLO,
    "batch that is none": frames.encode_batch(b"\xff" * 500),
    "empty batch": frames.encode_batch(b""),
    "batch of seq 0": frames.encode_batch(resealed(sealed_batch(), 24, bytes(8))),
    "end that forges a line": frames.encode(End(EPOCH, "a\nb", 1, 1)),
    "result that forges a line": frames.encode(Result(1, True, "\x1b[31m")),
    "gap that ends before it begins": frames.encode(Gap(EPOCH, 5, 4, "spool_full")),
    "hold that is none": head(1, FrameType.HOLD) + b"\xc0",
}


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a server on a real socket; nothing may reach the loop's handler."""
    return player(tmp_path)


class Witness:
    """A well behaved device that must not notice anything."""

    def __init__(self, rig: ServerRig, device: Device) -> None:
        self._rig = rig
        self._device = device
        self._seq = 0

    async def stores(self) -> None:
        """Store one more batch."""
        self._seq += 1
        self._device.send_batches(batch(self._seq))
        await self._device.acknowledged(EPOCH, self._seq)
        assert rows(self._rig.file, STORED_OF_WITNESS) == [(self._seq,)]


async def witness_of(rig: ServerRig) -> Witness:
    """Connect a witness, and let it store something."""
    witness = Witness(rig, await rig.device("witness"))
    await witness.stores()
    return witness


async def only_the_witness_is_left(rig: ServerRig) -> None:
    """Wait until the stranger's session is over."""
    await until(lambda: len(rig.sessions) == 1)
    assert rig.sessions.devices == ["witness"]


@pytest.mark.parametrize("name", BEFORE_READY)
def test_stranger_ends_only_his_own_session(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever comes instead of HELLO, and with it: he hears why, and the others store on."""
    data, reason = BEFORE_READY[name]

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        if reason == "silence":
            monkeypatch.setattr(conversation, "GREETING_S", 0.2)
        reader, writer = await rig.connect()
        writer.write(data)
        said = await all_said(reader)
        if reason is not None and name != "noise":  # unread bytes make of the end a reset
            (bye,) = bodies(said)
            assert isinstance(bye, Bye)
            assert bye.reason == reason
        writer.close()
        await only_the_witness_is_left(rig)
        await witness.stores()
        assert rows(rig.file, "SELECT name FROM device") == [("witness",)]

    play(scenario)


def test_browser_is_answered_in_its_own_language(play: Callable[[Scenario], None]) -> None:
    """HTTP with a length and an end, so that a browser shows it."""

    async def scenario(rig: ServerRig) -> None:
        reader, writer = await rig.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = await all_said(reader)
        writer.close()
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"telegauge-device" in said
        await rig.all_gone()

    play(scenario)


@pytest.mark.parametrize("name", AFTER_READY)
def test_device_that_goes_mad_ends_only_its_own_session(
    play: Callable[[Scenario], None], name: str
) -> None:
    """What it stored before stays, and the others store on."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device("stranger")
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        device.write(AFTER_READY[name])
        closed = await device.closed()
        assert (closed.reason, closed.by_peer) == ("protocol_error", True)
        assert closed.detail
        await rig.all_gone()
        witness = await rig.device("witness")
        witness.send_batches(batch(1))
        await witness.acknowledged(EPOCH, 1)
        assert rows(rig.file, "SELECT mark FROM epoch ORDER BY id") == [(1,), (1,)]

    play(scenario)


@pytest.mark.parametrize(
    "sealed",
    [damaged(sealed_batch(2)), resealed(sealed_batch(2), 4, struct.pack("<I", 999))],
    ids=["wrong checksum", "says it is longer"],
)
def test_batch_that_lies_is_rejected_and_no_more(
    play: Callable[[Scenario], None], sealed: bytes
) -> None:
    """The session goes on, and so do the others; nothing of the batch is stored."""

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        device = await rig.device("stranger")
        device.send_together(batch(1), sealed)
        await device.said(Reject)
        device.send_together(Gap(EPOCH, 2, 2, "rejected"), batch(3))
        await device.acknowledged(EPOCH, 3)
        await witness.stores()
        assert rows(rig.file, "SELECT sum(readings) FROM batch") == [(4,)]

    play(scenario)


def test_frames_may_come_byte_by_byte(play: Callable[[Scenario], None]) -> None:
    """The network may cut anywhere."""

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        reader, writer = await rig.connect()
        for byte in HELLO:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readexactly(len(READY)) == READY
        stream = frames.encode_batch(sealed_batch()) + frames.encode(described("air.temperature"))
        for byte in stream:
            writer.write(bytes([byte]))
        assert bodies(await reader.readexactly(len(frames.encode(Ack(EPOCH, 1))))) == [
            Ack(EPOCH, 1)
        ]
        writer.close()
        await only_the_witness_is_left(rig)
        await witness.stores()

    play(scenario)


def test_link_that_breaks_in_the_middle_of_a_frame(play: Callable[[Scenario], None]) -> None:
    """By a reset, at any place: the session ends, and what was whole is stored."""

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        for cut in (1, 5, 6, 100, len(sealed_batch()) + 4):
            reader, writer = await rig.connect()
            writer.write(HELLO)
            await reader.readexactly(len(READY))
            writer.write(frames.encode_batch(sealed_batch(seq=2))[:cut])
            await writer.drain()
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            await only_the_witness_is_left(rig)
        await witness.stores()

    play(scenario)


def test_number_of_sessions_is_limited(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many hears that it is; those who are in stay, and a place that is free is given."""
    monkeypatch.setattr("collector.sessions.MAX_SESSIONS", 2)

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        second = await rig.device("second")
        closed = await (await rig.arrive("third")).closed()
        assert (closed.reason, closed.retry_after_s) == ("overloaded", 60.0)
        await witness.stores()
        await second.leave()
        await only_the_witness_is_left(rig)
        third = await rig.device("third")
        assert await third.hold(EPOCH) == {EPOCH: 0}

    play(scenario)


def test_sessions_go_on_when_listening_ends(play: Callable[[Scenario], None]) -> None:
    """A stop first lets nobody new in, then ends those who are."""

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        port = rig.server.port
        await rig.server.close()
        await rig.server.close()
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        await witness.stores()

    play(scenario)


def no_session() -> Session:
    """What a server makes that never listens."""
    raise AssertionError("nobody can have connected")


def test_port_that_is_taken_is_told_with_its_owner() -> None:
    """The message says who has it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
        with pytest.raises(ListenError) as caught:
            asyncio.run(Server(address, no_session).start())
    assert str(caught.value).startswith(f"cannot listen on {address}: ")
    assert f"(pid {os.getpid()}) has this port. End that program" in str(caught.value)


def test_address_that_is_not_of_this_machine() -> None:
    """The system's own words, or asyncio's where it keeps them back, behind what was tried."""
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:8888: ") as caught:
        asyncio.run(Server(Address("192.0.2.1", 8888), no_session).start())
    said = str(caught.value).lower()
    assert os.strerror(errno.EADDRNOTAVAIL).lower() in said or "could not bind" in said


@pytest.mark.skipif(
    os.geteuid() != 0
    or Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() != "1024\n",
    reason="only root can become a user who may not take a low port",
)
def test_port_that_needs_root() -> None:
    """Whoever may not take it is told which ones he may."""
    script = (
        "import asyncio, os\n"
        "from collector.server import Server\n"
        "from config.addresses import Address\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n"
        "    asyncio.run(Server(Address('127.0.0.1', 81), None).start())\n"
        "except Exception as error:\n"
        "    print(f'{type(error).__name__}: {error}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == (
        "ListenError: cannot listen on 127.0.0.1:81: not permitted. "
        "Set devices.listen to a port from 1024 on\n"
    )

"""collector.server: listens, and survives whoever calls; each stranger costs only himself."""

import asyncio
import errno
import os
import random
import resource
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector import listening, server
from collector.admission import MAX_PLACES, Admission
from collector.certificate import own_certificate
from collector.entrance import Caller
from collector.errors import ListenError
from collector.interfaces import reachable_at
from collector.server import Server, secured_by
from collector.session import Session
from config.addresses import Address
from kit.servers import Connection, Device, Scenario, ServerRig, all_said, bodies, player
from kit.stores import batch, described, rows
from kit.waiting import until
from kit.wireworks import EPOCH, HELD, damaged, resealed, sealed_batch
from service import tls
from wire import conversation, frames
from wire.bodies import Ack, Bye, Describe, End, Gap, Marks, Ping, Reject, Result
from wire.frames import FrameType
from wire.greetings import Challenge, Hello, Ready

ROOT = Path(__file__).parents[2]
NOBODY = 65534
HELLO = frames.encode(Hello("stranger", 1, 1))
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
    "nothing": (b"", None),
    "two letters": (b"ab", None),
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

    async def hears(self) -> None:
        """Have a sign of life of the collector."""
        asked_before = len(self._device.heard(Marks))
        self._device.sender.hold([HELD])
        self._device.flush()
        await self._device.said(Marks, asked_before + 1)


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
        monkeypatch.setattr(conversation, "GREETING_S", 0.2)
        monkeypatch.setattr(server, "GREETING_S", 0.2)
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
        greeting = frames.encode(rig.ready) + frames.encode(Ping(2))
        assert await reader.readexactly(len(greeting)) == greeting
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
            await reader.readexactly(len(frames.encode(rig.ready)))
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


# at the door


@pytest.mark.parametrize("over_tls", [True, False])
def test_greeting_may_come_byte_by_byte(play: Callable[[Scenario], None], over_tls: bool) -> None:
    """From the first byte on, by which the server tells TLS from plain."""

    async def scenario(rig: ServerRig) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        link = tls.client_context().wrap_bio(incoming, outgoing)
        reader, writer = await rig.connect()

        async def trickle(data: bytes) -> None:
            for byte in data:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)

        if not over_tls:
            await trickle(HELLO)
            assert await reader.readexactly(len(frames.encode(rig.ready))) == frames.encode(
                rig.ready
            )
            return
        while True:
            try:
                link.do_handshake()
                break
            except ssl.SSLWantReadError:
                await trickle(outgoing.read())
                incoming.write(await reader.read(65536))
        link.write(frames.encode(Hello("stranger", 1, 1, "", bytes(32))))
        await trickle(outgoing.read())
        incoming.write(await reader.read(65536))
        [challenge] = bodies(link.read(65536))
        assert isinstance(challenge, Challenge)

    play(scenario)


def test_plain_greeting_whose_length_looks_like_tls(play: Callable[[Scenario], None]) -> None:
    """16 03 begins a record of TLS, but 00 never follows there, and always does here."""
    fits = [frames.encode(Hello("stranger", 1, 1, "\U0001f331" * n + "x" * m))
            for n in range(150, 200) for m in range(4)]  # fmt: skip
    [hello] = [each for each in fits if each.startswith(b"\x16\x03\x00\x00")][:1]

    async def scenario(rig: ServerRig) -> None:
        reader, writer = await rig.connect()
        writer.write(hello)
        assert await reader.readexactly(len(frames.encode(rig.ready))) == frames.encode(rig.ready)

    play(scenario)


def test_who_leaves_without_a_word_is_no_session(play: Callable[[Scenario], None]) -> None:
    """Whoever only looks whether a port is open leaves no line in the log."""

    async def scenario(rig: ServerRig) -> None:
        with capture_logs() as logs:
            came = [await rig.connect() for _ in range(3)]
            await until(lambda: len(rig.admission.places) == 3)
            for _, writer in came:
                writer.close()
            await until(lambda: not rig.admission.places)
        assert (rig.made, logs) == ([], [])

    play(scenario)


async def silent(rig: ServerRig, count: int, host: str = "127.0.0.1") -> list[Connection]:
    """So many connections of one address that say nothing."""
    return [
        await asyncio.open_connection("127.0.0.1", rig.server.port, local_addr=(host, 0))
        for _ in range(count)
    ]


def leave(connections: list[Connection]) -> None:
    """Close them."""
    for _, writer in connections:
        writer.close()


def test_flood_of_silent_connections_costs_itself_alone(play: Callable[[Scenario], None]) -> None:
    """Its oldest make room for its newest; who had one place keeps it, and devices come and go."""

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        patient = await silent(rig, 1, "127.0.0.3")
        await until(lambda: len(rig.admission.places) == 1)
        flood = await silent(rig, 200, "127.0.0.2")
        await until(lambda: rig.admission.evicted >= 200 - MAX_PLACES + 1)
        assert len(rig.admission.places) == MAX_PLACES
        for reader, _ in flood[: 200 - MAX_PLACES + 1]:
            assert await all_said(reader) == b""
        assert not flood[-1][0].at_eof()
        await witness.stores()
        await (await rig.device("another")).leave()
        patient[0][1].write(HELLO)
        assert await patient[0][0].readexactly(len(frames.encode(rig.ready))) == frames.encode(
            rig.ready
        )
        leave([*patient, *flood])
        await until(lambda: not rig.admission.places)

    play(scenario)


def test_who_finds_no_place_is_sent_away_at_once(play: Callable[[Scenario], None]) -> None:
    """Where each address has one place, and had it for a moment only."""

    async def scenario(rig: ServerRig) -> None:
        now_s = asyncio.get_running_loop().time() + 1e6  # they came just now, whatever happens here
        for number in range(MAX_PLACES):
            assert rig.admission.arrive(f"10.0.0.{number}", now_s)
        [(reader, writer)] = await silent(rig, 1)
        assert await all_said(reader) == b""
        assert rig.admission.turned_away == 1
        writer.close()

    play(scenario)


def test_silent_connections_are_ended_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they say nothing at all, or begin with TLS and go no further; each has failed."""
    monkeypatch.setattr(server, "GREETING_S", 0.2)

    async def scenario(rig: ServerRig) -> None:
        connections = await silent(rig, 4)
        connections[1][1].write(b"\x16\x03")
        connections[2][1].write(client_hello()[:100])
        connections[3][1].write(client_hello())
        for reader, _ in connections:
            await all_said(reader)
        leave(connections)
        await until(lambda: not rig.admission.places)
        [(failures, _)] = rig.admission._failures.values()
        assert failures == 4

    player(tmp_path, plain_on_loopback=False)(scenario)


def client_hello(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What a peer that speaks no newer TLS says first."""
    context = tls.client_context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("what", ["older", "none"])
def test_tls_that_is_not_what_it_has_to_be(tmp_path: Path, what: str) -> None:
    """Another version, or noise behind a beginning like TLS: closed, and a failure of its address."""
    said = client_hello(ssl.TLSVersion.TLSv1_2) if what == "older" else b"\x16\x03\x01" + noise(99)

    async def scenario(rig: ServerRig) -> None:
        [(reader, writer)] = await silent(rig, 1)
        writer.write(said)
        assert len(await all_said(reader)) < 10, "an alert at most"
        writer.close()
        await until(lambda: not rig.admission.places)
        assert len(rig.admission._failures) == 1
        assert rig.made[0].device is None

    player(tmp_path, plain_on_loopback=False)(scenario)


def open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only


async def evict_after(rig: ServerRig, steps: int, said: bytes) -> None:
    """Evict a connection so many turns of the loop after it came."""
    reader, writer = await rig.connect()
    writer.write(said)
    await until(lambda: rig.admission.places)
    [place] = rig.admission.places
    for _ in range(steps):
        await asyncio.sleep(0)
    rig.admission.leave(place, 0.0)
    place.evict()
    await all_said(reader)
    writer.close()


@pytest.mark.parametrize("what", ["nothing", "plain", "half tls", "tls"])
def test_eviction_at_any_moment(play: Callable[[Scenario], None], what: str) -> None:
    """Before it is known how a connection speaks, while it agrees on TLS, and as that ends."""
    hello = client_hello()
    said = {"nothing": b"", "plain": HELLO[:9], "half tls": hello[:99], "tls": hello}[what]

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        before = open_files()
        for steps in range(20):
            await evict_after(rig, steps, said)
        await until(lambda: not rig.server._arriving)
        await until(lambda: open_files() <= before)
        assert len(rig.sessions) == 1
        await witness.stores()

    play(scenario)


def test_eviction_as_the_handshake_ends(play: Callable[[Scenario], None]) -> None:
    """Whatever turn of the loop it comes in: no session stays, and no file."""

    async def scenario(rig: ServerRig) -> None:
        before = open_files()
        for steps in range(20):
            connecting = asyncio.ensure_future(rig.connect(over_tls=True))
            await until(lambda: rig.admission.places)
            [place] = rig.admission.places
            for _ in range(steps):
                await asyncio.sleep(0)
            rig.admission.leave(place, 0.0)
            place.evict()
            with suppress(OSError):
                reader, writer = await connecting
                await all_said(reader)
                writer.close()
        await until(lambda: not rig.server._arriving)
        await until(lambda: open_files() <= before)
        assert len(rig.sessions) == 0

    play(scenario)


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 50])
def test_close_ends_who_is_not_let_in(play: Callable[[Scenario], None], steps: int) -> None:
    """However far each has come; it waits for nobody, and those who were let in go on."""

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        before = open_files()
        strangers = await silent(rig, 4)
        strangers[1][1].write(HELLO[:9])
        strangers[2][1].write(client_hello())
        connecting = asyncio.ensure_future(rig.connect(over_tls=True))
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(2):
            await rig.server.close()
        leave(strangers)
        with suppress(OSError):
            reader, writer = await connecting
            await all_said(reader)
            writer.close()
        await until(lambda: open_files() <= before)
        assert rig.sessions.devices == ["witness"]
        await witness.stores()

    play(scenario)


def test_system_that_has_no_more_to_give(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files: it is logged, nobody is accepted for a moment, and then all who wait."""
    monkeypatch.setattr(listening, "_REST_S", 0.1)

    async def scenario(rig: ServerRig) -> None:
        witness = await witness_of(rig)
        clients = [socket.socket() for _ in range(3)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with ExitStack() as taken, capture_logs() as logs:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files() + 8, hard))
            taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            with suppress(OSError):
                while True:
                    taken.enter_context(Path("/dev/null").open("rb"))
            for client in clients:
                client.setblocking(False)
                with suppress(BlockingIOError):
                    client.connect(("127.0.0.1", rig.server.port))
            await until(lambda: len(logs) >= 2)
            await witness.hears()
        told = {(log["event"], log["log_level"], log["again_in_s"]) for log in logs}
        assert told == {("cannot_accept", "error", 0.1)}
        await until(lambda: len(rig.admission.places) == 3)
        for client in clients:
            client.close()
        await witness.stores()

    play(scenario)


REACHED = [each.host for each in reachable_at(Address("0.0.0.0", 1))]
OWN = [host for host in REACHED if not (host.startswith("127.") or host.endswith(".local"))]


@pytest.mark.skipif(not OWN, reason="this machine has no address but loopback")
def test_only_loopback_at_both_ends_counts_as_this_machine(
    play: Callable[[Scenario], None],
) -> None:
    """A connection to an address that others reach too is theirs, until it proves a key."""

    async def scenario(rig: ServerRig) -> None:
        everywhere = Server(
            Address("0.0.0.0", 0), rig._session, rig.admission, secured_by(rig.certificate)
        )
        await everywhere.start()
        ways = {
            ("127.0.0.1", None): Ready,
            (OWN[0], None): Bye,
            (OWN[0], ("127.0.0.1", 0)): Bye,
            ("127.0.0.1", (OWN[0], 0)): Bye,
        }
        for (host, local), answer in ways.items():
            reader, writer = await asyncio.open_connection(host, everywhere.port, local_addr=local)
            writer.write(frames.encode(Hello("greenhouse", 1, 1)))
            head = await reader.readexactly(frames.HEAD_BYTES)
            body = await reader.readexactly(int.from_bytes(head[:4], "little"))
            assert isinstance(bodies(head + body)[0], answer), (host, local)
            writer.close()
        await everywhere.close()

    play(scenario)


# where it cannot listen


def start(folder: Path, address: Address) -> None:
    """Start a server that nobody connects to."""

    def no_session(_caller: Caller) -> Session:
        raise AssertionError("nobody can have connected")

    async def started() -> None:
        secured = secured_by(own_certificate(folder, {}))
        await Server(address, no_session, Admission(True), secured).start()

    asyncio.run(started())


def test_port_that_is_taken_is_told_with_its_owner(tmp_path: Path) -> None:
    """The message says who has it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
        with pytest.raises(ListenError) as caught:
            start(tmp_path, address)
    assert str(caught.value).startswith(f"cannot listen on {address}: ")
    assert f"(pid {os.getpid()}) has this port. End that program" in str(caught.value)


def test_address_that_is_not_of_this_machine(tmp_path: Path) -> None:
    """The system's own words, or asyncio's where it keeps them back, behind what was tried."""
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:8888: ") as caught:
        start(tmp_path, Address("192.0.2.1", 8888))
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
        # What is loaded late may lie where that user may not look.
        "import asyncio, concurrent.futures.thread, encodings.idna, os\n"
        "from collector.admission import Admission\n"
        "from collector.server import Server\n"
        "from config.addresses import Address\n"
        "async def start():\n"
        "    await Server(Address('127.0.0.1', 81), None, Admission(True), None).start()\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n"
        "    asyncio.run(start())\n"
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

"""device.datagrams: each batch fits, is numbered and recorded before its one try, and is counted."""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from config.addresses import Address
from device import datagrams
from device.cipher import cipher_problem
from device.datagrams import MAX_WAITING_BATCHES, DatagramSender
from device.departure import BATCH_AGE_S
from kit.waiting import until
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire.batches import open_body
from wire.blocks import Point
from wire.bodies import DatagramKey
from wire.datagrams import MAX_DATAGRAM_BYTES, check_batch, open_datagram, parse_head

KEY = DatagramKey(EPOCH, 77, bytes(range(32)))
SECOND_NS = 10**9


class Rig:
    """A sender, what it recorded, and the socket that it sends to."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, int]] = []
        self.sender = DatagramSender(EPOCH, BOOT, lambda: CLOCK, self._record)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = Address(*self.socket.getsockname())
        self.datagrams: list[bytes] = []
        self.found: Counter[tuple[str, str, str]] = Counter()
        self.seqs: list[int] = []

    def open(self) -> None:
        """Give it the key."""
        self.sender.open(KEY, self.address)

    def receive(self) -> None:
        """Take what has come, check it, and look into it."""
        while self.socket.fileno() >= 0:
            try:
                datagram = self.socket.recv(65536)
            except BlockingIOError:
                return
            assert len(datagram) <= MAX_DATAGRAM_BYTES
            head = parse_head(datagram)
            assert head.key_id == KEY.key_id
            sealed = open_datagram(datagram, head, ChaCha20Poly1305(KEY.key))
            header = check_batch(sealed, EPOCH, head.seq)
            assert (header.boot_id, header.clock) == (BOOT, CLOCK)
            assert header.place.before + header.readings == dict(self.recorded)[head.seq]
            self.datagrams.append(datagram)
            self.seqs.append(head.seq)
            for block in open_body(sealed):
                reads = len(block.times) // 8
                for column in block.columns:
                    self.found[block.sensor, column.channel, column.unit] += reads

    def _record(self, highest_seq: int, readings: int) -> None:
        self.receive()
        assert highest_seq not in self.seqs, "recorded after it was sent"
        self.recorded.append((highest_seq, readings))


Scenario = Callable[[Rig], Awaitable[None]]


def play(scenario: Scenario) -> None:
    """Run a scenario on an event loop of its own."""

    async def run() -> None:
        rig = Rig()
        try:
            await scenario(rig)
        finally:
            rig.sender.close()
            rig.socket.close()

    asyncio.run(run())


def points(channels: int, name: str = "value_", unit: str = "degC") -> list[Point]:
    """What one read of so many channels gave."""
    return [Point(f"{name}{number}", unit, float(number), 0) for number in range(channels)]


def test_readings_leave_a_second_after_the_first() -> None:
    """Reads gather; nobody has to ask."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(3):
            rig.sender.accept("air", number * SECOND_NS, points(2))
        await until(lambda: rig.sender.sent)
        assert loop.time() - began_s >= BATCH_AGE_S - 0.01
        rig.receive()
        assert (rig.seqs, rig.sender.readings) == ([1], 6)
        assert rig.found == {("air", "value_0", "degC"): 3, ("air", "value_1", "degC"): 3}

    play(scenario)


def test_flush_sends_at_once() -> None:
    """An edge does not wait; where nothing is there nothing is sent."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        rig.sender.flush()
        rig.sender.accept("door", 1, points(1))
        rig.sender.flush()
        rig.sender.flush()
        rig.receive()
        assert (rig.seqs, rig.sender.sent, rig.sender.failed) == ([1], 1, 0)
        assert rig.recorded == [(1, 1)]

    play(scenario)


def test_a_read_that_does_not_fit_sends_what_is_there() -> None:
    """Small reads share a datagram; a read stays in one piece where one can hold it."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        for number in range(3):
            rig.sender.accept(f"sensor_{number}", 1, points(10))
        assert rig.sender.last_seq >= 1
        rig.sender.flush()
        rig.receive()
        assert rig.seqs == list(range(1, rig.sender.last_seq + 1))
        assert rig.found.total() == rig.sender.readings == 30

    play(scenario)


def test_wide_read_is_split_by_channel() -> None:
    """A thousand channels with the longest names: each in a datagram, each once."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        for start in range(0, 1000, 50):
            wide = [
                Point(f"c{number}".ljust(63, "x"), "u" * 16, 1.0, 130)
                for number in range(start, start + 50)
            ]
            rig.sender.accept("s" * 63, SECOND_NS, wide)
            rig.receive()
        rig.sender.flush()
        rig.receive()
        assert len(rig.found) == rig.found.total() == 1000
        assert rig.sender.failed == 0

    play(scenario)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "host", "s" * 63]),
            st.integers(0, 40),
            st.sampled_from(["v", "x" * 60]),
            st.sampled_from(["", "%", "µg/m³", "u" * 16]),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_every_reading_is_in_one_datagram(reads: list[tuple[str, int, str, str, bool]]) -> None:
    """Whatever is read: seqs without a hole, no datagram too long, nothing missing or twice."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        given_: Counter[tuple[str, str, str]] = Counter()
        for sensor, channels, name, unit, flush in reads:
            read = points(channels, name, unit)
            rig.sender.accept(sensor, SECOND_NS, read)
            given_.update((sensor, point.channel, unit) for point in read)
            if flush:
                rig.sender.flush()
            rig.receive()
        counts = rig.sender.close()
        rig.receive()
        assert rig.found == given_
        assert counts == (len(rig.seqs), given_.total())
        assert rig.seqs == [seq for seq, _ in rig.recorded] == list(range(1, len(rig.seqs) + 1))

    play(scenario)


def test_batches_wait_for_the_key() -> None:
    """Numbered and recorded at once, sent in order when the key comes."""

    async def scenario(rig: Rig) -> None:
        for number in range(3):
            rig.sender.accept("air", number, points(1))
            rig.sender.flush()
        assert (rig.sender.is_open, rig.sender.sent, rig.sender.last_seq) == (False, 0, 3)
        assert rig.sender.waiting == 3
        rig.open()
        rig.receive()
        assert (rig.seqs, rig.sender.sent, rig.sender.waiting) == ([1, 2, 3], 3, 0)

    play(scenario)


def test_too_many_waiting_drop_the_oldest() -> None:
    """Bounded, and each one dropped is a seq that will be missing."""

    async def scenario(rig: Rig) -> None:
        sender = rig.sender
        while not sender.failed:
            sender.accept("air", 1, points(30))
            assert sender.waiting <= MAX_WAITING_BATCHES
        sender.flush()
        dropped = sender.failed
        rig.open()
        rig.receive()
        assert rig.seqs == list(range(dropped + 1, sender.last_seq + 1))
        assert sender.sent + sender.failed == sender.last_seq

    play(scenario)


def test_end_counts_what_never_left() -> None:
    """Without a key all is failed, and END says how many batches and readings that were."""

    async def scenario(rig: Rig) -> None:
        rig.sender.accept("air", 1, points(2))
        rig.sender.flush()
        rig.sender.accept("air", 2, points(3))
        assert rig.sender.close() == (2, 5)
        assert (rig.sender.sent, rig.sender.failed, rig.sender.waiting) == (0, 2, 0)
        assert rig.recorded == [(1, 2), (2, 5)]

    play(scenario)


def test_close_sends_what_is_there() -> None:
    """A clean stop loses nothing that could still be sent; closing twice says the same."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        rig.sender.accept("air", 1, points(2))
        assert rig.sender.close() == rig.sender.close() == (1, 2)
        rig.receive()
        assert rig.seqs == [1]

    play(scenario)


def test_empty_epoch_ends_with_nothing() -> None:
    """END of an epoch that sent nothing: no batch, no reading, nothing recorded."""

    async def scenario(rig: Rig) -> None:
        assert rig.sender.close() == (0, 0)
        assert rig.recorded == []

    play(scenario)


def test_failed_send_is_counted_and_the_next_is_tried() -> None:
    """Nobody listens: the kernel says so, the batch is missing, and nothing is raised."""

    async def scenario(rig: Rig) -> None:
        rig.open()
        rig.socket.close()
        sender = rig.sender

        def send_one() -> bool:
            sender.accept("air", 1, points(1))
            sender.flush()
            return sender.failed > 0

        await until(send_one)
        rig.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rig.socket.setblocking(False)
        rig.socket.bind(rig.address)
        failed = sender.failed
        send_one()
        rig.receive()
        assert (rig.seqs, sender.failed) == ([sender.last_seq], failed)
        assert sender.sent + sender.failed == sender.last_seq

    play(scenario)


def test_full_buffer_is_a_failed_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel has no room for is missing; the loop does not wait."""

    class Full(socket.socket):
        def send(self, *_: object) -> int:
            raise BlockingIOError

    async def scenario(rig: Rig) -> None:
        rig.open()
        rig.sender.accept("air", 1, points(1))
        with monkeypatch.context() as patch:
            patch.setattr(datagrams.socket, "socket", Full)
            rig.sender.flush()
        assert (rig.sender.sent, rig.sender.failed, rig.sender.last_seq) == (0, 1, 1)

    play(scenario)


def test_unreachable_network_is_a_failed_send() -> None:
    """An address that no route leads to costs the batch, not the agent."""

    async def scenario(rig: Rig) -> None:
        # IPv6 discard-only prefix with no interface: connect(2) fails, whatever the routes are.
        rig.sender.open(KEY, Address("fe80::1", 9))
        rig.sender.accept("air", 1, points(1))
        rig.sender.flush()
        assert (rig.sender.sent, rig.sender.failed) == (0, 1)

    play(scenario)


def test_nothing_is_sent_that_could_not_be_recorded() -> None:
    """A tier that cannot write stops the send; the seq is not used up."""

    def refuse(_highest_seq: int, _readings: int) -> None:
        raise OSError("no room")

    async def scenario(rig: Rig) -> None:
        sender = DatagramSender(EPOCH, BOOT, lambda: CLOCK, refuse)
        sender.open(KEY, rig.address)
        sender.accept("air", 1, points(1))
        with pytest.raises(OSError, match="no room"):
            sender.flush()
        assert (sender.last_seq, sender.sent) == (0, 0)
        with pytest.raises(BlockingIOError):
            rig.socket.recv(1)

    play(scenario)


def test_missing_library_is_told_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` can say what to install before anything starts."""
    assert cipher_problem() is None
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    problem = cipher_problem()
    assert problem is not None
    assert "pip install 'telegauge[udp]'" in problem


def test_the_library_is_imported_only_when_it_is_used() -> None:
    """An agent over TCP does not pay for it."""
    code = "import sys, device.datagrams; sys.exit('cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

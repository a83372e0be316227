"""collector.datagrams: what is let in, what is dropped and why, and what is reported of it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import datagrams
from collector.datagrams import Datagrams
from collector.errors import ListenError
from collector.store import Revoked
from config.addresses import Address
from kit.waiting import until
from kit.wireworks import BOOT, EPOCH, resealed, sealed_batch
from wire.bodies import DatagramKey, Moment, OpenDatagrams, Report
from wire.datagrams import (
    MAX_DATAGRAM_BYTES,
    DatagramHead,
    DropReason,
    seal_datagram,
)
from wire.receiver import Arrived

HERE = Address("127.0.0.1", 0)
OTHER_EPOCH = bytes(16)
Done = Callable[[object], None]


def wish(epoch: bytes = EPOCH) -> OpenDatagrams:
    """What a device asks for."""
    return OpenDatagrams(epoch, Moment(BOOT, 1, 1), 1)


def sealed_with(key: DatagramKey, seq: int, sealed: bytes | None = None) -> bytes:
    """A datagram of the epoch of a key."""
    batch = sealed_batch(seq, epoch=key.epoch) if sealed is None else sealed
    return seal_datagram(DatagramHead(key.key_id, seq), batch, ChaCha20Poly1305(key.key))


class Rig:
    """The UDP side of a collector, a store that commits when it is told to, and a socket."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, bytes, list[int]]] = []
        self._waiting: list[Done] = []
        self.is_disk_low = False
        self.datagrams = Datagrams(self._store, lambda: self.is_disk_low)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)

    def send(self, *sent: bytes) -> None:
        """Send datagrams from this machine."""
        for each in sent:
            self.socket.sendto(each, ("127.0.0.1", self.datagrams.port))

    async def sent(self, *sent: bytes) -> None:
        """Send datagrams, and wait until each was looked at."""
        looked_at = self.looked_at
        self.send(*sent)
        await until(lambda: self.looked_at == looked_at + len(sent))

    def commit(self, answer: object = None) -> None:
        """Say of all that was handed over that it is committed, or whatever the answer is."""
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done(answer)

    @property
    def looked_at(self) -> int:
        """How many datagrams were taken or dropped."""
        return self.datagrams.received + self.datagrams.dropped.total()

    @property
    def seqs(self) -> list[int]:
        """The seqs of all that was handed over, in order."""
        return [seq for _, _, seqs in self.stored for seq in seqs]

    def _store(self, device: str, epoch: bytes, batches: Sequence[Arrived], done: Done) -> None:
        assert all(arrived.header.place.epoch == epoch for arrived in batches)
        self.stored.append((device, epoch, [arrived.header.place.seq for arrived in batches]))
        self._waiting.append(done)


Scenario = Callable[[Rig], Awaitable[None]]


def play(scenario: Scenario) -> None:
    """Run a scenario on an event loop of its own; nothing may reach the loop's handler."""

    async def run() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        rig = Rig()
        await rig.datagrams.start(HERE)
        try:
            await scenario(rig)
        finally:
            rig.datagrams.stop()
            rig.socket.close()
        assert faults == []

    asyncio.run(run())


def test_what_came_is_reported_when_it_is_committed() -> None:
    """Handed over in the order it came; received and highest seq move at the commit."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        assert (key.epoch, len(key.key)) == (EPOCH, 32)
        await rig.sent(*(sealed_with(key, seq) for seq in (1, 5, 3)))
        assert rig.seqs == [1, 5, 3]
        assert {(device, epoch) for device, epoch, _ in rig.stored} == {("greenhouse", EPOCH)}
        assert rig.datagrams.report("greenhouse") == Report(EPOCH, 0, 0, 0)
        assert rig.datagrams.pending_bytes > 0
        rig.commit()
        assert rig.datagrams.report("greenhouse") == Report(EPOCH, 5, 3, 0)
        assert rig.datagrams.pending_bytes == 0

    play(scenario)


def test_what_waits_is_handed_over_in_one_piece() -> None:
    """A wake-up takes many datagrams, and asks the store once for each epoch."""

    async def scenario(rig: Rig) -> None:
        one = rig.datagrams.open("one", wish())
        other = rig.datagrams.open("other", wish(OTHER_EPOCH))
        for seq in range(1, 11):
            rig.send(sealed_with(one, seq), sealed_with(other, seq))
        await until(lambda: rig.looked_at == 20)
        tens = list(range(1, 11))
        assert rig.stored == [("one", EPOCH, tens), ("other", OTHER_EPOCH, tens)]

    play(scenario)


def test_each_seq_is_let_in_once() -> None:
    """Whatever is sent again, by whomever, is dropped and counted."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        captured = [sealed_with(key, seq) for seq in (2, 1, 3)]
        await rig.sent(*captured, *captured, *reversed(captured))
        assert sorted(rig.seqs) == [1, 2, 3]
        assert rig.datagrams.dropped == {DropReason.REPLAYED: 6}

    play(scenario)


def test_reasons_to_drop() -> None:
    """Each is counted by its own word, and nothing of it reaches the store."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        whole = sealed_with(key, 1)
        unknown = DatagramKey(EPOCH, key.key_id ^ 1, key.key)
        damaged = resealed(sealed_batch(1), 24, b"\2")
        await rig.sent(
            b"",
            whole[:28],
            whole + bytes(MAX_DATAGRAM_BYTES),
            b"\0" + whole[1:],
            sealed_with(unknown, 1),
            whole[:-1] + bytes([whole[-1] ^ 1]),
            sealed_with(key, 1, damaged),
        )
        assert rig.datagrams.dropped == {
            DropReason.TOO_SHORT: 2,
            DropReason.TOO_LONG: 1,
            DropReason.VERSION: 1,
            DropReason.UNKNOWN_KEY: 1,
            DropReason.BAD_TAG: 1,
            DropReason.BAD_BATCH: 1,
        }
        assert rig.stored == []

    play(scenario)


def test_every_flipped_bit_is_seen() -> None:
    """Of a datagram that never came whole: none is let in, and the whole one still is."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        whole = sealed_with(key, 1)
        for place in range(len(whole)):
            flipped = [bytearray(whole) for _ in range(8)]
            for bit, each in enumerate(flipped):
                each[place] ^= 1 << bit
            await rig.sent(*map(bytes, flipped))
        assert rig.stored == []
        await rig.sent(whole)
        assert rig.seqs == [1]

    play(scenario)


def test_forged_seq_does_not_move_the_window() -> None:
    """Who has no key cannot push real datagrams out of it."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        forged = DatagramKey(EPOCH, key.key_id, bytes(32))
        await rig.sent(sealed_with(forged, 2**62), sealed_with(key, 1))
        assert rig.seqs == [1]

    play(scenario)


def test_batch_of_another_epoch_is_none() -> None:
    """A device cannot write into an epoch that its key is not of."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        await rig.sent(sealed_with(key, 1, sealed_batch(1, epoch=OTHER_EPOCH)))
        assert rig.datagrams.dropped == {DropReason.BAD_BATCH: 1}

    play(scenario)


def test_a_new_key_ends_the_former() -> None:
    """What was recorded of the former epoch is worth nothing any more."""

    async def scenario(rig: Rig) -> None:
        former = rig.datagrams.open("greenhouse", wish())
        await rig.sent(sealed_with(former, 1))
        key = rig.datagrams.open("greenhouse", wish(OTHER_EPOCH))
        assert key.key != former.key
        await rig.sent(sealed_with(former, 1), sealed_with(former, 2), sealed_with(key, 1))
        assert [(epoch, seqs) for _, epoch, seqs in rig.stored] == [
            (EPOCH, [1]),
            (OTHER_EPOCH, [1]),
        ]
        assert rig.datagrams.dropped == {DropReason.UNKNOWN_KEY: 2}
        assert rig.datagrams.keys == 1

    play(scenario)


def test_closed_epoch_takes_nothing_more() -> None:
    """Its key dies; closing it again, or an epoch of another device, changes nothing."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        rig.datagrams.close("cellar", EPOCH)
        rig.datagrams.close("greenhouse", OTHER_EPOCH)
        await rig.sent(sealed_with(key, 1))
        rig.datagrams.close("greenhouse", EPOCH)
        rig.datagrams.close("greenhouse", EPOCH)
        await rig.sent(sealed_with(key, 2))
        assert rig.seqs == [1]
        assert rig.datagrams.report("greenhouse") is None

    play(scenario)


def test_what_came_before_the_end_is_taken() -> None:
    """Datagrams in the kernel's buffer when the epoch is closed, or replaced, are not lost."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        rig.send(*(sealed_with(key, seq) for seq in range(1, 51)))
        rig.datagrams.close("greenhouse", EPOCH)
        assert rig.seqs == list(range(1, 51))
        key = rig.datagrams.open("greenhouse", wish(OTHER_EPOCH))
        rig.send(sealed_with(key, 51))
        rig.datagrams.open("greenhouse", wish())
        assert rig.seqs == list(range(1, 52))

    play(scenario)


def test_what_came_before_the_stop_is_handed_over() -> None:
    """A collector that stops takes what its kernel has."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        rig.send(sealed_with(key, 1))
        rig.datagrams.stop()
        assert rig.seqs == [1]

    play(scenario)


def test_overload_is_counted_and_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store is too far behind for is not marked as seen."""
    datagram_bytes = len(sealed_batch(1))
    monkeypatch.setattr(datagrams, "MAX_PENDING_BYTES", 2 * datagram_bytes)

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        all_three = [sealed_with(key, seq) for seq in (1, 2, 3)]
        await rig.sent(*all_three)
        assert rig.seqs == [1, 2]
        assert rig.datagrams.dropped == {DropReason.OVERLOADED: 1}
        rig.commit()
        await rig.sent(*all_three)
        assert rig.seqs == [1, 2, 3]
        assert rig.datagrams.dropped == {DropReason.OVERLOADED: 1, DropReason.REPLAYED: 2}

    play(scenario)


def test_nothing_is_stored_on_a_disk_that_is_low() -> None:
    """It is counted, and may come again when there is room."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        rig.is_disk_low = True
        await rig.sent(sealed_with(key, 1))
        assert (rig.seqs, rig.datagrams.dropped) == ([], {DropReason.DISK_FULL: 1})
        rig.is_disk_low = False
        await rig.sent(sealed_with(key, 1))
        assert rig.seqs == [1]

    play(scenario)


def test_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device that was quiet longest loses its key, and the others go on."""
    monkeypatch.setattr(datagrams, "MAX_KEYS", 2)

    async def scenario(rig: Rig) -> None:
        first = rig.datagrams.open("first", wish())
        second = rig.datagrams.open("second", wish())
        await rig.sent(sealed_with(first, 1))
        third = rig.datagrams.open("third", wish())
        await rig.sent(*(sealed_with(key, 9) for key in (first, second, third)))
        assert [(device, seqs) for device, _, seqs in rig.stored[1:]] == [
            ("first", [9]),
            ("third", [9]),
        ]
        assert rig.datagrams.keys == 2

    play(scenario)


def test_nothing_is_ever_answered() -> None:
    """Neither good nor bad datagrams make a sound."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        await rig.sent(b"", b"x" * 100, sealed_with(key, 1), sealed_with(key, 1))
        rig.commit()
        await rig.sent(b"again")
        with pytest.raises(BlockingIOError):
            rig.socket.recv(1)

    play(scenario)


def test_the_key_counts_and_no_address() -> None:
    """Whoever has it is heard, wherever he is: an address can be forged, and may change."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        rig.send(sealed_with(key, 1))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
            elsewhere.bind(("127.0.0.2", 0))
            elsewhere.sendto(sealed_with(key, 2), ("127.0.0.1", rig.datagrams.port))
        await until(lambda: rig.datagrams.received == 2)

    play(scenario)


@pytest.mark.parametrize("is_committed", [True, False])
def test_key_of_a_revoked_device_dies(is_committed: bool) -> None:
    """Another device's lives on; what the store refused of it counts as never received."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        other = rig.datagrams.open("cellar", wish(OTHER_EPOCH))
        await rig.sent(sealed_with(key, 1))
        if is_committed:
            rig.commit()
        rig.datagrams.revoke("greenhouse")
        rig.datagrams.revoke("greenhouse")
        assert rig.datagrams.report("greenhouse") is None
        await rig.sent(sealed_with(key, 2), sealed_with(other, 1))
        assert rig.datagrams.dropped == {DropReason.UNKNOWN_KEY: 1}
        rig.commit(Revoked())
        assert rig.datagrams.pending_bytes == 0
        assert rig.datagrams.report("cellar") == Report(OTHER_EPOCH, 0, 0, 0)

    play(scenario)


def test_what_the_kernel_drops_is_counted() -> None:
    """More than its buffer holds: what came and what the kernel had no room for is all there was."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        (port,) = rig.datagrams._ports
        held_bytes = port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        sent = held_bytes // MAX_DATAGRAM_BYTES + 1000
        rig.send(*[bytes(MAX_DATAGRAM_BYTES)] * (sent - 1))  # nobody reads meanwhile
        rig.datagrams._read(port, sent)
        await rig.sent(sealed_with(key, 1))
        drops = rig.datagrams.kernel_drops
        assert drops > 0
        assert rig.looked_at + drops == sent
        assert rig.datagrams.report("greenhouse") == Report(EPOCH, 0, 0, drops)

    play(scenario)


def test_a_kernel_without_a_count_of_drops_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the socket option is unknown, as to an emulated kernel, readings are taken all the same."""
    monkeypatch.setattr(datagrams, "_SO_RXQ_OVFL", 9999)

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        await rig.sent(sealed_with(key, 1))
        assert rig.seqs == [1]
        assert rig.datagrams.kernel_drops == 0

    play(scenario)


def test_the_kernels_count_may_begin_anew() -> None:
    """It has 32 bits; ours goes on."""

    async def scenario(rig: Rig) -> None:
        (port,) = rig.datagrams._ports
        for count in (5, 2**32 - 1, 3, 3):
            port._note_drops(count)
        assert rig.datagrams.kernel_drops == 2**32 + 3

    play(scenario)


def test_port_that_is_taken_is_told() -> None:
    """With what to do; nothing stays open."""

    async def scenario(rig: Rig) -> None:
        second = Datagrams(lambda *_: None, lambda: False)
        with pytest.raises(
            ListenError, match=r"cannot receive datagrams on 127\.0\.0\.1:.*set devices\.listen"
        ):
            await second.start(Address("127.0.0.1", rig.datagrams.port))

    play(scenario)


def test_a_name_may_stand_for_several_addresses() -> None:
    """`localhost` is received on whatever it means here."""

    async def scenario() -> None:
        received = Datagrams(lambda *_: None, lambda: False)
        await received.start(Address("localhost", 0))
        assert received.port
        received.stop()

    asyncio.run(scenario())


def test_any_bytes_are_dropped() -> None:
    """Bytes from a stranger, with the id of a key that lives or without it, change one count."""

    async def scenario(rig: Rig) -> None:
        key = rig.datagrams.open("greenhouse", wish())
        head = bytes([1]) + key.key_id.to_bytes(4, "little")

        @settings(deadline=None, max_examples=300)
        @given(st.booleans(), st.binary(max_size=MAX_DATAGRAM_BYTES + 9))
        def strange(has_id: bool, data: bytes) -> None:
            dropped = rig.datagrams.dropped.total()
            rig.send(head + data if has_id else data)
            rig.datagrams._read(rig.datagrams._ports[0], 1)
            assert rig.datagrams.dropped.total() == dropped + 1

        strange()
        assert (rig.stored, rig.datagrams.received) == ([], 0)

    play(scenario)

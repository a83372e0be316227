"""Readings over a network that loses, doubles and reorders: all of it is counted, nothing doubled.

The real sender, the real receiver and the real store, with a relay between them that knows what it
lost. Each reading's value is the seq of its datagram, so that what is stored can be checked alone.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from struct import unpack
from typing import Any

import pytest

from collector.datagrams import Datagrams
from collector.store import Writer
from collector.store.database import FILE_NAME, open_for_writing
from config.addresses import Address
from device.datagrams import DatagramSender
from kit.relay import Faults, Relay
from kit.stores import MOMENT, rows
from kit.waiting import WITHIN_S, until
from kit.wireworks import BOOT, CLOCK
from wire.batches import open_body, open_header, split
from wire.blocks import Point
from wire.bodies import DatagramKey, End, EndReason, GapReason, OpenDatagrams
from wire.datagrams import DropReason, parse_head

DEVICE = "greenhouse"
FAULTS = Faults(drop=0.30, double=0.05, reorder=0.20)
# So many are on their way at most: what a kernel with small buffers has room for.
BURST = 256
SECOND_NS = 10**9


class CollectorRig:
    """A collector's UDP side and its store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures: list[Exception] = []
        call_soon = asyncio.get_running_loop().call_soon_threadsafe
        database = open_for_writing(path)
        self.writer = Writer(database, call_soon, lambda: None, self.failures.append)
        self.datagrams = Datagrams(self.writer.store_datagrams, lambda: False)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def start(self, port: int) -> None:
        """Begin to receive."""
        self.writer.start()
        await self.datagrams.start(Address("127.0.0.1", port))

    async def stop(self) -> None:
        """Commit what came, and end."""
        self._socket.close()
        self.datagrams.stop()
        assert await asyncio.to_thread(self.writer.close, WITHIN_S)
        assert self.failures == []

    async def ask(self, ask: Callable[..., None], *what: object) -> Any:
        """Ask the writer one thing, and wait for the answer."""
        answers: list[Any] = []
        ask(*what, answers.append)
        await until(lambda: answers or self.failures)
        return answers[0]

    async def open(self, epoch: bytes) -> DatagramKey:
        """Do what a session does with OPEN_DATAGRAMS."""
        wish = OpenDatagrams(epoch, MOMENT, 0)
        await self.ask(self.writer.open_datagrams, DEVICE, wish)
        return self.datagrams.open(DEVICE, wish)

    async def end(self, epoch: bytes, last_seq: int, readings: int) -> None:
        """Do what a session does with END."""
        self.datagrams.close(DEVICE, epoch)
        end = End(epoch, EndReason.STOPPED, last_seq, readings)
        await self.ask(self.writer.end, DEVICE, end)

    @property
    def looked_at(self) -> int:
        """How many datagrams came out of the kernel."""
        return self.datagrams.received + self.datagrams.dropped.total()

    async def committed(self) -> None:
        """Wait until all that was taken is committed."""
        await until(lambda: not self.datagrams.pending_bytes or self.failures)

    async def hear(self, sent: Iterable[bytes]) -> None:
        """Send datagrams to the port as they are, and wait until each was looked at."""
        expected = self.looked_at
        for datagram in sent:
            self._socket.sendto(datagram, ("127.0.0.1", self.datagrams.port))
            expected += 1
            if expected - self.looked_at >= BURST:
                await until(lambda: self.looked_at == expected)  # noqa: B023 - awaited at once
        await until(lambda: self.looked_at == expected)
        await self.committed()

    def stored(self) -> Counter[tuple[bytes, int]]:
        """How often each (epoch, seq) is stored; the readings are checked on the way."""
        found: Counter[tuple[bytes, int]] = Counter()
        for (run,) in rows(self.path, "SELECT sealed FROM batch"):
            for sealed in split(run):
                place = open_header(sealed).place
                (block,) = open_body(sealed)
                assert unpack("<d", block.columns[0].values) == (float(place.seq),)
                found[place.epoch, place.seq] += 1
        return found

    def lost(self) -> list[tuple[int, str]]:
        """The gaps: how many readings, and why."""
        return rows(self.path, "SELECT readings, reason FROM gap ORDER BY id")


@asynccontextmanager
async def collector(folder: Path, port: int = 0) -> AsyncIterator[CollectorRig]:
    """A running collector, as far as datagrams go."""
    rig = CollectorRig(folder / FILE_NAME)
    await rig.start(port)
    try:
        yield rig
    finally:
        await rig.stop()


class Sending:
    """The real sender, to a port; `recorded` is what would survive its death."""

    def __init__(self, rig: CollectorRig, port: int) -> None:
        self.recorded = (0, 0)
        self.sender = DatagramSender(os.urandom(16), BOOT, lambda: CLOCK, self._record)
        self.epoch = self.sender.epoch
        self._rig = rig
        self._port = port

    async def open(self) -> None:
        """Get the key, and send what waits for it."""
        key = await self._rig.open(self.epoch)
        self.sender.open(key, Address("127.0.0.1", self._port))

    def send_one(self) -> None:
        """Send a datagram of one reading."""
        seq = self.sender.last_seq + 1
        self.sender.accept("count", seq * SECOND_NS, [Point("value", "", float(seq), 0)])
        self.sender.flush()

    async def send(self, count: int, arrived: Callable[[], Awaitable[None]]) -> None:
        """Send so many, no faster than they are taken."""
        for number in range(1, count + 1):
            self.send_one()
            if number % BURST == 0:
                await arrived()
        await arrived()

    async def end(self) -> None:
        """End the epoch as a new session or a clean stop does."""
        counts = self.sender.close()
        assert counts == self.recorded
        await self._rig.end(self.epoch, *counts)

    def _record(self, highest_seq: int, readings: int) -> None:
        self.recorded = (highest_seq, readings)


class LossyRig:
    """A collector behind a relay, and the sender before it."""

    def __init__(self, rig: CollectorRig, relay: Relay) -> None:
        self.rig = rig
        self.relay = relay
        self.sending = Sending(rig, relay.port)
        self._sent_before = relay.seen
        self._looked_at_before = rig.looked_at - relay.forwarded

    async def send(self, count: int) -> None:
        """Send so many, and let all that was not dropped arrive."""
        await self.sending.send(count, self._arrived)
        self.relay.release()
        await self._arrived()
        await self.rig.committed()

    async def _arrived(self) -> None:
        sent = self._sent_before + self.sending.sender.sent
        await until(lambda: self.relay.seen == sent)
        came = self._looked_at_before + self.relay.forwarded
        await until(lambda: self.rig.looked_at == came)


def seqs_of(datagrams: Sequence[bytes]) -> set[int]:
    """The seqs that datagrams name."""
    return {parse_head(datagram).seq for datagram in datagrams}


def once(epoch: bytes, seqs: Iterable[int]) -> Counter[tuple[bytes, int]]:
    """Each of these stored once."""
    return Counter({(epoch, seq): 1 for seq in seqs})


async def lossy_way(folder: Path, count: int, replays: int) -> None:
    """Send through all faults at once; then replay, end, and replay again."""
    async with collector(folder) as rig:
        with Relay(rig.datagrams.port, count, FAULTS) as relay:
            lossy = LossyRig(rig, relay)
            await lossy.sending.open()
            await lossy.send(count)
        sender, arrived, dropped = (
            lossy.sending.sender,
            seqs_of(relay.passed),
            seqs_of(relay.dropped),
        )
        assert (sender.sent, sender.failed, relay.held) == (count, 0, 0)
        assert (len(relay.passed), len(relay.dropped)) == (len(arrived), len(dropped))
        assert sorted(arrived | dropped) == list(range(1, count + 1))
        doubles = relay.forwarded - len(relay.passed)
        assert min(len(dropped), doubles) > 0

        _check_report(rig, arrived, dropped)
        assert rig.datagrams.dropped == {DropReason.REPLAYED: doubles}
        for _ in range(replays):
            await rig.hear(relay.passed)
        assert rig.datagrams.dropped == {DropReason.REPLAYED: doubles + replays * len(arrived)}

        await lossy.sending.end()
        lost = [(len(dropped), GapReason.DATAGRAM_LOST)]
        assert (rig.stored(), rig.lost()) == (once(sender.epoch, arrived), lost)
        # Also those that never came, and would be new: their key is dead.
        await rig.hear(relay.dropped)
        await rig.hear(relay.passed)
        assert rig.datagrams.dropped[DropReason.UNKNOWN_KEY] == count
        assert (rig.stored(), rig.lost()) == (once(sender.epoch, arrived), lost)


def _check_report(rig: CollectorRig, arrived: set[int], dropped: set[int]) -> None:
    """What the collector tells of an open epoch: received + missing == highest seq that arrived."""
    report = rig.datagrams.report(DEVICE)
    assert report is not None
    highest = max(arrived)
    assert (report.highest_seq, report.received, report.kernel_drops) == (highest, len(arrived), 0)
    assert report.highest_seq - report.received == sum(seq < highest for seq in dropped)


def test_missing_is_what_was_dropped(tmp_path: Path) -> None:
    """30 % dropped, 5 % doubled, reordered, and all replayed ten times: counted to the last one."""
    asyncio.run(lossy_way(tmp_path, 10_000, replays=10))


@pytest.mark.full
def test_missing_is_what_was_dropped_of_a_million(tmp_path: Path) -> None:
    """The same with 1,000,000 datagrams."""
    asyncio.run(lossy_way(tmp_path, 1_000_000, replays=10))


def test_nothing_is_missing_where_nothing_is_dropped(tmp_path: Path) -> None:
    """Order alone costs nothing: no gap at the end, although END may overtake."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            with Relay(rig.datagrams.port, 1, Faults(double=0.3, reorder=0.9)) as relay:
                lossy = LossyRig(rig, relay)
                await lossy.sending.open()
                await lossy.send(1000)
            await lossy.sending.end()
            assert rig.stored() == once(lossy.sending.epoch, range(1, 1001))
            assert rig.lost() == []

    asyncio.run(scenario())


def test_what_the_kernel_drops_is_missing(tmp_path: Path) -> None:
    """A collector that is too slow: what its kernel had no room for is told, and is all that lacks."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            sending = Sending(rig, rig.datagrams.port)
            await sending.open()
            for _ in range(20_000):
                sending.send_one()  # and the collector's loop does not run
            await until(lambda: rig.looked_at > 0)
            await until(lambda: not rig.datagrams.pending_bytes)
            sending.send_one()
            sent = sending.sender.sent
            await until(lambda: rig.looked_at + rig.datagrams.kernel_drops == sent)
            await sending.end()
            assert (sent, sending.sender.failed) == (20_001, 0)
            overloaded = rig.datagrams.dropped[DropReason.OVERLOADED]
            missing = rig.datagrams.kernel_drops + overloaded
            assert rig.stored().total() == sent - missing
            assert rig.lost() == ([(missing, GapReason.DATAGRAM_LOST)] if missing else [])

    asyncio.run(scenario())


def test_new_session_begins_anew(tmp_path: Path) -> None:
    """END of the former epoch, a new epoch and key; what waited for the key arrives, too."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            with Relay(rig.datagrams.port, 2, FAULTS) as relay:
                former = LossyRig(rig, relay)
                await former.sending.open()
                await former.send(200)
                await former.sending.end()
                dropped, passed = len(relay.dropped), seqs_of(relay.passed)

                present = LossyRig(rig, relay)
                for _ in range(20):
                    present.sending.send_one()
                await present.sending.open()
                await present.send(200)
                await present.sending.end()
            later = seqs_of(relay.passed[len(passed) :])
            expected = once(former.sending.epoch, passed) + once(present.sending.epoch, later)
            assert rig.stored() == expected
            assert [lost for lost, _ in rig.lost()] == [dropped, 220 - len(later)]

    asyncio.run(scenario())


def test_collector_that_started_anew_knows_no_key(tmp_path: Path) -> None:
    """What is sent to it before the next session is missing, and END says how much that was."""

    async def scenario() -> None:
        async with collector(tmp_path) as first:
            port = first.datagrams.port
            sending = Sending(first, port)
            await sending.open()
            sending.send_one()
            await until(lambda: first.looked_at == 1)
        async with collector(tmp_path, port) as second:
            for _ in range(5):
                sending.send_one()
            await until(lambda: second.looked_at == sending.sender.sent - 1)
            assert second.datagrams.dropped.keys() == {DropReason.UNKNOWN_KEY}
            counts = sending.sender.close()
            await second.end(sending.epoch, *counts)
            assert second.stored() == once(sending.epoch, [1])
            assert second.lost() == [(5, GapReason.DATAGRAM_LOST)]

    asyncio.run(scenario())


def test_changed_datagrams_are_not_stored(tmp_path: Path) -> None:
    """Each byte of a datagram that never came, changed in every bit at once: nothing of it counts."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            with Relay(rig.datagrams.port, 3, Faults(drop=1.0)) as relay:
                lossy = LossyRig(rig, relay)
                await lossy.sending.open()
                await lossy.send(1)
                lossy.sending.sender.close()
            (whole,) = relay.dropped
            changed = [
                whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
                for place in range(len(whole))
            ]
            await rig.hear(changed)
            assert rig.datagrams.dropped.total() == len(whole)
            assert rig.stored().total() == 0
            await rig.hear([whole])
            assert rig.stored() == once(lossy.sending.epoch, [1])

    asyncio.run(scenario())

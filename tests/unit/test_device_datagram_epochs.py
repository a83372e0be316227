"""device.datagram_epochs: an epoch a session, whose end says exactly what was sent of it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.addresses import Address
from device.datagram_epochs import DatagramEpochs
from device.datagrams import MAX_WAITING_BATCHES
from device.spool import EpochFacts, Spool
from kit.links import play
from kit.spools import OWNER, Home, points_of
from wire.bodies import DatagramKey, Report
from wire.datagrams import parse_head

POLICIES = ["frugal", "strict", "memory"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


class Rig:
    """The datagram epochs of a spool, and a socket in the place of the collector's."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.epochs = DatagramEpochs(spool)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.keys = 0

    @property
    def facts(self) -> EpochFacts:
        """The datagram epoch under way, as the spool knows it."""
        return self.epochs._facts

    def key(self) -> DatagramKey:
        """A key for the epoch that wishes for one."""
        wish = self.epochs.wish()
        assert wish is not None
        self.keys += 1
        return DatagramKey(wish.epoch, self.keys, bytes(32))

    def take(self, key: DatagramKey) -> None:
        """Let a key come."""
        self.epochs.key_came(key, Address(*self.socket.getsockname()))

    def session(self) -> EpochFacts:
        """Let a session begin, as far as the key; return the epoch that it is for."""
        self.epochs.session_began(OWNER)
        self.take(self.key())
        return self.facts

    def send(self, count: int) -> None:
        """Accept so many reads, each of which leaves as a datagram."""
        for number in range(count):
            assert self.epochs.accept("air", number, points_of([float(number)]))
            self.epochs._sender.flush()

    def came(self) -> list[tuple[int, int]]:
        """Key id and seq of every datagram that has come since this was asked."""
        found = []
        while True:
            try:
                found.append(tuple(parse_head(self.socket.recv(65536))))
            except BlockingIOError:
                return found  # type: ignore[return-value]

    def kept(self) -> list[tuple[bytes, int, int, str | None]]:
        """What the spool has of datagram epochs: last seq, readings, end."""
        return [
            (each.epoch, each.last_seq, each.readings, each.end)
            for each in self.spool.near.epochs()
            if each.datagrams
        ]


@asynccontextmanager
async def rigged(home: Home, policy: str = "frugal") -> AsyncIterator[Rig]:
    """A rig on the spool of a device."""
    async with home.opened(policy) as spool:
        rig = Rig(spool)
        try:
            yield rig
        finally:
            rig.epochs._sender.close()
            rig.socket.close()


@pytest.mark.parametrize("policy", POLICIES)
def test_sent_is_recorded_before(home: Home, policy: str) -> None:
    """What has come is in the spool's memory already, so that kill -9 forgets none of it."""

    async def scenario() -> None:
        async with rigged(home, policy) as rig:
            facts = rig.session()
            for number in range(1, 4):
                rig.send(1)
                assert rig.came() == [(1, number)]
                assert rig.kept() == [(facts.epoch, number, number, None)]
            assert (rig.epochs.sent, rig.epochs.failed) == (3, 0)

    play(scenario())


def test_reads_before_the_first_key_wait_for_it(home: Home) -> None:
    """A few of them; of too many the oldest count as failed."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            rig.send(MAX_WAITING_BATCHES + 2)
            assert rig.came() == []
            rig.session()
            assert [seq for _, seq in rig.came()] == list(range(3, MAX_WAITING_BATCHES + 3))
            assert (rig.epochs.sent, rig.epochs.failed) == (MAX_WAITING_BATCHES, 2)
            assert rig.facts.last_seq == MAX_WAITING_BATCHES + 2

    play(scenario())


def test_each_session_has_an_epoch_of_its_own(home: Home) -> None:
    """The one before ends with what it sent, and its key opens nothing any more."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            first = rig.session()
            rig.send(3)
            second = rig.session()
            rig.send(2)
            assert rig.came() == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
            assert rig.kept() == [(first.epoch, 3, 3, "rolled"), (second.epoch, 2, 2, None)]
            assert rig.epochs.sent == 5

    play(scenario())


def test_session_that_got_no_wish_out_takes_no_epoch(home: Home) -> None:
    """There can be no key for it: the next session goes on with the same."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            facts = rig.facts
            for _ in range(3):
                rig.epochs.session_began(OWNER)
            assert rig.session() is facts
            assert len(rig.kept()) == 1

    play(scenario())


def test_epoch_that_was_held_for_another_is_not_used(home: Home) -> None:
    """A session that got as far as HOLD, and then a join: the next collector gets one of its own."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            held = await rig.spool.held("greenhouse@one")
            assert rig.facts.epoch in [each.epoch for each in held]
            first = rig.facts
            rig.epochs.session_began(OWNER)
            assert rig.facts is first, "it may be the same collector"
            rig.epochs.session_began("greenhouse@another")
            assert [end for *_, end in rig.kept()] == ["rolled", None]
            held = await rig.spool.held("greenhouse@another")
            assert [each.epoch for each in held] == [rig.facts.epoch]

    play(scenario())


def test_session_that_ends_before_its_key(home: Home) -> None:
    """What waited for the key was never sent, and counts: the collector will miss it by number."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            first = rig.facts
            rig.key()
            rig.send(2)
            rig.epochs.session_began(OWNER)
            assert rig.kept()[0] == (first.epoch, 2, 2, "rolled")
            assert (rig.epochs.sent, rig.epochs.failed) == (0, 2)

    play(scenario())


def test_key_of_another_epoch_is_not_taken(home: Home) -> None:
    """It was for a session that is over; nor is a second one for this epoch."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            late = rig.key()
            rig.epochs.session_began(OWNER)
            rig.take(late)
            rig.send(1)
            assert rig.came() == []
            rig.take(rig.key())
            rig.take(rig.key())
            rig.send(1)
            assert rig.came() == [(2, 1), (2, 2)]

    play(scenario())


def test_wish_says_which_epoch_and_when_it_began(home: Home) -> None:
    """With the clock pair of its boot, like HOLD."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            wish = rig.epochs.wish()
            assert wish is not None
            (_, held) = await rig.spool.held(OWNER)
            assert (held.epoch, held.clock, held.began_ns, held.datagrams) == (
                wish.epoch,
                wish.clock,
                wish.began_ns,
                True,
            )

    play(scenario())


def test_report_is_of_the_present_epoch(home: Home) -> None:
    """One of an earlier epoch comes too late, and a new epoch begins without any."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            first = Report(rig.session().epoch, 9, 8)
            rig.epochs.reported(first)
            assert rig.epochs.report is first
            second = Report(rig.session().epoch, 2, 2)
            rig.epochs.reported(first)
            assert rig.epochs.report is None
            rig.epochs.reported(second)
            assert rig.epochs.report is second

    play(scenario())


def test_stop_sends_what_is_there_and_ends(home: Home) -> None:
    """Clean, with a count that is exact; then END has to be acknowledged before all is drained."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            facts = rig.session()
            rig.send(1)
            rig.epochs.accept("air", 7, points_of([1.0, 2.0]))
            rig.epochs.stop()
            assert rig.came() == [(1, 1), (1, 2)]
            assert rig.kept() == [(facts.epoch, 2, 3, "stopped")]
            assert rig.epochs.sent == 2
            rig.spool.end()
            assert not rig.spool.is_drained(OWNER)
            rig.spool.acknowledge(facts, 2, ended=True)
            assert rig.spool.is_drained(OWNER)
            assert rig.kept() == []

    play(scenario())


@pytest.mark.parametrize("was_offered", [True, False])
def test_nothing_begins_after_the_stop(home: Home, was_offered: bool) -> None:
    """A key that comes too late, a session that is tried once more: there is nothing left to send."""

    async def scenario() -> None:
        async with rigged(home) as rig:
            key = rig.key() if was_offered else DatagramKey(rig.facts.epoch, 1, bytes(32))
            rig.send(1)
            rig.epochs.stop()
            ended = rig.kept()
            rig.take(key)
            rig.epochs.session_began(OWNER)
            assert rig.epochs.wish() is None
            rig.take(key)
            assert rig.kept() == ended
            assert [end for *_, end in ended] == ["stopped"]
            assert (rig.came(), rig.epochs.failed) == ([], 1)

    play(scenario())


@pytest.mark.parametrize("policy", POLICIES)
def test_kill_forgets_no_datagram(home: Home, policy: str) -> None:
    """The next run ends the epoch with exactly what was sent, under a name of its own."""

    async def scenario() -> None:
        spool = await home.open(policy)
        rig = Rig(spool)
        facts = rig.session()
        rig.send(4)
        rig.socket.close()
        await home.kill(spool)
        rig.epochs._sender.close()
        async with rigged(home, policy) as rig:
            assert rig.kept() == [
                (facts.epoch, 4, 4, "restarted"),
                (rig.facts.epoch, 0, 0, None),
            ]
            found = rig.spool.epochs.find(facts.epoch)
            assert found is not None
            assert found.is_end_known

    play(scenario())


def test_epoch_that_sent_nothing_leaves_no_row(home: Home) -> None:
    """Never offered, never used: the next start forgets it."""

    async def scenario() -> None:
        for _ in range(3):
            async with rigged(home) as rig:
                rig.epochs.stop()
                await asyncio.sleep(0)
        async with home.opened() as spool:
            assert [each for each in spool.near.epochs() if each.datagrams] == []

    play(scenario())

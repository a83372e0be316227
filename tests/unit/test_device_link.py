"""device.link: one session after the other, whatever ends them, and the last one at a stop."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from config.addresses import Address
from device import link as link_module
from device.backoff import FIRST_S, Backoff
from device.contact import Contact
from device.credentials import Credentials
from device.errors import JoinError
from device.spool_status import spool_status
from kit import keys
from kit.links import DEVICE, Rig, linked, met, opened, play, rigged, running, seqs
from kit.programs import free_port
from kit.scripted import ended, scripted_collector
from kit.servers import ServerRig, server_rig
from kit.spoolfaults import raising
from kit.tlspeers import TlsPeer, tls_peer
from kit.waiting import WITHIN_S, until
from service.keyfile import KeyFileError
from wire import frames
from wire.bodies import Bye, Describe, End, Hold, Marks
from wire.conversation import Closed
from wire.greetings import Challenge, Hello, Ready
from wire.receiver import Arrived

# --- readings leave


def test_readings_leave_by_themselves(tmp_path: Path) -> None:
    """What was accepted within the age of a batch goes out as one, without being asked for."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            rig.accept(1.0, 2.0, 3.0)
            await until(lambda: rig.spool.acknowledged == 3)
            assert [arrived.header.readings for arrived in collector.stored] == [3]
            rig.accept(4.0)
            await until(lambda: rig.spool.acknowledged == 4)
            assert seqs(collector.stored) == [1, 2]

    play(scenario())


def test_readings_leave_before_they_have_to_go_to_the_card(tmp_path: Path) -> None:
    """Where `at_risk` is small they wait in the open batch for half of it, no longer."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, _):
            rig.spool.plan = rig.spool.plan._replace(at_risk_s=1.0)
            rig.accept(1.0)
            assert rig.link.departure.due_s is not None
            assert rig.link.departure.due_s <= asyncio.get_running_loop().time() + 0.5

    play(scenario())


def test_open_batch_grows_while_the_link_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a collector a batch is not closed for its age; it leaves when the link comes up."""
    monkeypatch.setattr(link_module, "BATCH_AGE_S", 0.01)

    async def scenario() -> None:
        port = free_port()
        async with rigged(tmp_path, port) as rig, running(rig):
            for _ in range(3):
                rig.accept(1.0)
                await until(lambda: rig.link.departure.due_s is None)
            present = rig.spool.epochs.present
            assert present is not None
            assert (present.last_seq, rig.spool.held_readings) == (0, 3)
            async with scripted_collector(port) as collector:
                await until(lambda: rig.spool.acknowledged == 3)
                assert [arrived.header.readings for arrived in collector.stored] == [3]

    play(scenario())


@pytest.mark.parametrize("policy", ["frugal", "strict", "memory"])
def test_what_is_in_doubt_is_sent_again_unchanged(tmp_path: Path, policy: str) -> None:
    """After a cut: the same bytes under the same seq, and the next ones behind them."""

    async def scenario() -> None:
        async with met(tmp_path, policy=policy) as (rig, collector):
            collector.acknowledges = False
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
            (hold,) = collector.session.heard(Hold)
            assert [(each.epoch, each.lowest_seq) for each in hold.epochs] == [(rig.epoch, 1)]
            assert [each.sealed for each in again[:2]] == [each.sealed for each in before]
            assert seqs(collector.stored) == [1, 2, 3]
            assert rig.link.sessions == 2

    entries = play(scenario())
    assert [each["event"] for each in entries] == ["link_up", "link_down", "link_up"]
    assert entries[1]["reason"] == "connection_lost"


def test_flapping_link_loses_nothing(tmp_path: Path) -> None:
    """Cut a hundred times at any moment, every reading arrives once and in order."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            for number in range(100):
                rig.accept(float(number))
                rig.link.send_now()
                if number % 3:
                    await asyncio.sleep(0)
                else:
                    await until(lambda: rig.link.is_up)
                if number % 10 == 5:
                    await rig.to_card()
                if number == 50:
                    await rig.spool.begin()
                for session in collector.sessions:
                    session.cut()
            await until(lambda: rig.spool.held_readings == 0)
            places = [arrived.header.place for arrived in collector.stored]
            assert collector.readings == 100
            for epoch in {place.epoch for place in places}:
                of_it = [each for each in collector.stored if each.header.place.epoch == epoch]
                assert seqs(of_it) == list(range(1, len(of_it) + 1))
                assert [each.header.place.before for each in of_it] == [
                    sum(before.header.readings for before in of_it[:n]) for n in range(len(of_it))
                ]
            assert collector.gaps == []

    play(scenario())


def test_next_run_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """Without a collector all ends up on the card; the next start offers it, and its end."""

    async def scenario() -> None:
        async with rigged(tmp_path, free_port()) as rig, running(rig):
            rig.accept(1.0, 2.0)
            rig.spool.end()
            assert not await rig.link.drain(0.2)
            (facts,) = rig.spool.epochs
        async with met(tmp_path) as (rig, collector):
            assert rig.spool.near.readings == 0
            assert rig.spool.held_readings == 2
            async with running(rig):
                await until(lambda: collector.ends)
            assert collector.readings == 2
            assert collector.ends == {facts.epoch: End(facts.epoch, "stopped", 1, 2)}
            assert collector.gaps == []

    play(scenario())


def test_another_name_does_not_get_what_was_offered(tmp_path: Path) -> None:
    """Epochs that were offered stay aside until `name:` is that again; others go along."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            collector.acknowledges = False
            rig.accept(1.0)
            rig.link.send_now()
            await until(lambda: collector.stored)
            offered = rig.epoch
        async with linked(tmp_path, device="shed") as (rig, collector):
            (hold,) = collector.session.heard(Hold)
            assert [each.epoch for each in hold.epochs] == [rig.epoch]
            assert [each.epoch for each in rig.spool.epochs.of_others("shed")] == [offered]
            assert rig.spool.held_readings == 1
            rig.spool.end()
            assert await rig.link.drain(WITHIN_S), "what waits for another name holds up nothing"
        async with linked(tmp_path) as (rig, collector):
            await until(lambda: collector.readings == 1)
            assert seqs(collector.stored, offered) == [1]

    play(scenario())


# --- whom it meets


def test_wish_for_a_pause_is_heeded(tmp_path: Path) -> None:
    """BYE with retry_after: no connection before that, and then one again."""
    asked_s = 0.5

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
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
        (frames.encode(Ready(1)) + frames.encode(Bye("overloaded")), "overloaded"),
    ],
    ids=["http", "garbage", "ssh", "version", "ready+garbage", "ready+marks", "ready+bye"],
)
def test_peer_that_is_no_collector(tmp_path: Path, says: bytes, reason: str) -> None:
    """Whatever it says, in one packet: one line with the reason, and the link keeps trying."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, stranger):
            stranger.says_first = says
            async with running(rig):
                rig.close_batches(1)
                await until(lambda: len(stranger.sessions) >= 4)
            assert rig.spool.held_readings == 1
            assert rig.link.sessions == 0

    entries = play(scenario())
    assert [(each["event"], each["reason"]) for each in entries] == [("link_down", reason)]


def test_peer_that_closes_at_once(tmp_path: Path) -> None:
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
        port = server.sockets[0].getsockname()[1]
        async with rigged(tmp_path, port) as rig, running(rig):
            await until(lambda: connections >= 20)
        await ended(server)

    entries = play(scenario())
    assert [each["reason"] for each in entries] == ["connection_lost"]


def test_nobody_at_the_port(tmp_path: Path) -> None:
    """One line that says so in the system's words, then silence until somebody is there."""

    async def scenario() -> None:
        port = free_port()
        async with rigged(tmp_path, port) as rig, running(rig):
            rig.close_batches(1)
            await until(lambda: rig.link.last_end)
            assert not rig.link.is_up
            async with scripted_collector(port):
                await until(lambda: rig.spool.acknowledged == 1)

    down, up = play(scenario())[:2]
    assert (down["event"], down["reason"]) == ("link_down", "no_connection")
    assert (down["detail"], down["held_readings"]) == ("Connection refused", 1)
    assert up["event"] == "link_up"


def test_peer_that_accepts_and_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after the time for a greeting."""
    monkeypatch.setattr("wire.conversation.GREETING_S", 0.05)

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            collector.greets = False
            async with running(rig):
                await until(lambda: len(collector.sessions) >= 2)
                assert collector.sessions[0].heard(Closed)[0].reason == "silence"

    (entry,) = play(scenario())
    assert entry["reason"] == "silence"


def test_collector_that_refuses_after_marks_is_left_in_peace(tmp_path: Path) -> None:
    """A session in which nothing was acknowledged does not shorten the wait before the next."""
    ceilings_s: list[float] = []

    class Watched(Backoff):
        def next_s(self, at_least_s: float = 0.0) -> float:
            ceilings_s.append(self._ceiling_s)
            super().next_s(at_least_s)
            return 0.0

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
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


def test_describing_without_a_session_is_nothing(tmp_path: Path) -> None:
    """The next session describes everything anyway."""

    async def scenario() -> None:
        async with rigged(tmp_path, free_port()) as rig:
            rig.link.describe_again()
            rig.link.send_now()
            assert not rig.link.is_up

    assert play(scenario()) == []


# --- the stop


def test_stop_says_bye(tmp_path: Path) -> None:
    """The collector learns that this is no cut."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            async with running(rig):
                await until(lambda: rig.link.is_up)
            await until(lambda: collector.session.is_over)
            assert collector.session.heard(Closed) == [Closed("stopping", by_peer=True)]

    play(scenario())


async def nothing_is_left(rig: Rig, folder: Path) -> None:
    """Close the spool of a run that is over, and look that both tiers are empty."""
    assert await rig.spool.close(WITHIN_S)
    again = await opened(folder)
    try:
        assert [each.epoch for each in again.epochs] == [Rig(1, again).epoch]
        assert again.held_readings == 0
    finally:
        await again.close(WITHIN_S)


@pytest.mark.parametrize("moved", [False, True])
def test_drain_waits_for_the_last_acknowledgement(tmp_path: Path, moved: bool) -> None:
    """The open batch is closed and sent, all of it and the epoch's end acknowledged; nothing of it
    is left in either tier.
    """

    async def scenario() -> None:
        async with scripted_collector() as collector:
            rig = Rig(collector.port, await opened(tmp_path))
            async with running(rig):
                await until(lambda: rig.link.is_up)
                rig.accept(1.0, 2.0)
                if moved:
                    await rig.to_card()
                    rig.accept(3.0)
                epoch = rig.epoch
                rig.spool.end()
                assert await rig.link.drain(WITHIN_S)
                assert collector.readings == 2 + moved
                last = End(epoch, "stopped", 1 + moved, 2 + moved)
                assert collector.ends == {epoch: last}
                assert await rig.link.drain(0.0), "nothing is held"
            await nothing_is_left(rig, tmp_path)

    play(scenario())


def test_drain_waits_for_the_end_alone(tmp_path: Path) -> None:
    """Also where every reading is acknowledged already."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            rig.accept(1.0)
            rig.link.send_now()
            await until(lambda: rig.spool.held_readings == 0)
            rig.spool.end()
            assert not rig.link.is_drained
            assert await rig.link.drain(WITHIN_S)
            assert len(collector.ends) == 1

    play(scenario())


def test_drain_gives_up_in_time(tmp_path: Path) -> None:
    """Without acknowledgements the end comes all the same, and says that not all of it came."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            collector.acknowledges = False
            rig.accept(1.0)
            rig.spool.end()
            assert not await rig.link.drain(0.05)
            assert rig.spool.held_readings == 1

    play(scenario())


def test_drain_tries_a_link_that_is_down_at_once(tmp_path: Path) -> None:
    """A stop does not wait out the pause that a collector has asked for."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            collector.session.bye("stopping", retry_after_s=3600.0)
            await until(lambda: rig.link.last_end)
            rig.accept(1.0)
            epoch = rig.epoch
            rig.spool.end()
            assert await rig.link.drain(WITHIN_S)
            assert len(collector.sessions) == 2
            assert collector.ends == {epoch: End(epoch, "stopped", 1, 1)}

    play(scenario())


def test_drain_does_not_wait_where_nobody_listens(tmp_path: Path) -> None:
    """A refused connection during the stop ends it at once, and says that not all of it came."""

    async def scenario() -> None:
        async with rigged(tmp_path, free_port()) as rig, running(rig):
            rig.accept(1.0)
            began_s = asyncio.get_running_loop().time()
            rig.spool.end()
            assert not await rig.link.drain(60.0)
            assert asyncio.get_running_loop().time() - began_s < 30.0

    play(scenario())


# --- whom it says nothing to


def joined_as(device: str, peer: TlsPeer, *others: Address, key: bytes = bytes(32)) -> Contact:
    """A device that joined at a peer; `others` are addresses that are tried before."""
    addresses = (*others, peer.address)
    found = Credentials(device, key, peer.fingerprint, tuple(map(str, addresses)))
    return Contact(device, addresses, found)


def member(server: ServerRig, device: str = DEVICE) -> Contact:
    """A device that joined at a collector."""
    port = server.server.port
    found = keys.joined(server.trust, server.certificate.fingerprint, device, port)
    return Contact(device, (Address("127.0.0.1", port),), found)


class Waits(Backoff):
    """A back-off that does not wait, but for what the collector asks; `waits_s`: what it would have."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.waits_s: list[float] = []

    def refused_s(self) -> float:
        """Count it."""
        self.waits_s.append(super().refused_s())
        return 0.0


@asynccontextmanager
async def with_server(folder: Path) -> AsyncIterator[tuple[Rig, ServerRig]]:
    """A collector's network side, and a rig that has not joined it."""
    (folder / "collector").mkdir()
    async with (
        server_rig(folder / "collector" / "telegauge.db") as server,
        rigged(folder / "device", server.server.port) as rig,
    ):
        yield rig, server


def test_plain_readings_never_leave_this_machine(tmp_path: Path) -> None:
    """An address of another one, and no join: no connection is made; one line says what to do."""

    async def scenario() -> None:
        async with rigged(tmp_path, 1) as rig:
            rig.link._backoff = waits = Waits()
            rig.link.contact = Contact(DEVICE, (Address("192.0.2.1", 8888),))
            rig.accept(1.0)
            async with running(rig):
                await until(lambda: len(waits.waits_s) >= 3)
                rig.spool.end()
                assert not await rig.link.drain(60.0)
            assert waits.waits_s[:3] == [60.0, 120.0, 240.0]
            assert rig.spool.held_readings == 1

    (entry,) = play(scenario())
    assert (entry["event"], entry["reason"]) == ("link_down", "not_joined")
    assert entry["detail"].startswith(
        "192.0.2.1 is another machine, and this device has not joined"
    )
    assert "telegauge-collector invite" in entry["detail"]


def test_session_over_tls(tmp_path: Path) -> None:
    """With the key that the join gave, to the certificate that it showed: readings are stored."""

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server):
            rig.link.contact = member(server)
            rig.close_batches(3)
            async with running(rig):
                await until(lambda: rig.spool.acknowledged == 3)
            (session,) = server.made
            assert session._caller.fingerprint == server.certificate.fingerprint
            assert session.device == DEVICE

    assert [each["event"] for each in play(scenario()) if "link" in each["event"]] == ["link_up"]


def test_wrong_certificate_is_told_nothing(tmp_path: Path) -> None:
    """Not one byte of ours, however often it is met; the reason is said once."""

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer") as peer, rigged(tmp_path, 1) as rig:
            contact = joined_as(DEVICE, peer)
            assert contact.credentials is not None
            other = replace(contact.credentials, fingerprint=bytes(32))
            rig.link.contact = contact._replace(credentials=other)
            rig.accept(1.0)
            async with running(rig):
                await until(lambda: peer.met >= 3)
                rig.spool.end()
                assert not await rig.link.drain(60.0)
            assert set(peer.heard) <= {b""}
            assert rig.spool.held_readings == 1

    (entry,) = play(scenario())
    assert (entry["event"], entry["reason"]) == ("link_down", "wrong_collector")
    assert "join again" in entry["detail"]


def test_peer_without_tls_is_told_nothing(tmp_path: Path) -> None:
    """A plain collector at the address: what TLS says of it, in words."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            found = Credentials(DEVICE, bytes(32), bytes(32), ("127.0.0.1:1",))
            rig.link.contact = rig.link.contact._replace(credentials=found)
            async with running(rig):
                await until(lambda: rig.link.last_end)
            assert not any(each.heard(Hello) for each in collector.sessions)

    entry, *_ = play(scenario())
    assert entry["reason"] == "no_connection"
    assert "no collector" in entry["detail"] or "ended the connection" in entry["detail"]


def test_addresses_are_tried_in_turn(tmp_path: Path) -> None:
    """Where nobody is, or somebody else, the next one is; and a session that was cut is begun again
    where it was.
    """

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server), tls_peer(tmp_path / "peer") as peer:
            contact = member(server)
            others = (Address("127.0.0.1", free_port()), peer.address)
            rig.link.contact = contact._replace(addresses=(*others, *contact.addresses))
            async with running(rig):
                assert rig.link.address == others[0]
                await until(lambda: rig.link.is_up)
                assert rig.link.address == contact.addresses[0]
                server.made[0].transport.abort()
                await until(lambda: rig.link.sessions == 2)
            assert peer.met == 1
            assert set(peer.heard) <= {b""}

    told = [each for each in play(scenario()) if each["event"].startswith("link")]
    reasons = [each.get("reason", "up") for each in told]
    assert reasons == ["no_connection", "wrong_collector", "up", "connection_lost", "up"]
    assert len({each["collector"] for each in told}) == 3


def test_address_that_has_to_wait_is_told_so(tmp_path: Path) -> None:
    """A collector that listens to nobody there for now: in words, and not in those of OpenSSL."""

    async def scenario() -> None:
        async with (
            server_rig(tmp_path / "telegauge.db", plain_on_loopback=False) as server,
            rigged(tmp_path / "device", 1) as rig,
        ):
            rig.link.contact = member(server)
            place = server.admission.arrive("127.0.0.1", 0.0)
            assert place is not None
            for _ in range(30):
                server.admission.fail(place, asyncio.get_running_loop().time())
            async with running(rig):
                await until(lambda: rig.link.last_end)

    (entry,) = (each for each in play(scenario()) if each["event"] == "link_down")
    assert entry["reason"] == "no_connection"
    assert entry["detail"].startswith("it ended the connection at once: after failed tries")


def test_failure_is_told_of_the_address_that_gave_it(tmp_path: Path) -> None:
    """Until the next try, when it is the next one's turn."""

    async def scenario() -> None:
        addresses = tuple(Address("127.0.0.1", free_port()) for _ in range(2))
        async with rigged(tmp_path, 1) as rig:
            rig.link._backoff = Backoff(lambda: 1.0)
            rig.link.contact = rig.link.contact._replace(addresses=addresses)
            async with running(rig):
                last = None
                for address in (*addresses, *addresses):
                    await until(lambda last=last: rig.link.last_end is not last)
                    last = rig.link.last_end
                    assert last is not None
                    assert (rig.link.address, last.reason) == (address, "no_connection")
                    rig.link._hurry.set()

    play(scenario())


# --- where it is not let in


def test_refused_device_waits_and_a_join_ends_that(tmp_path: Path) -> None:
    """A minute, then twice as long; the next join counts from the beginning, and connects at once."""
    no = frames.encode(Bye("not_accepted", 0.0, "no such device"))

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server), tls_peer(tmp_path / "no", no) as peer:
            rig.link._backoff = waits = Waits()
            rig.link.contact = joined_as(DEVICE, peer)
            rig.accept(1.0)
            async with running(rig):
                await until(lambda: len(waits.waits_s) >= 3)
                assert waits.waits_s[:3] == [60.0, 120.0, 240.0]
                before = len(waits.waits_s)
                rig.link.rejoin(joined_as("shed", peer))
                await until(lambda: len(waits.waits_s) > before + 1)
                assert 60.0 in waits.waits_s[before : before + 2]
                rig.link._backoff = Backoff()  # which waits for a minute
                await until(rig.link.next_try_s)
                rig.link.rejoin(member(server))
                await until(lambda: rig.spool.acknowledged == 1)

    entries = play(scenario())
    refusals = [each for each in entries if each.get("reason") == "not_accepted"]
    assert {each["detail"] for each in refusals} == {"no such device"}


def test_revoked_device_keeps_its_readings(tmp_path: Path) -> None:
    """It comes back no sooner than it was told to; a stop does not wait for it."""

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server):
            rig.link.contact = member(server)
            async with running(rig):
                await until(lambda: rig.link.is_up)
                server.trust.revoke(DEVICE, time.time_ns())
                server.made[0].transport.abort()
                await until(lambda: rig.link.next_try_s() is not None)
                await until(lambda: rig.link.last_end and rig.link.last_end.reason == "revoked")
                rig.accept(1.0)
                assert 3590.0 < (rig.link.next_try_s() or 0.0) <= 3600.0
                rig.spool.end()
                assert not await rig.link.drain(60.0)
                assert len(server.made) == 2
            assert rig.spool.held_readings == 1

    play(scenario())


# --- another key, another join


def rotated(server: ServerRig) -> bytes:
    """Give the device another key over its session, and return it."""
    session = server.sessions.of(DEVICE)
    assert session is not None
    key = server.trust.rotate(DEVICE)
    session.give_key(key)
    return key


class Keeper:
    """Keeps credentials; `may_go_on`: while it is not set, writing takes its time."""

    def __init__(self) -> None:
        self.kept: list[Credentials] = []
        self.in_place_of: list[Credentials | None] = []
        self.begun = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: KeyFileError | JoinError | None = None

    def __call__(self, found: Credentials, former: Credentials | None) -> None:
        """Keep these."""
        self.in_place_of.append(former)
        self.begun += 1
        assert self.may_go_on.wait(WITHIN_S)
        if self.error is not None:
            raise self.error
        self.kept.append(found)


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[tuple[Rig, ServerRig, Keeper]]:
    """A device that is let in, and runs; and what keeps its credentials."""
    async with with_server(folder) as (rig, server):
        rig.link._keep = keeper = Keeper()
        rig.link.contact = member(server)
        try:
            async with running(rig):
                await until(lambda: rig.link.is_up)
                yield rig, server, keeper
        finally:
            keeper.may_go_on.set()


def key_of(rig: Rig) -> bytes:
    """The key that is in use."""
    assert rig.link.contact.credentials is not None
    return rig.link.contact.credentials.key


def test_key_is_kept_and_then_used(tmp_path: Path) -> None:
    """The session comes back with it at once, at the same address, and nothing is lost meanwhile."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            turns = rig.link._turn = 4
            former = rig.link.contact.credentials
            key = rotated(server)
            rig.accept(1.0)
            await until(lambda: rig.link.sessions == 2 and rig.spool.acknowledged == 1)
            found = server.trust.find(DEVICE)
            assert found is not None
            assert (found.key, found.next_key) == (key, None)
            assert [each.key for each in keeper.kept] == [key] == [key_of(rig)]
            assert keeper.in_place_of == [former]
            assert rig.link._turn == turns

    entries = [each["event"] for each in play(scenario())]
    assert entries.count("key_taken") == 1


@pytest.mark.parametrize("why", ["full", "joined again", "handed over"])
def test_key_that_cannot_be_kept_is_not_used(tmp_path: Path, why: str) -> None:
    """The one that it has goes on: after a restart there would be no other."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            former = key_of(rig)
            if why == "full":
                keeper.error = KeyFileError("no space left on device")
            elif why == "joined again":
                keeper.error = JoinError("other credentials are kept by now")
            else:
                rig.link._keep = None
            rotated(server)
            rig.accept(1.0)
            await until(lambda: rig.spool.acknowledged == 1)
            can_try = why != "handed over"
            await until(lambda: keeper.begun == can_try and not rig.link._keeping.locked())
            server.made[0].transport.abort()
            await until(lambda: rig.link.sessions == 2)
            assert key_of(rig) == former
            assert keeper.kept == []

    assert "key_not_taken" in [each["event"] for each in play(scenario())]


def test_key_is_used_also_where_its_session_was_cut(tmp_path: Path) -> None:
    """What was written is what is used: else the next start would come with a key of its own."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            keeper.may_go_on.clear()
            key = rotated(server)
            await until(lambda: keeper.begun)
            server.made[0].transport.abort()
            await until(lambda: rig.link.sessions == 2)
            keeper.may_go_on.set()
            await until(lambda: rig.link.sessions == 3)
            assert key_of(rig) == key == keeper.kept[-1].key

    play(scenario())


def test_same_key_twice_is_one(tmp_path: Path) -> None:
    """A KEY that is repeated while it is being kept: the session comes back once."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            keeper.may_go_on.clear()
            key = rotated(server)
            session = server.sessions.of(DEVICE)
            assert session is not None
            session.give_key(key)
            await until(lambda: keeper.begun and len(rig.stream._tasks) == 2)
            keeper.may_go_on.set()
            await until(lambda: rig.link.sessions == 2)
            rig.accept(1.0)
            await until(lambda: rig.spool.acknowledged == 1)
            assert (keeper.begun, rig.link.sessions) == (1, 2)

    play(scenario())


def test_join_goes_before_a_key_that_came_late(tmp_path: Path) -> None:
    """A KEY for who this device was is not kept in place of what the join brought."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            shed = member(server, "shed")
            keeper.may_go_on.clear()
            joining = asyncio.create_task(rig.link.join(shed))
            await until(lambda: keeper.begun == 1)
            rotated(server)
            await until(lambda: len(rig.stream._tasks) == 1)
            keeper.may_go_on.set()
            await joining
            await until(lambda: server.sessions.of("shed"))
            assert keeper.kept == [shed.credentials]
            assert keeper.in_place_of == [None], "whatever is there"
            assert rig.link.contact is shed

    play(scenario())


def test_join_that_cannot_be_kept_changes_nothing(tmp_path: Path) -> None:
    """Whoever handed it over is told; the session goes on."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            keeper.error = KeyFileError("no space left on device")
            before = rig.link.contact
            with pytest.raises(KeyFileError):
                await rig.link.join(member(server, "shed"))
            assert rig.link.contact is before
            rig.accept(1.0)
            await until(lambda: rig.spool.acknowledged == 1)
            assert rig.link.sessions == 1

    play(scenario())


def test_join_under_another_name_begins_anew(tmp_path: Path) -> None:
    """What was offered under the former one is set aside; what is read from now on goes out."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            collector.acknowledges = False
            rig.accept(1.0)
            rig.link.send_now()
            await until(lambda: collector.readings == 1)
            former = rig.epoch
            rig.link.rejoin(Contact("shed", rig.link.contact.addresses))
            await until(lambda: rig.link.is_up)
            rig.accept(2.0)
            rig.link.send_now()
            await until(lambda: collector.readings == 2)
            assert [each.device for each in collector.session.heard(Hello)] == ["shed"]
            (hold,) = collector.session.heard(Hold)
            assert [each.epoch for each in hold.epochs] == [rig.epoch]
            assert [each.epoch for each in rig.spool.epochs.of_others("shed")] == [former]
            assert spool_status(rig.spool, rig.link.owner, 1.0).others_epochs == 1
            rig.link.rejoin(Contact(DEVICE, rig.link.contact.addresses))
            collector.acknowledges = True
            await until(lambda: former in collector.ends)

    play(scenario())


def test_join_while_a_session_is_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an address that never answers: it is left at once, not when its time is over."""
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 3600.0)

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server):
            with socket.create_server(("127.0.0.1", 0)) as silent:
                silent.settimeout(0)
                contact = member(server)
                address = Address("127.0.0.1", silent.getsockname()[1])
                rig.link.contact = contact._replace(addresses=(address,))
                async with running(rig):
                    await until(lambda: rig.link._opening)
                    await asyncio.sleep(0)
                    rig.link.rejoin(contact)
                    rig.link.rejoin(contact)
                    await until(lambda: rig.link.is_up)
                    assert rig.link.sessions == 1

    entries = [each for each in play(scenario()) if each["event"].startswith("link")]
    assert [each["event"] for each in entries] == ["link_down", "link_up"]
    assert entries[0]["reason"] == "stopping"


def test_join_at_any_moment_of_an_opening(tmp_path: Path) -> None:
    """However far the one before has come, the session that stays is that of the last join."""

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server):
            names = [f"pi-{number}" for number in range(30)]
            rig.link.contact = member(server)
            async with running(rig):
                for turns, name in enumerate(names):
                    contact = member(server, name)
                    rig.link.rejoin(member(server))
                    for _ in range(turns):
                        await asyncio.sleep(0.0005)
                    rig.link.rejoin(contact)
                    await until(lambda name=name: server.sessions.of(name) and rig.link.is_up)
                    assert rig.stream._contact is contact

    play(scenario())


def test_join_at_the_last_moment_of_an_opening(tmp_path: Path) -> None:
    """Connected, but not known to the link yet: that session is not left to go on."""

    async def scenario() -> None:
        async with with_server(tmp_path) as (rig, server):
            loop = asyncio.get_running_loop()
            connect, contact = loop.create_connection, member(server, "shed")

            async def create_connection(*how: Any, **more: Any) -> Any:
                made = await connect(*how, **more)
                if rig.link.contact is not contact:
                    rig.link.rejoin(contact)
                return made

            rig.link.contact = member(server)
            with patch.object(loop, "create_connection", create_connection):
                async with running(rig):
                    await until(lambda: rig.link.is_up)
                    assert rig.stream._contact is contact
                    await until(lambda: server.sessions.devices == ["shed"])

    play(scenario())


def test_join_while_epochs_are_offered(tmp_path: Path) -> None:
    """A card that takes its time: the next session waits for the one before, which has no say any more."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(1)
            mover, go_on = rig.spool.mover, threading.Event()
            assert mover is not None
            stalled = asyncio.create_task(mover.card.do(lambda _: go_on.wait(WITHIN_S)))
            async with running(rig):
                await until(lambda: collector.sessions and collector.session.heard(Describe))
                rig.link.rejoin(Contact("shed", rig.link.contact.addresses))
                await until(lambda: len(collector.sessions) == 2)
                await until(lambda: collector.session.heard(Describe))
                go_on.set()
                await stalled
                await until(lambda: rig.link.is_up)
                (hold,) = collector.session.heard(Hold)
                assert [each.epoch for each in hold.epochs] == [rig.epoch]
                assert [each.owner for each in rig.spool.epochs] == ["shed"]
                await until(lambda: collector.readings == 1)
            assert len(collector.sessions) == 2

    play(scenario())


def test_join_without_room_for_another_epoch_is_tried_again(tmp_path: Path) -> None:
    """A session in which nothing could be offered would stay for ever: it ends, and says why."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            with patch.object(rig.spool.near, "put_epochs", raising("full")):
                rig.link.rejoin(Contact("shed", rig.link.contact.addresses))
                await until(lambda: len(collector.sessions) > 2)
                assert rig.link.last_end is not None
                assert "no room to begin another epoch" in rig.link.last_end.detail
            await until(lambda: rig.link.is_up)
            assert [each.device for each in collector.session.heard(Hello)] == ["shed"]

    play(scenario())


def test_join_leaves_nothing_behind(tmp_path: Path) -> None:
    """What was offered to the former collector is acknowledged by it, to its end, before the change."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, _):
            former = rig.link.owner
            rig.accept(1.0)
            await rig.link.join(member(server, "shed"))
            await until(lambda: rig.link.sessions == 2)
            rig.accept(2.0)
            await until(lambda: rig.spool.acknowledged == 2)
            assert not rig.spool.epochs.offered_to(former)
            assert not rig.spool.epochs.of_others(rig.link.owner)

    play(scenario())


# --- whose the epochs are


def test_ready_says_which_collector_it_is(tmp_path: Path) -> None:
    """A plain one too: what it was offered is another's no more, and a join there finds it again."""
    one, two = bytes(range(32)), bytes(range(32, 64))

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            collector.fingerprint, collector.acknowledges = one, False
            rig.close_batches(1)
            first = rig.epoch
            assert rig.link.owner == DEVICE
            async with running(rig):
                await until(lambda: rig.link.is_up)
                assert rig.link.owner == f"{DEVICE}@{one.hex()[:16]}"
                collector.fingerprint = two
                rig.link.rejoin(Contact(DEVICE, rig.link.contact.addresses))
                assert rig.link.owner == DEVICE
                await until(lambda: rig.link.is_up)
                (hold,) = collector.session.heard(Hold)
                assert [each.epoch for each in hold.epochs] == [rig.epoch] != [first]
                assert [each.epoch for each in rig.spool.epochs.of_others(rig.link.owner)] == [
                    first
                ]
                collector.fingerprint, collector.acknowledges = one, True
                collector.session.cut()
                await until(lambda: first in collector.ends)

    play(scenario())


def test_ready_of_another_than_its_certificate(tmp_path: Path) -> None:
    """It ends the session before anything is offered."""
    says = frames.encode(Challenge(bytes(32))) + frames.encode(Ready(1, "test", bytes(32)))

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer", says) as peer, rigged(tmp_path, 1) as rig:
            rig.link.contact = joined_as(DEVICE, peer)
            rig.close_batches(1)
            async with running(rig):
                await until(lambda: peer.met >= 2)
            assert [each.owner for each in rig.spool.epochs] == [None]

    (entry,) = play(scenario())
    assert entry["reason"] == "wrong_collector"


def test_ready_of_a_former_contact_says_nothing(tmp_path: Path) -> None:
    """READY that comes to a session which a join has ended: the owner is the new contact's."""

    async def scenario() -> None:
        async with rigged(tmp_path, 1) as rig:
            former = rig.link.contact
            rig.link.rejoin(Contact("shed", former.addresses))
            rig.link.met(former, f"{DEVICE}@one")
            assert rig.link.owner == "shed"

    play(scenario())


# --- another contact, by the YAML


def test_changed_address_is_connected_to_at_once(tmp_path: Path) -> None:
    """Nothing is lost on the way; what is the same already is left alone."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, _), scripted_collector() as other:
            same, there = rig.link.contact, (Address("127.0.0.1", other.port),)
            await rig.link.change(lambda _: Contact(*same))
            assert rig.link.is_up
            await rig.link.change(lambda found: Contact(DEVICE, there, found))
            rig.accept(1.0)
            await until(lambda: rig.spool.acknowledged == 1)
            assert rig.link.address == there[0]
            assert other.readings == 1

    events = [each["event"] for each in play(scenario())]
    assert events[:3] == ["link_up", "link_down", "link_up"]


def test_changed_name_takes_leave_of_the_collector_first(tmp_path: Path) -> None:
    """What was read as the former is acknowledged as the former's; the rest goes out as the other's."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            rig.accept(1.0)
            former = rig.epoch
            await rig.link.change(lambda _: Contact("shed", rig.link.contact.addresses))
            assert former in collector.ends
            rig.accept(2.0)
            await until(lambda: rig.spool.acknowledged == 2)
            assert collector.session.heard(Hello)[0].device == "shed"
            assert rig.epoch != former

    play(scenario())


def test_changed_contact_has_the_credentials_that_are_used_by_then(tmp_path: Path) -> None:
    """A join under way comes first."""

    async def scenario() -> None:
        async with kept(tmp_path) as (rig, server, keeper):
            shed = member(server, "shed")
            keeper.may_go_on.clear()
            joining = asyncio.create_task(rig.link.join(shed))
            await until(lambda: keeper.begun == 1)
            found: list[Credentials | None] = []
            change = asyncio.create_task(
                rig.link.change(lambda each: found.append(each) or shed)  # type: ignore[func-returns-value]
            )
            keeper.may_go_on.set()
            await asyncio.gather(joining, change)
            assert found == [shed.credentials]

    play(scenario())


def test_each_change_of_the_link_is_told(tmp_path: Path) -> None:
    """Down, up, and down for another reason; not each try of many."""
    told: list[str] = []

    async def scenario() -> None:
        port = free_port()
        async with rigged(tmp_path, port) as rig:

            def tell() -> None:
                end = rig.link.last_end
                told.append(end.reason if end else "up")

            rig.link.on_change = tell
            tries = Tries()
            rig.link._backoff = tries
            async with running(rig):
                await until(lambda: tries.count >= 3)
                async with scripted_collector(port) as collector:
                    await until(lambda: rig.link.is_up)
                    collector.session.bye("stopping")
                    await until(lambda: len(told) >= 3)

    play(scenario())
    assert told[:3] == ["no_connection", "up", "stopping"]


class Tries(Backoff):
    """No wait, and how often there was none."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.count = 0

    def next_s(self, retry_after_s: float = 0.0) -> float:
        """Count it."""
        self.count += 1
        return super().next_s(retry_after_s)

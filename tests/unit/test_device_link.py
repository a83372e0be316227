"""device.link: one session after the other, whatever ends them, and the last one at a stop."""

import asyncio
import socket
from pathlib import Path

import pytest

from device import link as link_module
from device.backoff import FIRST_S, Backoff
from kit.links import Rig, linked, met, opened, play, rigged, running, seqs
from kit.programs import free_port
from kit.scripted import ended, scripted_collector
from kit.waiting import WITHIN_S, until
from wire import frames
from wire.bodies import Bye, End, Hold, Marks, Ready
from wire.conversation import Closed
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
            assert rig.link._closing is not None
            assert rig.link._closing.when() <= asyncio.get_running_loop().time() + 0.5

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
                await until(lambda: rig.link._closing is None)
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


def test_name_that_resolves_to_nothing_says_so() -> None:
    """The resolver's words, not an error number that nobody knows."""
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert link_module._told(error) == "Name or service not known"


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

"""device.link_stream: what a session says, in which order, and how much of it at once."""

import asyncio
import random
import threading
from functools import partial
from pathlib import Path

import pytest

from device import link_stream
from device.credentials import Credentials
from device.departure import BATCH_AGE_S
from device.spool.tier import Tier
from kit.links import (
    AGENT,
    DEVICE,
    NEXT_BOOT,
    Rig,
    abandon,
    linked,
    met,
    opened,
    play,
    rigged,
    rows_ahead,
    running,
    seqs,
)
from kit.scripted import ScriptedCollector
from kit.spoolfaults import failing_at
from kit.waiting import until
from kit.wireworks import MOMENT
from wire import frames
from wire.blocks import Point
from wire.bodies import (
    Ack,
    Command,
    Describe,
    End,
    Gap,
    Held,
    Hold,
    Mark,
    Marks,
    Ping,
    Pong,
    Reject,
    Result,
)
from wire.conversation import Closed
from wire.greetings import Hello
from wire.receiver import Arrived
from wire.sender import BACKLOG_BYTES, WINDOW_BYTES


def held(epoch: bytes, lowest_seq: int) -> Held:
    """How HOLD names an epoch of the first boot."""
    return Held(epoch, lowest_seq, MOMENT, MOMENT.boot_ns)


def hold(collector: ScriptedCollector) -> Hold:
    """The HOLD of the newest session."""
    (found,) = collector.session.heard(Hold)
    return found


def sent(collector: ScriptedCollector) -> list[tuple[bytes, object]]:
    """What of epochs came in the newest session, in order: seq of a batch, seqs of a gap, `end`."""
    found: list[tuple[bytes, object]] = []
    for event in collector.session.events:
        if isinstance(event, Arrived):
            found.append((event.header.place.epoch, event.header.place.seq))
        elif isinstance(event, Gap):
            found.append((event.epoch, (event.first_seq, event.last_seq)))
        elif isinstance(event, End):
            found.append((event.epoch, "end"))
    return found


async def all_over(rig: Rig) -> None:
    """Wait until the collector has all but the present epoch, and all of that."""
    await until(lambda: rig.spool.held_readings == 0 and len(rig.feeds) == 1)
    assert rig.stream.sender.unacknowledged_bytes == 0


# --- PING


def test_clock_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    """What the spool dates batches by, of this moment."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector), running(rig):
            await until(lambda: rig.link.is_up)
            collector.session.send(Ping(7))
            await until(lambda: collector.session.heard(Pong))
            assert collector.session.heard(Pong) == [Pong(7, MOMENT)]

    play(scenario())


# --- HOLD and MARKS


def test_session_begins_as_the_protocol_says(tmp_path: Path) -> None:
    """HELLO, DESCRIBE, HOLD; no batch before MARKS, then all that was held."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            collector.answers_hold = False
            rig.close_batches(2)
            async with running(rig):
                await until(lambda: collector.sessions and collector.session.heard(Hold))
                assert collector.session.events == [
                    Hello(DEVICE, 1, 1, AGENT),
                    rig.description,
                    Hold([held(rig.epoch, 1)]),
                ]
                was_up = rig.link.is_up
                collector.session.send(Marks([Mark(rig.epoch, 0)]))
                await until(lambda: rig.spool.acknowledged == 2)
                assert (was_up, rig.link.is_up) == (False, True)
                assert seqs(collector.stored) == [1, 2]

    entries = play(scenario())
    assert [each["event"] for each in entries] == ["link_up"]


def test_hold_names_all_epochs_the_present_first(tmp_path: Path) -> None:
    """Those in memory and those on the card, with the lowest seq of each, the oldest next."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            epochs = []
            for count in (3, 2, 1):
                rig.close_batches(count)
                epochs.append(rig.epoch)
                if count == 2:
                    await rig.to_card()
                await rig.spool.begin()
            oldest = rig.spool.epochs.find(epochs[0])
            assert oldest is not None
            rig.spool.acknowledge(oldest, 2)
            async with running(rig):
                await until(lambda: rig.link.is_up)
                assert [(each.epoch, each.lowest_seq) for each in hold(collector).epochs] == [
                    (rig.epoch, 1),
                    (epochs[0], 3),
                    (epochs[1], 1),
                    (epochs[2], 1),
                ]

    play(scenario())


def test_goes_on_behind_the_mark(tmp_path: Path) -> None:
    """What the collector committed before the acknowledgement got lost is not sent again."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(4)
            collector.marks[rig.epoch] = 3
            async with running(rig):
                await until(lambda: rig.spool.acknowledged == 4)
            assert sent(collector) == [(rig.epoch, 4)]

    play(scenario())


@pytest.mark.parametrize("on_card", [False, True])
@pytest.mark.parametrize("count_held", [0, 2])
def test_collector_that_forgot_gets_a_gap(tmp_path: Path, count_held: int, on_card: bool) -> None:
    """An older store: exactly what it had acknowledged is gone, and it is told so before the rest."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(5)
            if on_card:
                await rig.to_card()
            present = rig.spool.epochs.present
            assert present is not None
            rig.spool.acknowledge(present, 5 - count_held)
            await until(lambda: rig.spool.held_readings == count_held)
            collector.marks[rig.epoch] = 1
            async with running(rig):
                await until(lambda: collector.gaps and rig.spool.held_readings == 0)
                gap = Gap(rig.epoch, 2, 5 - count_held, "collector_rollback")
                assert collector.gaps == [gap]
                assert seqs(collector.stored) == list(range(6 - count_held, 6))
                rig.close_batches(1)
                rig.link.send_now()
                await until(lambda: rig.spool.acknowledged == 6)

    play(scenario())


def test_end_of_an_epoch_that_was_forgotten_waits_for_its_gap(tmp_path: Path) -> None:
    """END follows the acknowledgement of this session, not one of an earlier session."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(3)
            epoch, former = rig.epoch, rig.spool.epochs.present
            assert former is not None
            await rig.spool.begin()
            rig.spool.acknowledge(former, 3)
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: collector.gaps)
                await until(lambda: rig.stream.sender.unacknowledged_bytes)
                assert sent(collector) == [(epoch, (1, 3))]
                collector.session.acknowledge()
                await until(lambda: collector.ends)
                assert collector.ends == {epoch: End(epoch, "rolled", 3, 3)}

    play(scenario())


@pytest.mark.parametrize("on_card", [False, True])
def test_holes_are_told(tmp_path: Path, on_card: bool) -> None:
    """Rows that are not where they should be: gaps `spool_lost`, between, before and behind."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(9)
            if on_card:
                await rig.to_card()
            missing = "DELETE FROM batch WHERE seq IN (1, 4, 5, 9)"
            if on_card:
                assert rig.spool.mover is not None
                await rig.spool.mover.card.do(lambda tier: tier._database.execute(missing))
            else:
                rig.spool.near._database.execute(missing)
            epoch = rig.epoch
            await rig.spool.begin()
            async with running(rig):
                await until(lambda: collector.ends)
            assert sent(collector) == [
                *((epoch, seqs) for seqs in ((1, 1), 2, 3, (4, 5), 6, 7, 8, (9, 9), "end"))
            ]
            assert {gap.reason for gap in collector.gaps} == {"spool_lost"}

    play(scenario())


@pytest.mark.parametrize("by", ["marks", "ack"])
@pytest.mark.parametrize("is_present", [True, False])
def test_promise_of_what_was_never_closed_is_refused(
    tmp_path: Path, by: str, is_present: bool
) -> None:
    """A mark beyond the last batch would let go of readings that do not exist yet."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(2)
            epoch = rig.epoch
            if not is_present:
                await rig.spool.begin()
            collector.acknowledges = False
            if by == "marks":
                collector.marks[epoch] = 3
            async with running(rig):
                await until(lambda: collector.sessions)
                session = collector.session
                if by == "ack":
                    await until(lambda: session.heard(Arrived))
                    collector.answers_hold = False
                    session.send(Ack(epoch, 3))
                await until(lambda: session.heard(Closed))
                (closed,) = session.heard(Closed)
                assert (closed.reason, closed.by_peer) == ("protocol_error", True)
                assert "mark 3" in closed.detail
                assert rig.spool.held_readings == 2

    entries = play(scenario())
    assert [each["reason"] for each in entries if each["event"] == "link_down"] == [
        "protocol_error"
    ]


# --- epochs and their ends


def test_end_is_sent_once_all_is_acknowledged(tmp_path: Path) -> None:
    """And its acknowledgement lets go of the epoch, in both tiers."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(3)
            await rig.to_card()
            epoch = rig.epoch
            await rig.spool.begin()
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: len(collector.stored) == 3)
                collector.session.send(Ack(epoch, 2))
                await until(lambda: rig.feeds[1].mark == 2)
                assert collector.ends == {}
                collector.session.send(Ack(epoch, 3))
                await until(lambda: rig.spool.epochs.find(epoch) is None)
                assert collector.ends == {epoch: End(epoch, "rolled", 3, 3)}
                assert rig.spool.mover is not None
                on_card = await rig.spool.mover.card.do(Tier.epochs)
                for facts in (rig.spool.near.epochs(), on_card):
                    assert [each.epoch for each in facts] == [rig.epoch]

    play(scenario())


def test_end_that_was_not_acknowledged_is_sent_again(tmp_path: Path) -> None:
    """In the next session, alone: its batches are committed."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(2)
            epoch = rig.epoch
            await rig.spool.begin()
            collector.acknowledges_ends = False
            async with running(rig):
                await until(lambda: collector.ends)
                collector.acknowledges_ends = True
                collector.ends.clear()
                collector.session.cut()
                await until(lambda: collector.ends and len(rig.feeds) == 1)
                assert hold(collector).epochs == [held(rig.epoch, 1), held(epoch, 3)]
                assert sent(collector) == [(epoch, "end")]

    play(scenario())


def test_present_epoch_goes_first_and_then_the_oldest(tmp_path: Path) -> None:
    """One epoch after the other, each whole before the next begins."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            epochs = []
            for _ in range(3):
                rig.close_batches(4)
                epochs.append(rig.epoch)
                await rig.spool.begin()
            rig.close_batches(2)
            await rig.to_card()
            async with running(rig):
                await until(lambda: len(collector.ends) == 3)
                await all_over(rig)
            came = [(each.header.place.epoch, each.header.place.seq) for each in collector.stored]
            assert came[:2] == [(rig.epoch, 1), (rig.epoch, 2)]
            assert came[2:] == [(epoch, seq) for epoch in epochs for seq in (1, 2, 3, 4)]

    play(scenario())


def test_present_epoch_does_not_wait_for_the_others(tmp_path: Path) -> None:
    """A backlog on the card that the collector does not acknowledge takes 64 KiB of the window at
    most, and a reading taken meanwhile leaves within the age of a batch.
    """

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            await backlog(rig, 3000)
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: is_bounded(rig) and is_full(rig, collector))
                loop = asyncio.get_running_loop()
                for count in (1, 2):
                    rig.accept(1.0)
                    accepted_s = loop.time()
                    await until(partial(has_come, rig, collector, count))
                    assert loop.time() - accepted_s < BATCH_AGE_S + 1.0
                collector.acknowledges = True
                collector.session.acknowledge()
                await until(lambda: is_bounded(rig) and rig.spool.held_readings == 0)
                assert collector.readings == 3000 * 10 + 2

    play(scenario())


def has_come(rig: Rig, collector: ScriptedCollector, count: int) -> bool:
    """Say whether so many batches of the present epoch came, and look at the bounds meanwhile."""
    return is_bounded(rig) and len(seqs(collector.stored, rig.epoch)) == count


async def backlog(rig: Rig, batches: int) -> bytes:
    """Put so many batches of ten readings on the card; return their epoch, which is over."""
    epoch = rig.epoch
    rig.close_batches(batches, readings=10)
    await rig.to_card()
    await rig.spool.begin()
    return epoch


def is_full(rig: Rig, collector: ScriptedCollector) -> bool:
    """Say whether the backlog has no room any more, and all that was sent of it has arrived."""
    if len(rig.feeds) < 2:
        return False
    feed = rig.feeds[1]
    row, epoch = feed.next_row(), feed.facts.epoch
    has_room = row is None or rig.stream.sender.has_room(epoch, len(row.sealed))
    return not has_room and len(collector.stored) == feed.next_seq - 1


def is_bounded(rig: Rig) -> bool:
    """Look at what the session holds in memory: bounded, whatever waits."""
    if rig.link._stream is not None:
        assert rig.stream.sender.backlog_bytes <= BACKLOG_BYTES
        for rows in rows_ahead(rig):
            assert sum(len(row.sealed) for row in rows[:-1]) < BACKLOG_BYTES
        assert len(rows_ahead(rig)) <= 2, "the present epoch and one other"
    return True


def test_window_bounds_what_is_under_way(tmp_path: Path) -> None:
    """512 KiB unacknowledged and no more; each acknowledgement lets the next batches go."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            noise = random.Random(1)
            collector.acknowledges = False
            while rig.spool.held_bytes < 3 * WINDOW_BYTES:
                points = [Point(f"c_{i}", "", noise.random(), 0) for i in range(1000)]
                assert rig.spool.accept("noise", 1, points)
            rig.link.send_now()
            (feed,) = rig.feeds

            def is_full() -> bool:
                waiting = feed.next_row()
                all_arrived = len(collector.stored) == feed.next_seq - 1
                room = waiting and rig.stream.sender.has_room(rig.epoch, len(waiting.sealed))
                return all_arrived and room is False

            for mark in (0, 2, 4):
                collector.session.send(Ack(rig.epoch, mark))
                await until(partial(lambda mark: feed.mark == mark, mark))
                await until(is_full)
                sizes = [len(arrived.sealed) for arrived in collector.stored[mark:]]
                assert WINDOW_BYTES - 64 * 1024 < sum(sizes) <= WINDOW_BYTES
                assert rig.stream.sender.unacknowledged_bytes == sum(sizes)
                assert is_bounded(rig)
            collector.acknowledges = True
            collector.session.acknowledge()
            await until(lambda: rig.spool.held_readings == 0)
            assert seqs(collector.stored) == list(range(1, feed.facts.last_seq + 1))

    play(scenario())


@pytest.mark.parametrize("batches", [100, 700])
def test_long_present_epoch_is_ended_when_a_session_begins(tmp_path: Path, batches: int) -> None:
    """With more than 64 KiB waiting another begins, so that live readings need not wait; else none."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            former = rig.epoch
            rig.close_batches(batches)
            is_long = rig.spool.held_bytes > 64 * 1024
            assert is_long == (batches == 700)
            async with running(rig):
                await until(lambda: rig.link.is_up)
                epochs = [each.epoch for each in hold(collector).epochs]
                assert epochs == ([rig.epoch, former] if is_long else [former])
                await all_over(rig)
                assert seqs(collector.stored, former) == list(range(1, batches + 1))
                assert [each.reason for each in collector.ends.values()] == ["rolled"] * is_long
                collector.session.cut()
                await until(lambda: rig.link.sessions == 2)
                assert [each.epoch for each in hold(collector).epochs] == [rig.epoch]

    play(scenario())


def test_roll_outlasts_the_session_that_asked_for_it(tmp_path: Path) -> None:
    """Cut while the card writes the row of the next epoch: that epoch comes to be all the same."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            rig.close_batches(700)
            former, mover, go_on = rig.epoch, rig.spool.mover, threading.Event()
            assert mover is not None
            stalled = asyncio.create_task(mover.card.do(lambda _: go_on.wait(20)))
            async with running(rig):
                await until(lambda: collector.sessions and collector.session.heard(Describe))
                collector.session.cut()
                await until(lambda: len(collector.sessions) == 2)
                go_on.set()
                await stalled
                await until(lambda: former in collector.ends)
                await all_over(rig)
            on_card = {each.epoch for each in await mover.card.do(Tier.epochs)}
            assert on_card <= {each.epoch for each in rig.spool.epochs}, "none is left by itself"

    play(scenario())


def test_epoch_whose_end_nobody_knows(tmp_path: Path) -> None:
    """After a power cut: what is on the card, then an END that says so; any mark is possible."""

    async def scenario() -> None:
        spool = await opened(tmp_path)
        former = Rig(1, spool)
        former.close_batches(3)
        await former.to_card()
        former.close_batches(4)  # only in memory
        epoch = former.epoch
        await abandon(spool)
        async with met(tmp_path, now=NEXT_BOOT) as (rig, collector), running(rig):
            await until(lambda: collector.ends)
            end = End(epoch, "power_cut", until=NEXT_BOOT)
            assert sent(collector) == [(epoch, 1), (epoch, 2), (epoch, 3), (epoch, "end")]
            assert collector.ends == {epoch: end}
            await all_over(rig)

    play(scenario())


@pytest.mark.parametrize("mark", [5, 2**63 - 1])
def test_mark_beyond_an_end_that_nobody_knows(tmp_path: Path, mark: int) -> None:
    """What was in memory had been acknowledged before the power cut: nothing but the END is left."""

    async def scenario() -> None:
        spool = await opened(tmp_path)
        former = Rig(1, spool)
        former.close_batches(3)
        await former.to_card()
        epoch = former.epoch
        await abandon(spool)
        async with met(tmp_path, now=NEXT_BOOT) as (rig, collector):
            collector.marks[epoch] = mark
            async with running(rig):
                await until(lambda: collector.ends)
                assert sent(collector) == [(epoch, "end")]
                await all_over(rig)

    play(scenario())


# --- the card


@pytest.fixture
def hasty_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that fails is tried again at once."""
    monkeypatch.setattr(link_stream, "_CARD_AGAIN_S", 0.01)


@pytest.mark.usefixtures("hasty_card")
def test_card_that_fails_is_asked_again(tmp_path: Path) -> None:
    """No gap is invented for what it may still hold, and no END; live readings go on."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            former = await backlog(rig, 1000)
            mover = rig.spool.mover
            assert mover is not None
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: is_full(rig, collector))
                arrived = len(collector.stored)
                await mover.card.do(Tier.close)
                (tmp_path / "state").rename(tmp_path / "away")
                collector.acknowledges = True
                collector.session.acknowledge()
                await until(lambda: mover.card.error)
                rig.accept(1.0)
                await until(lambda: seqs(collector.stored, rig.epoch) == [1])
                assert arrived <= len(seqs(collector.stored, former)) < 1000
                assert (collector.gaps, collector.ends) == ([], {})
                (tmp_path / "away").rename(tmp_path / "state")
                await until(lambda: former in collector.ends)
            assert seqs(collector.stored, former) == list(range(1, 1001))
            assert collector.gaps == []
            assert len(collector.sessions) == 1

    play(scenario())


def test_epoch_that_waits_for_the_card_holds_up_no_other(tmp_path: Path) -> None:
    """What lies in memory goes out, though an older epoch is on a card that fails."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            oldest = await backlog(rig, 3)
            younger = rig.epoch
            rig.close_batches(2)
            await rig.spool.begin()
            with failing_at("open", "io"):
                assert rig.spool.mover is not None
                await rig.spool.mover.card.do(Tier.close)
                async with running(rig):
                    await until(lambda: younger in collector.ends)
                    assert seqs(collector.stored, oldest) == []
            async with running(rig):
                await until(lambda: oldest in collector.ends)
            assert seqs(collector.stored, oldest) == [1, 2, 3]
            assert seqs(collector.stored, younger) == [1, 2]
            assert collector.gaps == []

    play(scenario())


def test_reads_of_the_card_do_not_hold_up_the_loop(tmp_path: Path) -> None:
    """While the card stalls, the present epoch goes on, and the session with it."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            former, go_on = await backlog(rig, 50), threading.Event()
            assert rig.spool.mover is not None
            async with running(rig):
                collector.answers_hold = False
                await until(lambda: collector.sessions and collector.session.heard(Hold))
                stalled = asyncio.create_task(rig.spool.mover.card.do(lambda _: go_on.wait(20)))
                await asyncio.sleep(0)
                collector.session.send(Marks([Mark(rig.epoch, 0), Mark(former, 0)]))
                rig.accept(1.0)
                await until(lambda: seqs(collector.stored) == [1])
                assert not stalled.done()
                go_on.set()
                await stalled
                await until(lambda: former in collector.ends)
            assert seqs(collector.stored, former) == list(range(1, 51))

    play(scenario())


# --- REJECT


@pytest.mark.parametrize("on_card", [False, True])
@pytest.mark.parametrize("bad", [{2}, {1, 2, 5}, {3, 5}])
def test_rejected_batch_becomes_a_gap_in_its_place(
    tmp_path: Path, bad: set[int], on_card: bool
) -> None:
    """All others are stored, in order, and the end follows; nothing stays under way."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            epoch = rig.epoch
            rig.close_batches(5, readings=3)
            if on_card:
                await rig.to_card()
            await rig.spool.begin()
            collector.rejects = {(epoch, seq) for seq in bad}
            async with running(rig):
                await until(lambda: collector.ends)
                await all_over(rig)
            assert seqs(collector.stored) == [seq for seq in range(1, 6) if seq not in bad]
            assert [(gap.first_seq, gap.last_seq, gap.reason) for gap in collector.gaps] == [
                (seq, seq, "rejected") for seq in sorted(bad)
            ]
            first, *_ = collector.gaps
            began_ns = MOMENT.boot_ns + 3 * (min(bad) - 1)
            assert (first.readings, first.first_ns, first.last_ns) == (3, began_ns, began_ns + 2)
            assert len(collector.sessions) == 1

    entries = play(scenario())
    assert {each["seq"] for each in entries if each["event"] == "batch_rejected"} == bad


@pytest.mark.parametrize("on_card", [False, True])
def test_two_rejects_in_one_packet(tmp_path: Path, on_card: bool) -> None:
    """The later batch first: nothing is sent until both gaps stand, and then each row once."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            epoch = rig.epoch
            rig.close_batches(6)
            if on_card:
                await rig.to_card()
            await rig.spool.begin()
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: len(collector.stored) == 6)
                session = collector.session
                del session.events[:], collector.stored[2:]
                collector.marks[epoch] = 2
                collector.acknowledges = True
                session.receiver.reject(epoch, 5, "later")
                session.receiver.reject(epoch, 3, "earlier")
                session.transport.writelines(session.receiver.outgoing(0.0))
                await until(lambda: collector.ends)
                await all_over(rig)
            assert sent(collector) == [(epoch, each) for each in ((3, 3), 4, (5, 5), 6, "end")]

    play(scenario())


def test_reject_behind_an_ack_in_one_packet(tmp_path: Path) -> None:
    """What the ACK makes room for is not sent before the REJECT is known: it would fill the window."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            epoch, noise = rig.epoch, random.Random(1)
            collector.acknowledges = False
            while rig.spool.held_bytes < 3 * WINDOW_BYTES:
                points = [Point(f"c_{i}", "", noise.random(), 0) for i in range(1000)]
                assert rig.spool.accept("noise", 1, points)
            rig.link.send_now()
            (feed,) = rig.feeds
            await until(lambda: len(collector.stored) == feed.next_seq - 1 > 4)
            session = collector.session
            del session.events[:], collector.stored[2:]
            collector.marks[epoch] = 2
            collector.acknowledges = True
            session.receiver.ack(epoch, 2)
            session.receiver.reject(epoch, 3, "refused")
            session.transport.writelines(session.receiver.outgoing(0.0))
            await until(lambda: rig.spool.held_readings == 0)
            last = feed.facts.last_seq
            assert sent(collector) == [(epoch, each) for each in ((3, 3), *range(4, last + 1))]

    play(scenario())


def test_reject_while_the_card_is_read(tmp_path: Path) -> None:
    """Rows that were asked for before are not sent before the gap."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            former = await backlog(rig, 1000)
            mover, go_on = rig.spool.mover, threading.Event()
            assert mover is not None
            collector.acknowledges = False
            async with running(rig):
                await until(lambda: is_full(rig, collector))
                stalled = asyncio.create_task(mover.card.do(lambda _: go_on.wait(20)))
                await asyncio.sleep(0)
                session, mark = collector.session, len(collector.stored) - 2
                del session.events[:], collector.stored[mark:]
                collector.marks[former] = mark
                session.acknowledge()
                await until(lambda: rig.feeds[1].is_reading)
                collector.acknowledges = True
                session.receiver.reject(former, mark + 1, "refused")
                session.transport.writelines(session.receiver.outgoing(0.0))
                await until(lambda: rig.feeds[1].mending)
                go_on.set()
                await stalled
                await until(lambda: former in collector.ends)
                await all_over(rig)
            came = [what for epoch, what in sent(collector) if epoch == former]
            assert (mark + 1, mark + 1) in came
            behind = came[came.index((mark + 1, mark + 1)) + 1 :]
            assert behind == [*range(mark + 2, 1001), "end"]

    play(scenario())


def test_reject_of_what_is_not_under_way_ends_the_session(tmp_path: Path) -> None:
    """A batch that was acknowledged, or never sent, cannot be refused."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            rig.close_batches(1)
            rig.link.send_now()
            await until(lambda: rig.spool.acknowledged == 1)
            session = collector.session
            session.send(Reject(rig.epoch, 1, "too late"))
            await until(lambda: session.heard(Closed))
            assert session.heard(Closed)[0].reason == "protocol_error"
            assert collector.gaps == []

    play(scenario())


# --- commands


def test_command_is_answered_by_its_result(tmp_path: Path) -> None:
    """With what it gave; readings go on meanwhile."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            may_end = asyncio.Event()

            async def obey(command: Command) -> Result:
                await may_end.wait()
                return Result(command.id, True, "done", {"air.temperature": 21.5})

            rig.link.obey = obey
            collector.session.send(Command(7, "read_now"))
            rig.accept(1.0)
            await until(lambda: rig.spool.acknowledged == 1)
            assert collector.session.heard(Result) == []
            may_end.set()
            await until(lambda: collector.session.heard(Result))
            assert collector.session.heard(Result) == [
                Result(7, True, "done", {"air.temperature": 21.5})
            ]

    play(scenario())


def test_command_ends_with_its_session(tmp_path: Path) -> None:
    """It is cancelled, and no later session hears of it."""

    async def scenario() -> None:
        async with linked(tmp_path) as (rig, collector):
            was: list[str] = []

            async def obey(_: Command) -> Result:
                was.append("begun")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    was.append("cancelled")
                    raise
                raise AssertionError

            rig.link.obey = obey
            collector.session.send(Command(1, "identify"))
            await until(lambda: was)
            collector.session.cut()
            await until(lambda: was == ["begun", "cancelled"])
            await until(lambda: rig.link.sessions == 2)
            assert collector.session.heard(Result) == []

    play(scenario())


def test_bug_in_the_session_comes_out_of_the_link(tmp_path: Path) -> None:
    """It is not swallowed with its task: whoever runs the link sees it, the collector a BYE."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):

            async def obey(_: Command) -> Result:
                raise RuntimeError("a bug")

            rig.link.obey = obey
            task = asyncio.create_task(rig.link.run())
            await until(lambda: rig.link.is_up)
            collector.session.send(Command(1, "ping"))
            with pytest.raises(RuntimeError, match="a bug"):
                await task
            await until(lambda: collector.session.is_over)
            assert collector.session.heard(Closed)[0].reason == "stopping"

    play(scenario())


# --- descriptions, and whom they are for


@pytest.mark.parametrize("while_waiting", [False, True])
def test_changed_sensors_are_described_again(tmp_path: Path, while_waiting: bool) -> None:
    """Also between DESCRIBE and MARKS, when the first reads of a start come in."""

    async def scenario() -> None:
        async with met(tmp_path) as (rig, collector):
            collector.answers_hold = not while_waiting
            async with running(rig):
                await until(lambda: collector.sessions and collector.session.heard(Hold))
                if not while_waiting:
                    await until(lambda: rig.link.is_up)
                rig.description = Describe([])
                rig.link.describe_again()
                await until(lambda: len(collector.session.heard(Describe)) == 2)
                assert collector.session.heard(Describe)[-1] == Describe([])

    play(scenario())


class FarTransport(asyncio.Transport):
    """A connection to another machine, as far as its addresses go; keeps what is written."""

    def __init__(self, peer: tuple[str, int] | None) -> None:
        super().__init__({"peername": peer})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += data

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Note it."""
        self.closed = True

    abort = close


def told(
    folder: Path, peer: tuple[str, int] | None, joined: Credentials | None = None
) -> tuple[bytes, Closed | None]:
    """What a peer at an address is told first, without TLS; and how the session ended, if it did."""

    async def scenario() -> tuple[bytes, Closed | None]:
        ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        async with rigged(folder, 1) as rig:
            contact = rig.link.contact._replace(credentials=joined)
            stream = link_stream.LinkStream(rig.link, contact, ended)
            transport = FarTransport(peer)
            stream.connection_made(transport)
            closed = ended.result() if ended.done() else None
            assert transport.closed is (closed is not None)
            stream.connection_lost(None)
        return transport.written, closed

    return asyncio.run(scenario())


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1"])
def test_other_machines_are_told_nothing_at_all(tmp_path: Path, host: str) -> None:
    """Without a join: not even who we are, whatever name has led there."""
    said, closed = told(tmp_path, (host, 8888))
    assert (said, closed and closed.reason) == (b"", "wrong_collector")
    assert closed is not None
    assert host in closed.detail


@pytest.mark.parametrize("peer", [("127.0.0.1", 8888), ("192.0.2.1", 8888), None])
def test_who_shows_no_certificate_is_told_nothing(
    tmp_path: Path, peer: tuple[str, int] | None
) -> None:
    """Once this device has joined: there is no plain session any more, on this machine neither."""
    joined = Credentials(DEVICE, bytes(32), bytes(32), ("127.0.0.1:8888",))
    said, closed = told(tmp_path, peer, joined)
    assert (said, closed and closed.reason) == (b"", "wrong_collector")


@pytest.mark.parametrize("peer", [("127.0.0.1", 8888), ("::1", 8888), None])
def test_this_machine_is_greeted(tmp_path: Path, peer: tuple[str, int] | None) -> None:
    """Also a connection that is gone before it could be looked at raises nothing."""
    said, closed = told(tmp_path, peer)
    [(kind, data)] = frames.FrameReader().feed(said)
    assert frames.decode(kind, data) == Hello(DEVICE, 1, 1, AGENT)
    assert closed is None

"""collector.intake: what a device brings is stored once, acknowledged then, or refused in order."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.servers import Device, Scenario, ServerRig, player
from kit.stores import OTHER_EPOCH, THIRD_EPOCH, Arrived, batch, change, locked, read, rows
from kit.waiting import until
from kit.wireworks import EPOCH, HELD, MOMENT, damaged
from wire.bodies import (
    Ack,
    Bye,
    Describe,
    End,
    EndReason,
    Gap,
    GapReason,
    Hold,
    Mark,
    Marks,
    OpenDatagrams,
    Reject,
)
from wire.conversation import Closed

POISON_S = 666
STORED = "SELECT ifnull(sum(readings), 0) FROM batch"
GAPS = "SELECT first_seq, last_seq, reason FROM gap ORDER BY id"
MARKS = "SELECT mark, ended FROM epoch ORDER BY id"
REJECTED = GapReason.REJECTED


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a server on a real socket; nothing may reach the loop's handler."""
    return player(tmp_path)


def poison(seq: int, epoch: bytes = EPOCH) -> Arrived:
    """A sound batch that the file refuses, once `make_poisonous` was there."""
    return batch(seq, read(POISON_S), epoch=epoch)


def make_poisonous(rig: ServerRig) -> None:
    """Let the file refuse rows that end with what `poison` reads."""
    last_ns = poison(1).header.last_ns + poison(1).header.clock.offset_ns
    change(
        rig.file,
        f"CREATE TRIGGER poison BEFORE INSERT ON batch WHEN NEW.to_ns = {last_ns}"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )


def stopped(last_seq: int, epoch: bytes = EPOCH) -> End:
    """The END of an epoch whose batches held a reading each."""
    return End(epoch, EndReason.STOPPED, last_seq, last_seq)


def rejected(device: Device) -> list[tuple[bytes, int]]:
    """What the collector has rejected so far."""
    return [(reject.epoch, reject.seq) for reject in device.heard(Reject)]


def test_all_frames_of_hold_are_answered_together(play: Callable[[Scenario], None]) -> None:
    """Many epochs come in many frames, and so do their marks."""
    epochs = [bytes([1]) + number.to_bytes(15, "big") for number in range(5000)]

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_batches(batch(1, epoch=epochs[4000]))
        await device.acknowledged(epochs[4000], 1)
        assert await device.hold(*epochs) == dict.fromkeys(epochs, 0) | {epochs[4000]: 1}
        assert len(device.heard(Marks)) == 1

    play(scenario)


def test_epochs_that_are_no_longer_held_become_gaps(play: Callable[[Scenario], None]) -> None:
    """With the reason that HOLD gives; what it names, in whatever frame, does not."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        for epoch in (EPOCH, OTHER_EPOCH):
            device.send_batches(batch(1, epoch=epoch))
            await device.acknowledged(epoch, 1)
        await device.hold(THIRD_EPOCH, OTHER_EPOCH, lost=GapReason.POWER_CUT)
        assert (2, None, GapReason.POWER_CUT) in rows(rig.file, GAPS)

    play(scenario)


def test_hold_that_is_not_finished_is_not_answered(play: Callable[[Scenario], None]) -> None:
    """Or epochs of the frames to come would count as lost."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        device.send(Hold([], more=True))
        device.send_batches(batch(2))
        await device.acknowledged(EPOCH, 2)
        assert device.heard(Marks) == []
        assert rows(rig.file, GAPS) == []

    play(scenario)


def test_end_is_acknowledged_behind_its_batches(play: Callable[[Scenario], None]) -> None:
    """It says so, with the mark; said again, it is acknowledged again."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_together(batch(1), batch(2), stopped(2))
        await device.acknowledged(EPOCH, 2, ended=True)
        assert device.heard(Ack) == [Ack(EPOCH, 2), Ack(EPOCH, 2, ended=True)]
        device.send(stopped(2))
        await until(lambda: device.heard(Ack).count(Ack(EPOCH, 2, ended=True)) == 2)
        assert rows(rig.file, MARKS) == [(2, "stopped")]
        assert rows(rig.file, GAPS) == []

    play(scenario)


def test_end_of_unknown_seq_is_a_gap(play: Callable[[Scenario], None]) -> None:
    """What a power cut took is recorded, although nobody knows how much it was."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_together(batch(1), End(EPOCH, GapReason.POWER_CUT))
        await device.acknowledged(EPOCH, 1, ended=True)
        assert rows(rig.file, GAPS) == [(2, None, GapReason.POWER_CUT)]

    play(scenario)


def test_end_of_a_device_that_leaves_at_once_counts(play: Callable[[Scenario], None]) -> None:
    """As its batches do."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        with locked(rig.file):
            device.send_together(batch(1), batch(2), stopped(2), Bye("stopping"))
            await rig.all_gone()
        await until(lambda: rows(rig.file, MARKS) == [(2, "stopped")])

    play(scenario)


def test_end_does_not_hide_a_hole(play: Callable[[Scenario], None]) -> None:
    """Whatever comes with it: the device still has the batch, so it is neither gap nor ended."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_together(batch(1), batch(3), stopped(3))
        assert (await device.closed()).reason == "hole"
        await until(lambda: rig.writer.pending_bytes == 0)
        assert rows(rig.file, MARKS) == [(1, None)]
        again = await rig.device()
        assert await again.hold(EPOCH) == {EPOCH: 1}
        again.send_together(batch(2), batch(3), stopped(3))
        await again.acknowledged(EPOCH, 3, ended=True)
        assert rows(rig.file, STORED) == [(3,)]
        assert rows(rig.file, GAPS) == []

    play(scenario)


def test_gap_that_leaves_a_hole_is_not_hidden_either(play: Callable[[Scenario], None]) -> None:
    """A GAP takes the place of batches that were never sent, not of those before them."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_together(batch(1), Gap(EPOCH, 3, 4, "spool_full"), stopped(4))
        assert (await device.closed()).reason == "hole"
        await until(lambda: rig.writer.pending_bytes == 0)
        assert rows(rig.file, MARKS) == [(1, None)]
        assert rows(rig.file, GAPS) == []

    play(scenario)


def test_damaged_batch_is_rejected_and_the_epoch_goes_on(
    play: Callable[[Scenario], None],
) -> None:
    """Behind it all is dropped until a gap takes its place; other epochs do not notice."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_together(
            batch(1),
            damaged(batch(2).sealed),
            batch(3),
            Gap(EPOCH, 4, 4, "spool_full"),
            stopped(4),
            batch(1, epoch=OTHER_EPOCH),
        )
        await device.acknowledged(OTHER_EPOCH, 1)
        assert rejected(device) == [(EPOCH, 2)]
        device.send_together(
            Gap(EPOCH, 2, 2, REJECTED), batch(3), Gap(EPOCH, 4, 4, "spool_full"), stopped(4)
        )
        await device.acknowledged(EPOCH, 4, ended=True)
        assert rows(rig.file, STORED) == [(3,)]
        assert rows(rig.file, GAPS) == [(2, 2, REJECTED), (4, 4, "spool_full")]

    play(scenario)


def test_batch_that_the_store_refuses_is_rejected_too(play: Callable[[Scenario], None]) -> None:
    """In one piece with others: those before it count, those behind it are no hole."""

    async def scenario(rig: ServerRig) -> None:
        make_poisonous(rig)
        device = await rig.device()
        device.send_together(batch(1), poison(2), batch(3), batch(1, epoch=OTHER_EPOCH), stopped(3))
        await device.said(Reject)
        await device.acknowledged(OTHER_EPOCH, 1)
        device.send_together(Gap(EPOCH, 2, 2, REJECTED), batch(3), stopped(3))
        await device.acknowledged(EPOCH, 3, ended=True)
        assert rejected(device) == [(EPOCH, 2)]
        assert rows(rig.file, STORED) == [(3,)]
        assert rows(rig.file, GAPS) == [(2, 2, REJECTED)]
        assert rows(rig.file, MARKS) == [(3, "stopped"), (1, None)]

    play(scenario)


async def handed_over(rig: ServerRig, device: Device, *pieces: object) -> None:
    """Send pieces so that each is a request of its own, which waits at the writer."""
    for piece in pieces:
        before = rig.writer.pending_bytes
        device.send_together(piece)  # type: ignore[arg-type]
        await until(lambda before=before: rig.writer.pending_bytes > before)


def test_what_the_writer_had_behind_a_refused_batch_is_no_hole(
    play: Callable[[Scenario], None],
) -> None:
    """It was on its way before the device could know; the END among it must not count."""

    async def scenario(rig: ServerRig) -> None:
        make_poisonous(rig)
        device = await rig.device()
        with locked(rig.file):
            await handed_over(rig, device, poison(1), batch(2))
            device.send_together(Gap(EPOCH, 3, 4, "spool_full"), stopped(4))
            await until(lambda: rig.made[0].transport.is_reading() is False)
        await device.said(Reject)
        device.send_together(
            Gap(EPOCH, 1, 1, REJECTED), batch(2), Gap(EPOCH, 3, 4, "spool_full"), stopped(4)
        )
        await device.acknowledged(EPOCH, 4, ended=True)
        assert rejected(device) == [(EPOCH, 1)]
        assert rows(rig.file, STORED) == [(1,)]
        assert rows(rig.file, GAPS) == [(1, 1, REJECTED), (3, 4, "spool_full")]

    play(scenario)


def test_gap_may_come_before_the_last_answer_to_what_it_mends(
    play: Callable[[Scenario], None],
) -> None:
    """A device is faster than a disk: what waits at the writer is still no hole then."""

    async def scenario(rig: ServerRig) -> None:
        make_poisonous(rig)
        device = await rig.device()
        device.send_together(poison(1))
        await device.said(Reject)
        intake = rig.made[0]._intake
        assert intake is not None
        with locked(rig.file):
            # As if it had been handed over before the REJECT: the receiver would drop it now.
            intake.take(batch(2))
            intake.settled()
            device.send_together(Gap(EPOCH, 1, 1, REJECTED), batch(2))
            await until(lambda: rig.made[0].transport.is_reading() is False)
        await device.acknowledged(EPOCH, 2)
        assert rejected(device) == [(EPOCH, 1)]

    play(scenario)


def test_refused_batch_counts_before_a_damaged_one_behind_it(
    play: Callable[[Scenario], None],
) -> None:
    """The checksum is faster than the disk: both are mended, in the order of the epoch."""

    async def scenario(rig: ServerRig) -> None:
        make_poisonous(rig)
        device = await rig.device()
        with locked(rig.file):
            await handed_over(rig, device, poison(1))
            device.send_together(batch(2), damaged(batch(3).sealed))
            await device.said(Reject)
        await device.said(Reject, 2)
        assert rejected(device) == [(EPOCH, 3), (EPOCH, 1)]
        mended = Gap(EPOCH, 3, 3, REJECTED)
        device.send_together(mended, Gap(EPOCH, 1, 1, REJECTED), batch(2), mended, batch(4))
        await device.acknowledged(EPOCH, 4)
        assert rows(rig.file, STORED) == [(2,)]
        assert rows(rig.file, GAPS) == [(1, 1, REJECTED), (3, 3, REJECTED)]

    play(scenario)


def test_refusal_to_a_device_that_has_left_is_told_the_next_time(
    play: Callable[[Scenario], None],
) -> None:
    """Nobody hears it; nothing behind the batch is stored, and nothing is ended."""

    async def scenario(rig: ServerRig) -> None:
        make_poisonous(rig)
        device = await rig.device()
        with locked(rig.file):
            device.send_together(batch(1), poison(2), batch(3), stopped(3), Bye("stopping"))
            await rig.all_gone()
        await until(lambda: rig.writer.pending_bytes == 0)
        assert rows(rig.file, MARKS) == [(1, None)]
        again = await rig.device()
        assert await again.hold(EPOCH) == {EPOCH: 1}
        again.send_together(poison(2))
        await again.said(Reject)

    play(scenario)


def test_full_disk_takes_no_more(play: Callable[[Scenario], None]) -> None:
    """What was acknowledged is stored; what came then is not, and the device keeps it."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        rig.space.min_free_bytes = 2**62
        await until(rig.space.is_low)
        device.send_together(batch(2), stopped(2))
        closed = await device.closed()
        assert (closed.reason, closed.retry_after_s, closed.by_peer) == ("disk_full", 60.0, True)
        assert "too little room" in closed.detail
        assert rows(rig.file, MARKS) == [(1, None)]
        rig.space.min_free_bytes = 0
        await until(lambda: not rig.space.is_low())
        again = await rig.device()
        assert await again.hold(EPOCH) == {EPOCH: 1}
        again.send_batches(batch(2))
        await again.acknowledged(EPOCH, 2)

    play(scenario)


def test_flood_of_ends_is_bounded(play: Callable[[Scenario], None]) -> None:
    """They wait for a commit in memory, so they count as waiting."""

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        session = rig.made[0]
        with locked(rig.file):
            await handed_over(rig, device, batch(1))
            device.send(*itertools.repeat(stopped(1), 100_000))
            await until(lambda: not session.transport.is_reading())
            assert session._intake is not None
            assert len(session._intake._ends) < 0.2 * 100_000
        await device.acknowledged(EPOCH, 1, ended=True)
        assert not device.heard(Closed)
        await device.leave()
        await rig.all_gone()
        await until(lambda: rig.writer.pending_bytes == 0)
        assert session._intake.pending_bytes == 0

    play(scenario)


@pytest.mark.parametrize("what", ["batch", "gap", "end", "hold", "describe", "datagrams"])
def test_whatever_a_revoked_device_says(play: Callable[[Scenario], None], what: str) -> None:
    """It hears that it is revoked, nothing is acknowledged, and nothing is left waiting."""
    said = {
        "batch": batch(1),
        "gap": Gap(EPOCH, 1, 2, "spool_full"),
        "end": stopped(0),
        "hold": Hold([HELD]),
        "describe": Describe([]),
        "datagrams": OpenDatagrams(EPOCH, MOMENT, 0),
    }

    async def scenario(rig: ServerRig) -> None:
        device = await rig.device()
        rig.trust.revoke("greenhouse", 1)  # by whoever does not tell the sessions
        device.send_together(said[what], said[what])
        closed = await device.closed()
        assert (closed.reason, closed.retry_after_s, closed.by_peer) == ("revoked", 3600.0, True)
        assert not device.heard(Ack)
        assert not device.heard(Marks)
        await rig.all_gone()
        await until(lambda: rig.writer.pending_bytes == 0)
        assert rig.made[0]._intake is not None
        assert rig.made[0]._intake.pending_bytes == 0
        assert rig.datagrams.keys == 0
        assert rows(rig.file, "SELECT * FROM device") == []

    play(scenario)


def test_marks_are_of_this_device_alone(play: Callable[[Scenario], None]) -> None:
    """Another device of the same epoch, a copied card, begins its own line."""

    async def scenario(rig: ServerRig) -> None:
        first, second = await rig.device("greenhouse"), await rig.device("cellar")
        first.send_batches(batch(1), batch(2))
        await first.acknowledged(EPOCH, 2)
        assert await second.hold(EPOCH) == {EPOCH: 0}
        assert second.heard(Marks)[-1] == Marks([Mark(EPOCH, 0)])

    play(scenario)

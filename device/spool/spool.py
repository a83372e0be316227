"""The spool: what was accepted and is not yet acknowledged, kept durably and bounded.

Theory of operation. A read is committed as a row of the open batch: from then on it is accepted.
The open batch is closed, gets its seq and its bytes, and stays until the collector acknowledges it.
Two tiers keep the rows: `near`, a file in a memory file system, which survives kill -9 and wears
nothing; and the card, where all of near moves when its oldest row has waited for most of `at_risk`.

    policy    near is                        the card
    frugal    in memory, 8 MiB               takes what was not acknowledged in time
    strict    on the card, every read first  is near
    memory    in memory                      is only emptied of what another policy left there

A full tier lets its oldest batches go and a gap stands for them. Knows nothing of sockets.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from device.errors import SpoolError
from device.spool.datagram_counts import DatagramCounts
from device.spool.epochs import Epochs, may_be
from device.spool.intake import Age, Intake
from device.spool.mover import Mover
from device.spool.outlet import Outlet
from device.spool.plan import Plan
from device.spool.records import EpochFacts, Row
from device.spool.tier import Tier
from service.crashpoints import crash_point
from wire.blocks import Point
from wire.bodies import EndReason, Held, Moment

# More than this in the present epoch when a session begins: it ends there, so that what is read
# from now on need not wait behind it.
_ROLL_FROM_BYTES = 64 * 1024
_MOVE_AT_SHARE = 0.8


class Spool:
    """The spool of one run of the agent; `device.spool.start` opens one.

    Args:
        near: the tier that takes what is read.
        mover: the way to the card; None where near is on the card, or there is none.
        epochs: those left of earlier runs.
        now: gives this moment by both clocks.
        new_id: gives 16 random bytes.

    `lost` is why an earlier spool is gone, until the collector has been told.
    """

    def __init__(
        self,
        near: Tier,
        mover: Mover | None,
        epochs: Epochs,
        now: Callable[[], Moment],
        new_id: Callable[[], bytes],
        plan: Plan,
    ) -> None:
        self.near = near
        self.mover = mover
        self.epochs = epochs
        self.plan = plan
        self.intake = Intake(near, epochs, now, plan.is_durable)
        self._outlet = Outlet(near, mover, epochs, self.intake)
        self._acknowledged = 0
        self.datagrams = DatagramCounts(self.intake, near, epochs, self._next)
        self.lost: str | None = None
        self.now = now
        self._new_id = new_id

    def accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        """Take what one read of one sensor gave; False where not even dropping makes room for it."""
        return self.intake.accept(sensor, time_ns, points)

    def close_batch(self) -> None:
        """Close the open batch, if it holds anything and there is room for that."""
        self.intake.close_batch()

    # What is sent ------------------------------------------------------------------------------

    @property
    def _present(self) -> EpochFacts:
        assert self.epochs.present is not None, "nothing is accepted outside of a run"
        return self.epochs.present

    async def begin(self) -> None:
        """Begin the epoch of this run. A card that cannot be written does not keep it from that.

        Raises:
            sqlite3.Error: near cannot take it; nothing has changed.
        """
        facts = self._next()
        former = self.epochs.present
        if former is None:
            self.near.put_epochs([facts])
        elif self.intake.close_batch():
            self.near.put_epochs([replace(former, end=EndReason.ROLLED), facts])
            former.end = EndReason.ROLLED
        else:
            return  # what was accepted in an epoch stays in it
        crash_point("spool_mid_roll")
        self.epochs.add(facts)
        self.epochs.present = facts
        if self.mover:
            await self.mover.write_epochs()

    def _next(self) -> EpochFacts:
        return self.epochs.begin(self._new_id(), self.now(), self.plan.is_durable)

    async def roll_if_due(self, owner: str) -> None:
        """Begin another epoch where live readings would wait too long, or this one is another's."""
        if not may_be(self._present.owner, owner) or self._is_long(self._present):
            with self.intake.watched():
                await self.begin()

    def _is_long(self, facts: EpochFacts) -> bool:
        waiting_bytes = (facts.last_seq - facts.mark) * self.intake.mean_bytes
        on_card = self.mover and self.mover.has(facts, facts.mark + 1) and self.mover.card.error
        return waiting_bytes > _ROLL_FROM_BYTES or bool(on_card)

    async def held(self, owner: str, is_asked: Callable[[], bool] = lambda: True) -> list[Held]:
        """Say what is held for a collector that knows this device as `owner`, the present first.

        From here on these epochs are nobody else's; [] where nobody asks any more.
        """
        return await self._outlet.held(owner, is_asked)

    async def rows(self, facts: EpochFacts, seq: int, max_bytes: int) -> list[Row]:
        """Return what follows in an epoch from `seq` on, without holes; [] where nothing does yet.

        Raises:
            CardError: it lies on the card, which cannot be read now.
        """
        return await self._outlet.rows(facts, seq, max_bytes)

    def near_rows(self, facts: EpochFacts, seq: int, max_bytes: int) -> list[Row] | None:
        """Return the same at once; None where the card has to be asked."""
        return self._outlet.near_rows(facts, seq, max_bytes)

    def acknowledge(self, facts: EpochFacts, mark: int, ended: bool = False) -> bool:
        """Let go of what the collector has committed; say whether that was anything new."""
        crash_point("spool_after_ack")
        news = mark > facts.mark or ended
        facts.mark = max(facts.mark, mark)
        facts.is_over = facts.is_over or ended
        if not news:
            return False
        with self.intake.watched():  # the next acknowledgement takes what stays
            self._acknowledged += self.near.remove({facts.number: facts.mark}, [facts])
        ages = self.intake.ages
        while ages and self._is_acknowledged(ages[0]):
            ages.popleft()
        if self.mover:
            self.mover.acknowledged(facts)
        if facts.is_over and not (self.mover and self.mover.knows(facts)):
            with self.intake.watched():
                self.near.put_epochs((), [facts])
            self.epochs.forget(facts)
        return True

    def _is_acknowledged(self, age: Age) -> bool:
        facts = self.epochs.by_number.get(age.number)
        return facts is None or age.seq <= facts.mark

    async def reject(self, facts: EpochFacts, seq: int, detail: str) -> None:
        """Put a gap in the place of a batch that the collector refused for good.

        Raises:
            CardError: it lies on the card, which cannot do that now.
        """
        await self._outlet.reject(facts, seq, detail)

    async def told_loss(self) -> None:
        """Note that the collector knows that an earlier spool is gone."""
        if self.lost is None:
            return
        self.lost = None
        with self.intake.watched():
            self.near.set_notice(None)
        if self.mover:
            await self.mover.clear_notice()

    # What is at risk ---------------------------------------------------------------------------

    def at_risk_now_s(self) -> float:
        """Return for how long what a power cut now would take has been at risk; 0: it takes nothing."""
        oldest_ns = self.intake.oldest_ns()
        return 0.0 if oldest_ns is None else max(0.0, (self.now().boot_ns - oldest_ns) / 1e9)

    async def run(self) -> None:
        """Move to the card what waits too long, until cancelled.

        Raises:
            SpoolError: near has failed, so nothing can be accepted any more.
        """
        wait_s = self.plan.at_risk_s * _MOVE_AT_SHARE
        while True:
            await self.intake.taken.wait()
            left_s = wait_s - self.at_risk_now_s()
            if self.intake.failed.is_set():
                raise SpoolError(f"{self.near.path}: {self.intake.failure}")
            if self.intake.oldest_ns() is None or not self.plan.moves:
                self.intake.taken.clear()
            elif left_s > 0:
                await self._pause(left_s)
            elif not await self.move():
                await self._pause(wait_s)  # it cannot be done now: it is tried again

    async def _pause(self, seconds: float) -> None:
        """Wait, unless near fails."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.intake.failed.wait()

    async def move(self) -> bool:
        """Move everything to the card now; say whether that worked."""
        if self.mover is None or not self.plan.moves:
            return False
        is_closed = self.intake.close_batch()
        ages = self.intake.ages
        highest = {age.number: age.seq for age in ages}
        with self.intake.watched():
            if await self.mover.move():
                while ages and ages[0].seq <= highest.get(ages[0].number, 0):
                    ages.popleft()
                return is_closed
        return False

    # The end -----------------------------------------------------------------------------------

    def end(self) -> None:
        """End the epoch of this run, because nothing more will be read.

        Where near has no room for that, or fails, the next start does it.
        """
        facts = self._present
        with self.intake.watched():
            if self.intake.close_batch():
                self.near.put_epochs([replace(facts, end=EndReason.STOPPED)])
                facts.end = EndReason.STOPPED
        self.epochs.present = None
        if facts.end and not facts.last_seq and facts.owner is None:
            self.acknowledge(facts, 0, ended=True)  # nobody has heard of it, and nobody needs to

    async def close(self, timeout_s: float) -> bool:
        """Let everything that is held outlast a power cut, as far as the policy allows; close."""
        kept = self.intake.close_batch()
        self.intake.stop()
        if self.mover:
            await self.mover.stop()
            kept = await self._moved(self.mover, timeout_s) and kept
            await self.mover.card.close(timeout_s)
        self.near.close()
        return kept

    async def _moved(self, mover: Mover, timeout_s: float) -> bool:
        with suppress(TimeoutError), self.intake.watched():
            async with asyncio.timeout(timeout_s):
                return await mover.move()
        return False

    # Figures -----------------------------------------------------------------------------------

    @property
    def held_readings(self) -> int:
        """How many readings wait for their acknowledgement."""
        on_card = self.mover.card.readings if self.mover else 0
        return self.near.readings + self.intake.open_readings + on_card

    @property
    def held_bytes(self) -> int:
        """What the waiting batches take, without the open one."""
        return self.near.size_bytes + (self.mover.card.size_bytes if self.mover else 0)

    @property
    def acknowledged(self) -> int:
        """How many readings the collector has acknowledged, of this run and of earlier ones."""
        return self._acknowledged + (self.mover.removed_readings if self.mover else 0)

    @property
    def at_risk_readings(self) -> int:
        """How many readings a power cut now would take."""
        return 0 if self.plan.is_durable else self.near.readings + self.intake.open_readings

    def is_drained(self, owner: str) -> bool:
        """Say whether nothing waits that is `owner`'s: no reading, and no epoch's end."""
        return not self.intake.open_readings and all(
            each is self.epochs.present and each.mark == each.last_seq
            for each in self.epochs.waiting(owner)
        )

    @property
    def dropped_readings(self) -> int:
        """How many readings were let go because there was no room; a gap stands for them."""
        return self.intake.dropped + (self.mover.dropped_readings if self.mover else 0)

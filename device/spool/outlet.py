"""What is held goes out here: which epochs, and their rows, from whichever tier has them.

The counterpart of `intake`. Where rows that should be there are not, a gap says so. All of it raises
SpoolError where `near` fails: then the run is over.
"""

from collections.abc import Callable, Sequence

from device.spool.database import unless_full
from device.spool.epochs import Epochs, held
from device.spool.holes import without_holes
from device.spool.intake import Intake
from device.spool.mover import Mover, reject
from device.spool.records import EpochFacts, Row
from device.spool.tier import Tier
from wire.bodies import Held


class Outlet:
    """What the link sends; `mover` is None where there is no other tier than `near`.

    `intake` is told where `near` fails.
    """

    def __init__(self, near: Tier, mover: Mover | None, epochs: Epochs, intake: Intake) -> None:
        self._near = near
        self._mover = mover
        self._epochs = epochs
        self._intake = intake

    async def held(self, owner: str, is_asked: Callable[[], bool]) -> list[Held]:
        """Say what is held for a collector that knows this device as `owner`, the present first.

        From here on these epochs are nobody else's; [] where nobody asks any more.
        """
        with self._intake.read():
            lowest = await self._lowest()
            if not is_asked():
                return []
            # At one moment: an epoch may end, or grow, while the card is waited for.
            offered = self._epochs.waiting(owner)
            found = [held(each, lowest.get(each.number, each.last_seq + 1)) for each in offered]
            # Also those of which the name alone was known so far.
            known = {None, owner.partition("@")[0]} - {owner}
            await self._bind([each for each in offered if each.owner in known], owner)
        return found

    async def _lowest(self) -> dict[int, int]:
        on_card = await self._mover.lowest() if self._mover else {}
        return {number: span.lowest for number, span in self._near.spans().items()} | on_card

    async def _bind(self, facts: list[EpochFacts], owner: str) -> None:
        if not facts:
            return
        for each in facts:
            each.owner = owner
        with unless_full():
            self._near.put_epochs(facts)
        # Where only the row of an epoch is on the card, that learns it with its next write.
        if self._mover and any(self._mover.has(each, each.mark + 1) for each in facts):
            await self._mover.write_epochs()

    async def rows(self, facts: EpochFacts, seq: int, max_bytes: int) -> list[Row]:
        """Return what follows in an epoch from `seq` on, without holes; [] where nothing does yet.

        Raises:
            CardError: it lies on the card, which cannot be read now.
        """
        found: list[Row] = []
        if self._mover and self._mover.has(facts, seq):
            found = await self._mover.rows(facts, seq, max_bytes)
        return self._without_holes(facts, seq, max_bytes, found)

    def near_rows(self, facts: EpochFacts, seq: int, max_bytes: int) -> list[Row] | None:
        """Return the same at once; None where the card has to be asked."""
        if self._mover and self._mover.has(facts, seq):
            return None
        return self._without_holes(facts, seq, max_bytes)

    def _without_holes(
        self, facts: EpochFacts, seq: int, max_bytes: int, on_card: Sequence[Row] = ()
    ) -> list[Row]:
        with self._intake.read():
            return without_holes(
                facts, seq, list(on_card) or self._near.rows(facts, seq, max_bytes)
            )

    async def reject(self, facts: EpochFacts, seq: int, detail: str) -> None:
        """Put a gap in the place of a batch that the collector refused for good.

        Raises:
            CardError: it lies on the card, which cannot do that now.
        """
        rows = await self.rows(facts, seq, 1)
        if not rows or rows[0].first_seq != seq or rows[0].gap is not None:
            return
        with self._intake.read():
            with unless_full():
                self._near.keep_rejected(detail, rows[0].sealed)
            if self._mover and self._mover.has(facts, seq):
                await self._mover.reject(facts, seq)
            reject(self._near, facts, seq)

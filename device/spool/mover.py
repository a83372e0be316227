"""The way to the card: what the collector has not acknowledged in time moves there, and leaves again.

Everything here is asked for on the event loop and done by the card's thread. A crash between the
copy on the card and its removal from memory leaves a row twice, which the key makes harmless.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from device.spool.card import Card, CardError
from device.spool.database import is_full, unless_full
from device.spool.epochs import Epochs
from device.spool.records import EpochFacts, Row, Span, Stored, gap_over
from device.spool.room import make_room, with_room
from device.spool.tier import ALL, Tier
from service.crashpoints import crash_point
from wire.bodies import GapReason

# Removing from the card is put off for so long: many acknowledgements then cost one write.
_REMOVE_AFTER_S = 1.0
# A session, and the start, wait for a card that stalls no longer than this.
_ANSWER_WITHIN_S = 10.0


class _News(NamedTuple):
    """What the next write to the card says of epochs: marks, those new or changed, those over."""

    marks: dict[int, int]
    facts: list[EpochFacts]
    over: list[EpochFacts]


class Mover:
    """Moves rows between a tier in memory and the card; `is_filled`: not only away from the card."""

    def __init__(self, card: Card, near: Tier, epochs: Epochs, is_filled: bool = True) -> None:
        self.card = card
        card.on_failure = self._forget_card
        self._near = near
        self._epochs = epochs
        self._is_filled = is_filled
        self._highest: dict[int, int] = {}
        self._written: dict[int, tuple[object, ...]] = {}
        self._marks: dict[int, int] = {}
        self._removed = 0  # the card's thread counts
        self._counted_in_memory = 0
        self._is_moving = False
        self._removing: asyncio.Task[None] | None = None

    def found(self, spans: Mapping[int, Span], facts: Iterable[EpochFacts]) -> None:
        """Note what the card holds at the start, and what it says of epochs."""
        self._highest = {number: span.highest for number, span in spans.items()}
        self._written = {each.number: _gist(each) for each in facts}
        for each in self._epochs:
            if each.number in spans and spans[each.number].lowest <= each.mark:
                self._marks[each.number] = each.mark

    def found_nothing(self) -> None:
        """Note that the card cannot be read yet: what memory lacks of an epoch may lie there."""
        spans = self._near.spans()
        for each in self._epochs:
            if self._is_filled:
                self._written[each.number] = ()
            highest = each.last_seq if each.is_end_known else ALL
            if each.number in spans:
                highest = spans[each.number].lowest - 1
            if highest > each.mark and not each.datagrams:
                self._highest[each.number] = highest

    def is_half_done(self) -> bool:
        """Say whether rows lie here twice, because a crash came between a copy and its removal."""
        spans = self._near.spans().items()
        return any(span.lowest <= self._highest.get(number, 0) for number, span in spans)

    def has(self, facts: EpochFacts, seq: int) -> bool:
        """Say whether a batch may lie on the card."""
        return seq <= self._highest.get(facts.number, 0)

    @property
    def dropped_readings(self) -> int:
        """How many readings were let go because the card's share was full."""
        return self.card.dropped_readings

    @property
    def removed_readings(self) -> int:
        """How many readings were acknowledged while they lay on the card, and not in memory too."""
        return self._removed - self._counted_in_memory

    def knows(self, facts: EpochFacts) -> bool:
        """Say whether the card may have a row for an epoch."""
        return facts.number in self._written

    async def write_epochs(self) -> bool:
        """Write to the card what is new of epochs, and remove what is done; say if that worked."""
        with contextlib.suppress(CardError, TimeoutError):
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return await self._write([])
        return False

    async def clear_notice(self) -> bool:
        """Note on the card that the collector knows that an earlier spool is gone."""
        with contextlib.suppress(CardError):
            await self.card.do(lambda tier: tier.set_notice(None))
            return True
        return False

    async def move(self) -> bool:
        """Copy all closed rows to the card in one transaction, then let go of them in memory."""
        if self._is_moving:
            return False
        self._is_moving = True
        try:
            while not await self._copy():
                # The card's whole share is smaller than what waits here.
                if not make_room(self._near):
                    return False
        except CardError:
            return False
        finally:
            self._is_moving, self._near.moving = False, {}
        return True

    async def _copy(self) -> bool:
        rows = self._near.all_rows() if self._is_filled else []
        highest = {row.number: row.last_seq for row in rows}  # in order: the last is the highest
        dropped = self._near.dropped_readings
        self._near.moving = highest
        if not await self._write(rows):
            return False
        crash_point("spool_after_copy")
        for number, seq in highest.items():
            self._highest[number] = max(self._highest.get(number, 0), seq)
        with unless_full():
            self._let_go(rows, highest, self._near.dropped_readings - dropped)
        return True

    def _let_go(self, rows: Sequence[Stored], highest: dict[int, int], dropped: int) -> None:
        """Forget in memory what lies on the card, and on the card what was acknowledged meanwhile."""
        removed = self._near.remove(highest)
        marks = {each.number: each.mark for each in self._epochs}
        done = [row for row in rows if row.seq <= marks.get(row.number, 0)]
        copied = sum(row.readings for row in rows) - sum(row.readings for row in done)
        # What had to be dropped here while the card was slow is there after all.
        self._near.dropped_readings -= max(0, min(dropped, copied - removed))
        # What became of these was counted here already.
        self._counted_in_memory += sum(row.readings for row in done)
        for number in {row.number for row in done}:
            self.acknowledged(self._epochs.by_number[number])

    async def _write(self, rows: Sequence[Stored]) -> bool:
        """Write rows and news to the card in one transaction; False where it can never hold them."""
        news = self._news()
        if not (rows or any(news)):
            return True
        needed_bytes = sum(map(_takes_bytes, rows))
        numbers = {row.number for row in rows}
        # No row lies there without its epoch, whatever has become of the card since it was written.
        of_rows = [replace(each) for each in self._epochs if each.number in numbers]
        for each in news.facts:
            self._written.setdefault(each.number, ())  # it may be there, whatever is heard of that

        def work(tier: Tier) -> bool:
            try:
                if rows:
                    facts = [
                        *news.facts,
                        *(each for each in of_rows if not tier.facts(each.number)),
                    ]
                    taken = partial(tier.take_in, rows, news.marks, facts, news.over)
                    removed = with_room(tier, taken, needed_bytes)
                else:
                    removed = tier.remove(*news)
            except sqlite3.OperationalError as error:
                if not rows or not is_full(error) or needed_bytes < tier.room_bytes():
                    raise
                return False
            self._removed += removed
            return True

        if not await self.card.do(work):
            return False
        self._wrote(news)
        return True

    async def rows(self, facts: EpochFacts, seq: int, max_bytes: int) -> list[Row]:
        """Return rows of the card.

        Raises:
            CardError: it cannot be read now.
        """
        return await self.card.do(lambda tier: tier.rows(facts, seq, max_bytes))

    async def lowest(self) -> dict[int, int]:
        """Return the lowest seq that the card holds of each epoch, without what is acknowledged.

        Where the card cannot be read now that is what it should be.
        """
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                spans = await self.card.do(lambda tier: tier.spans())
        except (CardError, TimeoutError):
            spans = {number: Span(1, highest) for number, highest in self._highest.items()}
        return {
            number: max(span.lowest, self._marks.get(number, 0) + 1)
            for number, span in spans.items()
            if span.highest > self._marks.get(number, 0)
        }

    async def reject(self, facts: EpochFacts, seq: int) -> None:
        """Put a gap in the place of a batch that was refused for good.

        Raises:
            CardError: the card cannot do it now.
        """
        await self.card.do(lambda tier: reject(tier, facts, seq))

    def acknowledged(self, facts: EpochFacts) -> None:
        """Remove what the collector has committed, and epochs that are over, before long."""
        if facts.mark and facts.number in self._highest:
            self._marks[facts.number] = facts.mark
            if self._removing is None:
                self._removing = asyncio.create_task(self._remove())

    async def _remove(self) -> None:
        await asyncio.sleep(_REMOVE_AFTER_S)
        while await self.write_epochs() and self._marks:
            await asyncio.sleep(_REMOVE_AFTER_S)
        self._removing = None

    async def stop(self) -> None:
        """Put nothing off any longer: it is done with the last move."""
        if self._removing is not None:
            self._removing.cancel()
            await asyncio.wait([self._removing])

    def _news(self) -> _News:
        return _News(
            dict(self._marks),
            [replace(each) for each in self._epochs if self._is_news(each)],
            [replace(each) for each in self._epochs if each.is_over],
        )

    def _is_news(self, facts: EpochFacts) -> bool:
        if facts.is_over or facts.datagrams or not (self._is_filled or self.knows(facts)):
            return False
        return self._written.get(facts.number) != _gist(facts)

    def _wrote(self, news: _News) -> None:
        self._written |= {each.number: _gist(each) for each in news.facts}
        for number, mark in news.marks.items():
            if self._marks.get(number) == mark:
                del self._marks[number]
            if self._highest.get(number, 0) <= mark:
                self._highest.pop(number, None)
        for each in news.over:
            self._written.pop(each.number, None)
            self._epochs.forget(each)
        if news.over:
            with unless_full():
                self._near.put_epochs((), news.over)

    def _forget_card(self, error: CardError) -> None:
        """After an error write anew what is known of epochs; a card that was lost has nothing."""
        self._written = {} if error.is_lost else dict.fromkeys(self._written, ())
        if error.is_lost:
            self._highest.clear()
            self._marks.clear()


def reject(tier: Tier, facts: EpochFacts, seq: int) -> None:
    """Put a gap in the place of a batch that was refused for good, if the tier has it."""
    for row in tier.rows(facts, seq, 1):
        if row.first_seq == seq == row.last_seq and not row.gap:
            tier.replace(facts.number, gap_over(facts.epoch, [row], GapReason.REJECTED))


def _gist(facts: EpochFacts) -> tuple[object, ...]:
    """What the card has to know of an epoch: all but what goes on changing while it is present."""
    last_seq = facts.last_seq if facts.end else None
    trusted = facts.clock.synchronised
    return facts.owner, facts.end, facts.is_end_known, facts.until, last_seq, trusted


def _takes_bytes(row: Stored) -> int:
    """How much room a row takes at most, with pages that are partly empty."""
    return len(row.body) * 3 // 2 + 1500

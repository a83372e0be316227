"""A feed: one epoch on its way to the collector, row by row, and then its end.

Decides what of the epoch is next; knows neither socket nor spool.
"""

from collections import deque
from collections.abc import Iterable

from device.spool import EpochFacts, Row
from wire.bodies import End

_HIGHEST_SEQ = 2**63 - 1  # a collector may say any mark of an epoch whose end nobody knows


class Feed:
    """What of an epoch was read ahead, and which seq is the next to send.

    `mark` is what the collector has said in this session; it may lie behind what an earlier one
    said. `is_reading`: rows were asked for. `mending`: in the place of so many rejected batches a
    gap is just being put.
    """

    def __init__(self, facts: EpochFacts, mark: int) -> None:
        self.facts = facts
        self.mark = 0
        self.next_seq = 1
        self.is_reading = False
        self.is_out_of_reach = False
        self.mending = 0
        self._rows: deque[Row] = deque()
        self._found_nothing_up_to: int | None = None
        self._end_is_sent = False
        self.acknowledged(mark)

    @property
    def may_go_on(self) -> bool:
        """Whether something of it may be sent or asked for now."""
        return not (self.is_reading or self.mending)

    def acknowledged(self, mark: int) -> None:
        """Note what the collector has committed: it may be more than this session has sent."""
        self.mark = max(self.mark, mark)
        self.next_seq = max(self.next_seq, min(mark + 1, _HIGHEST_SEQ))

    def next_row(self) -> Row | None:
        """Return the row to send next, if it was read already."""
        while self._rows and self._rows[0].last_seq < self.next_seq:
            self._rows.popleft()
        return self._rows[0] if self._rows else None

    def sent(self, row: Row) -> None:
        """Note that a row is on its way."""
        self.next_seq = row.last_seq + 1

    def has_more(self) -> bool:
        """Say whether asking for rows can give any."""
        if self.facts.datagrams:
            return False
        if self._found_nothing_up_to == self.facts.last_seq:
            return False
        is_known = self.facts.end is None or self.facts.is_end_known
        return self.next_seq <= self.facts.last_seq if is_known else True

    def took(self, rows: Iterable[Row]) -> None:
        """Take rows that were asked for, if they are still the next ones."""
        self.is_reading = False
        if self.mending:
            return
        found = [row for row in rows if row.last_seq >= self.next_seq]
        self._found_nothing_up_to = None if found else self.facts.last_seq
        if found and found[0].first_seq <= self.next_seq:
            self._rows = deque(found)

    def go_back(self, seq: int) -> None:
        """Begin again with `seq`, once it is mended: another row will stand there then."""
        self.mending += 1
        self._rows.clear()
        self.next_seq = min(self.next_seq, seq)
        self._found_nothing_up_to = None

    def end(self) -> End | None:
        """Return the END to send now: once, and after all before it is acknowledged."""
        facts = self.facts
        if facts.end is None or self._end_is_sent or self.mark < self.next_seq - 1:
            return None
        self._end_is_sent = True
        if not facts.is_end_known:
            return End(facts.epoch, facts.end, until=facts.until)
        return End(facts.epoch, facts.end, facts.last_seq, facts.readings)

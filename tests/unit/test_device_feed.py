"""device.feed: what of an epoch goes next, whatever is acknowledged, rejected or late."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.feed import Feed
from device.spool import EpochFacts, Row
from kit.wireworks import EPOCH, MOMENT
from wire.bodies import End, Gap


def facts_of(last_seq: int, end: str | None = None, *, is_end_known: bool = True) -> EpochFacts:
    """An epoch of so many batches of ten readings."""
    return EpochFacts(
        1, EPOCH, 0, MOMENT, last_seq, 10 * last_seq, end=end, is_end_known=is_end_known
    )


def row(seq: int) -> Row:
    """A batch."""
    return Row(seq, seq, 10, b"sealed")


def gap(first_seq: int, last_seq: int) -> Row:
    """What stands in the place of some."""
    return Row(first_seq, last_seq, 0, gap=Gap(EPOCH, first_seq, last_seq, "spool_full"))


def all_sent(feed: Feed) -> list[tuple[int, int]]:
    """Send all that was read ahead; return the seqs of each row."""
    sent = []
    while (found := feed.next_row()) is not None:
        sent.append((found.first_seq, found.last_seq))
        feed.sent(found)
    return sent


def test_goes_on_behind_the_mark() -> None:
    """What is committed is neither asked for nor sent."""
    feed = Feed(facts_of(5), mark=3)
    assert (feed.next_seq, feed.has_more()) == (4, True)
    feed.took([row(3), row(4), row(5)])
    assert all_sent(feed) == [(4, 4), (5, 5)]
    assert not feed.has_more()


def test_gap_that_began_before_the_mark_is_sent_whole() -> None:
    """The collector takes what of it lies above its mark."""
    feed = Feed(facts_of(5), mark=3)
    feed.took([gap(2, 4), row(5)])
    assert all_sent(feed) == [(2, 4), (5, 5)]


def test_what_an_earlier_session_had_sent_is_not_sent_again() -> None:
    """Its acknowledgement may come in this one, ahead of what this one has sent."""
    feed = Feed(facts_of(5), mark=0)
    feed.took([row(1), row(2), row(3)])
    feed.acknowledged(2)
    assert all_sent(feed) == [(3, 3)]
    feed.acknowledged(5)
    assert (feed.next_row(), feed.has_more()) == (None, False)


def test_older_acknowledgement_takes_nothing_back() -> None:
    """Marks only rise within a session."""
    feed = Feed(facts_of(5), mark=4)
    feed.acknowledged(1)
    assert (feed.mark, feed.next_seq) == (4, 5)


def test_rows_that_are_not_the_next_are_not_taken() -> None:
    """What was asked for before the feed went back comes too late."""
    feed = Feed(facts_of(9), mark=0)
    feed.took([row(1), row(2)])
    all_sent(feed)
    feed.is_reading = True
    feed.go_back(1)
    feed.took([row(3), row(4)])
    assert not feed.is_reading
    feed.mending -= 1
    assert feed.next_row() is None
    feed.took([row(3), row(4)])
    assert (feed.next_row(), feed.has_more()) == (None, True)


def test_goes_back_to_the_lowest_that_was_rejected() -> None:
    """And sends nothing until each of them has its gap."""
    feed = Feed(facts_of(9), mark=0)
    feed.took([row(seq) for seq in range(1, 8)])
    all_sent(feed)
    feed.go_back(5)
    feed.go_back(2)
    assert (feed.next_seq, feed.may_go_on) == (2, False)
    feed.mending -= 1
    assert not feed.may_go_on
    feed.mending -= 1
    assert feed.may_go_on
    assert feed.has_more()


def test_end_comes_once_and_after_the_last_acknowledgement() -> None:
    """With the last seq and the count of readings."""
    facts = facts_of(2)
    feed = Feed(facts, mark=0)
    feed.took([row(1), row(2)])
    all_sent(feed)
    feed.acknowledged(2)
    assert feed.end() is None, "it has not ended"
    facts.end = "stopped"
    feed = Feed(facts, mark=1)
    feed.took([row(2)])
    all_sent(feed)
    assert feed.end() is None, "the last batch is not acknowledged"
    feed.acknowledged(2)
    assert feed.end() == End(EPOCH, "stopped", 2, 20)
    assert feed.end() is None


def test_epoch_of_nothing_has_an_end_all_the_same() -> None:
    """The collector may know it."""
    assert Feed(facts_of(0, "restarted"), mark=0).end() == End(EPOCH, "restarted", 0, 0)


def test_unknown_end_is_asked_for_until_there_is_nothing() -> None:
    """More may have been closed than anybody remembers; then END says that nobody knows."""
    facts = facts_of(2, "power_cut", is_end_known=False)
    facts.until = MOMENT
    feed = Feed(facts, mark=4)
    assert feed.has_more()
    feed.took([])
    assert not feed.has_more()
    assert feed.end() == End(EPOCH, "power_cut", until=MOMENT)


@given(st.integers(0, 2**63 - 1))
def test_any_mark_of_an_unknown_end_can_be_asked_behind(mark: int) -> None:
    """A collector may say what it likes: the seq still fits the spool's columns."""
    feed = Feed(facts_of(2, "spool_lost", is_end_known=False), mark)
    assert 1 <= feed.next_seq <= 2**63 - 1
    feed.took([])
    assert feed.end() is not None


class FeedMachine(RuleBasedStateMachine):
    """A spool and a collector around a feed; the collector must get every seq, in order, once."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = facts_of(0)
        self.rows: dict[int, Row] = {}
        self.feed = Feed(self.facts, 0)
        self.asked_from: int | None = None
        self.under_way: list[Row | End] = []
        self.mark = 0
        self.rejected: int | None = None
        self.ended = False

    @precondition(lambda self: self.facts.end is None)
    @rule(count=st.integers(1, 5))
    def close_batches(self, count: int) -> None:
        """The device reads on."""
        for seq in range(self.facts.last_seq + 1, self.facts.last_seq + count + 1):
            self.rows[seq] = row(seq)
        self.facts.last_seq += count

    @rule()
    def stop(self) -> None:
        """The device ends the epoch."""
        self.facts.end = "stopped"

    @precondition(lambda self: self.feed.may_go_on and not self.feed.next_row())
    @rule()
    def ask(self) -> None:
        """Rows are asked for."""
        if self.feed.has_more():
            self.feed.is_reading = True
            self.asked_from = self.feed.next_seq

    @precondition(lambda self: self.asked_from is not None)
    @rule(count=st.integers(1, 4))
    def read(self, count: int) -> None:
        """The spool gives some."""
        assert self.asked_from is not None
        held = [each for seq, each in sorted(self.rows.items()) if each.last_seq >= self.asked_from]
        self.feed.took(held[:count])
        self.asked_from = None

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        """As many go as there is room for."""
        for _ in range(count):
            found = self.feed.next_row() if self.feed.may_go_on else None
            if found is None:
                break
            self.under_way.append(found)
            self.feed.sent(found)

    @rule()
    def send_end(self) -> None:
        """END goes, if it is its time."""
        if self.feed.may_go_on and not self.feed.next_row() and not self.feed.has_more():
            end = self.feed.end()
            if end is not None:
                self.under_way.append(end)

    @precondition(lambda self: self.under_way)
    @rule(refuses=st.booleans())
    def arrive(self, refuses: bool) -> None:
        """The collector takes the next, or refuses it for good."""
        what = self.under_way.pop(0)
        if isinstance(what, End):
            assert self.rejected is None
            assert (what.last_seq, self.ended) == (self.mark, False)
            self.ended = True
        elif self.rejected is not None and (what.gap is None or what.first_seq > self.rejected):
            return  # dropped until the gap comes
        elif refuses and what.gap is None and what.first_seq == self.mark + 1:
            self.rejected = what.first_seq
            self.feed.go_back(what.first_seq)
        else:
            assert what.first_seq <= self.mark + 1, "a hole"
            self.rejected = None
            self.mark = max(self.mark, what.last_seq)

    @precondition(lambda self: self.feed.mending)
    @rule()
    def mend(self) -> None:
        """The spool has put the gap."""
        assert self.rejected is not None
        self.rows[self.rejected] = gap(self.rejected, self.rejected)
        self.feed.mending -= 1

    @rule()
    def acknowledge(self) -> None:
        """The device hears of the mark."""
        self.feed.acknowledged(self.mark)

    @invariant()
    def nothing_is_sent_that_was_not_closed(self) -> None:
        """Nor is anything sent behind the end."""
        assert self.feed.next_seq <= self.facts.last_seq + 1
        assert not (self.ended and self.under_way)

    def teardown(self) -> None:
        """Whatever happened: all of it arrives, and then the end."""
        self.facts.end = "stopped"
        for _ in range(self.facts.last_seq * 10 + 20):
            if self.feed.mending:
                self.mend()
            self.ask() if self.feed.may_go_on and not self.feed.next_row() else None
            if self.asked_from is not None:
                self.read(4)
            self.send(4)
            self.send_end()
            while self.under_way:
                self.arrive(refuses=False)
            self.acknowledge()
        assert (self.mark, self.ended) == (self.facts.last_seq, True)


TestFeed = FeedMachine.TestCase

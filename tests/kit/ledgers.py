"""The ledger: every reading that a device accepted, and what may have become of it.

The reference model of the whole way. It knows nothing of rows, frames or sessions; only which readings
there are, where each stands (epoch and seq), what has happened to it, and what that excuses:

    reading                                     may end as
    any                                         stored once, or in a gap whose reason fits; never both
    in memory when that was lost                in a gap `power_cut` or `spool_lost`, by seq or by time
    in memory when the card was copied          in such a gap: the copy tells of its loss
    the same, before anybody had heard of it    missing
    refused, or spoiled on its way              in a gap `rejected`
    of a device that ever had to drop           in a gap `spool_full`
    sent as a datagram                          counted in the gap `datagram_lost`
    known to a store that was set back          in the span of time that this has recorded
    not certainly accepted (dead meanwhile)     missing
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

from kit.found import Found, Gap, Line, Place
from wire.bodies import GapReason


@dataclass(slots=True)
class Reading:
    """One reading; `time_ns` is UTC.

    `is_sure`: it was accepted, as far as one can know. `is_secured`: it is on a card. `was_in_memory`: it
    was not when memory was lost; `is_unheard`: then nobody could know of it. `was_copied_without`: nor
    when the card was copied. `span`: the store has known of it, and lost that from one moment to the other.
    """

    value: float
    time_ns: int
    device: str
    place: Place
    is_datagram: bool = False
    is_sure: bool = True
    is_secured: bool = False
    was_in_memory: bool = False
    was_copied_without: bool = False
    is_unheard: bool = False
    span: tuple[int, int] | None = None


class Ledger:
    """All readings; `rejected` are the places of batches that a collector could not take."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.rejected: set[Place] = set()
        self.has_dropped = False
        self._at: defaultdict[Place, list[Reading]] = defaultdict(list)

    def add(self, reading: Reading) -> None:
        """Note that a device was given one."""
        self.readings.append(reading)
        self._at[reading.place].append(reading)

    def set_back(self, now: Found, then: Found, from_ns: int, to_ns: int) -> None:
        """Note that a store goes on with what it was then."""
        heard = {device for device, _ in then.marks}
        for each in self.readings:
            if _fate(now, each) not in ((), _fate(then, each)):
                each.span = from_ns, to_ns
                each.is_unheard |= _device(now, each) not in heard

    def check(self, found: Found) -> None:
        """Hold a store against all this, when everything has come that ever will."""
        self._check_values(found)
        self._check_marks(found)
        for gap in found.gaps:
            self._check_count(gap)
        for line, mark in found.marks.items():
            if mark.is_of_datagrams and mark.is_ended:
                self._check_datagrams(found, line, mark.mark)
        for each in self.readings:
            if each.is_sure and each.value not in found.values:
                self._check_missing(each, found)

    def _check_values(self, found: Found) -> None:
        """Each value is stored once, where it was accepted, and lies in no gap there."""
        known = {each.value: each for each in self.readings}
        for value, places in found.values.items():
            assert len(places) == 1, f"{value} is stored {len(places)} times"
            ((device, epoch), seq) = places[0]
            assert value in known, f"{value} was never accepted"
            reading = known[value]
            assert reading.place == (epoch, seq), f"{reading} is stored as {seq} of {epoch.hex()}"
            both = [gap for gap in found.gaps_at(reading.place) if gap.device == device]
            assert both == [] or reading.is_datagram, f"{reading} is stored, and lies in {both}"

    def _check_marks(self, found: Found) -> None:
        """Up to its mark, every batch of an epoch is stored once or lies in one gap; beyond, none."""
        seen = found.seqs.copy()
        expected: Counter[tuple[Line, int]] = Counter()
        for gap in found.gaps:
            seen.update((gap.line, seq) for seq in gap.seqs)
            if gap.is_tail:
                assert gap.first_seq == found.marks[gap.line].mark + 1, f"{gap} is no tail"
        for line, mark in found.marks.items():
            expected.update((line, seq) for seq in range(1, mark.mark + 1))
        for place in seen.keys() | expected.keys():
            if not found.marks[place[0]].is_of_datagrams:
                assert seen[place] == expected[place], f"{place}: {seen[place]}, {expected[place]}"

    def _check_count(self, gap: Gap) -> None:
        """Where a gap has a count, that is how many readings there were."""
        if gap.readings is not None and gap.reason != GapReason.DATAGRAM_LOST:
            lost = [each for seq in gap.seqs for each in self._at[gap.line[1], seq]]
            assert _is_exact(gap.readings, lost), gap

    def _check_datagrams(self, found: Found, line: Line, mark: int) -> None:
        """What came and what is missing is all that was sent."""
        sent = [each for seq in range(1, mark + 1) for each in self._at[line[1], seq]]
        count = sum(each.value in found.values for each in sent)
        for gap in found.gaps:
            if gap.epoch == line[1] and gap.reason == GapReason.DATAGRAM_LOST:
                if gap.readings is None:
                    return
                count += gap.readings
        assert _is_exact(count, sent), f"{count} of epoch {line[1].hex()}, {len(sent)} were sent"

    def _check_missing(self, reading: Reading, found: Found) -> None:
        gaps = found.gaps_at(reading.place)
        for gap in gaps:
            assert self._explains(gap, reading), f"{reading} in {gap}"
        if not gaps:
            assert _is_excused(reading, found), f"{reading} is lost without a word"

    def _explains(self, gap: Gap, reading: Reading) -> bool:
        match gap.reason:
            case GapReason.REJECTED:
                return reading.place in self.rejected
            case GapReason.SPOOL_FULL:
                return self.has_dropped
            case GapReason.COLLECTOR_ROLLBACK:
                return reading.span is not None
            case GapReason.DATAGRAM_LOST:
                return reading.is_datagram
        is_lost = reading.was_in_memory or reading.was_copied_without
        return is_lost or reading.span is not None


def _is_exact(count: int, readings: list[Reading]) -> bool:
    return sum(each.is_sure for each in readings) <= count <= len(readings)


def _fate(found: Found, reading: Reading) -> tuple[object, ...]:
    """What a store says of a reading; nothing where it does not know of it."""
    if reading.value in found.values:
        return ("stored",)
    gaps = found.gaps_at(reading.place) or found.gaps_around(reading.time_ns)
    return tuple(gap.reason for gap in gaps)


def _device(found: Found, reading: Reading) -> str:
    """Under which name a store knows the epoch of a reading, or else would hear of it."""
    names = [device for device, epoch in found.marks if epoch == reading.place[0]]
    return reading.device if reading.device in names or not names else names[0]


def _is_excused(reading: Reading, found: Found) -> bool:
    if reading.is_unheard:
        return True
    if reading.was_in_memory and found.gaps_around(reading.time_ns):
        return True
    if reading.span is None:
        return False
    from_ns, to_ns = reading.span
    spans = [(gap.from_ns, gap.to_ns) for gap in found.gaps if gap.epoch is None]
    return any(
        start is not None and end is not None and start <= from_ns and to_ns <= end
        for start, end in spans
    )

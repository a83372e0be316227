"""The epochs of a device: the present one, and those before it that the collector still waits for.

Pure: it knows neither files nor clocks.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from device.spool.records import EpochFacts
from wire.bodies import EndReason, GapReason, Held, Moment


def may_be(owner: str | None, other: str) -> bool:
    """Say whether what was offered under an owner may be offered under another.

    An owner is `name@collector`; a name alone stands for some collector, nobody knows which: before
    the first READY, and where the collector does not say.
    """
    if owner is None:
        return True
    shorter, longer = sorted((owner, other), key=len)
    return f"{longer}@".startswith(f"{shorter}@")


class Epochs:
    """All epochs that are not over, the oldest first; `present` is None before and after a run."""

    def __init__(self, facts: Iterable[EpochFacts] = ()) -> None:
        self.present: EpochFacts | None = None
        self._by_number: dict[int, EpochFacts] = {}
        for each in sorted(facts, key=lambda facts: facts.number):
            self.add(each)

    def __iter__(self) -> Iterator[EpochFacts]:
        return iter(list(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def by_number(self) -> Mapping[int, EpochFacts]:
        """The epochs by the device's own count."""
        return self._by_number

    def find(self, epoch: bytes) -> EpochFacts | None:
        """Return the epoch of that id."""
        found = (each for each in reversed(self._by_number.values()) if each.epoch == epoch)
        return next(found, None)

    def add(self, facts: EpochFacts) -> None:
        """Add one that is newer than all others."""
        self._by_number[facts.number] = facts

    def begin(self, epoch: bytes, now: Moment, is_durable: bool = False) -> EpochFacts:
        """Make the epoch that follows; it is not the present one yet."""
        # A card that could not be read at the start may hold numbers too: of an earlier time, and
        # where the clock was wrong, hardly of the same.
        chance = int.from_bytes(epoch[:2], "little")
        number = max(max(self._by_number, default=0) + 1, now.wall_ns // 10**6 * 2**16 + chance)
        return EpochFacts(number, epoch, now.boot_ns, now, is_durable=is_durable)

    def forget(self, facts: EpochFacts) -> None:
        """Let go of one that is over, or in which nothing ever happened."""
        self._by_number.pop(facts.number, None)

    def waiting(self, owner: str) -> list[EpochFacts]:
        """Return those to offer under a name, the present one first; the others oldest first."""
        offered = [each for each in self if not each.is_over and may_be(each.owner, owner)]
        return sorted(offered, key=lambda each: each is not self.present)

    def offered_to(self, owner: str) -> list[EpochFacts]:
        """Return those that were offered under a name, and of which something is still to be said."""
        return [each for each in self.waiting(owner) if each.owner is not None]

    def of_others(self, owner: str) -> list[EpochFacts]:
        """Return those that were offered under another name: they are kept, and not offered."""
        return [each for each in self if not each.is_over and not may_be(each.owner, owner)]


def held(facts: EpochFacts, lowest_seq: int) -> Held:
    """Say of an epoch what HOLD says."""
    return Held(facts.epoch, lowest_seq, facts.clock, facts.began_ns, facts.datagrams)


def end_left_open(
    facts: Iterable[EpochFacts], whole: Collection[int], now: Moment, lost: str | None
) -> None:
    """End every epoch that an earlier run left open; those in which nothing happened are over.

    Args:
        whole: of which (by number) all that was ever closed is still there.
        now: the start of this run, which is when nothing of theirs can have been read any more.
        lost: why what is not there is gone, if it was of this boot and that is known.
    """
    for each in facts:
        if each.end is None:
            _end(each, each.number in whole or each.is_durable, now, lost)
        # Nobody has heard of such an epoch, and nobody needs to.
        if each.is_end_known and not each.last_seq and each.owner is None:
            each.is_over = True


def _end(facts: EpochFacts, is_whole: bool, now: Moment, lost: str | None) -> None:
    if is_whole:
        facts.end = EndReason.RESTARTED
        return
    same_boot = facts.clock.boot_id == now.boot_id
    facts.end = (lost or GapReason.SPOOL_LOST) if same_boot else GapReason.POWER_CUT
    facts.is_end_known = False
    facts.until = now

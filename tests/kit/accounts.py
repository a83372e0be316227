"""An account: what one device has accepted, and how safe that is, as told by its promises alone."""

from collections.abc import Collection, Sequence

from kit.devices import Pi, Policy
from kit.ledgers import Ledger, Reading
from wire.blocks import Point

# No later than this what was read is accepted, under whatever policy, as long as there is room.
_LATE_NS = 2 * 10**9


class Account:
    """What of the ledger is one device's.

    `pending`: what is accepted only once it is on the card, or in a datagram. `forgotten`: what was lost
    under policy `memory`, which only that policy tells of at the next start.
    """

    def __init__(self, pi: Pi, ledger: Ledger) -> None:
        self.pi = pi
        self._ledger = ledger
        self._own: list[Reading] = []
        self._pending: list[Reading] = []
        self._forgotten: list[Reading] = []
        self._was_ill = False

    def accept(self, channels: Sequence[str]) -> None:
        """Let a sensor with these channels be read, once; the values are never the same twice."""
        first, pi = len(self._ledger.readings), self.pi
        if pi.is_up:
            # Whether those before it are committed can be seen only before this one waits, too.
            self.look()
        points = [Point(name, "degC", float(first + n), 0) for n, name in enumerate(channels)]
        accepted = pi.accept("air", points)
        if not accepted and pi.is_up:
            return  # there was no room: nobody may ever hear of them
        for point in points:
            reading = Reading(
                point.value, pi.world.now_ns(), pi.device, pi.place(), pi.transport == "udp",
                is_sure=pi.is_up,
            )  # fmt: skip
            self._ledger.add(reading)
            self._own.append(reading)
            self._pending.append(reading)

    def look(self) -> None:
        """Note what has come about by now."""
        pi = self.pi
        self._ledger.has_dropped |= pi.spool.dropped_readings > 0
        self._was_ill |= pi.health != "well"
        if pi.spool.lost is None:
            self._forgotten = []
        still = [each for each in self._pending if pi.is_pending(each.place)]
        if not pi.spool.intake.is_full:
            assert all(pi.world.now_ns() - each.time_ns <= _LATE_NS for each in still)
        if pi.policy == "strict":
            for each in self._pending:
                each.is_secured |= each not in still and not each.is_datagram
        self._pending = still

    def starts(self, policy: Policy) -> None:
        """Note that the agent is about to start."""
        self._was_ill = self.pi.health != "well"
        if policy != "memory":
            for each in self._forgotten:
                each.is_unheard = True
            self._forgotten = []

    def moved(self) -> None:
        """Note that all that is there is on the card."""
        for each in self._own:
            each.is_secured |= not (each.was_in_memory or each.is_datagram)

    def stopped(self, is_kept: bool) -> None:
        """Note that the agent has ended cleanly; `is_kept`: all that its policy keeps."""
        for each in self._pending:
            each.is_sure &= (
                is_kept  # there may have been no room for them to the end, which is told
            )
        self._pending = []
        if is_kept and self.pi.policy != "memory":
            self.moved()

    def copied(self) -> None:
        """Note that the card was copied."""
        for each in self._own:
            each.was_copied_without |= not each.is_secured

    def died(self) -> None:
        """Note that the agent has died: what waited for most of `at_risk` is on the card."""
        pi = self.pi
        self._ledger.has_dropped |= pi.spool.dropped_readings > 0
        for each in self._pending:
            each.is_sure = False
        self._pending = []
        if pi.policy != "frugal" or self._was_ill:
            return
        for each in self._own:
            up_s = min(pi.died_s - pi.began_s, (pi.died_ns - each.time_ns) / 1e9)
            if up_s >= pi.at_risk_s and not (each.was_in_memory or each.is_datagram):
                each.is_secured = True

    def lost_memory(self, is_heard: bool, known: Collection[bytes]) -> None:
        """Note that what was not on the card is gone.

        Args:
            is_heard: whether the collector knows the device.
            known: the epochs that the collector or the card knows.
        """
        for each in self._own:
            if each.is_secured:
                continue
            each.was_in_memory = True
            may_be_unknown = self._was_ill or each.is_datagram
            if not is_heard or (may_be_unknown and each.place[0] not in known):
                each.is_unheard = True
            if self.pi.policy == "memory":
                self._forgotten.append(each)

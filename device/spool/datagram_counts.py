"""Datagram epochs in the spool: nothing of them is kept but how many datagrams there were."""

from collections.abc import Callable

from device.spool.epochs import Epochs
from device.spool.intake import Intake
from device.spool.records import EpochFacts
from device.spool.tier import Tier


class DatagramCounts:
    """Keeps in `near` what END has to say of each datagram epoch; `new` makes the next epoch.

    `intake` is told where `near` fails, which ends the run; where it is full the next count is kept.
    """

    def __init__(
        self, intake: Intake, near: Tier, epochs: Epochs, new: Callable[[], EpochFacts]
    ) -> None:
        self._intake = intake
        self._near = near
        self._epochs = epochs
        self._new = new

    def begin(self) -> EpochFacts:
        """Begin an epoch whose batches travel as datagrams."""
        facts = self._new()
        facts.datagrams = True
        self._epochs.add(facts)
        self._keep(facts)
        return facts

    def record(self, facts: EpochFacts, last_seq: int, readings: int) -> None:
        """Keep how many batches an epoch has by now, and how many readings."""
        facts.last_seq, facts.readings = last_seq, readings
        self._keep(facts)

    def end(self, facts: EpochFacts, reason: str) -> None:
        """End an epoch."""
        facts.end = reason
        self._keep(facts)

    def _keep(self, facts: EpochFacts) -> None:
        with self._intake.watched():
            self._near.put_epochs([facts])

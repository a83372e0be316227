"""Datagram epochs in the spool: nothing of them is kept but how many datagrams there were."""

from collections.abc import Callable

from device.spool.epochs import Epochs
from device.spool.records import EpochFacts
from device.spool.tier import Tier


class DatagramCounts:
    """Keeps in `near` what END has to say of each datagram epoch; `new` makes the next epoch."""

    def __init__(self, near: Tier, epochs: Epochs, new: Callable[[], EpochFacts]) -> None:
        self._near = near
        self._epochs = epochs
        self._new = new

    def begin(self) -> EpochFacts:
        """Begin an epoch whose batches travel as datagrams."""
        facts = self._new()
        facts.datagrams = True
        self._epochs.add(facts)
        self._near.put_epochs([facts])
        return facts

    def record(self, facts: EpochFacts, last_seq: int, readings: int) -> None:
        """Keep how many batches an epoch has by now, and how many readings."""
        facts.last_seq, facts.readings = last_seq, readings
        self._near.put_epochs([facts])

    def end(self, facts: EpochFacts, reason: str) -> None:
        """End an epoch."""
        facts.end = reason
        self._near.put_epochs([facts])

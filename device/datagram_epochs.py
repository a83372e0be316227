"""Datagram epochs: one a session, so that nothing recorded of an earlier one can ever be replayed.

What is read goes to the sender of the present one; its number is kept in the spool's memory tier, so
that END can say exactly what was sent, also after kill -9.
"""

from collections.abc import Sequence
from functools import partial

from config.addresses import Address
from device.datagrams import DatagramSender
from device.spool import Spool
from device.spool.epochs import may_be
from wire.batches import ClockPair
from wire.blocks import Point
from wire.bodies import DatagramKey, EndReason, OpenDatagrams, Report


class DatagramEpochs:
    """The datagram epochs of one run.

    `report` is what the collector last said of the present one; `sent`, `failed` count all of them.
    """

    def __init__(self, spool: Spool) -> None:
        self.report: Report | None = None
        self._spool = spool
        self._earlier_sent = 0
        self._earlier_failed = 0
        self._is_stopped = False
        self._begin()

    def accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        """Take what one read of one sensor gave; it leaves before long, once."""
        self._sender.accept(sensor, time_ns, points)
        return True

    def edge_accepted(self) -> None:
        """Note that what was just taken is not to wait for anything."""
        self._sender.departure.edge()

    @property
    def sent(self) -> int:
        """How many datagrams were handed to the network."""
        return self._earlier_sent + self._sender.sent

    @property
    def failed(self) -> int:
        """How many could not be; the collector counts them as missing."""
        return self._earlier_failed + self._sender.failed

    def session_began(self, owner: str) -> None:
        """End the epoch of the session before this one, or of another owner, and begin another."""
        is_used = self._is_offered or not may_be(self._facts.owner, owner)
        if is_used and not self._is_stopped:
            self._end(EndReason.ROLLED)
            self._begin()

    def wish(self) -> OpenDatagrams | None:
        """Return what asks for the key of the present epoch; None where that has ended."""
        if self._is_stopped:
            return None
        self._is_offered = True
        facts = self._facts
        return OpenDatagrams(facts.epoch, facts.clock, facts.began_ns)

    def key_came(self, key: DatagramKey, collector: Address) -> None:
        """Take the key, if it is the one that is waited for."""
        is_awaited = not (self._is_stopped or self._sender.is_open)
        if is_awaited and key.epoch == self._facts.epoch:
            self._sender.open(key, collector)

    def reported(self, report: Report) -> None:
        """Keep what the collector says of the present epoch."""
        if report.epoch == self._facts.epoch:
            self.report = report

    def stop(self) -> None:
        """Send what is there, and end the present epoch."""
        self._is_stopped = True
        self._end(EndReason.STOPPED)

    def _begin(self) -> None:
        self._facts = self._spool.datagrams.begin()
        self._is_offered = False
        self.report = None
        self._sender = DatagramSender(
            self._facts.epoch,
            self._facts.clock.boot_id,
            self._pair,
            partial(self._spool.datagrams.record, self._facts),
        )

    def _end(self, reason: str) -> None:
        self._sender.close()
        self._earlier_sent += self._sender.sent
        self._earlier_failed += self._sender.failed
        self._sender.sent = self._sender.failed = 0
        self._spool.datagrams.end(self._facts, reason)

    def _pair(self) -> ClockPair:
        now = self._spool.now()
        return ClockPair(now.boot_ns, now.wall_ns, now.synchronised)

"""What is missing: the rules that turn what a device says, and what it no longer says, into gaps.

A reading that was accepted is stored, or lies in a gap, and never in both:

- GAP and an END that knows the last seq take the place of batches; the mark moves over them.
- An epoch that a device neither ended nor names any more has a *tail*, a gap from its mark to
  nobody knows where; so has one that ended nobody knows where. Should it go on after all (frames of
  a session that died, the copy of a card), `Epochs.write` takes the tail back as the mark moves.
- Of a datagram epoch any batch may be missing; once it has ended they are counted, in one gap.

Every epoch that is handed in is as its row says, with no run open.
"""

from collections.abc import Sequence

from collector.store.clocks import At, Clocks
from collector.store.epochs import Epoch, Epochs
from collector.store.gaps import Gaps, Missing
from collector.store.numbers import LARGEST, bounded
from wire.bodies import End, EndReason, Gap, GapReason, Moment


def _words(reasons: type) -> frozenset[str]:
    return frozenset(word for name, word in vars(reasons).items() if name.isupper())


_GAP_REASONS = _words(GapReason)
_END_REASONS = _words(EndReason)


class MissingRules:
    """The rules, with the tables that they change."""

    def __init__(self, epochs: Epochs, gaps: Gaps, clocks: Clocks) -> None:
        self._epochs = epochs
        self._gaps = gaps
        self._clocks = clocks

    def hold(self, device_id: int, named: Sequence[Epoch], lost: str | None, now_ns: int) -> None:
        """Take note of what a device no longer holds; the first of `named` is its present epoch."""
        began = named[0].began if named else None
        names = {epoch.name for epoch in named}
        for epoch in self._epochs.vanished(device_id, names, now_ns):
            self._set_tail(epoch, began, lost or GapReason.SPOOL_LOST, now_ns)
        if lost is not None and named:
            self._record_loss(named[0], lost, now_ns)

    def gap(self, epoch: Epoch, gap: Gap, now_ns: int) -> None:
        """Put a gap in the place of what lies above the mark, which is something, and no hole."""
        from_at, to_at = _span(epoch, gap)
        readings = gap.readings if gap.first_seq == epoch.mark + 1 else None
        # A backup that was gone back to may have recorded that time: twice would be too much.
        if gap.reason != GapReason.COLLECTOR_ROLLBACK or not self._gaps.is_rolled_back(
            epoch.device_id, from_at, to_at
        ):
            missing = Missing(
                epoch.mark + 1, gap.last_seq, from_at, to_at, gap.reason, readings, epoch.counted
            )
            self._gaps.add(epoch.device_id, epoch.row_id, missing, now_ns)
        epoch.mark = gap.last_seq
        if epoch.counted is not None:
            epoch.counted = None if readings is None else bounded(epoch.counted + readings)

    def end(self, epoch: Epoch, end: End, now_ns: int) -> None:
        """End an epoch that had not ended."""
        until = None if end.until is None else self._moment(epoch.device_id, end.until)
        highest_came = epoch.mark
        if end.last_seq is None:
            reason = GapReason.SPOOL_LOST if end.reason in _END_REASONS else end.reason
            self._set_tail(epoch, until, reason, now_ns)
        else:
            self._end_at(epoch, end, end.last_seq, until, now_ns)
        epoch.ended = end.reason
        if epoch.datagrams:
            came_last = epoch.mark == highest_came
            self.count_datagrams(epoch, epoch.last if came_last else until, now_ns)

    def count_datagrams(self, epoch: Epoch, to_at: At | None, now_ns: int) -> None:
        """Say in one gap how many datagrams never came, of an epoch that has ended."""
        missing = None
        if epoch.mark > epoch.batches:
            readings = None if epoch.counted is None else epoch.counted - epoch.readings
            missing = Missing(
                1, epoch.mark, epoch.began, to_at, GapReason.DATAGRAM_LOST,
                None if readings is None or readings < 0 else readings,
            )  # fmt: skip
        self._gaps.set_lost_datagrams(epoch.device_id, epoch.row_id, missing, now_ns)

    def _end_at(self, epoch: Epoch, end: End, last_seq: int, until: At | None, now_ns: int) -> None:
        """End an epoch where nothing can come behind `last_seq`: whatever is not here is missing."""
        if epoch.tail is not None:
            self._gaps.drop_tail(epoch.tail)
            epoch.tail = None
        if last_seq < epoch.mark:
            return
        if last_seq > epoch.mark and not epoch.datagrams:
            reason = end.reason if end.reason in _GAP_REASONS else GapReason.SPOOL_LOST
            missing = Missing(
                epoch.mark + 1, last_seq, epoch.reached, until, reason, before=epoch.counted
            )
            self._gaps.add(epoch.device_id, epoch.row_id, missing, now_ns)
        if end.readings is not None:
            self._gaps.count(epoch.row_id, last_seq, end.readings)
        if end.readings is not None or last_seq > epoch.mark:
            epoch.counted = end.readings
        epoch.mark = last_seq

    def _set_tail(self, epoch: Epoch, to_at: At | None, reason: str, now_ns: int) -> None:
        if epoch.mark == LARGEST:
            return  # nothing can come behind it
        if epoch.tail is not None:
            self._gaps.explain_tail(epoch.tail, to_at, reason)
        else:
            missing = Missing(epoch.mark + 1, None, epoch.reached, to_at, reason)
            epoch.tail = self._gaps.add_tail(epoch.device_id, epoch.row_id, missing, now_ns)

    def _record_loss(self, present: Epoch, reason: str, now_ns: int) -> None:
        """Record that what a device held before its present epoch is lost, once."""
        was_heard, latest = self._epochs.before(present)
        if not was_heard or self._gaps.has_loss(
            present.device_id, present.row_id, reason, present.began
        ):
            return
        missing = Missing(0, 0, latest, present.began, reason)
        self._gaps.add(present.device_id, present.row_id, missing, now_ns)

    def _moment(self, device_id: int, moment: Moment) -> At:
        """Return the moment that a device names; what it says of its clock is taken with it."""
        boot = self._clocks.boot(device_id, moment.boot_id)
        if moment.synchronised:
            self._clocks.note(boot, moment)
        return At(moment.boot_ns, boot)


def _span(epoch: Epoch, gap: Gap) -> tuple[At | None, At | None]:
    """Return from when to when a gap is, as far as the device or what came before it says."""
    from_at, to_at = epoch.reached, None
    if epoch.boot is not None and gap.first_ns is not None:
        from_at = At(gap.first_ns, epoch.boot)
    if epoch.boot is not None and gap.last_ns is not None:
        to_at = At(gap.last_ns, epoch.boot)
    if from_at is not None and to_at is not None and to_at.ns < from_at.ns:
        to_at = None
    return from_at, to_at

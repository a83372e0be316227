"""collector.store.former_batches: the runs of version 2, and the pairs that were borne out.

What becomes of a whole store is in test_collector_store_migrations.py.
"""

from collector.clock import SECOND_NS
from collector.store.former_batches import _Pairs, _runs
from kit.stores import at_ns, batch
from kit.wireworks import CLOCK
from wire.batches import ClockPair
from wire.receiver import Arrived

UNTRUSTED = CLOCK._replace(synchronised=False)


def run(*batches: Arrived) -> bytes:
    """Batches end to end."""
    return b"".join(arrived.sealed for arrived in batches)


def test_row_is_cut_where_the_clock_began_to_be_right() -> None:
    """Each part is dated in one way; no byte is lost."""
    sealed = run(batch(1, clock=UNTRUSTED), batch(2), batch(3), batch(4, clock=UNTRUSTED))
    found = list(_runs(sealed))
    assert [[header.place.seq for header in each.headers] for each in found] == [[1], [2, 3], [4]]
    assert b"".join(part for each in found for part in each.sealed) == sealed


def test_row_that_cannot_be_read_is_not_cut() -> None:
    """Not even up to where it cannot."""
    assert list(_runs(b"not even bytes")) == []
    assert list(_runs(run(batch(1)) + b"rest")) == []


def test_best_borne_out_of_each_hour_goes_on() -> None:
    """Where the clocks lay a minute apart or more, nothing does."""
    pairs = _Pairs()
    for boot_s, late_s in ((10, 5.0), (20, 3.0), (30, 4.0), (3700, 59.0), (7300, 60.0)):
        clock = ClockPair(boot_s * SECOND_NS, at_ns(boot_s), False)
        header = batch(boot_s, clock=clock).header
        pairs.note(1, header, at_ns(boot_s + late_s))
    assert {
        hour: (apart_ns, clock.boot_ns // SECOND_NS)
        for (_, hour), (apart_ns, clock) in pairs.measured.items()
    } == {0: (3 * SECOND_NS, 20), 1: (59 * SECOND_NS, 3700)}


def test_clock_that_is_right_leaves_one_pair_an_hour() -> None:
    """As it would in this version."""
    pairs = _Pairs()
    for boot_s in range(0, 7300, 100):
        clock = ClockPair(boot_s * SECOND_NS, at_ns(boot_s), True)
        pairs.note(1, batch(boot_s + 1, clock=clock).header, at_ns(boot_s))
    assert [clock.boot_ns // SECOND_NS for _, clock in pairs.synchronised] == [0, 3600, 7200]

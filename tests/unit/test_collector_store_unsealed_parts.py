"""collector.store.unsealed_parts: rows read together hold what they hold one by one."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock import OWN, Dating, Known
from collector.store.parts import Part, parts_of
from collector.store.rows import BatchRow
from collector.store.unsealed_parts import unsealed_parts
from kit.columns import bits
from kit.stores import Read, batch
from kit.wireworks import CLOCK, damaged
from wire.batches import ClockPair
from wire.blocks import Point

UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
DERIVED, UNKNOWN = Dating(Known.DERIVED, CLOCK.offset_ns, 70), Dating(Known.UNKNOWN)

points = st.lists(
    st.builds(
        Point,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["V", "A"]),
        st.floats(-9, 9),
        st.just(0),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda point: point.channel,
)
reads = st.builds(
    Read, st.sampled_from(["x", "y"]), st.integers(0, 9).map(lambda s: s * 10**9), points
)
kinds = st.sampled_from([(OWN, CLOCK), (DERIVED, UNSET), (UNKNOWN, UNSET)])
batches = st.tuples(st.lists(reads, min_size=1, max_size=3), st.booleans())
several = st.lists(st.tuples(kinds, st.lists(batches, min_size=1, max_size=3)), max_size=5)


def listed(parts: Iterable[Part | None]) -> Counter[object]:
    """Every reading there is, and how many batches cannot be read."""
    found: Counter[object] = Counter()
    for part in parts:
        if part is None:
            found[None] += 1
            continue
        known = [(each.known, each.error_ns) for each in part.datings.tolist()]
        for one in zip(
            part.times_ns.tolist(), bits(part.values), part.qualities.tolist(), known, strict=True
        ):
            found[part.series, part.unit, *one] += 1
    return found


@given(several, st.sampled_from(["*", "pi/x.*", "pi/?.a", "pi/y.b", "other/*"]))
@settings(max_examples=60)
def test_rows_read_together(
    some: list[tuple[tuple[Dating, ClockPair], list[tuple[list[Read], bool]]]], pattern: str
) -> None:
    """As those that are read by themselves; each series and unit of known time is one part, in order."""
    rows = []
    for row_id, ((dating, clock), its) in enumerate(some, 1):
        sealed = [batch(seq, *what, clock=clock).sealed for seq, (what, _) in enumerate(its, 1)]
        spoilt = [damaged(one) if bad else one for one, (_, bad) in zip(sealed, its, strict=True)]
        rows.append(BatchRow(row_id, "pi", 0, b"".join(spoilt), dating, 1))
    found = list(unsealed_parts("pi", rows, pattern))
    assert listed(found) == listed(part for row in rows for part in parts_of(row, pattern))
    dated = [part for part in found if part is not None and not part.boot]
    assert len({part[:2] for part in dated}) == len(dated)
    for part in dated:
        assert (part.times_ns[1:] >= part.times_ns[:-1]).all()

"""device.spool.records: what was kept comes back as it was, or is known to be damaged."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device.spool.records import (
    EpochFacts,
    Read,
    RecordError,
    Row,
    checked,
    gap_over,
    hole,
    pack_facts,
    pack_gap,
    pack_read,
    row_of,
    unpack_facts,
    unpack_read,
    verified,
)
from kit.tiers import epoch_of
from kit.wireworks import EPOCH, MOMENT, sealed_batch
from wire.blocks import Point
from wire.bodies import Gap, Moment

EPOCH_1 = epoch_of(1).epoch

ids = st.binary(min_size=16, max_size=16)
seqs = st.integers(1, 2**63 - 1)
counts = st.integers(0, 2**63 - 1)
times_ns = st.integers(-(2**61) + 1, 2**61 - 1)
words = st.text(max_size=60)
moments = st.builds(Moment, ids, times_ns, st.integers(-(2**62), 2**62), st.booleans())
facts = st.builds(
    EpochFacts,
    seqs, ids, times_ns, moments, counts, counts, counts,
    st.none() | words, st.none() | words, st.booleans(), st.none() | moments,
    st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
points = st.builds(Point, words, words, st.floats(), st.integers(0, 255))
reads = st.builds(Read, words, times_ns, st.lists(points, max_size=5))
gaps_of_1 = st.builds(
    Gap,
    st.just(EPOCH_1), seqs, seqs, words, st.none() | counts, st.none() | times_ns,
    st.none() | times_ns,
)  # fmt: skip


def in_bits(read: Read) -> Any:
    """A read that can be compared: NaN equals itself, and -0.0 is not 0.0."""
    points = [point._replace(value=struct.pack("<d", point.value)) for point in read.points]
    return read._replace(points=points)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit turned round: that of this number, or the remainder."""
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@settings(max_examples=50, deadline=None)
@given(facts)
def test_epoch_comes_back(facts: EpochFacts) -> None:
    """With every field as it was."""
    assert unpack_facts(pack_facts(facts)) == facts


@settings(max_examples=50, deadline=None)
@given(reads)
def test_read_comes_back(read: Read) -> None:
    """To the bit, whatever a sensor gave; it is a read, and its points are points."""
    found = unpack_read(pack_read(*read))
    assert in_bits(found) == in_bits(read)
    assert {type(found), *map(type, found.points)} <= {Read, Point}


@settings(max_examples=50, deadline=None)
@given(gaps_of_1)
def test_gap_comes_back(gap: Gap) -> None:
    """As a row that says how far it goes, whatever the key of the row says of that."""
    row = row_of(epoch_of(1), gap.first_seq, gap.first_seq, pack_gap(gap))
    assert row == Row(gap.first_seq, gap.last_seq, 0, gap=gap)


def test_batch_comes_back() -> None:
    """Its bytes are those that were sealed."""
    sealed = sealed_batch(5, [1.0, 2.0], epoch=EPOCH_1)
    assert row_of(epoch_of(1), 5, 5, sealed) == Row(5, 5, 2, sealed=sealed)


@settings(max_examples=50, deadline=None)
@given(facts, reads, st.integers(min_value=0))
def test_flipped_bit_of_a_record_is_refused(facts: EpochFacts, read: Read, bit: int) -> None:
    """Whichever it is, in the data or in the checksum."""
    with pytest.raises(RecordError, match="does not fit its checksum"):
        unpack_facts(flipped(pack_facts(facts), bit))
    with pytest.raises(RecordError, match="does not fit its checksum"):
        unpack_read(flipped(pack_read(*read), bit))


@settings(deadline=None)
@given(st.booleans(), st.integers(min_value=0))
def test_flipped_bit_of_a_row_makes_it_a_gap(is_gap: bool, bit: int) -> None:
    """Never a wrong value, a wrong number, or an end of the program."""
    gap = Gap(EPOCH_1, 5, 9, "spool_full", 50, 1, 2)
    body = pack_gap(gap) if is_gap else sealed_batch(5, [1.0, 2.0, 3.0], epoch=EPOCH_1)
    row = row_of(epoch_of(1), 5, 9, flipped(body, bit))
    assert row == Row(5, 9, 0, gap=Gap(EPOCH_1, 5, 9, "spool_unreadable"))


@settings(max_examples=50, deadline=None)
@given(facts, reads, st.integers(0, 10**6), st.binary(max_size=8))
def test_torn_record_is_refused(facts: EpochFacts, read: Read, cut: int, more: bytes) -> None:
    """Cut short anywhere, or with something behind it."""
    for record, unpack in ((pack_facts(facts), unpack_facts), (pack_read(*read), unpack_read)):
        torn = record[: cut % len(record)] + more
        with pytest.raises(RecordError):
            unpack(torn if torn != record else b"")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Whatever a damaged cell gives."""
    with pytest.raises(RecordError):
        unpack_facts(data)
    with pytest.raises(RecordError):
        unpack_read(data)
    assert row_of(epoch_of(1), 3, 3, data) == hole(EPOCH_1, 3, 3, "spool_unreadable")


def test_record_of_another_kind_is_refused() -> None:
    """A checksum that fits does not make a read an epoch."""
    with pytest.raises(RecordError, match=r"record of \d+ bytes: Expected"):
        unpack_facts(pack_read("air", 1, []))
    with pytest.raises(RecordError, match=r"record of \d+ bytes: Expected"):
        unpack_read(pack_facts(epoch_of(1)))
    assert verified(checked(b"anything")) == b"anything"


@pytest.mark.parametrize(
    ("number", "seq", "body"),
    [
        (2, 5, sealed_batch(5, epoch=EPOCH_1)),
        (1, 6, sealed_batch(5, epoch=EPOCH_1)),
        (2, 5, pack_gap(Gap(EPOCH_1, 5, 9, "rejected"))),
        (1, 6, pack_gap(Gap(EPOCH_1, 5, 9, "rejected"))),
        (1, 5, b""),
        (1, 5, b"\0"),
    ],
)
def test_row_that_stands_in_the_wrong_place(number: int, seq: int, body: bytes) -> None:
    """A key that was damaged gives no batch of one place to another."""
    row = row_of(epoch_of(number), seq, seq + 2, body)
    assert row == hole(epoch_of(number).epoch, seq, seq + 2, "spool_unreadable")


def test_damaged_row_is_one_row_at_least() -> None:
    """A last seq before the first is damaged too."""
    assert row_of(epoch_of(1), 5, -3, b"") == hole(EPOCH_1, 5, 5, "spool_unreadable")


def test_closing_changes_what_closing_changes() -> None:
    """What was acknowledged or offered in between stays as it is by now."""
    mine = epoch_of(1, last_seq=3, readings=30, mark=2, owner="greenhouse")
    clock = replace(MOMENT, synchronised=False)
    mine.take_over(replace(mine, last_seq=4, readings=33, clock=clock, mark=0, owner=None))
    expected = epoch_of(1, last_seq=4, readings=33, mark=2, owner="greenhouse")
    assert mine == replace(expected, clock=clock)


def batch(seq: int, *values: float, at_s: int) -> Row:
    """A batch of a reading a second."""
    sealed = sealed_batch(seq, list(values), first_ns=at_s * 10**9)
    return row_of(EpochFacts(1, EPOCH, 0, MOMENT), seq, seq, sealed)


def test_gap_over_batches_counts_them() -> None:
    """How many readings were in them, and when they were read, in whatever order."""
    rows = [batch(3, 1.0, 2.0, at_s=20), batch(4, 3.0, at_s=10), batch(5, 4.0, at_s=15)]
    assert gap_over(EPOCH, rows, "spool_full") == Gap(
        EPOCH, 3, 5, "spool_full", 4, 10 * 10**9, 21 * 10**9
    )


def test_gap_over_gaps_takes_what_they_say() -> None:
    """Also where that is not all."""
    gap = Row(1, 2, 0, gap=Gap(EPOCH, 1, 2, "spool_full", 7, 3, None))
    assert gap_over(EPOCH, [gap, batch(3, 1.0, at_s=20)], "spool_full") == Gap(
        EPOCH, 1, 3, "spool_full", 8, 3, 20 * 10**9
    )


@pytest.mark.parametrize("behind", [True, False])
def test_unknown_count_spoils_the_sum(behind: bool) -> None:
    """No number would be true; and without any time none is told."""
    unknown = hole(EPOCH, 2, 4, "spool_unreadable")
    known = Row(5, 5, 0, gap=Gap(EPOCH, 5, 5, "spool_full", 7)) if behind else unknown
    assert gap_over(EPOCH, [unknown, known], "rejected").readings is None
    assert gap_over(EPOCH, [unknown], "rejected") == Gap(EPOCH, 2, 4, "rejected")

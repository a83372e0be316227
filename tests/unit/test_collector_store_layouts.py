"""collector.store.layouts: each column is found where it lies, and no body is read by another's layout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store.layouts import (
    HEADER,
    are_laid_out,
    headers_of,
    layout_of,
    matrix_of,
    numbers_at,
)
from kit.stores import Read, batch
from wire import batches, blocks
from wire.blocks import Point
from wire.errors import BatchError

points = st.lists(
    st.builds(
        Point,
        st.sampled_from(["a", "b", "c"]),
        st.just("V"),
        st.floats(-9, 9),
        st.sampled_from([0, 0, 7]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda point: point.channel,
)
reads = st.lists(
    st.builds(Read, st.sampled_from(["x", "y"]), st.integers(0, 9), points), min_size=1, max_size=4
)


@given(reads)
def test_columns_are_found(some: list[Read]) -> None:
    """As decoding the body finds them."""
    sealed = batch(1, *some).sealed
    body = batches.body_of(sealed)
    layout, matrix = layout_of(body), matrix_of([body])
    assert all(
        numbers_at(matrix, block.times_at, block.reads, "<i8").flags.aligned
        for block in layout.blocks
    )
    found = []
    for block in layout.blocks:
        columns = [
            blocks.Column(
                its.channel,
                its.unit,
                numbers_at(matrix, its.values_at, block.reads, "<f8").tobytes(),
                None
                if its.qualities_at is None
                else numbers_at(matrix, its.qualities_at, block.reads, "u1").tobytes(),
            )
            for its in block.columns
        ]
        times = numbers_at(matrix, block.times_at, block.reads, "<i8").tobytes()
        found.append(blocks.Block(block.sensor, times, columns))
    assert found == blocks.decode(body)
    assert layout.readings == batches.open_header(sealed).readings


@given(reads, reads)
def test_only_bodies_of_one_layout_are_alike(some: list[Read], others: list[Read]) -> None:
    """Of one length, they are if and only if all but their numbers is the same."""
    first, second = (batches.body_of(batch(1, *its).sealed) for its in (some, others))
    if len(first) != len(second):
        return
    one, other = layout_of(first), layout_of(second)
    _, is_alike = are_laid_out(matrix_of([first, second]), one, 0).tolist()
    assert is_alike == (one.blocks == other.blocks)


@given(reads, st.integers(1, 2**63 - 1))
def test_headers_are_read_as_the_wire_has_them(some: list[Read], seq: int) -> None:
    """Field by field."""
    sealed = batch(seq, *some).sealed
    header = batches.open_header(sealed)
    (found,) = headers_of([sealed])
    place, clock = header.place, header.clock
    wanted = (
        *(
            batches.VERSION,
            sealed[1],
            header.readings,
            header.size_bytes,
            place.epoch,
            place.seq,
            place.before,
        ),
        *(header.boot_id, clock.boot_ns, clock.wall_ns, header.first_ns, header.last_ns),
    )
    assert (
        tuple(bytes(its) if isinstance(its, np.void) else its for its in found.tolist()) == wanted
    )
    assert HEADER.itemsize == batches.HEADER_BYTES


@pytest.mark.parametrize("body", [b"", b"\x90", b"\xc1", b"\x91\x93\xa1x\xc4\x00\x90"])
def test_what_is_no_body(body: bytes) -> None:
    """It has no layout."""
    with pytest.raises(BatchError):
        layout_of(body)

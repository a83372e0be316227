"""wire.batches: a sealed batch is taken whole or not at all."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import BOOT, CLOCK, EPOCH, damaged, resealed, sealed_batch
from wire import batches
from wire.batches import Place, seal
from wire.blocks import OpenBody, Point
from wire.errors import BatchError


def test_header_says_what_was_sealed() -> None:
    """Every field of the header comes back."""
    header = batches.open_header(sealed_batch(7, [1.0, 2.0, 3.0], before=12))
    assert header.readings == 3
    assert header.place == Place(EPOCH, 7, 12)
    assert (header.boot_id, header.clock) == (BOOT, CLOCK)
    assert (header.first_ns, header.last_ns) == (10**9, 3 * 10**9)


def test_body_is_deflated_where_that_helps() -> None:
    """A long regular body shrinks; a short one stays as it is."""
    long, short = sealed_batch(values=[20.0] * 500), sealed_batch()
    assert long[1] & 1
    assert not short[1] & 1
    assert len(long) < 500 * 16 / 2
    assert batches.open_body(long)[0].sensor == "air"


def test_body_that_does_not_shrink_stays_as_it_is() -> None:
    """Deflating noise would only cost the reader time."""
    body = OpenBody()
    noise = struct.unpack("<64d", b"".join(struct.pack("<Q", 0x3FE0000000000000 | (i * 0x9E3779B97F4A7C15) % 2**52) for i in range(64)))  # fmt: skip
    for number, value in enumerate(noise):
        body.add("air", number * 7_654_321_987_654, [Point("t", "", value, 0)])
    sealed = seal(body, Place(EPOCH, 1, 0), BOOT, CLOCK)
    assert len(sealed) <= len(body.encoded()) + 92


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_every_changed_byte_is_noticed(place: int, change: int) -> None:
    """The checksum covers all of the batch, itself included."""
    sealed = bytearray(sealed_batch(values=[1.5, 2.5]))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(BatchError):
        batches.open_header(bytes(sealed))


def test_every_truncation_is_noticed() -> None:
    """Half a batch is no batch."""
    sealed = sealed_batch(values=[1.0] * 4)
    for length in range(len(sealed)):
        with pytest.raises(BatchError):
            batches.open_header(sealed[:length])


@pytest.mark.parametrize(
    ("offset", "new", "message"),
    [
        (0, b"\x02", "version 2"),
        (1, b"\x04", "flags 4"),
        (2, struct.pack("<H", 0), "0 readings"),
        (2, struct.pack("<H", 1001), "1001 readings"),
        (4, struct.pack("<I", 70_000), "limit"),
        (4, struct.pack("<I", 100), "says it has 100"),
        (24, struct.pack("<Q", 0), "seq 0"),
        (24, struct.pack("<Q", 2**63), "seq 9223372036854775808"),
        (32, struct.pack("<Q", 2**63), "before"),
        (72, struct.pack("<q", 2**40), "before the first"),
        (56, struct.pack("<qq", 0, 2**63 - 1), "outside"),
    ],
)
def test_numbers_that_cannot_be_are_refused(offset: int, new: bytes, message: str) -> None:
    """A header that lies is refused although its checksum fits."""
    with pytest.raises(BatchError, match=message):
        batches.open_header(resealed(sealed_batch(), offset, new))


def test_damaged_batch_still_names_its_place() -> None:
    """Whoever cannot take it can say which one it was."""
    sealed = sealed_batch(7, [1.0, 2.0], before=12)
    assert batches.place_of(damaged(sealed)) == Place(EPOCH, 7, 12)
    assert batches.place_of(sealed[:88]) == Place(EPOCH, 7, 12)


@pytest.mark.parametrize(
    "data",
    [b"", sealed_batch()[:87], resealed(sealed_batch(), 24, bytes(8)), b"\xff" * 200],
)
def test_what_names_no_place_is_no_batch_at_all(data: bytes) -> None:
    """A seq that no batch can have, or too few bytes to hold one."""
    with pytest.raises(BatchError):
        batches.place_of(data)


def test_body_must_hold_what_the_header_says() -> None:
    """A count or a span of times that differs is found when the body is opened."""
    sealed = sealed_batch(values=[1.0, 2.0])
    with pytest.raises(BatchError, match="header says 3"):
        batches.open_body(resealed(sealed, 2, struct.pack("<H", 3)))
    with pytest.raises(BatchError, match="times"):
        batches.open_body(resealed(sealed, 72, struct.pack("<q", 2 * 10**9)))


def test_deflated_bomb_is_refused() -> None:
    """A body that inflates to more than 1 MiB is not inflated any further."""
    import zlib

    body = zlib.compress(bytes(2**24), 9)
    head = bytearray(sealed_batch()[:88])
    head[1] |= 1
    head[4:8] = struct.pack("<I", 88 + len(body) + 4)
    sealed = bytes(head) + body
    sealed += struct.pack("<I", zlib.crc32(sealed))
    assert batches.open_header(sealed)
    with pytest.raises(BatchError, match="inflates"):
        batches.open_body(sealed)


def test_split_gives_back_batches_end_to_end() -> None:
    """Batches in one row come apart again, byte for byte."""
    given_batches = [sealed_batch(seq, [float(seq)] * seq) for seq in range(1, 6)]
    assert list(batches.split(b"".join(given_batches))) == given_batches
    with pytest.raises(BatchError, match="are left"):
        list(batches.split(b"".join(given_batches)[:-1]))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_batch_or_a_batch_error(data: bytes) -> None:
    """A peer's bytes raise nothing but BatchError."""
    for read in (
        batches.open_header,
        batches.place_of,
        batches.open_body,
        lambda run: list(batches.split(run)),
    ):
        with contextlib.suppress(BatchError):
            read(data)

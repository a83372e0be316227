"""collector.store.blobs: what is written is read again, and what is not there is a ChunkError."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store.blobs import (
    MOST_ENTRIES,
    ChunkError,
    Cursor,
    closed,
    opened,
    sized,
    varint,
    zigzag,
)
from kit.columns import LEAST, MOST, damages


@given(st.integers(0, 2**64 - 1), st.integers(LEAST, MOST), st.binary(max_size=300))
def test_what_is_written_is_read(number: int, signed: int, data: bytes) -> None:
    """Numbers of any size and bytes of any length, one behind the other."""
    cursor = Cursor(varint(number) + zigzag(signed) + sized(data) + b"rest")
    assert (cursor.varint(), cursor.zigzag(), cursor.sized()) == (number, signed, data)
    assert cursor.rest() == b"rest"
    cursor.end()


def test_small_numbers_take_one_byte() -> None:
    """And none more than nine."""
    assert len(varint(247)) == len(zigzag(-124)) == 1
    assert len(varint(2**64 - 1)) == 9


@given(st.binary(max_size=12))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but a ChunkError comes of bytes that end too early."""
    for read in (Cursor.varint, Cursor.zigzag, Cursor.sized):
        cursor = Cursor(data)
        try:
            while True:
                read(cursor)
        except ChunkError as error:
            assert "end too early" in str(error)  # noqa: PT017


def test_leavings_and_too_many_are_refused() -> None:
    """A count is held against what there can be, the end against the bytes."""
    with pytest.raises(ChunkError, match="at most 4"):
        Cursor(varint(5)).count(4)
    with pytest.raises(ChunkError, match="1 bytes are left over"):
        Cursor(b"x").end()


@given(st.binary(min_size=1, max_size=50), st.integers(1, MOST_ENTRIES), damages)
def test_damage_is_found(body: bytes, entries: int, damage: Callable[[bytes], bytes]) -> None:
    """A bit, a cut or bytes too many; also a wrong number of entries, which stands elsewhere."""
    blob = closed(1, body, entries)
    assert opened(1, blob, entries) == body
    with pytest.raises(ChunkError):
        opened(1, damage(blob), entries)
    with pytest.raises(ChunkError, match="checksum"):
        opened(1, blob, entries % MOST_ENTRIES + 1)


def test_version_and_number_are_checked() -> None:
    """What a newer program made is told from damage; no blob is without entries, or boundless."""
    with pytest.raises(ChunkError, match="version 2 is not known"):
        opened(1, closed(2, b"x", 1), 1)
    for entries in (0, MOST_ENTRIES + 1):
        with pytest.raises(ValueError, match="entries"):
            closed(1, b"x", entries)
        with pytest.raises(ChunkError, match="entries"):
            opened(1, b"xxxxxxxxxx", entries)

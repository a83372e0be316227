"""wire.datagrams: the bytes of a datagram, and that each is let in once."""

import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import EPOCH, resealed, sealed_batch
from wire.datagrams import (
    HEAD_BYTES,
    MAX_BATCH_BYTES,
    MAX_DATAGRAM_BYTES,
    MAX_SEQ,
    TAG_BYTES,
    DatagramError,
    DatagramHead,
    DropReason,
    ReplayWindow,
    check_batch,
    open_datagram,
    parse_head,
    seal_datagram,
)
from wire.errors import LocalProtocolError

CIPHER = ChaCha20Poly1305(bytes(range(32)))
WIDTH = ReplayWindow.WIDTH


def datagram_of(seq: int, key_id: int = 7) -> bytes:
    """A datagram as it travels."""
    return seal_datagram(DatagramHead(key_id, seq), sealed_batch(seq), CIPHER)


def test_layout_is_the_documented_one() -> None:
    """Version, key id and seq stand openly; RFC 8439 with the seq as nonce opens the rest."""
    datagram = datagram_of(0x0102030405, key_id=0xAABBCCDD)
    assert datagram[:13].hex() == "01" + "ddccbbaa" + "0504030201000000"
    nonce = bytes(4) + bytes.fromhex("0504030201000000")
    assert CIPHER.decrypt(nonce, datagram[13:], datagram[:13]) == sealed_batch(0x0102030405)


@given(st.integers(1, MAX_SEQ), st.integers(0, 2**32 - 1), st.binary(max_size=MAX_BATCH_BYTES))
def test_what_was_sealed_is_opened(seq: int, key_id: int, data: bytes) -> None:
    """Head and content come back, for every key id, seq and length."""
    datagram = seal_datagram(DatagramHead(key_id, seq), data, CIPHER)
    head = parse_head(datagram)
    assert head == (key_id, seq)
    assert open_datagram(datagram, head, CIPHER) == data
    assert len(datagram) == HEAD_BYTES + len(data) + TAG_BYTES <= MAX_DATAGRAM_BYTES


def test_batch_of_too_many_bytes_is_our_own_mistake() -> None:
    """What does not fit is never sent cut or in pieces."""
    with pytest.raises(LocalProtocolError, match="1172 bytes, a datagram has 1171"):
        seal_datagram(DatagramHead(1, 1), bytes(MAX_BATCH_BYTES + 1), CIPHER)


def test_changed_datagram_is_not_opened() -> None:
    """Whichever bit is flipped, of the head too: the tag does not fit."""
    datagram = datagram_of(5)
    for place in range(len(datagram)):
        for bit in range(8):
            changed = bytearray(datagram)
            changed[place] ^= 1 << bit
            with pytest.raises(DatagramError):
                open_datagram(bytes(changed), parse_head(bytes(changed)), CIPHER)


def test_another_key_opens_nothing() -> None:
    """A key of the same id is not enough."""
    with pytest.raises(DatagramError) as caught:
        open_datagram(datagram_of(5), DatagramHead(7, 5), ChaCha20Poly1305(bytes(32)))
    assert caught.value.reason == DropReason.BAD_TAG


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", DropReason.TOO_SHORT),
        (datagram_of(1)[: HEAD_BYTES + TAG_BYTES - 1], DropReason.TOO_SHORT),
        (datagram_of(1).ljust(MAX_DATAGRAM_BYTES + 1, b"\0"), DropReason.TOO_LONG),
        (b"\2" + datagram_of(1)[1:], DropReason.VERSION),
        (struct.pack("<BIQ", 1, 7, 0) + bytes(100), DropReason.BAD_BATCH),
        (struct.pack("<BIQ", 1, 7, 2**63) + bytes(100), DropReason.BAD_BATCH),
    ],
)
def test_head_that_cannot_be(datagram: bytes, reason: str) -> None:
    """Length, version and seq are looked at before anything else is done."""
    with pytest.raises(DatagramError) as caught:
        parse_head(datagram)
    assert caught.value.reason == reason


@given(st.binary(max_size=MAX_DATAGRAM_BYTES + 100))
def test_any_bytes_are_dropped(data: bytes) -> None:
    """Bytes from a stranger give a reason to drop them, and nothing else."""
    with pytest.raises(DatagramError):
        open_datagram(data, parse_head(data), CIPHER)


def test_batch_is_checked_against_its_datagram() -> None:
    """Its header comes back; a batch of another epoch or seq, or a damaged one, is none."""
    sealed = sealed_batch(3, [1.0, 2.0])
    assert check_batch(sealed, EPOCH, 3).readings == 2
    for wrong in [
        (sealed, EPOCH, 4),
        (sealed, bytes(16), 3),
        (sealed[:-1], EPOCH, 3),
        (b"", EPOCH, 3),
    ]:
        with pytest.raises(DatagramError) as caught:
            check_batch(*wrong)
        assert caught.value.reason == DropReason.BAD_BATCH
    with pytest.raises(DatagramError):
        check_batch(resealed(sealed, 24, struct.pack("<Q", 2**63)), EPOCH, 2**63)


# What RFC 6479 has in place of a bit shift: a ring of blocks, of which one is more than the window needs.
BLOCK = 8
RING = WIDTH + BLOCK
# Each step: a seq, and whether it is let in.
EDGES = {
    "first": [(1, True), (1, False), (2, True), (1, False), (2, False)],
    "no such seq": [(0, False), (-1, False), (2**63, False), (2**64 - 1, False), (1, True)],
    "backwards": [(9, True), (8, True), (7, True), (7, False), (8, False), (9, False), (1, True)],
    "begins late": [(5, True), (1, True), (4, True), (5, False), (1, False), (6, True)],
    "top of the range": [
        (2**63 - 1, True), (2**63 - 1, False), (2**63, False), (2**63 - WIDTH, True),
        (2**63 - 1 - WIDTH, False), (1, False), (2**63 - 2, True), (2**63 - 2, False),
    ],
    "last place of the window": [(WIDTH, True), (1, True), (1, False), (WIDTH, False)],
    "one place behind it": [(WIDTH + 1, True), (1, False), (2, True), (2, False)],
    "pushed out while new": [(3, True), (WIDTH + 4, True), (4, False), (5, True), (3, False)],
    "jump by the width": [(1, True), (1 + WIDTH, True), (1, False), (2, True), (WIDTH, True)],
    "jump by the ring": [
        (1, True), (1 + WIDTH + 8, True), (1, False), (9, False), (10, True), (WIDTH + 8, True),
        (WIDTH + 9, False),
    ],
    "jump over the ring": [
        (7, True), (8, True), (5 * WIDTH, True), (5 * WIDTH - 1, True), (4 * WIDTH + 1, True),
        (4 * WIDTH, False), (8, False), (5 * WIDTH, False), (5 * WIDTH + 1, True),
    ],
    "huge jump": [(1, True), (2**40, True), (2**40 - WIDTH + 1, True), (2**40 - WIDTH, False),
                  (2**62, True), (2**40 + 1, False), (2**62 - 1, True), (2**62, False)],
    "nothing left in the oldest byte": [
        (9, True), (2 * (WIDTH + 8), True), (WIDTH + 8 + 9, True), (WIDTH + 8 + 9, False),
    ],
    "same place a ring later": [(16, True), (16 + WIDTH + 8, True), (16, False), (24, False), (25, True)],
    "edge of a block": [
        (7, True), (8, True), (7, False), (8, False), (16, True), (15, True), (9, True), (14, True),
        (15, False), (16, False), (9, False),
    ],
    "end of the ring": [
        (RING - 1, True), (RING, True), (RING - 1, False), (RING, False), (RING + 1, True),
        (BLOCK, False), (BLOCK + 1, False), (BLOCK + 2, True), (RING + 1, False),
    ],
    "end of the ring, overtaken": [
        (RING + 1, True), (RING - 1, True), (RING, True), (RING - 1, False), (RING, False),
        (RING + 1, False),
    ],
    "a block is entered while the window is full of others": [
        *((seq, True) for seq in range(1, WIDTH + 1)), (WIDTH + 1, True), (1, False), (2, False),
        (WIDTH, False), (WIDTH + 2, True), (3, False), (WIDTH + 1, False),
    ],
    "round the ring and back": [
        (RING, True), (2 * RING, True), (2 * RING - WIDTH, False), (2 * RING - WIDTH + 1, True),
        (RING, False), (3 * RING - 1, True), (2 * RING, False), (2 * RING + BLOCK - 1, False),
        (2 * RING + BLOCK, True), (3 * RING - 1, False),
    ],
    "forged jumps to the end of time": [
        (2**63, False), (2**64, False), (2**64 + 1, False), (WIDTH, True), (2**63 + WIDTH, False),
        (2**64 + WIDTH, False), (WIDTH, False),
    ],
}  # fmt: skip


@pytest.mark.parametrize("steps", EDGES.values(), ids=EDGES.keys())
def test_edges_of_the_window(steps: list[tuple[int, bool]]) -> None:
    """RFC 6479: at each edge of window, block and ring a seq is let in exactly once, or never."""
    window = ReplayWindow()
    for number, (seq, is_let_in) in enumerate(steps):
        assert window.is_new(seq) is is_let_in, (number, seq)
        if is_let_in:
            window.take(seq)
            assert not window.is_new(seq)


def test_the_window_is_wide() -> None:
    """A thousand datagrams may overtake one."""
    assert WIDTH >= 1024


@pytest.mark.parametrize("seqs", [range(1, 20_000), range(WIDTH, 0, -1)], ids=["forth", "back"])
def test_bulk(seqs: range) -> None:
    """In order, and in the reverse order of a whole window: all once, none twice."""
    window = ReplayWindow()
    for seq in seqs:
        assert window.is_new(seq)
        window.take(seq)
        assert not window.is_new(seq)
    assert not any(window.is_new(seq) for seq in seqs)


def test_asking_moves_nothing() -> None:
    """A forged seq, whose tag is still to be checked, cannot push others out."""
    window = ReplayWindow()
    window.take(5)
    assert window.is_new(2**62)
    assert [window.is_new(seq) for seq in (4, 5, 6)] == [True, False, True]


JUMPS = sorted(
    edge + by
    for edge in (1, BLOCK, WIDTH - BLOCK, WIDTH, RING, RING + BLOCK, 2 * RING)
    for by in range(-2, 3)
    if edge + by > 0
)


@pytest.mark.parametrize("jump", JUMPS)
def test_jump_from_every_place_of_a_block(jump: int) -> None:
    """RFC 6479: from each bit of a block, over its edge, the window's, the ring's: as a set says."""
    for start in range(RING - BLOCK, RING + BLOCK + 1):
        window, came, highest = ReplayWindow(), set[int](), start + jump
        for seq in (*range(start - WIDTH + 1, start, 13), start, highest):
            window.take(seq)
            came.add(seq)
        oldest = highest - WIDTH + 1
        for edge in (start - WIDTH, start, oldest, highest, highest + RING):
            for seq in range(edge - 2 * BLOCK, edge + 2 * BLOCK + 1):
                is_new = seq >= max(oldest, 1) and seq not in came
                assert window.is_new(seq) is is_new, (start, seq)


NEAR = st.integers(-3 * WIDTH, 3 * WIDTH)
CLOSE = st.integers(-20, 20)
EDGE = st.builds(lambda edge, by: edge + by, st.sampled_from([WIDTH, -WIDTH, WIDTH + 8]), CLOSE)


@given(st.integers(1, MAX_SEQ), st.lists(st.one_of(CLOSE, EDGE, NEAR), max_size=60))
def test_window_is_what_a_set_says(start: int, steps: list[int]) -> None:
    """A set of all that came, and the rule that what lies behind the width is over."""
    window, came, seq = ReplayWindow(), set[int](), start
    for step in [0, *steps]:
        seq = seq + step
        is_new = 1 <= seq <= MAX_SEQ and seq not in came and seq > max(came, default=0) - WIDTH
        assert window.is_new(seq) is is_new
        if is_new:
            window.take(seq)
            came.add(seq)
        seq = min(max(seq, 1), MAX_SEQ)

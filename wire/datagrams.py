"""Datagrams: one sealed batch each, encrypted, and the window that lets each in only once.

    offset  type   field
         0  u8     version, 1
         1  u32    key id, as DATAGRAM_KEY gave it
         5  u64    seq of the batch
        13  ...    the sealed batch (wire.batches), encrypted with ChaCha20-Poly1305 (RFC 8439)
       end  16 B   its tag, which covers the head too

Little-endian. The nonce is four zero bytes and the seq: a key is of one epoch, and a seq is taken
once, so no nonce ever comes twice. The cipher is an argument: nothing is encrypted here, and no
library is needed to look at a head.
"""

import struct
from typing import NamedTuple, Protocol

from wire.batches import CHECKSUM_BYTES, HEADER_BYTES, Header, open_header
from wire.errors import BatchError, LocalProtocolError, PeerError

VERSION = 1
HEAD_BYTES = 13
TAG_BYTES = 16
# What every path carries unbroken: IPv6's least MTU of 1280 bytes, less the heads of IP and UDP.
MAX_DATAGRAM_BYTES = 1200
MAX_BATCH_BYTES = MAX_DATAGRAM_BYTES - HEAD_BYTES - TAG_BYTES
MAX_BODY_BYTES = MAX_BATCH_BYTES - HEADER_BYTES - CHECKSUM_BYTES
MAX_SEQ = 2**63 - 1

_HEAD = struct.Struct("<BIQ")
_NONCE = struct.Struct("<IQ")
_LEAST_BYTES = HEAD_BYTES + TAG_BYTES


class DropReason:
    """Why a collector drops a datagram: the word that its counters carry."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    VERSION = "version"
    UNKNOWN_KEY = "unknown_key"
    REPLAYED = "replayed"
    BAD_TAG = "bad_tag"
    BAD_BATCH = "bad_batch"
    OVERLOADED = "overloaded"
    DISK_FULL = "disk_full"


class DatagramError(PeerError):
    """A datagram that cannot be taken; `reason` is a word of `DropReason`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Cipher(Protocol):
    """An AEAD with its key: ChaCha20Poly1305 as the library `cryptography` has it."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return the data encrypted, with the tag behind it."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return what was encrypted; raise where the tag does not fit."""


class DatagramHead(NamedTuple):
    """What a datagram says openly: whose key, and which batch."""

    key_id: int
    seq: int


def seal_datagram(head: DatagramHead, sealed: bytes, cipher: Cipher) -> bytes:
    """Encrypt the sealed batch of `head.seq`; to be done once for each seq of a key.

    Raises:
        LocalProtocolError: the batch is too long for a datagram.
    """
    if len(sealed) > MAX_BATCH_BYTES:
        raise LocalProtocolError(f"batch of {len(sealed)} bytes, a datagram has {MAX_BATCH_BYTES}")
    packed = _HEAD.pack(VERSION, *head)
    return packed + cipher.encrypt(_NONCE.pack(0, head.seq), sealed, packed)


def parse_head(datagram: bytes) -> DatagramHead:
    """Return what a datagram says it is; nothing of that is proven yet.

    Raises:
        DatagramError: its length, version or seq cannot be.
    """
    if len(datagram) < _LEAST_BYTES:
        raise DatagramError(DropReason.TOO_SHORT, f"{len(datagram)} bytes, least {_LEAST_BYTES}")
    if len(datagram) > MAX_DATAGRAM_BYTES:
        raise DatagramError(DropReason.TOO_LONG, f"over {MAX_DATAGRAM_BYTES} bytes")
    version, key_id, seq = _HEAD.unpack_from(datagram)
    if version != VERSION:
        raise DatagramError(DropReason.VERSION, f"{version}, known: {VERSION}")
    if not 1 <= seq <= MAX_SEQ:
        raise DatagramError(DropReason.BAD_BATCH, f"seq {seq}, accepted: 1 to {MAX_SEQ}")
    return DatagramHead(key_id, seq)


def open_datagram(datagram: bytes, head: DatagramHead, cipher: Cipher) -> bytes:
    """Return the sealed batch of a datagram whose head is `head`, proven to be of the key's owner.

    Raises:
        DatagramError: the tag does not fit; somebody else made it, or it was changed.
    """
    encrypted, associated = datagram[HEAD_BYTES:], datagram[:HEAD_BYTES]
    try:
        return cipher.decrypt(_NONCE.pack(0, head.seq), encrypted, associated)
    except Exception:  # noqa: BLE001 - the library's own class, which is not to be imported here
        raise DatagramError(DropReason.BAD_TAG, f"seq {head.seq}") from None


def check_batch(sealed: bytes, epoch: bytes, seq: int) -> Header:
    """Check the batch that came as datagram `seq` of `epoch`, but not its body; return its header.

    Raises:
        DatagramError: it is damaged, or of another place.
    """
    try:
        header = open_header(sealed)
    except BatchError as error:
        raise DatagramError(DropReason.BAD_BATCH, str(error)) from None
    if (header.place.epoch, header.place.seq) != (epoch, seq):
        raise DatagramError(DropReason.BAD_BATCH, f"seq {header.place.seq} came as {seq}")
    return header


class ReplayWindow:
    """Which seqs have come, of the last `WIDTH`; older ones count as having come (RFC 6479).

    Two steps: `is_new` before the tag is checked, so that a replay costs no decryption, and `take`
    after it was good, so that a forged seq moves nothing.

    The bits stand in a ring of bytes. To move on clears the bytes that are entered, never shifts;
    that costs the byte which is entered half, hence the width.
    """

    _RING_BYTES = 1024
    WIDTH = (_RING_BYTES - 1) * 8

    def __init__(self) -> None:
        self.highest = 0
        self._ring = bytearray(self._RING_BYTES)

    def is_new(self, seq: int) -> bool:
        """Say whether a seq may still be taken; changes nothing."""
        if not 1 <= seq <= MAX_SEQ or seq + self.WIDTH <= self.highest:
            return False
        return seq > self.highest or not self._ring[self._index(seq)] & _bit(seq)

    def take(self, seq: int) -> None:
        """Note that a seq came which `is_new` said yes to."""
        if seq > self.highest:
            self._move_on(seq)
        self._ring[self._index(seq)] |= _bit(seq)

    def _move_on(self, seq: int) -> None:
        first, last = self.highest // 8 + 1, seq // 8
        for place in range(max(first, last - self._RING_BYTES + 1), last + 1):
            self._ring[place % self._RING_BYTES] = 0
        self.highest = seq

    def _index(self, seq: int) -> int:
        return seq // 8 % self._RING_BYTES


def _bit(seq: int) -> int:
    return 1 << seq % 8

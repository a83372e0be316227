"""Blobs: bytes that end in a checksum and are never trusted. Pure.

    blob    version (1 byte), body, CRC32 of version and body (4 bytes, little-endian)
    varint  an integer below 2**64: below 248 one byte; else 247 + its size, then so many bytes (1 to
            8) little-endian
    zigzag  a signed 64-bit integer as varint: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
    sized   bytes behind their length, a varint

The checksum starts from how many entries the blob is said to hold, which is kept beside it: damage
there is found as well.
"""

from zlib import crc32

# No blob holds more entries: what reads one allocates by this number.
MOST_ENTRIES = 2**24

_CRC_BYTES = 4
_LOW_64 = 2**64 - 1
_ONE_BYTE = 247


class ChunkError(ValueError):
    """A blob of the store cannot be decoded; the message says what is wrong with it."""


def closed(version: int, body: bytes, entries: int) -> bytes:
    """Return the blob of a body."""
    if not 0 < entries <= MOST_ENTRIES:
        raise ValueError(f"a blob holds 1 to {MOST_ENTRIES} entries, not {entries}")
    data = bytes((version,)) + body
    return data + crc32(data, entries).to_bytes(_CRC_BYTES, "little")


def opened(version: int, blob: bytes, entries: int) -> bytes:
    """Return the body of a blob."""
    if not 0 < entries <= MOST_ENTRIES:
        raise ChunkError(f"a blob cannot hold {entries} entries: 1 to {MOST_ENTRIES} are possible")
    if len(blob) <= _CRC_BYTES:
        raise ChunkError(f"a blob of {len(blob)} bytes is too short to be one")
    found = int.from_bytes(blob[-_CRC_BYTES:], "little")
    if crc32(memoryview(blob)[:-_CRC_BYTES], entries) != found:
        raise ChunkError("the checksum does not fit: the bytes were damaged")
    if blob[0] != version:
        raise ChunkError(f"version {blob[0]} is not known here, {version} is: made by a newer one?")
    return blob[1:-_CRC_BYTES]


def varint(number: int) -> bytes:
    """Return an unsigned number in few bytes."""
    if number <= _ONE_BYTE:
        return number.to_bytes(1, "little")
    size = (number.bit_length() + 7) >> 3
    return (number << 8 | (_ONE_BYTE + size)).to_bytes(size + 1, "little")


def zigzag(number: int) -> bytes:
    """Return a signed number in as few bytes as it takes."""
    return varint((number << 1 ^ number >> 63) & _LOW_64)


def sized(data: bytes) -> bytes:
    """Return bytes that tell their own length."""
    return varint(len(data)) + data


class Cursor:
    """Reads a body from its start to its end; whatever is not there is a ChunkError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """Read one byte."""
        try:
            number = self._data[self._at]
        except IndexError:
            raise ChunkError("the bytes end too early") from None
        self._at += 1
        return number

    def varint(self) -> int:
        """Read an unsigned number."""
        start = self._at + 1
        try:
            number = self._data[self._at]
        except IndexError:
            raise ChunkError("the bytes end too early") from None
        if number <= _ONE_BYTE:
            self._at = start
            return number
        self._at = start + number - _ONE_BYTE
        if self._at > len(self._data):
            raise ChunkError("the bytes end too early")
        return int.from_bytes(self._data[start : self._at], "little")

    def is_at_zero(self) -> bool:
        """Say whether all that is left is one byte of 0."""
        return self._data[self._at :] == b"\0"

    def zigzag(self) -> int:
        """Read a signed number."""
        number = self.varint()
        return number >> 1 ^ -(number & 1)

    def count(self, most: int) -> int:
        """Read how many there are of something of which there can be no more than `most`."""
        number = self.varint()
        if number > most:
            raise ChunkError(f"{number} entries are said to be where at most {most} can be")
        return number

    def sized(self) -> bytes:
        """Read bytes that tell their own length."""
        size = self.varint()
        if size > len(self._data) - self._at:
            raise ChunkError("the bytes end too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """Read all that is left."""
        found = self._data[self._at :]
        self._at = len(self._data)
        return found

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise ChunkError(f"{len(self._data) - self._at} bytes are left over")

"""Tokens: the one line that lets a device in, `tg1-` and some letters.

It says where the collector is, how to know that it is the right one, and what proves that one was
invited. The letters are base64url (RFC 4648) of

    SHA-256 of the collector's certificate    32 bytes
    secret                                    16 bytes
    ways to reach it, each:  u8 how many bytes of a host | the host, as text | u16 port
    CRC-32 of all before                      u32

Little-endian. The checksum finds what was cut off or misread before anything is sent.
"""

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from wire.proofs import FINGERPRINT_BYTES, TOKEN_SECRET_BYTES

PREFIX = "tg1-"
MAX_ADDRESSES = 8
HostPort: TypeAlias = tuple[str, int]

_FIXED_BYTES = FINGERPRINT_BYTES + TOKEN_SECRET_BYTES
_PORT = struct.Struct("<H")
_CHECK = struct.Struct("<I")
_MAX_HOST_BYTES = 253
_MAX_BYTES = _FIXED_BYTES + MAX_ADDRESSES * (1 + _MAX_HOST_BYTES + _PORT.size) + _CHECK.size
_MAX_LETTERS = -(-_MAX_BYTES * 4 // 3)
_NOT_WHOLE = "not a whole token: copy it again, to its last letter"
_WRITTEN = re.compile(r"tg1-[A-Za-z0-9_-]+")
_HOST = re.compile(rf"[A-Za-z0-9.:_-]{{1,{_MAX_HOST_BYTES}}}")


class TokenError(ValueError):
    """What was given is no token, or can be none; the message says what it lacks."""


class Token(NamedTuple):
    """What a token says. `fingerprint`: SHA-256 of the collector's certificate.

    `addresses` are where it can be reached: an IP address or a name of the network, and the port.
    """

    fingerprint: bytes
    secret: bytes
    addresses: tuple[HostPort, ...]


def encode_token(fingerprint: bytes, secret: bytes, addresses: Sequence[HostPort]) -> str:
    """Return the token; of many addresses it names the first ones.

    Raises:
        TokenError: there is no address, or one that a token cannot name.
    """
    data = fingerprint + secret
    for host, port in _checked(addresses[:MAX_ADDRESSES]):
        data += bytes([len(host)]) + host.encode() + _PORT.pack(port)
    return PREFIX + _letters(data + _CHECK.pack(zlib.crc32(data)))


def find_token(text: str) -> str:
    """Return the token in what somebody pasted, which may be the whole line around it.

    Raises:
        TokenError: there is none, or there are several.
    """
    found = set(_WRITTEN.findall(text))
    if len(found) != 1:
        raise TokenError(
            f"{len(found) or 'no'} tokens in what was given; one is expected, which begins with {PREFIX}"
        )
    return str(found.pop())


def decode_token(text: str) -> Token:
    """Read a token.

    Raises:
        TokenError: it is none, or not whole.
    """
    if not _WRITTEN.fullmatch(text) or len(text) > len(PREFIX) + _MAX_LETTERS:
        raise TokenError(f"not a token: it begins with {PREFIX} and has letters, digits, - and _")
    data = _data(text.removeprefix(PREFIX))
    body, check = data[: -_CHECK.size], data[-_CHECK.size :]
    if len(body) < _FIXED_BYTES or _CHECK.pack(zlib.crc32(body)) != check:
        raise TokenError(_NOT_WHOLE)
    secret = body[FINGERPRINT_BYTES:_FIXED_BYTES]
    return Token(body[:FINGERPRINT_BYTES], secret, _checked(_addresses(body[_FIXED_BYTES:])))


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _data(letters: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    except binascii.Error:
        raise TokenError(_NOT_WHOLE) from None
    # The last letter may have bits to spare, which a checksum cannot see.
    if _letters(data) != letters:
        raise TokenError(_NOT_WHOLE)
    return data


def _addresses(data: bytes) -> Iterator[HostPort]:
    while data:
        size = data[0]
        host, port, data = data[1 : 1 + size], data[1 + size : 3 + size], data[3 + size :]
        if len(port) < _PORT.size:
            raise TokenError("the token ends within an address; make a new one")
        yield host.decode("latin-1"), *_PORT.unpack(port)


def _checked(addresses: Iterable[HostPort]) -> tuple[HostPort, ...]:
    checked = tuple(addresses)
    if not 1 <= len(checked) <= MAX_ADDRESSES:
        raise TokenError(f"a token names 1 to {MAX_ADDRESSES} addresses, this one {len(checked)}")
    for host, port in checked:
        if not _HOST.fullmatch(host) or not 0 < port < 2**16:
            raise TokenError(f"a token cannot name the address {host!r}, port {port}")
    return checked

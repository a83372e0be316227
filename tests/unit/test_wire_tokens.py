"""wire.tokens: what was pasted is the whole token, or it is said that it is not."""

import base64
import string
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.tokens import (
    MAX_ADDRESSES,
    PREFIX,
    Token,
    TokenError,
    decode_token,
    encode_token,
    find_token,
)

LETTERS = string.ascii_letters + string.digits + "-_"
HOST_LETTERS = string.ascii_letters + string.digits + ".:_-"
FINGERPRINT, SECRET = bytes(range(32)), bytes(range(32, 48))
HOSTS = st.text(HOST_LETTERS, min_size=1, max_size=253)
ADDRESSES = st.lists(st.tuples(HOSTS, st.integers(1, 65535)), min_size=1, max_size=MAX_ADDRESSES)
# Of each length that leaves other bits to spare in the last letter.
HOSTS_OF_EACH_REST = ["10.0.0.1", "10.0.0.12", "10.0.0.123"]


def token_to(*hosts: str) -> str:
    """A token that leads to these hosts."""
    return encode_token(FINGERPRINT, SECRET, [(host, 8888) for host in hosts])


def written(data: bytes) -> str:
    """Any bytes as a token whose checksum is right."""
    data += struct.pack("<I", zlib.crc32(data))
    return PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("=")


def packed(host: bytes, port: int) -> bytes:
    """An address as a token holds it."""
    return bytes([len(host)]) + host + struct.pack("<H", port)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), ADDRESSES)
def test_token_comes_back(
    fingerprint: bytes, secret: bytes, addresses: list[tuple[str, int]]
) -> None:
    """What the collector puts in the device gets out, also from the midst of a line."""
    token = encode_token(fingerprint, secret, addresses)
    assert decode_token(token) == Token(fingerprint, secret, tuple(addresses))
    assert find_token(f"sudo telegauge-device join {token}\n") == token


def test_longest_token_comes_back() -> None:
    """As many addresses as there may be, each as long as a name may be."""
    hosts = [letter * 253 for letter in "abcdefgh"]
    assert [host for host, _ in decode_token(token_to(*hosts)).addresses] == hosts
    with pytest.raises(TokenError, match="not a token"):
        decode_token(PREFIX + "A" * 3000)


def test_many_addresses_are_cut() -> None:
    """The first ones count: the collector names the likeliest first."""
    hosts = [f"10.0.0.{number}" for number in range(1, 20)]
    assert [host for host, _ in decode_token(token_to(*hosts)).addresses] == hosts[:MAX_ADDRESSES]


@pytest.mark.parametrize("host", HOSTS_OF_EACH_REST)
def test_every_truncation_is_refused(host: str) -> None:
    """Wherever the line was cut off, at either end."""
    token = token_to(host)
    for place in range(len(token)):
        with pytest.raises(TokenError):
            decode_token(token[:place])
        if place:
            with pytest.raises(TokenError):
                decode_token(token[place:])


@pytest.mark.parametrize("host", HOSTS_OF_EACH_REST)
def test_every_flipped_character_is_refused(host: str) -> None:
    """Any letter misread as any other, the last one too, whose spare bits no checksum sees."""
    token = token_to(host)
    for place, letter in enumerate(token):
        for other in LETTERS:
            if other != letter:
                with pytest.raises(TokenError):
                    decode_token(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("size", [0, 1, 32, 47])
def test_too_little_behind_a_right_checksum_is_refused(size: int) -> None:
    """The checksum of nothing is 0: `tg1-AAAAAA` has a right one."""
    with pytest.raises(TokenError, match="not a whole token"):
        decode_token(written(bytes(size)))


@pytest.mark.parametrize("host", HOSTS_OF_EACH_REST)
def test_what_was_added_is_refused(host: str) -> None:
    """A letter too many, padding, a space or a line break: decode_token takes the token alone."""
    token = token_to(host)
    for extra in ("A", "AAAA", "-", "=", "==", " ", "\n", "\0", "é"):
        for text in (token + extra, extra + token, token[:30] + extra + token[30:]):
            with pytest.raises(TokenError):
                decode_token(text)


@given(st.one_of(st.text(), st.text(LETTERS).map(PREFIX.__add__)))
def test_any_text_is_a_token_or_a_token_error(text: str) -> None:
    """Nothing else is raised, whatever somebody pastes."""
    with pytest.raises(TokenError):
        decode_token(text)
    with pytest.raises(TokenError):
        decode_token(find_token(text))


@given(st.binary(max_size=120))
def test_any_bytes_behind_a_right_checksum(data: bytes) -> None:
    """Who makes tokens of his own gets no further than the errors that are documented."""
    try:
        token = decode_token(written(data))
    except TokenError:
        return
    assert encode_token(*token) == written(data)


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (b"", "1 to 8 addresses"),
        (packed(b"a", 1) * 9, "1 to 8 addresses"),
        (packed(b"", 1), "cannot name"),
        (packed(b"a", 0), "cannot name"),
        (packed(b"a b", 1), "cannot name"),
        (packed(b"\xc3\xa4", 1), "cannot name"),
        (packed(b"a\x1b[31m", 1), "cannot name"),
        (packed(b"a" * 254, 1), "cannot name"),
        (packed(b"a", 1)[:-1], "ends within"),
        (packed(b"a", 1) + b"\x00", "ends within"),
    ],
)
def test_addresses_that_cannot_be_are_refused(addresses: bytes, said: str) -> None:
    """Although the checksum fits; and nothing in the message could forge a line."""
    with pytest.raises(TokenError, match=said) as caught:
        decode_token(written(FINGERPRINT + SECRET + addresses))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        [("", 1)],
        [("fe80::1%eth0", 1)],
        [("ä", 1)],
        [("a" * 254, 1)],
        [("a", 0)],
        [("a", 65536)],
    ],
)
def test_collector_makes_no_token_that_no_device_takes(addresses: list[tuple[str, int]]) -> None:
    """It is told at once, not the one who pastes it."""
    with pytest.raises(TokenError, match="a token"):
        encode_token(FINGERPRINT, SECRET, addresses)


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "  {}\n",
        "sudo telegauge-device join {}",
        "sudo telegauge-device join '{}'\n",
        "$ sudo telegauge-device join {} # on the Pi\r\n",
        "Paste this: {}. It is good for 15 minutes.",
        "{}\n{}",
        "\ufeff{}\n",
    ],
)
def test_whole_lines_may_be_pasted(line: str) -> None:
    """With all that stands around the token, and also twice."""
    token = token_to("192.168.1.10", "collector.local")
    assert find_token(line.replace("{}", token)) == token


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no tokens"),
        ("sudo telegauge-device join", "no tokens"),
        ("tg1-", "no tokens"),
        ("TG1-AAAA", "no tokens"),
        ("tg1-AAAA tg1-BBBB", "2 tokens"),
    ],
)
def test_no_token_or_several_are_refused(text: str, said: str) -> None:
    """Which of two was meant is not guessed."""
    with pytest.raises(TokenError, match=said):
        find_token(text)


def test_token_that_a_terminal_broke_is_refused() -> None:
    """Its first line alone is not whole, and that is said."""
    token = token_to("192.168.1.10")
    with pytest.raises(TokenError, match="not a whole token"):
        decode_token(find_token(f"telegauge-device join {token[:40]}\n{token[40:]}"))

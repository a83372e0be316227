"""device.cipher: the cipher that the contract names, and what to do where its library is missing."""

import sys

import pytest

from device.cipher import cipher, cipher_problem
from wire.datagrams import DatagramError, DatagramHead, open_datagram, seal_datagram

_LIBRARY = "cryptography.hazmat.primitives.ciphers.aead"


def test_it_is_chacha20_poly1305() -> None:
    """The example of RFC 8439, 2.8.2."""
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    found = cipher(bytes(range(0x80, 0xA0))).encrypt(
        bytes.fromhex("070000004041424344454647"), text, bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    )
    assert found[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert found[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    assert len(found) == len(text) + 16


def test_whoever_has_the_key_can_open_it() -> None:
    """And nobody else."""
    head = DatagramHead(7, 3)
    datagram = seal_datagram(head, b"a batch", cipher(bytes(32)))
    assert open_datagram(datagram, head, cipher(bytes(32))) == b"a batch"
    with pytest.raises(DatagramError):
        open_datagram(datagram, head, cipher(b"\x01" * 32))


def test_library_that_is_there_is_no_problem() -> None:
    """Nothing is said."""
    assert cipher_problem() is None


def test_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is for, what is wrong with it, and both ways out."""
    monkeypatch.setitem(sys.modules, _LIBRARY, None)
    with pytest.raises(ImportError):
        cipher(bytes(32))
    problem = cipher_problem()
    assert problem is not None
    for word in ("udp", _LIBRARY, "pip install 'telegauge[udp]'", "set transport to tcp"):
        assert word in problem

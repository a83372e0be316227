"""wire.proofs: a proof is good for its key or token, its connection and its name, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.fields import Secret
from wire.greetings import INVITATION_BYTES
from wire.proofs import (
    FINGERPRINT_BYTES,
    KEY_BYTES,
    NONCE_BYTES,
    TOKEN_SECRET_BYTES,
    Exchange,
    Verifier,
    _join_signature,
    _xor,
    auth_proof,
    is_auth_proof,
    join_proof,
    verifier_of,
)

KEY = b"k" * KEY_BYTES
SECRET = b"s" * TOKEN_SECRET_BYTES
EXCHANGE = Exchange(b"d" * NONCE_BYTES, b"c" * NONCE_BYTES, b"f" * FINGERPRINT_BYTES)
BITS = st.integers(0, 8 * 32 - 1)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit changed."""
    number = int.from_bytes(data, "big") ^ (1 << bit)
    return number.to_bytes(len(data), "big")


def other_exchanges(bit: int) -> list[Exchange]:
    """Exchanges that differ in one bit, of each of their parts in turn, and one that mixes them up."""
    changed = [
        EXCHANGE._replace(**{part: flipped(getattr(EXCHANGE, part), bit)})
        for part in EXCHANGE._fields
    ]
    return [
        *changed,
        Exchange(EXCHANGE.collector_nonce, EXCHANGE.device_nonce, EXCHANGE.fingerprint),
    ]


def test_sizes_are_those_of_the_fields() -> None:
    """What is proven over travels as `Secret`; a proof too."""
    (meta,) = Secret.__metadata__
    assert (meta.min_length, meta.max_length) == (32, 32)
    assert {KEY_BYTES, NONCE_BYTES, FINGERPRINT_BYTES} == {32}
    assert len(auth_proof(KEY, EXCHANGE, "a")) == len(join_proof(SECRET, EXCHANGE)) == 32


def test_who_has_the_key_is_believed() -> None:
    """Both ends come to the same proof."""
    assert is_auth_proof(auth_proof(KEY, EXCHANGE, "greenhouse"), KEY, EXCHANGE, "greenhouse")


@given(BITS)
def test_proof_of_a_key_is_good_for_nothing_else(bit: int) -> None:
    """Not with one bit changed, for another key, connection, certificate or name."""
    proof = auth_proof(KEY, EXCHANGE, "greenhouse")
    assert not is_auth_proof(flipped(proof, bit), KEY, EXCHANGE, "greenhouse")
    assert not is_auth_proof(proof, flipped(KEY, bit), EXCHANGE, "greenhouse")
    for other in other_exchanges(bit):
        assert not is_auth_proof(proof, KEY, other, "greenhouse")
    for name in ("", "greenhous", "greenhouse-", "greenhouse2"):
        assert not is_auth_proof(proof, KEY, EXCHANGE, name)


@pytest.mark.parametrize("proof", [b"", bytes(31), bytes(32), bytes(33)])
def test_no_proof_is_no_proof(proof: bytes) -> None:
    """Whatever its length."""
    assert not is_auth_proof(proof, KEY, EXCHANGE, "greenhouse")


@given(st.binary(min_size=TOKEN_SECRET_BYTES, max_size=TOKEN_SECRET_BYTES))
def test_who_has_the_token_is_believed(secret: bytes) -> None:
    """The collector checks it with what it keeps, and finds that by the invitation."""
    verifier = verifier_of(secret)
    assert verifier.accepts(join_proof(secret, EXCHANGE), EXCHANGE)
    assert len(verifier.invitation) == INVITATION_BYTES


@given(BITS)
def test_proof_of_a_token_is_good_for_nothing_else(bit: int) -> None:
    """Not with one bit changed, of another token, nor in another connection or behind another certificate."""
    verifier, proof = verifier_of(SECRET), join_proof(SECRET, EXCHANGE)
    assert not verifier.accepts(flipped(proof, bit), EXCHANGE)
    assert not verifier.accepts(join_proof(flipped(SECRET, bit % 128), EXCHANGE), EXCHANGE)
    for other in other_exchanges(bit):
        assert not verifier.accepts(proof, other)


def test_what_the_collector_keeps_lets_nobody_in() -> None:
    """Who steals it can make the signature, but has nothing to hide in it: it is no token."""
    verifier = verifier_of(SECRET)
    signature = _join_signature(verifier.stored_key, EXCHANGE)
    token_key = _xor(join_proof(SECRET, EXCHANGE), signature)
    assert verifier.accepts(_xor(token_key, signature), EXCHANGE)
    for guess in (verifier.stored_key, bytes(32), signature):
        assert not verifier.accepts(_xor(guess, signature), EXCHANGE)
    assert not verifier.accepts(join_proof(verifier.stored_key, EXCHANGE), EXCHANGE)


def test_invitations_differ() -> None:
    """One of another secret is another, and none is what is kept or travels in a proof."""
    verifier = verifier_of(SECRET)
    assert verifier.invitation != verifier_of(b"t" * TOKEN_SECRET_BYTES).invitation
    assert verifier.invitation not in verifier.stored_key
    assert Verifier(verifier.stored_key).invitation == verifier.invitation


def test_proof_of_a_key_is_none_of_a_token() -> None:
    """Made over the same, with the same bytes, they are two things."""
    verifier = verifier_of(SECRET)
    assert not verifier.accepts(auth_proof(SECRET, EXCHANGE, ""), EXCHANGE)
    assert not is_auth_proof(join_proof(KEY, EXCHANGE), KEY, EXCHANGE, "")

"""Proofs: how a device shows that it has a key, or the token of an invitation, without sending it.

Both are HMAC-SHA256 (RFC 2104) over a nonce of either end and the fingerprint of the certificate
that the device saw, so that a proof is worth nothing in another connection, nor behind another
collector's certificate. The collector keeps of a token only what checks it, as SCRAM does (RFC 5802,
section 3): who steals that cannot join.
"""

import hmac
from hashlib import sha256
from typing import NamedTuple

from wire.greetings import INVITATION_BYTES

KEY_BYTES = 32
NONCE_BYTES = 32
TOKEN_SECRET_BYTES = 16
FINGERPRINT_BYTES = 32

_AUTH = b"telegauge auth 1\0"
_JOIN = b"telegauge join 1\0"
_TOKEN = b"telegauge token 1"


class Exchange(NamedTuple):
    """What one connection proves over: the nonces of both ends, and the certificate (SHA-256) seen."""

    device_nonce: bytes
    collector_nonce: bytes
    fingerprint: bytes


def auth_proof(key: bytes, exchange: Exchange, device: str) -> bytes:
    """Return the proof that a device of this name has its key. 32 bytes."""
    return hmac.digest(key, _AUTH + b"".join(exchange) + device.encode(), "sha256")


def is_auth_proof(proof: bytes, key: bytes, exchange: Exchange, device: str) -> bool:
    """Say whether that is the proof, in a time that tells nothing about the right one."""
    return hmac.compare_digest(proof, auth_proof(key, exchange, device))


class Verifier(NamedTuple):
    """What a collector keeps of a token: enough to check a proof, too little to make one."""

    stored_key: bytes

    @property
    def invitation(self) -> bytes:
        """The invitation's id, which travels openly inside TLS."""
        return sha256(self.stored_key).digest()[:INVITATION_BYTES]

    def accepts(self, proof: bytes, exchange: Exchange) -> bool:
        """Say whether whoever made the proof has the token."""
        token_key = _xor(proof, _join_signature(self.stored_key, exchange))
        return hmac.compare_digest(sha256(token_key).digest(), self.stored_key)


def verifier_of(secret: bytes) -> Verifier:
    """Return what is to be kept of a token's secret."""
    return Verifier(sha256(_token_key(secret)).digest())


def join_proof(secret: bytes, exchange: Exchange) -> bytes:
    """Return the proof that a device has a token with this secret. 32 bytes."""
    signature = _join_signature(verifier_of(secret).stored_key, exchange)
    return _xor(_token_key(secret), signature)


def _token_key(secret: bytes) -> bytes:
    return hmac.digest(secret, _TOKEN, "sha256")


def _join_signature(stored_key: bytes, exchange: Exchange) -> bytes:
    return hmac.digest(stored_key, _JOIN + b"".join(exchange), "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))

"""Devices that are let in without a word on a network: what an invitation and a join leave behind."""

import secrets
import time
from contextlib import closing
from pathlib import Path

from collector import trust_file
from collector.certificate import own_certificate
from collector.trust import Trust
from device.credentials import Credentials
from wire.greetings import Join
from wire.proofs import NONCE_BYTES, Exchange, join_proof, verifier_of

_VALID_NS = 900 * 10**9


def let_in(state: Path, device: str, port: int) -> Credentials:
    """Let a device in at a collector that does not run; `state` is its state folder."""
    fingerprint = own_certificate(state, {}).fingerprint
    with closing(Trust(state / trust_file.FILE_NAME)) as trust:
        return joined(trust, fingerprint, device, port)


def joined(trust: Trust, fingerprint: bytes, device: str, port: int) -> Credentials:
    """Invite a device and let it join."""
    now_ns = time.time_ns()
    secret = trust.invite([device], _VALID_NS, now_ns)
    ours, theirs = secrets.token_bytes(NONCE_BYTES), secrets.token_bytes(NONCE_BYTES)
    exchange = Exchange(ours, theirs, fingerprint)
    join = Join(verifier_of(secret).invitation, ours, 1, 1)
    got = trust.join(join, exchange, join_proof(secret, exchange), now_ns)
    return Credentials(got.device, got.key, fingerprint, (f"127.0.0.1:{port}",))

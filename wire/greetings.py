"""The bodies of the frames up to READY, and of a join: how a device says who it is, and proves it.

    over TLS    HELLO  CHALLENGE  AUTH  READY          a device that was let in
                JOIN   CHALLENGE  AUTH  JOINED         one that has a token and wants a key
    plain       HELLO  READY                           this machine's own device, without a key

What is proven, and how, is in wire.proofs.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from wire.fields import Name, Secret, Text, Version

INVITATION_BYTES = 8


class Hello(msgspec.Struct, frozen=True):
    """HELLO, device: who I am, and the versions of this contract I speak.

    `nonce` (32 random bytes) is of a device that is going to prove it.
    """

    device: Name
    lowest_version: Version
    highest_version: Version
    agent: Text = ""
    nonce: Secret | None = None


class Join(msgspec.Struct, frozen=True):
    """JOIN, device: I have the token of an invitation. The same nonce again asks for the same join."""

    invitation: Annotated[bytes, Meta(min_length=INVITATION_BYTES, max_length=INVITATION_BYTES)]
    nonce: Secret
    lowest_version: Version
    highest_version: Version
    agent: Text = ""


class Challenge(msgspec.Struct, frozen=True):
    """CHALLENGE, collector: prove it with this nonce in it."""

    nonce: Secret


class Auth(msgspec.Struct, frozen=True):
    """AUTH, device: the proof."""

    proof: Secret


class Ready(msgspec.Struct, frozen=True):
    """READY, collector: you are in; we speak `version`.

    `fingerprint` says which collector this is, over plain connections too: SHA-256 of its certificate.
    """

    version: Version
    collector: Text = ""
    fingerprint: Secret | None = None


class Joined(msgspec.Struct, frozen=True):
    """JOINED, collector: your name, and the key that proves it from now on."""

    device: Name
    key: Secret

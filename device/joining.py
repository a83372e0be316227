"""A join: finds the collector that a token speaks of, proves to have the token, and gets a key.

The nonce of a join is kept before anything is sent, so that joining again after a lost answer is the
same join. Nothing at all is said to who shows another certificate than the token's.
"""

import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from config.addresses import Address, parse_address
from device import credentials, mdns
from device.connecting import why_not
from device.credentials import Credentials
from device.errors import JoinError, TokenRefused
from service import keyfile, tls
from service.keyfile import KeyFileError
from wire.bodies import ByeReason
from wire.conversation import Closed
from wire.fields import Secret
from wire.greetings import Joined
from wire.joiner import Joiner
from wire.proofs import NONCE_BYTES, verifier_of
from wire.tokens import Token

PENDING_NAME = "join-pending"
_TRY_S = 5.0
_RECEIVE_BYTES = 4096
_ASK_AGAIN = "Make a new token: telegauge-collector invite NAME"


class _Pending(msgspec.Struct, frozen=True):
    """A join that may have to be repeated."""

    invitation: bytes
    nonce: Secret


class _WrongCollector(Exception):  # noqa: N818 - named for what is the matter
    """Somebody else answers there."""


def join(token: Token, folder: Path, agent: str) -> Credentials:
    """Join by a token; `folder` keeps the nonce until `joined` is called.

    Raises:
        TokenRefused: the collector takes this token from nobody.
        JoinError: it was not found, or not now; the message says what each address gave.
        KeyFileError: the nonce cannot be kept.
    """
    nonce = _nonce(token, folder)
    known, failures = _addresses(token)
    for address in _candidates(known):
        try:
            answer = _exchange(token, nonce, agent, address)
        except _WrongCollector:
            failures.append(f"{address}: another collector than the one that made the token")
            continue
        except OSError as error:
            failures.append(f"{address}: {why_not(error, _TRY_S)}")
            continue
        addresses = tuple(dict.fromkeys(map(str, [address, *known])))
        return Credentials(
            answer.device, answer.key, token.fingerprint, addresses, invitation_of(token)
        )
    raise JoinError(
        "the collector was not found. Is it running, and reachable from here?\n  "
        + "\n  ".join(failures)
    )


def invitation_of(token: Token) -> bytes:
    """Return which invitation a token is of."""
    return verifier_of(token.secret).invitation


def joined_already(token: Token, folder: Path) -> Credentials | None:
    """Return what a join by this token gave this device before, if that is what it has."""
    with contextlib.suppress(JoinError, KeyFileError):  # a join puts others in their place
        found = credentials.load(folder, {})
        if found is not None and found.invitation == invitation_of(token):
            return found
    return None


def joined(folder: Path) -> None:
    """Forget the nonce: what the join gave is kept."""
    (folder / PENDING_NAME).unlink(missing_ok=True)


def _addresses(token: Token) -> tuple[list[Address], list[str]]:
    """Return the token's addresses that are ones, and what is wrong with others.

    A machine may be called what no network calls it so; and what is kept must be read again.
    """
    found, problems = [], []
    for each in token.addresses:
        try:
            found.append(parse_address(str(Address(*each))))
        except ValueError as error:
            problems.append(str(error))
    return found, problems


def _candidates(addresses: list[Address]) -> Iterator[Address]:
    """Return where to look: the known addresses, and last of all what mDNS says of a name in them."""
    yield from addresses
    for address in addresses:
        if address.host.endswith(".local"):
            yield from mdns.find(address)


def _nonce(token: Token, folder: Path) -> bytes:
    invitation = invitation_of(token)
    file = folder / PENDING_NAME
    data = keyfile.read(file)
    try:
        pending = msgspec.json.decode(data or b"", type=_Pending)
    except msgspec.MsgspecError:
        pending = None
    if pending is None or pending.invitation != invitation:
        pending = _Pending(invitation, secrets.token_bytes(NONCE_BYTES))
        keyfile.write(file, msgspec.json.encode(pending))
    return pending.nonce


def _exchange(token: Token, nonce: bytes, agent: str, address: Address) -> Joined:
    with (
        socket.create_connection(address, timeout=_TRY_S) as plain,
        tls.client_context().wrap_socket(plain) as connection,
    ):
        if tls.shown_fingerprint(connection) != token.fingerprint:
            raise _WrongCollector
        return _converse(connection, Joiner(token, nonce, agent, time.monotonic()))


def _converse(connection: ssl.SSLSocket, joiner: Joiner) -> Joined:
    until_s = time.monotonic() + _TRY_S
    while True:
        connection.sendall(b"".join(joiner.outgoing(time.monotonic())))
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        data = connection.recv(_RECEIVE_BYTES)
        now_s = time.monotonic()
        for event in joiner.receive(data, now_s) if data else joiner.receive_end():
            if isinstance(event, Joined):
                joiner.bye("stopping")
                connection.sendall(b"".join(joiner.outgoing(now_s)))
                return event
            if isinstance(event, Closed):
                _end(event)


def _end(closed: Closed) -> None:
    if not closed.by_peer or closed.reason == "connection_lost":
        raise ConnectionError(closed.detail or "the connection ended without an answer")
    said = f"the collector says no: {closed.detail or closed.reason}"
    if closed.reason != ByeReason.NOT_ACCEPTED:
        raise JoinError(f"{said}. Join again later, with the same token")
    raise TokenRefused(f"{said}. {_ASK_AGAIN}")

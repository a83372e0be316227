"""Invitations: which names they are for, and the line that a person takes to the device."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from collector.errors import CollectorError
from collector.trust import Trust
from config.addresses import Address, is_loopback
from wire.proofs import TOKEN_SECRET_BYTES
from wire.readings import is_device_name
from wire.tokens import MAX_ADDRESSES, TokenError, encode_token

MAX_JOINS = 1000
MAX_VALID_S = 30 * 86400.0
_NUMBER = re.compile(r"\{(?::0?([1-9]))?\}")


class InvitationError(CollectorError):
    """Nobody can be invited so; the message says what is accepted."""


class InviteRequest(msgspec.Struct, frozen=True):
    """What is asked on the control socket; `address` (host, port) is named in place of our own."""

    name: Annotated[str, Meta(max_length=200)]
    valid_s: Annotated[float, Meta(gt=0, le=MAX_VALID_S)]
    count: Annotated[int, Meta(ge=1, le=MAX_JOINS)] | None = None
    address: tuple[str, int] | None = None


class Invitation(msgspec.Struct, frozen=True):
    """The token, the line to paste, whom it is for in order of joining, and until when (UTC, ns).

    `notes` are what a person should know before it is used.
    """

    token: str
    line: str
    names: list[str]
    addresses: list[str]
    expires_ns: int
    notes: list[str] = []


class Inviter:
    """Makes invitations to one collector.

    Args:
        reachable_at: where other machines find it now; a network may come up, or change, any time.
        in_store: the names of devices whose readings are stored, whether they were invited or not.
    """

    def __init__(
        self,
        trust: Trust,
        fingerprint: bytes,
        reachable_at: Callable[[], Sequence[Address]],
        in_store: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self._in_store = in_store
        self._trust = trust
        self._fingerprint = fingerprint
        self._reachable_at = reachable_at

    def invite(self, arguments: Mapping[str, Any], now_ns: int) -> Invitation:
        """Invite whom the arguments (an `InviteRequest`) name. Writes a file.

        Raises:
            InvitationError: they name nobody that can be invited.
            TrustError: the file cannot be written.
        """
        try:
            request = msgspec.convert(arguments, InviteRequest)
        except msgspec.ValidationError as error:
            raise InvitationError(f"nobody can be invited so: {error}") from None
        taken = cache(partial(self._taken, now_ns))  # asks the store: for numbered names alone
        names = names_of(request.name, request.count, lambda name: name in taken())
        addresses = [Address(*request.address)] if request.address else self._reachable_at()
        notes = self._notes(names, addresses)
        self._check(addresses)
        valid_ns = int(request.valid_s * 1e9)
        secret = self._trust.invite(names, valid_ns, now_ns)
        token = encode_token(self._fingerprint, secret, addresses)
        return Invitation(
            token,
            f"sudo telegauge-device join {token}",
            names,
            [str(address) for address in addresses[:MAX_ADDRESSES]],
            now_ns + valid_ns,
            notes,
        )

    def _taken(self, now_ns: int) -> set[str]:
        """Return the names that are somebody's, or may still become that."""
        members = self._trust.members
        joined = {each.name for each in members if each.key or each.revoked_ns is not None}
        return joined | self._trust.may_join(now_ns) | set(self._in_store())

    def _notes(self, names: Sequence[str], addresses: Sequence[Address]) -> list[str]:
        notes = [
            f"{name} has joined before: once this is used, the device that has the name now is "
            "let in no more"
            for name in names
            if (member := self._trust.find(name)) is not None and member.key
        ]
        if all(is_loopback(address.host) for address in addresses):
            notes.append(
                "this line leads to this machine itself, where no other one finds the collector; see "
                "devices.listen in collector.yaml, or name the way with --address"
            )
        return notes

    def _check(self, addresses: Sequence[Address]) -> None:
        """Refuse addresses that no token can name, before a former invitation is withdrawn."""
        try:
            encode_token(self._fingerprint, bytes(TOKEN_SECRET_BYTES), addresses)
        except TokenError as error:
            raise InvitationError(f"{error}; name another with --address") from None


def names_of(pattern: str, count: int | None, is_taken: Callable[[str], bool]) -> list[str]:
    """Return the names that a NAME and its --count mean, in order of joining.

    One name may be taken: its device gets a new key. Numbered names skip those that are.

    Raises:
        InvitationError: they are none.
    """
    numbered = _NUMBER.search(pattern)
    if numbered is None and "{" in pattern:
        raise InvitationError(f"`{pattern[:80]}`: write {{}} or {{:02}} where the number goes")
    if numbered is None and count not in (None, 1):
        raise InvitationError(
            f"{count} devices need a number in their names, such as '{pattern[:40]}-{{:02}}'"
        )
    if numbered is None:
        return [_checked(pattern)]
    if count is None:
        raise InvitationError(f"how many? Add --count to '{pattern[:80]}'; 1 to {MAX_JOINS}")
    names: list[str] = []
    number = 0
    while len(names) < count:
        number += 1
        name = _checked(_numbered(pattern, number))
        if not is_taken(name):
            names.append(name)
    return names


def _numbered(pattern: str, number: int) -> str:
    return _NUMBER.sub(lambda found: f"{number:0{found[1] or 1}}", pattern)


def _checked(name: str) -> str:
    if not is_device_name(name):
        raise InvitationError(
            f"`{name[:80]}` cannot name a device. Accepted: small letters, digits and -, not beginning "
            "with -, at most 63 characters; and {} or {:02} for a number"
        )
    return name

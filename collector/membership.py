"""Membership: inviting, listing, revoking and new keys, in a collector that runs."""

import asyncio
import time
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import structlog
from msgspec import Meta

from collector.errors import TrustError
from collector.invitations import Invitation, Inviter
from collector.services import Services
from collector.store import DeviceRow, devices_of
from collector.trust import REVOKED, REVOKED_RETRY_S, Trust
from collector.trust_file import Member
from config.problems import did_you_mean
from wire.bodies import ByeReason
from wire.errors import LocalProtocolError

_log = structlog.get_logger()

Standing: TypeAlias = Literal["invited", "expired", "joined", "revoked", "no key"]

# How long a device has to come back with its new key before the question is answered.
USED_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.05


class MemberStatus(msgspec.Struct, frozen=True):
    """How one device stands; `connected` is None where no collector runs. Times are UTC, ns.

    `expired`: it was invited, and did not join in time. `no key`: it was never invited, and came from
    this machine.
    """

    device: str
    standing: Standing
    connected: bool | None
    has_unused_key: bool
    joined_ns: int | None
    revoked_ns: int | None
    heard_ns: int | None


class Named(msgspec.Struct, frozen=True):
    """What is asked of one device."""

    device: Annotated[str, Meta(max_length=64)]


class Rotation(msgspec.Struct, frozen=True):
    """Whether the new key is in use; else both hold until it is."""

    is_used: bool


class Membership:
    """Answers for one running collector."""

    def __init__(self, services: Services, inviter: Inviter, store_file: Path) -> None:
        self._services = services
        self._trust = services.trust
        self._sessions = services.sessions
        self._inviter = inviter
        self._store_file = store_file

    async def invite(self, arguments: Mapping[str, Any]) -> Invitation:
        """Answer `telegauge-collector invite`."""
        invitation = await asyncio.to_thread(self._inviter.invite, arguments, time.time_ns())
        _log.info("devices_invited", first=invitation.names[0], count=len(invitation.names))
        return invitation

    async def devices(self, _arguments: Mapping[str, Any]) -> list[MemberStatus]:
        """Answer `telegauge-collector devices`."""
        rows = await asyncio.to_thread(devices_of, self._store_file)
        open_names = await asyncio.to_thread(self._trust.may_join, time.time_ns())
        return standings(self._trust.members, rows, self._sessions.devices, open_names)

    async def revoke(self, arguments: Mapping[str, Any]) -> None:
        """Answer `telegauge-collector revoke`: once this returns nothing more is stored."""
        device = _named(arguments)
        rows = await asyncio.to_thread(devices_of, self._store_file)
        check_known(device, self._trust, rows)
        await asyncio.to_thread(self._trust.revoke, device, time.time_ns())
        self._services.cut(device, ByeReason.REVOKED, REVOKED, REVOKED_RETRY_S)
        caught_up = asyncio.Event()
        self._services.writer.catch_up(lambda _: caught_up.set())
        await caught_up.wait()
        _log.info("device_revoked", device=device)

    async def rotate(self, arguments: Mapping[str, Any]) -> Rotation:
        """Answer `telegauge-collector rotate`: give a new key over the session that there is."""
        device = _named(arguments)
        check_known(device, self._trust, await asyncio.to_thread(devices_of, self._store_file))
        session = self._sessions.of(device)
        if session is None:
            raise TrustError(f"{device} is not connected; a new key goes over its session")
        key = await asyncio.to_thread(self._trust.rotate, device)
        try:
            session.give_key(key)
        except LocalProtocolError:
            raise TrustError(f"the session of {device} has ended; try again") from None
        _log.info("key_sent", device=device)
        return Rotation(await self._is_used(device))

    async def _is_used(self, device: str) -> bool:
        until_s = time.monotonic() + USED_WITHIN_S
        while time.monotonic() < until_s:
            member = self._trust.find(device)
            if member is None or member.next_key is None:
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False


def standings(
    members: Sequence[Member],
    rows: Sequence[DeviceRow],
    connected: Sequence[str] | None,
    may_join: Set[str],
) -> list[MemberStatus]:
    """Say of all that were invited, or are in the store, how they stand, by name."""
    known = {member.name: member for member in members}
    heard = {row.name: row.heard_ns for row in rows}
    return [
        _standing(known.get(name, Member(name)), heard.get(name), connected, name in may_join)
        for name in sorted(known | heard)
    ]


def check_known(device: str, trust: Trust, rows: Sequence[DeviceRow]) -> None:
    """Refuse a name that nobody ever had.

    Raises:
        TrustError: it is one.
    """
    names = {member.name for member in trust.members} | {row.name for row in rows}
    if device not in names:
        raise TrustError(f"no device `{device}` is known.{did_you_mean(device, names)}")


def _standing(
    member: Member, heard_ns: int | None, connected: Sequence[str] | None, may_join: bool
) -> MemberStatus:
    return MemberStatus(
        member.name,
        _word(member, may_join),
        None if connected is None else member.name in connected,
        member.next_key is not None,
        member.joined_ns,
        member.revoked_ns,
        heard_ns,
    )


def _word(member: Member, may_join: bool) -> Standing:
    if member.revoked_ns is not None:
        return "revoked"
    if member.key is not None:
        return "joined"
    if member.invited_ns is None:
        return "no key"
    return "invited" if may_join else "expired"


def _named(arguments: Mapping[str, Any]) -> str:
    try:
        return msgspec.convert(arguments, Named).device
    except msgspec.ValidationError as error:
        raise TrustError(f"no device can have this name: {error}") from None

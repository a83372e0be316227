"""collector.membership: inviting, revoking and rotating in a collector that runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector import membership
from collector.errors import CollectorError, TrustError
from collector.invitations import Inviter
from collector.membership import Membership, MemberStatus, Rotation, standings
from collector.store import DeviceRow
from collector.store.database import FILE_NAME
from collector.trust import Verdict
from collector.trust_file import Member
from config.addresses import Address
from kit.servers import Device, ServerRig, server_rig
from kit.stores import OTHER_EPOCH, batch, commit, locked, rows
from kit.waiting import WITHIN_S, until
from kit.wireworks import EPOCH, MOMENT
from wire.bodies import Ack, DatagramKey, Describe, Key, OpenDatagrams
from wire.greetings import Joined
from wire.proofs import Exchange, auth_proof
from wire.tokens import decode_token

Scenario = Callable[[ServerRig, Membership], Awaitable[None]]
STORED = "SELECT ifnull(sum(readings), 0) FROM batch"


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario with a server and what answers for its members, within the time of a test."""

    async def whole(scenario: Scenario) -> None:
        async with asyncio.timeout(WITHIN_S), server_rig(tmp_path / FILE_NAME) as rig:
            await scenario(rig, membership_of(rig))

    return lambda scenario: asyncio.run(whole(scenario))


def membership_of(rig: ServerRig) -> Membership:
    """What answers for the parts of a rig."""
    here = [Address("127.0.0.1", rig.server.port)]
    inviter = Inviter(rig.trust, rig.certificate.fingerprint, lambda: here)
    return Membership(rig.services, inviter, rig.file)


async def let_in(rig: ServerRig, name: str = "greenhouse") -> tuple[Device, bytes]:
    """A device that has joined and is connected, and its key."""
    key = rig.let_in(name)
    return await rig.device(name, key), key


def judged(rig: ServerRig, device: str, key: bytes) -> Verdict:
    """What a key is worth."""
    exchange = Exchange(bytes(32), bytes(32), bytes(32))
    return rig.trust.check(device, exchange, auth_proof(key, exchange, device))


# invite, devices


def test_invitation_lets_a_device_in(play: Callable[[Scenario], None]) -> None:
    """From what is asked on the control socket to the first reading."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        invitation = await members.invite({"name": "greenhouse", "valid_s": 900.0})
        token = decode_token(invitation.token)
        assert token.fingerprint == rig.certificate.fingerprint
        [joined] = await (await rig.joiner(token.secret)).said(Joined)
        await rig.device(joined.device, joined.key)
        assert rig.sessions.devices == invitation.names == ["greenhouse"]

    play(scenario)


def test_devices_and_how_they_stand(play: Callable[[Scenario], None]) -> None:
    """All that were invited or are in the store, by name; it travels as JSON."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        commit(rig.file, "here", batch(1))
        await let_in(rig)
        rig.trust.rotate("greenhouse")
        await members.invite({"name": "attic", "valid_s": 900.0})
        rig.trust.revoke("cellar", 5)
        found = await members.devices({})
        assert [(each.device, each.standing, each.connected) for each in found] == [
            ("attic", "invited", False),
            ("cellar", "revoked", False),
            ("greenhouse", "joined", True),
            ("here", "no key", False),
        ]
        assert [each.has_unused_key for each in found] == [False, False, True, False]
        assert found[1].revoked_ns == 5
        assert found[2].joined_ns is not None
        assert found[3].heard_ns is not None
        as_json = msgspec.json.decode(msgspec.json.encode(found), type=list[MemberStatus])
        assert as_json == found

    play(scenario)


def test_standings_without_a_collector() -> None:
    """Whether a device is connected is not known then."""
    known = [
        Member("b", b"k", invited_ns=1, joined_ns=2),
        Member("a", revoked_ns=3, key=b"k"),
        Member("c", invited_ns=1),
        Member("d", invited_ns=1),
    ]
    stored = [DeviceRow(1, "b", None, 4, 7)]
    assert standings(known, stored, None, {"c"}) == [
        MemberStatus("a", "revoked", None, False, None, 3, None),
        MemberStatus("b", "joined", None, False, 2, None, stored[0].heard_ns),
        MemberStatus("c", "invited", None, False, None, None, None),
        MemberStatus("d", "expired", None, False, None, None, None),
    ]


# revoke


def test_revoked_device_is_cut(play: Callable[[Scenario], None]) -> None:
    """It hears why, and does not come back; its neighbour goes on, and what it sent stays."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        device, key = await let_in(rig)
        neighbour, _ = await let_in(rig, "cellar")
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        await members.revoke({"device": "greenhouse"})
        closed = await device.closed()
        assert (closed.reason, closed.retry_after_s, closed.by_peer) == ("revoked", 3600.0, True)
        assert (await (await rig.arrive("greenhouse", key)).closed()).reason == "revoked"
        neighbour.send_batches(batch(1))
        await neighbour.acknowledged(EPOCH, 1)
        assert rows(rig.file, STORED) == [(2,)]

    play(scenario)


def test_device_without_a_key_is_cut_too(play: Callable[[Scenario], None]) -> None:
    """One of this machine that was never invited; it comes in by no way but a join."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        device = await rig.device()
        device.send_batches(batch(1))
        await device.acknowledged(EPOCH, 1)
        await members.revoke({"device": "greenhouse"})
        assert (await device.closed()).reason == "revoked"
        assert (await (await rig.arrive("greenhouse")).closed()).reason == "revoked"

    play(scenario)


def test_nothing_is_stored_once_revoke_has_returned(play: Callable[[Scenario], None]) -> None:
    """Neither what waits for the writer, nor datagrams on their way; nothing of it is acknowledged."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        await rig.datagrams.start(Address("127.0.0.1", 0))
        device, _ = await let_in(rig)
        device.send(OpenDatagrams(OTHER_EPOCH, MOMENT, 0))
        await device.said(DatagramKey)
        with locked(rig.file):
            # A group that is being committed already waits for the file; the next ones for it.
            rig.writer.catch_up(lambda _: None)
            await until(lambda: rig.writer.is_stuck(time.monotonic(), 0.0))
            device.send_batches(batch(1), batch(2))
            device.send(Describe([]))
            await until(lambda: rig.writer.pending_bytes > 2 * 2**20)
            done: list[object] = []
            rig.writer.store_datagrams("greenhouse", OTHER_EPOCH, [batch(1)], done.append)
            revoking = asyncio.ensure_future(members.revoke({"device": "greenhouse"}))
            await until(lambda: rig.trust.is_revoked("greenhouse"))
            assert not revoking.done()
        await revoking
        assert rows(rig.file, STORED) == [(0,)]
        await device.closed()
        assert device.heard(Ack) == []
        await until(lambda: rig.writer.pending_bytes == 0)
        assert rows(rig.file, STORED) == [(0,)]
        assert rig.datagrams.keys == 0
        rig.datagrams.stop()

    play(scenario)


def test_revoke_waits_for_the_commit_that_had_begun(play: Callable[[Scenario], None]) -> None:
    """What was asked before is stored or refused when it returns, not some time later."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        device, _ = await let_in(rig)
        with locked(rig.file):
            device.send_batches(batch(1))
            await until(lambda: rig.writer.is_stuck(time.monotonic(), 0.0))
            revoking = asyncio.ensure_future(members.revoke({"device": "greenhouse"}))
            await until(lambda: rig.trust.is_revoked("greenhouse"))
            assert not revoking.done()
        await revoking
        stored = rows(rig.file, STORED)
        await device.closed()
        await rig.all_gone()
        assert rows(rig.file, STORED) == stored

    play(scenario)


def test_whoever_no_longer_waits_for_a_revocation_harms_nobody(
    play: Callable[[Scenario], None],
) -> None:
    """The disk was slow for too long: others still get their answers from the same commit."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        device, _ = await let_in(rig)
        commit(rig.file, "cellar", batch(1))
        with locked(rig.file):
            rig.writer.catch_up(lambda _: None)
            await until(lambda: rig.writer.is_stuck(time.monotonic(), 0.0))
            pending_bytes = rig.writer.pending_bytes
            revoking = asyncio.ensure_future(members.revoke({"device": "cellar"}))
            await until(lambda: rig.writer.pending_bytes > pending_bytes)
            device.send_batches(batch(1))
            revoking.cancel()
            await asyncio.wait([revoking])
        await device.acknowledged(EPOCH, 1)
        assert rig.trust.is_revoked("cellar")

    play(scenario)


@pytest.mark.parametrize(
    ("device", "part"),
    [
        ("greenhose", "no device `greenhose` is known. Did you mean `greenhouse`?"),
        ("attik", "Did you mean `attic`?"),
        ("xyz", "no device `xyz` is known."),
        (7, "no device can have this name"),
        ("a" * 65, "no device can have this name"),
    ],
)
def test_name_that_nobody_has(play: Callable[[Scenario], None], device: Any, part: str) -> None:
    """Whether invited or only in the store, the nearest is named; nothing changes."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        rig.let_in()
        commit(rig.file, "attic", batch(1))
        before = rig.trust.members
        with pytest.raises(TrustError) as caught:
            await members.revoke({"device": device})
        assert part in str(caught.value)
        assert rig.trust.members == before

    play(scenario)


# rotate


def test_rotated_key_is_in_use(play: Callable[[Scenario], None]) -> None:
    """The device gets it over its session, comes back with it, and the former one is dead."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        device, former = await let_in(rig)
        rotating = asyncio.ensure_future(members.rotate({"device": "greenhouse"}))
        [given] = await device.said(Key)
        assert judged(rig, "greenhouse", former) is Verdict.RIGHT
        await rig.device("greenhouse", given.key)
        assert await rotating == Rotation(is_used=True)
        assert judged(rig, "greenhouse", former) is Verdict.WRONG
        assert (await device.closed()).reason == "replaced"

    play(scenario)


def test_device_that_does_not_come_back(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both keys hold; asked again it is sent the same, with which it may be on its way."""
    monkeypatch.setattr(membership, "USED_WITHIN_S", 0.1)

    async def scenario(rig: ServerRig, members: Membership) -> None:
        device, former = await let_in(rig)
        for _ in range(2):
            assert await members.rotate({"device": "greenhouse"}) == Rotation(is_used=False)
        first, second = await device.said(Key, 2)
        assert first == second
        assert (await members.devices({}))[0].has_unused_key
        assert judged(rig, "greenhouse", former) is Verdict.RIGHT
        await rig.device("greenhouse", first.key)
        assert not (await members.devices({}))[0].has_unused_key

    play(scenario)


def test_device_that_is_not_connected_gets_no_key(play: Callable[[Scenario], None]) -> None:
    """There is no way to give it one; nor is there for one that has none, or in its last moment."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        rig.let_in()
        with pytest.raises(TrustError, match="greenhouse is not connected"):
            await members.rotate({"device": "greenhouse"})
        await rig.device("here")
        with pytest.raises(TrustError, match="no device `here` is known"):
            await members.rotate({"device": "here"})  # nothing of it is stored yet
        rig.trust.invite(["here"], 10**12, time.time_ns())
        with pytest.raises(TrustError, match="here has no key that could be replaced"):
            await members.rotate({"device": "here"})
        with pytest.raises(TrustError, match="no device can have this name"):
            await members.rotate({})

    play(scenario)


def test_session_that_ends_before_its_key_is_sent(play: Callable[[Scenario], None]) -> None:
    """It is told; the key that it did not get does not lock it out."""

    async def scenario(rig: ServerRig, members: Membership) -> None:
        _, key = await let_in(rig)
        session = rig.sessions.of("greenhouse")
        assert session is not None
        rotate, loop = rig.trust.rotate, asyncio.get_running_loop()

        def slow(device: str) -> bytes:
            loop.call_soon_threadsafe(session.close, "stopping")
            time.sleep(0.1)
            return rotate(device)

        rig.trust.rotate = slow  # type: ignore[method-assign]
        with pytest.raises(CollectorError, match="has ended; try again"):
            await members.rotate({"device": "greenhouse"})
        await rig.device("greenhouse", key)

    play(scenario)

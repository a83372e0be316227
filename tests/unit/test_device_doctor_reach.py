"""device.doctor.reach: who answers where the readings go, against real listeners."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.addresses import Address
from device.contact import Contact
from device.credentials import Credentials
from device.doctor import reach
from device.doctor.finding import Level
from kit.programs import free_port
from kit.servers import server_rig
from kit.tlspeers import tls_peer

KEY = bytes(32)


def joined(fingerprint: bytes, *addresses: Address) -> Contact:
    """The contact of a device that has joined."""
    told = tuple(map(str, addresses))
    return Contact("shed", addresses, Credentials("shed", KEY, fingerprint, told))


@pytest.fixture
def plain() -> Iterator[Address]:
    """Somebody who listens on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Address(*listening.getsockname())


def test_a_collector_on_this_machine(plain: Address) -> None:
    """Needs no certificate."""
    contact = Contact("shed", (plain,))
    (found,) = reach.judge(contact, reach.look(contact))
    assert (found.level, found.message) == (Level.GOOD, f"{plain} answers on this machine")


def test_nobody_is_there() -> None:
    """Bad, with the reason and how it is started."""
    contact = Contact("shed", (Address("127.0.0.1", free_port()),))
    (found,) = reach.judge(contact, reach.look(contact))
    assert found.level is Level.BAD
    assert "Connection refused" in found.message
    assert found.mend.startswith("sudo systemctl start telegauge-collector")


def test_another_machine_without_a_join() -> None:
    """Nobody is asked: plain readings never leave this machine."""
    contact = Contact("shed", (Address("192.0.2.7", 8888),))
    answers = reach.look(contact)
    (found,) = reach.judge(contact, answers)
    assert (answers, found.level) == ([], Level.BAD)
    assert "telegauge-collector invite shed" in found.mend


def test_the_collector_that_was_joined(tmp_path: Path) -> None:
    """Is told by its certificate, also where another address is dead; nothing was said to it."""

    async def visit() -> None:
        dead = Address("127.0.0.1", free_port())
        async with tls_peer(tmp_path) as peer:
            contact = joined(peer.fingerprint, dead, peer.address)
            answers = await asyncio.to_thread(reach.look, contact)
            assert peer.heard == [b""]
        (found,) = reach.judge(contact, answers)
        assert found.level is Level.GOOD
        assert found.message == f"{peer.address} answers, and shows the right certificate"

    asyncio.run(visit())


def test_another_collector(tmp_path: Path) -> None:
    """Set up anew, or somebody else: join again."""

    async def visit() -> None:
        async with tls_peer(tmp_path) as peer:
            contact = joined(bytes(32), peer.address)
            (found,) = reach.judge(contact, await asyncio.to_thread(reach.look, contact))
        assert found.level is Level.BAD
        assert "another certificate" in found.message
        assert "telegauge-device join TOKEN" in found.mend

    asyncio.run(visit())


def test_a_real_collector_goes_on(tmp_path: Path) -> None:
    """It takes the visit, and the session of an agent of that name is not touched."""

    async def visit() -> None:
        async with server_rig(tmp_path / "telegauge.db") as rig:
            contact = joined(rig.certificate.fingerprint, Address("127.0.0.1", rig.server.port))
            answers = await asyncio.to_thread(reach.look, contact)
        assert [answer.is_right for answer in answers] == [True]

    asyncio.run(visit())


def test_who_speaks_no_tls(plain: Address) -> None:
    """What listens there is no collector for this device; not waited for without end."""

    async def visit() -> None:
        contact = joined(bytes(32), plain)
        answers = await asyncio.to_thread(reach.look, contact, 0.2)
        assert [answer.failure for answer in answers] == ["no answer within 0.2 s"]
        assert reach.judge(contact, answers)[0].level is Level.BAD

    asyncio.run(visit())

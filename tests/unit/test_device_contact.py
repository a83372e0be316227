"""device.contact: as whom a device speaks, to whom, and to whom it says nothing."""

import asyncio
from pathlib import Path

import pytest

from config.addresses import Address
from device.contact import Contact, contact_of
from device.credentials import Credentials
from device.settings import CollectorSettings, DeviceSettings, SensorSettings
from kit.tlspeers import tls_peer
from service import tls

FINGERPRINT = bytes(range(32, 64))
FOUND = Credentials("greenhouse", bytes(range(32)), FINGERPRINT, ("10.0.0.9:8888", "hub.local:9"))
SENSORS = {"air": SensorSettings(driver="synthetic:sine")}


def settings(name: str | None = None, address: str | None = None) -> DeviceSettings:
    """What a YAML with these two keys says."""
    collector = CollectorSettings(address=address)
    return DeviceSettings(name=name, collector=collector, sensors=SENSORS)


def test_without_a_join_it_is_the_host_and_this_machine() -> None:
    """Or what the YAML says; there is nothing to prove."""
    contact = contact_of(settings(), None, "RaspberryPi")
    assert contact == Contact("raspberrypi", (Address("127.0.0.1", 8888),))
    assert (contact.owner, contact.prover()) == ("raspberrypi", None)
    told = contact_of(settings("shed", "[::1]:9"), None, "pi")
    assert told == Contact("shed", (Address("::1", 9),))


def test_join_says_who_and_where() -> None:
    """The host's name is of no matter then; an address in the YAML stands in place of all of them."""
    contact = contact_of(settings(), FOUND, "raspberrypi")
    assert contact.device == "greenhouse"
    assert contact.addresses == (Address("10.0.0.9", 8888), Address("hub.local", 9))
    assert contact.credentials == FOUND
    told = contact_of(settings(address="10.0.0.1"), FOUND, "raspberrypi")
    assert told.addresses == (Address("10.0.0.1", 8888),)
    assert told.device == "greenhouse"


def test_owner_is_name_and_collector() -> None:
    """So that what one collector was offered is never another's, under the same name."""
    contact = contact_of(settings(), FOUND, "pi")
    other = contact._replace(
        credentials=Credentials("greenhouse", FOUND.key, bytes(32), FOUND.addresses)
    )
    again = contact._replace(
        credentials=Credentials("greenhouse", bytes(32), FINGERPRINT, ("10.0.0.7:8888",))
    )
    assert contact.owner == "greenhouse@" + FINGERPRINT.hex()[:16]
    assert len({contact.owner, other.owner, "greenhouse"}) == 3
    assert again.owner == contact.owner, "another key or address is the same collector"


def test_ready_says_whose_epochs_they_are() -> None:
    """Over a plain connection too, so that a join at that collector leaves nothing behind."""
    plain, joined = (
        contact_of(settings("greenhouse"), None, "pi"),
        contact_of(settings(), FOUND, "pi"),
    )
    assert plain.owner == plain.owner_at(None) == "greenhouse"
    assert plain.owner_at(FINGERPRINT) == joined.owner_at(FINGERPRINT) == joined.owner


def test_another_than_the_one_it_joined() -> None:
    """Nobody is, to a device that has not joined; who does not say so is not."""
    plain, joined = contact_of(settings(), None, "pi"), contact_of(settings(), FOUND, "pi")
    assert joined.is_another(bytes(32))
    assert not any(map(joined.is_another, (FINGERPRINT, None)))
    assert not any(map(plain.is_another, (FINGERPRINT, bytes(32), None)))


def test_each_session_proves_with_a_nonce_of_its_own() -> None:
    """Or a recorded one could be answered again."""
    contact = contact_of(settings(), FOUND, "pi")
    provers = [contact.prover() for _ in range(3)]
    nonces = {prover.nonce for prover in provers if prover}
    assert len(nonces) == 3
    assert {len(nonce) for nonce in nonces} == {32}
    assert {(each.key, each.fingerprint) for each in provers if each} == {(FOUND.key, FINGERPRINT)}


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True)]
    + [(host, False) for host in ("192.0.2.1", "hub.local", "0.0.0.0", "::ffff:192.0.2.1")],
)
def test_plain_readings_stay_on_this_machine(host: str, is_here: bool) -> None:
    """Only who has joined may use an address of another one."""
    address = Address(host, 8888)
    assert Contact("pi", (address,)).may_use(address) is is_here
    assert Contact("pi", (address,), FOUND).may_use(address)


class Reached(asyncio.BaseTransport):
    """A connection without TLS, as far as it is asked about."""

    def __init__(self, host: str | None) -> None:
        super().__init__({"peername": (host, 8888) if host else None})


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1"])
def test_name_that_led_to_another_machine_is_objected_to(host: str) -> None:
    """Whatever `localhost` means here: who was reached is what counts."""
    objection = Contact("pi", ()).objection(Reached(host))
    assert objection == f"{host} is not this machine, and this device has not joined"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", None])
def test_this_machine_is_not_objected_to(host: str | None) -> None:
    """Nor who is gone already."""
    assert Contact("pi", ()).objection(Reached(host)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", None])
def test_joined_device_speaks_over_tls_alone(host: str | None) -> None:
    """A connection without a certificate is the wrong one, on this machine too."""
    objection = Contact("pi", (), FOUND).objection(Reached(host))
    assert objection is not None
    assert "another certificate" in objection


def test_certificate_decides(tmp_path: Path) -> None:
    """On a real connection: the pinned one, and any other; the message says what to do."""

    async def scenario() -> None:
        async with tls_peer(tmp_path) as peer:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, *peer.address, ssl=tls.client_context(), server_hostname=""
            )
            right = Credentials("pi", bytes(32), peer.fingerprint, ("127.0.0.1:1",))
            assert Contact("pi", (), right).objection(transport) is None
            objection = Contact("pi", (), FOUND).objection(transport)
            assert objection is not None
            assert objection.startswith("127.0.0.1 shows another certificate than")
            assert "join again" in objection
            transport.abort()

    asyncio.run(scenario())

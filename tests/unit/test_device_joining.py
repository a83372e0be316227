"""device.joining: who is asked, what is said to whom, and that a join can be repeated."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.addresses import Address
from device import credentials, joining, mdns
from device.credentials import Credentials
from device.errors import JoinError, TokenRefused
from device.joining import PENDING_NAME
from kit.links import play
from kit.programs import free_port
from kit.scripted import ended
from kit.servers import ServerRig, server_rig
from kit.tlspeers import TlsPeer, tls_peer
from kit.waiting import until
from service import keyfile
from service.keyfile import KeyFileError
from wire import frames
from wire.bodies import Bye
from wire.greetings import Challenge, Join, Joined
from wire.tokens import HostPort, Token

AGENT = "telegauge-device test"
SECRET = bytes(range(16))
VALID_NS = 900 * 10**9
NOBODY = ("127.0.0.1", 1)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of the device."""
    folder = tmp_path / "device"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Address]:
    """Nobody is asked by mDNS; returned is who would have been."""
    asked: list[Address] = []

    def find(address: Address) -> list[Address]:
        asked.append(address)
        return []

    monkeypatch.setattr(mdns, "find", find)
    return asked


@asynccontextmanager
async def collector(folder: Path) -> AsyncIterator[ServerRig]:
    """A collector's network side."""
    (folder / "collector").mkdir(exist_ok=True)
    async with server_rig(folder / "collector" / "telegauge.db") as rig:
        yield rig


def invited(rig: ServerRig, *names: str, at: tuple[HostPort, ...] = ()) -> Token:
    """The token of an invitation; `at`: addresses that stand before the right one."""
    secret = rig.trust.invite(names or ["greenhouse"], VALID_NS, time.time_ns())
    return Token(rig.certificate.fingerprint, secret, (*at, ("127.0.0.1", rig.server.port)))


def token_of(peer: TlsPeer, fingerprint: bytes | None = None) -> Token:
    """A token that leads to a peer."""
    return Token(fingerprint or peer.fingerprint, SECRET, (tuple(peer.address),))


async def join(token: Token, state: Path) -> Credentials:
    """Join in a thread, as the collector is in this loop."""
    return await asyncio.to_thread(joining.join, token, state, AGENT)


async def refused(token: Token, state: Path) -> str:
    """What is said of a join that comes to nothing."""
    with pytest.raises(JoinError) as caught:
        await join(token, state)
    return str(caught.value)


# --- a collector that lets it in


def test_token_gives_a_name_and_a_key(tmp_path: Path, state: Path) -> None:
    """Those of the collector; with its certificate, and where it was found."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            token = invited(rig)
            found = await join(token, state)
            member = rig.trust.find("greenhouse")
            assert member is not None
            address = f"127.0.0.1:{rig.server.port}"
            expected = Credentials(
                "greenhouse",
                member.key,  # type: ignore[arg-type]
                rig.certificate.fingerprint,
                (address,),
                joining.invitation_of(token),
            )
            assert found == expected

    play(scenario())


def test_addresses_are_tried_in_order(tmp_path: Path, state: Path) -> None:
    """Who is not there, and who shows another certificate, is passed over; all are kept."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig, tls_peer(tmp_path / "other") as other:
            nobody = ("localhost", free_port())
            token = invited(rig, at=(nobody, tuple(other.address)))
            found = await join(token, state)
            ports = [int(address.rpartition(":")[2]) for address in found.addresses]
            assert ports == [rig.server.port, nobody[1], other.address.port], "the right one first"
            assert other.heard == [b""]

    play(scenario())


def test_host_that_no_network_names_so_is_left_out(tmp_path: Path, state: Path) -> None:
    """What is kept can be read again: a collector's own name may have what no address has."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            token = invited(rig, at=(("my_hub.local", 8888), ("a..b", 8888), ("1.2.3", 8888)))
            found = await join(token, state)
            assert found.addresses == (f"127.0.0.1:{rig.server.port}",)

    play(scenario())


def test_name_is_asked_for_last_of_all(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the collector has another address than when it made the token; that one is kept."""
    monkeypatch.setattr(socket, "create_connection", _resolving_nothing(socket.create_connection))

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            asked: list[Address] = []

            def find(address: Address) -> list[Address]:
                asked.append(address)
                return [Address("127.0.0.2", rig.server.port), Address("127.0.0.1", address.port)]

            monkeypatch.setattr(mdns, "find", find)
            name = ("hub.local", rig.server.port)
            token = invited(rig)._replace(addresses=(name, ("127.0.0.1", free_port())))
            found = await join(token, state)
            assert asked == [Address(*name)]
            assert found.addresses[:2] == (f"127.0.0.1:{rig.server.port}", f"hub.local:{name[1]}")

    play(scenario())


def _resolving_nothing(connect):  # type: ignore[no-untyped-def]
    """A way to connect that knows no name."""

    def create_connection(address: Address, timeout: float) -> socket.socket:
        if not address.host[0].isdigit():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return connect(address, timeout)  # type: ignore[no-any-return]

    return create_connection


# --- who is told nothing, or not more than that


def test_wrong_certificate_is_told_nothing(tmp_path: Path, state: Path) -> None:
    """Not one byte of ours, and the message says who that is."""

    async def scenario() -> None:
        async with tls_peer(tmp_path / "other", b"\0" * 5) as other:
            said = await refused(token_of(other, bytes(32)), state)
            await until(lambda: not other.connected)
            assert other.heard == [b""]
            line = f"{other.address}: another collector than the one that made the token"
            assert said.splitlines()[-1].strip() == line

    play(scenario())


def test_every_failure_is_told(tmp_path: Path, state: Path) -> None:
    """Each address with what it gave, in order; it is no use to a person to know the last alone."""

    async def scenario() -> None:
        async with tls_peer(tmp_path / "other") as other:
            nobody = ("127.0.0.1", free_port())
            token = token_of(other, bytes(32))
            said = await refused(token._replace(addresses=(nobody, *token.addresses)), state)
            head, first, second = said.splitlines()
            assert head.startswith("the collector was not found")
            assert first.strip() == f"127.0.0.1:{nobody[1]}: Connection refused"
            assert "another collector" in second

    play(scenario())


def test_token_without_any_address_that_is_one(state: Path) -> None:
    """It says so, and not that nobody is there."""
    token = Token(bytes(32), SECRET, (("my_hub", 8888),))
    with pytest.raises(JoinError, match="`my_hub:8888` is not an address"):
        joining.join(token, state, AGENT)


def test_peer_without_tls(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that speaks something else, and one that says nothing: no address to join at, in time."""
    monkeypatch.setattr(joining, "_TRY_S", 0.2)

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            addresses = (server.sockets[0].getsockname(), silent.getsockname())
            said = await refused(Token(bytes(32), SECRET, addresses), state)
        _, spoke, listened = said.splitlines()
        assert "no collector" in spoke
        assert "no answer within 0.2 s" in listened
        await ended(server)

    play(scenario())


@pytest.mark.parametrize(
    ("says", "part"),
    [
        (b"", "no answer within 0.3 s"),
        (b"\xff" * 64, ""),
        (frames.encode(Joined("greenhouse", bytes(32))), "JOINED at this point"),
        (frames.encode(Challenge(bytes(32))) * 2, "CHALLENGE at this point"),
        (frames.encode(Challenge(bytes(32)))[:20], "no answer within 0.3 s"),
        (frames.encode(Challenge(bytes(32))) + frames.encode(Joined("?", bytes(32))), "JOINED"),
    ],
    ids=["nothing", "nonsense", "no challenge", "two challenges", "half a frame", "no name"],
)
def test_collector_that_does_not_do_as_it_should(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, says: bytes, part: str
) -> None:
    """Behind the right certificate too: an error in time, and the nonce stays for the next try."""
    monkeypatch.setattr(joining, "_TRY_S", 0.3)

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer", says) as peer:
            said = await refused(token_of(peer), state)
            assert said.splitlines()[-1].strip().startswith(f"{peer.address}: ")
            assert part in said
            assert (state / PENDING_NAME).exists()

    play(scenario())


def test_collector_that_hangs_up(tmp_path: Path, state: Path) -> None:
    """Before it answered: the message says that no answer came."""

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer", hangs_up=True) as peer:
            assert "without an answer" in await refused(token_of(peer), state)

    play(scenario())


def test_address_that_has_to_wait(tmp_path: Path, state: Path) -> None:
    """A collector that listens to nobody there for now: in words, and not in those of OpenSSL."""

    async def scenario() -> None:
        async with server_rig(tmp_path / "telegauge.db", plain_on_loopback=False) as rig:
            place = rig.admission.arrive("127.0.0.1", 0.0)
            assert place is not None
            for _ in range(30):
                rig.admission.fail(place, asyncio.get_running_loop().time())
            said = await refused(invited(rig), state)
            assert "it ended the connection at once: after failed tries a collector" in said
            assert "SSL" not in said

    play(scenario())


# --- a collector that says no


def test_no_of_the_collector_is_told_as_it_is(tmp_path: Path, state: Path) -> None:
    """With its own words; other addresses are not tried then."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig, tls_peer(tmp_path / "other") as other:
            token = invited(rig)
            token = token._replace(addresses=(*token.addresses, tuple(other.address)))
            await join(token, state)
            joining.joined(state)
            with pytest.raises(TokenRefused, match=r"was used already.*\. Make a new token"):
                await join(token, state)
            with pytest.raises(TokenRefused, match="no invitation has this token"):
                await join(token._replace(secret=SECRET), state)
            assert other.heard == []

    play(scenario())


@pytest.mark.parametrize(
    ("bye", "said"),
    [
        (Bye("overloaded", 60.0, "too many"), "says no: too many. Join again later, with the same"),
        (Bye("stopping"), "says no: stopping. Join again later"),
    ],
)
def test_collector_that_cannot_now(tmp_path: Path, state: Path, bye: Bye, said: str) -> None:
    """The token is as good as before, so nobody is sent for another one."""

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer", frames.encode(bye)) as peer:
            with pytest.raises(JoinError, match=said) as caught:
                await join(token_of(peer), state)
            assert not isinstance(caught.value, TokenRefused)

    play(scenario())


# --- a join that is done


def test_what_this_line_gave_already(tmp_path: Path, state: Path) -> None:
    """Known by its invitation; not that of another line, nor what is damaged."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            token, other = invited(rig, "pi-01", "pi-02"), invited(rig, "shed")
            assert joining.joined_already(token, state) is None
            found = await join(token, state)
            assert joining.joined_already(token, state) is None, "it is not kept yet"
            credentials.store(state, found)
            assert joining.joined_already(token, state) == found
            assert joining.joined_already(other, state) is None
            keyfile.write(state / credentials.FILE_NAME, bytes(64))
            assert joining.joined_already(token, state) is None

    play(scenario())


# --- the nonce


def nonces(peer: TlsPeer) -> list[bytes]:
    """The nonces that a peer was told, one a connection."""
    found = []
    for heard in peer.heard:
        ((kind, body), *_) = frames.FrameReader().feed(heard)
        join = frames.decode(kind, body)
        assert isinstance(join, Join)
        found.append(join.nonce)
    return found


def test_nonce_is_kept_before_anything_is_said(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before so much as a connection is made; nobody else may read it."""
    seen: list[int] = []

    def connect(*_: object, **__: object) -> None:
        seen.append((state / PENDING_NAME).stat().st_mode & 0o777)
        raise OSError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(JoinError):
        joining.join(Token(bytes(32), SECRET, (NOBODY,)), state, AGENT)
    assert seen == [0o600]


def test_nonce_that_cannot_be_kept_ends_it(tmp_path: Path, state: Path) -> None:
    """Nobody hears of a join that could not be repeated."""
    (state / PENDING_NAME).mkdir()

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer") as peer:
            with pytest.raises(KeyFileError):
                await join(token_of(peer), state)
            assert peer.heard == []

    play(scenario())


def test_lost_answer_is_asked_for_again(tmp_path: Path, state: Path) -> None:
    """The same token once more is the same join: the same name and key, and one place taken."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            token = invited(rig, "pi-01", "pi-02")
            first = await join(token, state)  # as if its answer had been lost
            again = await join(token, state)
            assert again == first
            joining.joined(state)
            other = await join(token, state)
            assert (first.device, other.device) == ("pi-01", "pi-02")

    play(scenario())


def test_nonce_is_the_tokens_own(tmp_path: Path, state: Path) -> None:
    """Until `joined`: the same for the same token, another for another one."""

    async def scenario() -> None:
        async with tls_peer(tmp_path / "peer", hangs_up=True) as peer:
            token = token_of(peer)
            for each in (token, token, token._replace(secret=bytes(16))):
                await refused(each, state)
            joining.joined(state)
            joining.joined(state)  # there is none any more
            await refused(token._replace(secret=bytes(16)), state)
            one, same, other, fresh = nonces(peer)
            assert one == same
            assert len({one, other, fresh}) == 3

    play(scenario())


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 64, b"{}", b'{"invitation": "AA==", "nonce": "AA=="}']
)
def test_damaged_nonce_is_replaced(tmp_path: Path, state: Path, data: bytes) -> None:
    """A card that lost its power leaves zeros: the join goes on with another one."""

    async def scenario() -> None:
        async with collector(tmp_path) as rig:
            keyfile.write(state / PENDING_NAME, data)
            assert (await join(invited(rig), state)).device == "greenhouse"

    play(scenario())

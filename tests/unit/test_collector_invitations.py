"""collector.invitations: whom a name means, and the line that is pasted there."""

import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import TrustError
from collector.invitations import MAX_JOINS, Invitation, InvitationError, Inviter, names_of
from collector.trust import Trust
from collector.trust_file import FILE_NAME
from config.addresses import Address
from kit.keys import joined
from wire.proofs import verifier_of
from wire.readings import is_device_name
from wire.tokens import MAX_ADDRESSES, decode_token, find_token

NOW_NS = 1_790_000_000 * 10**9
FINGERPRINT = bytes(range(32))


@pytest.fixture
def trust(tmp_path: Path) -> Iterator[Trust]:
    """A collector's trust, in nobody yet."""
    opened = Trust(tmp_path / FILE_NAME)
    yield opened
    opened.close()


@pytest.fixture
def addresses() -> list[Address]:
    """Where the collector is reached; a test may change it."""
    return [Address("192.0.2.1", 8888), Address("pi.local", 8888)]


@pytest.fixture
def inviter(trust: Trust, addresses: list[Address]) -> Inviter:
    """What is tested."""
    return Inviter(trust, FINGERPRINT, lambda: addresses)


def invite(inviter: Inviter, name: str = "greenhouse", **more: Any) -> Invitation:
    """Invite by what would come on the control socket."""
    return inviter.invite({"name": name, "valid_s": 900.0, **more}, NOW_NS)


def nobody(_name: str) -> bool:
    """No name is known."""
    return False


def test_token_leads_here_and_lets_in(inviter: Inviter, trust: Trust) -> None:
    """The line to paste holds it; it says where, how to know the right one, and until when."""
    invitation = invite(inviter)
    assert invitation.line == f"sudo telegauge-device join {invitation.token}"
    assert find_token(f"$ {invitation.line}\n") == invitation.token
    token = decode_token(invitation.token)
    assert token.fingerprint == FINGERPRINT
    assert token.addresses == (("192.0.2.1", 8888), ("pi.local", 8888))
    assert invitation.addresses == ["192.0.2.1:8888", "pi.local:8888"]
    assert invitation.names == ["greenhouse"]
    assert invitation.expires_ns == NOW_NS + 900 * 10**9
    with trust._file.change() as database:
        rows = database.execute("SELECT id, expires_ns FROM invitation").fetchall()
    assert rows == [(verifier_of(token.secret).invitation, invitation.expires_ns)]


def test_addresses_are_those_of_now(inviter: Inviter, addresses: list[Address]) -> None:
    """A network may have come up since the collector started."""
    invite(inviter)
    addresses[:] = [Address("198.51.100.7", 1)]
    assert invite(inviter).addresses == ["198.51.100.7:1"]


def test_address_that_was_given_is_the_only_one(inviter: Inviter) -> None:
    """Whoever names it knows better: a name of a router, a port that is passed on."""
    invitation = invite(inviter, address=["home.example.org", 4711])
    assert decode_token(invitation.token).addresses == (("home.example.org", 4711),)


def test_only_as_many_addresses_as_fit(inviter: Inviter, addresses: list[Address]) -> None:
    """The likeliest."""
    addresses[:] = [Address(f"192.0.2.{number}", 1) for number in range(20)]
    invitation = invite(inviter)
    assert invitation.addresses == [str(address) for address in addresses[:MAX_ADDRESSES]]
    assert decode_token(invitation.token).addresses == tuple(addresses[:MAX_ADDRESSES])


@pytest.mark.parametrize("address", [["fe80::1%eth0", 1], ["pi", 0], ["", 1], ["a b", 1]])
def test_address_that_no_token_can_name(inviter: Inviter, trust: Trust, address: list[Any]) -> None:
    """It is told before anything changes: the former token stays good."""
    former = invite(inviter)
    with pytest.raises(InvitationError, match="a token cannot name the address"):
        invite(inviter, address=address)
    with trust._file.change() as database:
        assert database.execute("SELECT is_taken FROM place").fetchall() == [(0,)]
    assert former.names == ["greenhouse"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({}, "missing required field `name`"),
        ({"name": "a"}, "`valid_s`"),
        ({"name": "a", "valid_s": 0}, "> 0"),
        ({"name": "a", "valid_s": 31 * 86400}, "<= 2592000"),
        ({"name": "a", "valid_s": "nan"}, "Expected `float`"),
        ({"name": "a-{}", "valid_s": 1, "count": 0}, ">= 1"),
        ({"name": "a-{}", "valid_s": 1, "count": MAX_JOINS + 1}, "<= 1000"),
        ({"name": "a" * 201, "valid_s": 1}, "length <= 200"),
        ({"name": "a", "valid_s": 1, "address": ["x"]}, "length 2"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    inviter: Inviter, trust: Trust, arguments: dict[str, Any], part: str
) -> None:
    """Whatever comes on the control socket."""
    with pytest.raises(InvitationError, match="nobody can be invited so: ") as caught:
        inviter.invite(arguments, NOW_NS)
    assert part in str(caught.value)
    assert trust.members == []


def test_known_name_may_be_invited_again(inviter: Inviter, trust: Trust) -> None:
    """Its device gets a new key; numbered names skip those that joined, or still may."""
    joined(trust, FINGERPRINT, "pi-02", 1)
    assert invite(inviter, "pi-02").names == ["pi-02"]
    assert invite(inviter, "pi-{:02}", count=3).names == ["pi-01", "pi-03", "pi-04"]
    assert invite(inviter, "pi-{:02}", count=1).names == ["pi-05"], "the others may still join"
    expired_ns = NOW_NS + 10**18
    later = inviter.invite({"name": "pi-{:02}", "valid_s": 60, "count": 2}, expired_ns)
    assert later.names == ["pi-01", "pi-03"], "who never joined leaves the name to others"


def test_many_are_one_invitation(inviter: Inviter, trust: Trust) -> None:
    """Of a thousand devices, in one change."""
    begin_s = time.monotonic()
    invitation = invite(inviter, "pi-{}", count=MAX_JOINS)
    assert time.monotonic() - begin_s < 10
    assert invitation.names[0] == "pi-1"
    assert invitation.names[-1] == f"pi-{MAX_JOINS}"
    assert len(trust.members) == MAX_JOINS


def test_file_that_cannot_be_written_is_told(inviter: Inviter, trust: Trust) -> None:
    """There is no token then."""
    trust.close()
    with pytest.raises(TrustError):
        invite(inviter)


@pytest.mark.parametrize(
    ("pattern", "count", "names"),
    [
        ("greenhouse", None, ["greenhouse"]),
        ("greenhouse", 1, ["greenhouse"]),
        ("pi-{}", 3, ["pi-1", "pi-2", "pi-3"]),
        ("pi-{:02}", 2, ["pi-01", "pi-02"]),
        ("pi-{:3}", 1, ["pi-001"]),
        ("{}", 2, ["1", "2"]),
        ("a{}b{:02}", 2, ["a1b01", "a2b02"]),
    ],
)
def test_what_a_name_means(pattern: str, count: int | None, names: list[str]) -> None:
    """In order of joining."""
    assert names_of(pattern, count, nobody) == names


@pytest.mark.parametrize(
    ("pattern", "count", "part"),
    [
        ("Green House", None, "`Green House` cannot name a device. Accepted: small letters"),
        ("", None, "`` cannot name a device"),
        ("-a", None, "cannot name"),
        ("a" * 64, None, "at most 63"),
        ("pi", 30, "30 devices need a number in their names, such as 'pi-{:02}'"),
        ("pi-{}", None, "how many? Add --count to 'pi-{}'"),
        ("pi-{:x}", None, "`pi-{:x}`: write {} or {:02} where the number goes"),
        ("pi-{:d}", 2, "write {} or {:02}"),
        ("a" * 62 + "{}", 10, "at most 63"),
    ],
)
def test_name_that_means_nobody(pattern: str, count: int | None, part: str) -> None:
    """The message says what is accepted."""
    with pytest.raises(InvitationError) as caught:
        names_of(pattern, count, nobody)
    assert part in str(caught.value)


@given(
    st.text("abz019-{}:", max_size=70) | st.text(max_size=20),
    st.none() | st.integers(1, 40),
)
def test_names_are_names_whatever_is_asked_for(pattern: str, count: int | None) -> None:
    """Each another, as many as were asked for; or the one error."""
    try:
        names = names_of(pattern, count, lambda name: zlib.crc32(name.encode()) % 3 == 0)
    except InvitationError:
        return
    assert all(map(is_device_name, names))
    assert len(set(names)) == len(names) == (count or 1)


def test_invitation_travels_as_json(inviter: Inviter) -> None:
    """What the control socket sends can be read back as what was said."""
    invitation = invite(inviter)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(invitation)), Invitation) == (
        invitation
    )

"""collector.web.names: the names and addresses that are ours."""

import socket

import pytest

from collector.web.names import Names, as_address, own_names
from config.addresses import Address

OURS = Names(
    frozenset({"localhost", "pi", "pi.local", "*.example.org"}), frozenset({"127.0.0.1", "::1"})
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8889", "PI.local.:1", "127.0.0.1:8889", "[::1]:8889", "[0:0::1]",
        "a.example.org",
    ],
)  # fmt: skip
def test_names_of_ours(host: str) -> None:
    """In whatever case, with a port or without; one with a star stands for one label."""
    assert OURS.knows(host)


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.9",
        "[::2]", "a.b.example.org", "example.org", "localhost:x", "user@localhost", "localhost/x",
        "::1", "pi\n", "0x7f000001", "127.1",
    ],
)  # fmt: skip
def test_names_of_others(host: str) -> None:
    """Also what only looks like one of ours."""
    assert not OURS.knows(host)


def test_this_machine_goes_by_its_names_and_addresses() -> None:
    """Its host name, as mDNS has it too, loopback, where it listens, and what the YAML adds."""
    own = own_names(Address("192.0.2.7", 8889), ["Tele.example.org"])
    name = socket.gethostname().lower().partition(".")[0]
    assert {"localhost", name, f"{name}.local", "tele.example.org"} <= own.names
    assert {"127.0.0.1", "::1", "192.0.2.7"} <= own.addresses
    everywhere = own_names(Address("0.0.0.0", 8889))
    assert "0.0.0.0" not in everywhere.addresses | everywhere.names
    assert "greenhouse.lan" in own_names(Address("greenhouse.lan", 1)).names


def test_names_cover_fewer_names() -> None:
    """And not more."""
    fewer = Names(frozenset({"pi"}), frozenset({"::1"}))
    assert OURS.covers(fewer)
    assert not fewer.covers(OURS)
    assert (fewer | OURS) == OURS


@pytest.mark.parametrize(
    ("text", "address"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("pi", None), ("1.2.3", None)],
)
def test_addresses_have_one_form(text: str, address: str | None) -> None:
    """As they are compared."""
    assert as_address(text) == address

"""Addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.addresses import ADDRESS, Address, is_loopback, listening, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8888", ("127.0.0.1", 8888)),
        ("127.0.0.1", ("127.0.0.1", 8888)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("[::1]", ("::1", 8888)),
        ("greenhouse.local", ("greenhouse.local", 8888)),
    ],
)
def test_addresses_are_host_and_port(text, address):
    """The port may be left out; IPv6 stands in brackets."""
    assert parse_address(text) == address
    assert re.search(ADDRESS.pattern, text)


def test_each_program_has_its_own_port():
    """What stands for a port that is left out."""
    assert parse_address("pi.local", 8889) == ("pi.local", 8889)
    assert parse_address("pi.local:1", 8889) == ("pi.local", 1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not an address. Accepted: host:port"),
        (":8888", "is not an address"),
        ("::1", r"write \[::1\]:8888"),
        ("fe80::1", r"write \[fe80::1\]:8888"),
        ("[127.0.0.1]:1", "is not an address"),
        ("[::1", "is not an address"),
        ("127.0.0.1:", "is not an address"),
        ("127.0.0.1:0", "port 0 does not exist. Accepted: 1 to 65535"),
        ("127.0.0.1:65536", "port 65536 does not exist"),
        ("300.1.1.1:80", "is not an address"),
        ("1.2.3:80", "is not an address"),
        ("a b:80", "is not an address"),
        ("-a:80", "is not an address"),
        ("http://127.0.0.1:8888", "is not an address"),
        ("127.0.0.1:88:88", "is not an address"),
        ("127.0.0.1:٣٣", "is not an address"),
        ("x" * 64, "is not an address"),
    ],
)
def test_what_is_no_address_says_what_is(text, part):
    """Every message says what to write."""
    with pytest.raises(ValueError, match=part):
        parse_address(text)


@given(st.text())
def test_any_text_is_an_address_or_refused(text):
    """What was read is written back as it can be read again; else ValueError."""
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address


def test_an_address_is_written_as_it_is_read():
    """IPv6 gets its brackets back."""
    assert str(Address("::1", 1)) == "[::1]:1"
    assert str(Address("localhost", 2)) == "localhost:2"


def test_an_address_in_settings_stays_text():
    """The setting is what the user wrote; who connects parses it."""
    assert ADDRESS.read("[::1]:1") == "[::1]:1"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.200.3.4", "::1", "localhost", "LocalHost"])
def test_this_machine_is_loopback(host):
    """All of 127.0.0.0/8, ::1 and the name."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["128.0.0.1", "0.0.0.0", "::", "fe80::1", "raspberrypi", "localhost.evil", "127.1", ""]
)
def test_other_machines_are_not(host):
    """A name that is not `localhost` could be anyone; no name server is asked."""
    assert not is_loopback(host)


def test_all_of_ipv6_is_all_of_ipv4_too():
    """One setting listens on both; any other address means itself."""
    assert listening(Address("::", 1)) == [Address("::", 1), Address("0.0.0.0", 1)]
    assert listening(Address("0.0.0.0", 1)) == [Address("0.0.0.0", 1)]

"""Addresses as `host:port`: how they are written and read, and which ones are this machine.

Opens no socket and asks no name server.
"""

import ipaddress
import re
from typing import NamedTuple

from config.notation import Notation
from config.problems import shown

DEFAULT_PORT = 8888

_WRITTEN = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*\.?")
_ACCEPTED = "host:port, such as 127.0.0.1:8888, localhost:8888 or [::1]:8888"


class Address(NamedTuple):
    """Where a program listens or connects to; `str` gives it as `parse_address` reads it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Read `host:port`; the port may be left out, an IPv6 address stands in brackets.

    Raises:
        ValueError: with what is accepted.
    """
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(_explained(text))
    host = found["six"] if found["six"] is not None else found["host"]
    port = int(found["port"] or default_port)
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} does not exist. Accepted: 1 to 65535")
    if not (_is_ip(host, 6) if found["six"] is not None else _is_name(host)):
        raise ValueError(_explained(text))
    return Address(host, port)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine itself: 127.0.0.0/8, ::1 or `localhost`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(address: Address) -> list[Address]:
    """Return what to listen on: for all addresses of IPv6 those of IPv4 too."""
    return [address, Address("0.0.0.0", address.port)] if address.host == "::" else [address]  # noqa: S104


def _explained(text: str) -> str:
    if _is_ip(text, 6):
        return f"an IPv6 address stands in brackets: write [{text}]:{DEFAULT_PORT}"
    return f"`{shown(text)}` is not an address. Accepted: {_ACCEPTED}"


def _is_ip(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False


def _is_name(host: str) -> bool:
    """Digits and dots alone must be a real IPv4 address: 300.1.1.1 is no host name."""
    if re.fullmatch(r"[0-9.]+", host):
        return _is_ip(host, 4)
    return len(host) <= 253 and bool(_HOST_NAME.fullmatch(host))


def _checked(text: str) -> str:
    parse_address(text)
    return text


ADDRESS = Notation(_ACCEPTED, r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?$", _checked)

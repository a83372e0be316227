"""The names and addresses that this collector is asked by over HTTP.

A page of somebody else can let a name of its own stand for our address (DNS rebinding); its
browser then says that name in Host, and is not answered.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import NamedTuple

from collector.interfaces import addresses
from config.addresses import Address

_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*")


class Names(NamedTuple):
    """Host names in lower case, and IP addresses in their shortest form; some names begin with `*.`."""

    names: frozenset[str]
    addresses: frozenset[str]

    def __or__(self, other: "Names") -> "Names":
        return Names(self.names | other.names, self.addresses | other.addresses)

    def covers(self, other: "Names") -> bool:
        """Say whether all of another's are among these."""
        return other.names <= self.names and other.addresses <= self.addresses

    def knows(self, host: str) -> bool:
        """Say whether a Host header names one of these; the port is of no matter."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["six"] or found["name"]).lower().removesuffix(".")
        if address := as_address(name):
            return address in self.addresses
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def own_names(listen: Address, more: Iterable[str] = ()) -> Names:
    """Return what this machine is called now, and its addresses."""
    hostname = socket.gethostname().lower()
    first = hostname.partition(".")[0]
    names = {"localhost", hostname, first, f"{first}.local", *(each.lower() for each in more)}
    found = {"127.0.0.1", "::1", *addresses()}
    if address := as_address(listen.host):
        found.add(address)
    else:
        names.add(listen.host.lower())
    return Names(
        frozenset(filter(_NAME.fullmatch, names)),
        frozenset(found - {"0.0.0.0", "::"}),  # noqa: S104 - taken away
    )


def as_address(text: str) -> str | None:
    """Return an IP address in its one form, IPv4 as such; None: it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)

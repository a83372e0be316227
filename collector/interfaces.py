"""Under which addresses other machines reach this one. Asks the kernel; sends nothing."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from config.addresses import Address, parse_address
from wire.tokens import MAX_ADDRESSES

# netdevice(7)
_SIOCGIFADDR = 0x8915
_IFREQ_BYTES = 40
# rtnetlink(7), linux/if_addr.h: addresses that will change
_IFA_F_TEMPORARY, _IFA_F_DEPRECATED = 0x01, 0x20
_ADDRESS_AT = slice(20, 24)
_DEVICES = Path("/proc/self/net/dev")
_IF_INET6 = Path("/proc/self/net/if_inet6")
# Those of containers and virtual machines: no other machine reaches this one by them.
_INNER = ("lo", "docker", "br-", "veth", "virbr", "cni", "podman")
# Documentation addresses (RFC 5737, RFC 3849): where the default route leads.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_MDNS = ".local"


def reachable_at(listen: Address) -> list[Address]:
    """Return where a collector that listens there is reached, the likeliest first.

    For one that listens on all addresses these end with the name that mDNS knows this machine by.
    """
    host = listen.host
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return [listen]
    families = [socket.AF_INET6] if host == "::" else []
    hosts = [each for family in (socket.AF_INET, *families) for each in _hosts(family)]
    hosts = list(dict.fromkeys(hosts))[: MAX_ADDRESSES - 1]
    hosts = hosts or ["127.0.0.1"]  # without a network there is this machine alone
    return [Address(each, listen.port) for each in [*hosts, *_names_on_the_network()]]


def addresses() -> list[str]:
    """Return the addresses of this machine that others may reach it by."""
    families = (socket.AF_INET, socket.AF_INET6)
    return list(dict.fromkeys(host for family in families for host in _hosts(family)))


def _hosts(family: int) -> list[str]:
    found = _ipv6() if family == socket.AF_INET6 else _ipv4()
    return [*_of_default_route(family), *found]


def _names_on_the_network() -> Iterator[str]:
    """Return the name that mDNS knows this machine by, if it can be one (RFC 1123)."""
    name = socket.gethostname().partition(".")[0] + _MDNS
    with suppress(ValueError):
        yield parse_address(name).host


def _of_default_route(family: int) -> Iterator[str]:
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_FAR[socket.AddressFamily(family)], 9))  # chooses a route, sends nothing
        host = probe.getsockname()[0]
        if not ipaddress.ip_address(host).is_loopback:
            yield host


def _ipv4() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name in filter(_is_outer, _names()):
            request = struct.pack(f"{_IFREQ_BYTES}s", name.encode())
            with suppress(OSError):  # it has no IPv4 address
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, request)
                yield socket.inet_ntoa(answer[_ADDRESS_AT])


def _names() -> Iterator[str]:
    """Return the interfaces. Not by if_nameindex(3), which needs a netlink socket."""
    with suppress(OSError):
        for line in _DEVICES.read_text().splitlines()[2:]:
            yield line.partition(":")[0].strip()


def _ipv6() -> Iterator[str]:
    """Return addresses of global scope, as proc(5) lists them."""
    with suppress(OSError):
        for line in _IF_INET6.read_text().splitlines():
            digits, _, _, scope, flags, name = line.split()
            is_lasting = not int(flags, 16) & (_IFA_F_TEMPORARY | _IFA_F_DEPRECATED)
            if int(scope, 16) == 0 and is_lasting and _is_outer(name):
                yield str(ipaddress.IPv6Address(int(digits, 16)))


def _is_outer(name: str) -> bool:
    return not name.startswith(_INNER)

"""Asks the local network for the addresses of a name that ends in .local (RFC 6762)."""

from config.addresses import Address

_WITHIN_MS = 3000


def find(address: Address) -> list[Address]:
    """Return the addresses that the network knows for the name; none where it cannot be asked."""
    try:
        # 16 MB: not before it is needed.
        from zeroconf import AddressResolver, Zeroconf  # type: ignore[attr-defined]
    except ImportError:
        return []
    resolver = AddressResolver(address.host.rstrip(".") + ".")
    try:
        with Zeroconf() as network:
            resolver.request(network, _WITHIN_MS)
    except OSError:
        return []
    return [Address(host, address.port) for host in resolver.parsed_scoped_addresses()]

"""The contact: as whom this device speaks, to which collector, and how it knows that it is the one."""

from typing import TYPE_CHECKING, Any, NamedTuple

from config.addresses import DEFAULT_PORT, Address, is_loopback, parse_address
from device.credentials import Credentials
from device.settings import DeviceSettings, default_device_name

if TYPE_CHECKING:
    import asyncio

    from wire.sender import Prover

_HERE = Address("127.0.0.1", DEFAULT_PORT)
_OWNER_DIGITS = 16


class Contact(NamedTuple):
    """Without credentials a device speaks to a collector on its own machine only."""

    device: str
    addresses: tuple[Address, ...]
    credentials: Credentials | None = None

    @property
    def owner(self) -> str:
        """Whose the epochs are that are offered, as far as that is known before anybody was met."""
        return self.owner_at(self.credentials.fingerprint if self.credentials else None)

    def owner_at(self, fingerprint: bytes | None) -> str:
        """Return whose the epochs are that are offered to one collector, or to one that nobody knows."""
        return f"{self.device}@{fingerprint.hex()[:_OWNER_DIGITS]}" if fingerprint else self.device

    def is_another(self, fingerprint: bytes | None) -> bool:
        """Say whether who READY says it is differs from who this device joined."""
        if fingerprint is None or self.credentials is None:
            return False
        return fingerprint != self.credentials.fingerprint

    def security(self) -> dict[str, Any]:
        """Return what asyncio's `create_connection` needs beside the address."""
        if self.credentials is None:
            return {}
        from service import tls

        return {"ssl": tls.client_context(), "server_hostname": ""}

    def prover(self) -> "Prover | None":
        """Return what one session proves itself with; None where there is nothing to prove."""
        import secrets

        from wire.proofs import NONCE_BYTES
        from wire.sender import Prover

        if self.credentials is None:
            return None
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Prover(self.credentials.key, nonce, self.credentials.fingerprint)

    def objection(self, transport: "asyncio.BaseTransport") -> str | None:
        """Say what is wrong with who was reached; None: it is the one, or is gone already."""
        from service import tls

        peer = transport.get_extra_info("peername")
        host = peer[0] if peer else "what was reached"
        if self.credentials is None:
            is_here = peer is None or is_loopback(host)
            return (
                None if is_here else f"{host} is not this machine, and this device has not joined"
            )
        if tls.peer_fingerprint(transport) != self.credentials.fingerprint:
            return (
                f"{host} shows another certificate than the collector that this device joined. "
                "If the collector was set up anew, join again with a token that it makes"
            )
        return None

    def may_use(self, address: Address) -> bool:
        """Say whether readings may go there: plain ones never leave this machine."""
        return self.credentials is not None or is_loopback(address.host)


def contact_of(
    settings: DeviceSettings, credentials: Credentials | None, host_name: str
) -> Contact:
    """Return the contact that the YAML and the join make; the YAML's address is used in place of all."""
    device = settings.name or default_device_name(host_name)
    addresses: tuple[Address, ...] = (_HERE,)
    if credentials is not None:
        device = credentials.device
        addresses = tuple(map(parse_address, credentials.addresses))
    if settings.collector.address is not None:
        addresses = (parse_address(settings.collector.address),)
    return Contact(device, addresses, credentials)

"""Somebody who speaks TLS, with a certificate of their own, and says what a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from collector.certificate import own_certificate
from config.addresses import Address
from kit.waiting import until
from service import tls


class TlsPeer:
    """`heard` is what was said to it inside TLS, by each who agreed on TLS to the end.

    `met` counts all connections; `connected`: who is there now.

    Args:
        says: what it says to whoever has said something.
        hangs_up: whether it ends the connection behind that.
    """

    def __init__(self, fingerprint: bytes, says: bytes, hangs_up: bool) -> None:
        self.fingerprint = fingerprint
        self.says = says
        self.hangs_up = hangs_up
        self.heard: list[bytes] = []
        self.met = 0
        self.connected = 0
        self.address = Address("127.0.0.1", 0)


class _Connection(asyncio.Protocol):
    def __init__(self, peer: TlsPeer) -> None:
        self._peer = peer
        self._peer.met += 1
        self._number: int
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._number = len(self._peer.heard)
        self._peer.connected += 1
        self._peer.heard.append(b"")

    def data_received(self, data: bytes) -> None:
        self._peer.heard[self._number] += data
        self._transport.write(self._peer.says)
        if self._peer.hangs_up:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._peer.connected -= 1


@asynccontextmanager
async def tls_peer(
    folder: Path, says: bytes = b"", *, hangs_up: bool = False
) -> AsyncIterator[TlsPeer]:
    """A peer that listens on 127.0.0.1; its certificate lies in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate = own_certificate(folder, {})
    peer = TlsPeer(certificate.fingerprint, says, hangs_up)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(peer), "127.0.0.1", 0, ssl=tls.server_context(certificate.file)
    )
    peer.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield peer
    finally:
        server.close()
        await until(lambda: not peer.connected)

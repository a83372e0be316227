"""TLS between devices and their collector: 1.3 alone, and a certificate that is known by its SHA-256.

Names and validity of a certificate are not looked at: a Pi's clock may be wrong, and a collector on
a LAN has no name that an authority would sign. What makes it the right one is its fingerprint,
which came with the token.
"""

import asyncio
import asyncio.sslproto
import hashlib
import ssl
from pathlib import Path
from typing import Any

# asyncio keeps a buffer of 256 KiB for each TLS connection; a record of TLS holds 16 KiB at most.
BUFFER_BYTES = 16 * 1024


def server_context(certificate_file: Path, key_file: Path | None = None) -> ssl.SSLContext:
    """Return what a collector serves with: a PEM file that holds its private key and certificate.

    The key may lie in a file of its own.

    Raises:
        OSError: it cannot be read (ssl.SSLError: it holds no such thing).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Sessions last for days: what would make the next one cheaper costs memory now.
    context.num_tickets = 0
    # An empty password: a key that has one is refused, where OpenSSL would ask the terminal.
    context.load_cert_chain(certificate_file, key_file, password="")
    return context


def client_context() -> ssl.SSLContext:
    """Return what a device connects with; it has to look at the fingerprint before it says anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint_of_pem(certificate_file: Path) -> bytes:
    """Return the SHA-256 of the first certificate in a PEM file, which is the one that is shown.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no certificate.
    """
    text = certificate_file.read_text("ascii")
    _, header, rest = text.partition(ssl.PEM_HEADER)
    body, footer, _ = rest.partition(ssl.PEM_FOOTER)
    return fingerprint(ssl.PEM_cert_to_DER_cert(header + body + footer))


def fingerprint(certificate: bytes) -> bytes:
    """Return the SHA-256 of a certificate in DER. 32 bytes."""
    return hashlib.sha256(certificate).digest()


def peer_fingerprint(transport: asyncio.BaseTransport) -> bytes | None:
    """Return the fingerprint of whoever is at the other end; None where that is not over TLS."""
    connection = transport.get_extra_info("ssl_object")
    return None if connection is None else shown_fingerprint(connection)


def shown_fingerprint(connection: ssl.SSLObject | ssl.SSLSocket) -> bytes | None:
    """Return the fingerprint of the certificate that the peer has shown; None where it has not."""
    certificate = connection.getpeercert(binary_form=True)
    return None if certificate is None else fingerprint(certificate)


def shrink_buffers() -> bool:
    """Let each TLS connection of this process keep 16 KiB instead of 256; say whether that worked.

    The size is a private attribute of asyncio, read when a connection is made.
    """
    protocol: Any = asyncio.sslproto.SSLProtocol
    if not isinstance(getattr(protocol, "max_size", None), int):
        return False
    protocol.max_size = BUFFER_BYTES
    return True
